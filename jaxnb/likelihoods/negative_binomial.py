"""The negative binomial log-likelihood."""

from __future__ import annotations

from functools import partial
from typing import Final

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from jaxnb._materialize import any_in_batch, in_blocks, materialize
from jaxnb._types import Array, ArrayLike
from jaxnb.likelihoods.arguments import Scales, floor_of, on_scales, promote, refuse_tables
from jaxnb.likelihoods.derivatives import Derivative, Tangent, tangent
from jaxnb.likelihoods.dispersion import Dispersion, dispersion
from jaxnb.likelihoods.nb_full_range import full_range
from jaxnb.likelihoods.nb_kernel import KERNELS, Wrt, poisson_aside
from jaxnb.likelihoods.nb_point import kernel_range, parameter_values

__all__ = ["log_nb", "log_nb_positive", "nb_derivatives", "nb_with_derivatives"]


def log_nb_positive(
    x: ArrayLike,
    mu: ArrayLike | None = None,
    theta: ArrayLike | None = None,
    eps: ArrayLike | None = None,
    *,
    log_mu: ArrayLike | None = None,
    log_theta: ArrayLike | None = None,
) -> Array:
    r"""Log-probability of counts under a negative binomial distribution with mean mu.

    .. math::

        \log\mathrm{NB}(x; \mu, \theta) = \log\frac{\Gamma(x+\theta)}{\Gamma(\theta)\,\Gamma(x+1)}
            + \theta\log\frac{\theta}{\theta+\mu} + x\log\frac{\mu}{\theta+\mu}

    with variance :math:`\mu + \mu^2/\theta`, extended to real counts by the gamma function. The
    arguments broadcast; nothing is reshaped. Each parameter is given itself or by its natural
    logarithm.

    Args:
        x: Counts, of any real, integer or boolean dtype. Whole numbers are meant, and are fastest.
        mu: Mean, in counts, mu >= 0.
        theta: Inverse dispersion, theta >= 0. Infinity is the Poisson distribution, 0 a point mass
            at zero.
        eps: Floor on the mean, eps >= 0: a smaller mean is scored as eps, and the derivative in it
            is 0. None for a floor near the lower end of the dtype, 1e-30 in float32 and 1e-290 in
            float64, down to which means are exact; 0 for no floor. A mean given as `log_mu` needs
            no floor and has none by default.
        log_mu: log(mu), instead of `mu`. The computation stays on the log scale: exact, with
            bounded derivatives, also where mu itself would under- or overflow.
        log_theta: log(theta), instead of `theta`.

    Returns:
        Log-probabilities in the dtype that the floating arguments promote to (float16 and bfloat16
        are computed in float32). -inf for x < 0, for mu = inf, and for x > 0 where mu or theta is
        0; NaN where an argument is NaN or a parameter negative. Derivatives of any order in the
        parameters, in closed form up to the second; those in x are computed only if asked for.
        Outside the support every derivative is 0; one that would overflow is the largest number of
        the dtype. Derivatives in theta and its logarithm are 0 for theta beyond 2**99 and means up
        to 2**70 (2**798 and 2**500 in float64), and that in `log_theta` underflows where the one in
        theta does.

    Raises:
        TypeError: A parameter is given on no scale or on both; an argument is complex, or a
            sparse matrix, a table or a tensor.
        ValueError: The shapes do not broadcast.

    Accuracy, in units of ``max(1, abs(value)) * 2**-23`` (float32, ``2**-52`` in float64), over
    thetas from 1e-6 to 1e10, means from 1e-8 to 1e7 and counts up to 2**24: at most 3.3, and
    1.5 at the 99th percentile. First derivatives are within 2.5 units of what one rounding of the
    arguments would do (`tests/likelihoods/test_accuracy.py`). A mean given
    by its logarithm carries the rounding of its exponential, at most what one rounding of `log_mu`
    does where abs(log_mu) >= 1.

    References:
        Loader (2000), Fast and accurate computation of binomial probabilities, equation 3.
        Lopez et al. (2018), Deep generative modeling for single-cell transcriptomics, for the
        mean and inverse-dispersion form.
    """
    refuse_tables(x=x)
    parameters, scales = on_scales("log_nb_positive", mu=(mu, log_mu), theta=(theta, log_theta))
    value: Array = _log_nb_positive(scales, x, *parameters, eps)
    return value


@partial(jax.jit, static_argnums=0)
def _log_nb_positive(
    scales: Scales, x: ArrayLike, mu: ArrayLike, theta: ArrayLike, eps: ArrayLike | None
) -> Array:
    result_type, (x, mu, theta) = promote(x=x, mu=mu, theta=theta)
    floor = floor_of(eps, mu.dtype, scales[0])
    return log_nb(x, mu, theta, floor, scales).astype(result_type)


def log_nb(
    x: Array, mu: Array, theta: Array, eps: Array, scales: Scales = ("linear",) * 2
) -> Array:
    """`log_nb_positive` of arguments that are cast to one dtype and aligned."""
    return _differentiated((), scales, x, mu, theta, eps)


def nb_derivatives(
    x: Array, mu: Array, theta: Array, eps: Array, scales: Scales
) -> list[Derivative]:
    """The derivatives of `log_nb` in x, mu and theta, each on its scale, computed when called."""
    return [partial(_differentiated, (name,), scales, x, mu, theta, eps) for name in _names(scales)]


def nb_with_derivatives(
    x: Array, mu: Array, theta: Array, eps: Array, scales: Scales
) -> tuple[Array, list[Derivative]]:
    """The value of `log_nb` and its derivatives in x, mu and theta."""
    return log_nb(x, mu, theta, eps, scales), nb_derivatives(x, mu, theta, eps, scales)


# In what follows a and b are mean and theta, each on its scale, as `promote` leaves them. They are
# floored and exponentiated inside: done once beforehand, each would be one more array in memory.
_Arguments = tuple[Array, Array, Array, Array]
_Tangents = tuple[Tangent, Tangent, Tangent, Tangent]

_HIGHEST_CLOSED_FORM: Final = 2


def _names(scales: Scales) -> tuple[str, str, str]:
    """The names of the three coordinates, in their order."""
    mu, theta = ("log_" if scale == "log" else "" for scale in scales)
    return "x", f"{mu}mu", f"{theta}theta"


@partial(jax.custom_jvp, nondiff_argnums=(0, 1))
def _differentiated(wrt: Wrt, scales: Scales, x: Array, a: Array, b: Array, eps: Array) -> Array:
    """The log-probability, differentiated in the coordinates `wrt`."""
    return _evaluated(wrt, scales, x, a, b, eps)


@partial(_differentiated.defjvp, symbolic_zeros=True)
def _differentiated_jvp(
    wrt: Wrt, scales: Scales, primals: _Arguments, tangents: _Tangents
) -> tuple[Array, Array]:
    value = _differentiated(wrt, scales, *primals)
    derivatives = [partial(_once_more, wrt, scales, place, primals) for place in range(3)]
    return value, tangent(value, derivatives, tangents[:3])


def _once_more(wrt: Wrt, scales: Scales, place: int, primals: _Arguments) -> Array:
    """The derivative in one coordinate more: in closed form where there is one."""
    names = _names(scales)
    longer = tuple(sorted((*wrt, names[place]), key=names.index))
    if len(longer) <= _HIGHEST_CLOSED_FORM and longer != ("x", "x"):
        return _differentiated(longer, scales, *primals)

    def along(coordinate: Array) -> Array:
        arguments = (*primals[:place], coordinate, *primals[place + 1 :])
        return _evaluated(wrt, scales, *arguments)

    shape = jnp.broadcast_shapes(*(p.shape for p in primals[:3]))
    coordinate = jnp.broadcast_to(primals[place], shape)
    derivative: Array = jax.jvp(along, (coordinate,), (jnp.ones_like(coordinate),))[1]
    return derivative


def _evaluated(wrt: Wrt, scales: Scales, x: Array, a: Array, b: Array, eps: Array) -> Array:
    """By `nb_kernel` if every argument is within its range, else by `nb_full_range`.

    On CPU this is a conditional, which moreover keeps XLA from fusing a reduction that follows
    into the kernel (`jaxnb._materialize`). Elsewhere all arguments take the longer way: their
    bytes, and not the arithmetic, cost the time there.
    """
    theta = jnp.exp(b) if scales[1] == "log" else b
    theta = jnp.maximum(theta, float(np.finfo(b.dtype).tiny))
    together = jnp.broadcast_shapes(x.shape, a.shape, b.shape)
    d = dispersion(theta, materialized=theta.shape != together)

    def everywhere(x: Array, a: Array, b: Array, eps: Array, d: Dispersion) -> Array:
        return full_range(wrt, scales, x, a, b, eps, d)

    if wrt not in KERNELS:
        return materialize(everywhere(x, a, b, eps, d))[0]

    def within_range(x: Array, a: Array, b: Array, eps: Array, d: Dispersion) -> Array:
        mu, _, below = parameter_values(scales, a, b, eps)
        value = poisson_aside(wrt, KERNELS[wrt](x, mu, d), d)
        if len(wrt) == _HIGHEST_CLOSED_FORM:  # those of first order do not overflow in this range
            limit = float(np.finfo(x.dtype).max)
            value = jnp.clip(value, -limit, limit)
        return jnp.where(below, 0.0, value) if {"mu", "log_mu"} & set(wrt) else value

    def on_cpu(x: Array, a: Array, b: Array, eps: Array, d: Dispersion) -> Array:
        unusual = any_in_batch(~kernel_range(x.dtype).holds_on(scales, x, a, b, eps))
        in_turn = partial(in_blocks, everywhere)
        value: Array = lax.cond(unusual, in_turn, within_range, x, a, b, eps, d)
        return value

    value: Array = lax.platform_dependent(x, a, b, eps, d, cpu=on_cpu, default=everywhere)
    return value
