"""The negative binomial log-likelihood."""

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
from jax import lax

from jaxnb._materialize import materialize
from jaxnb._types import Array, ArrayLike
from jaxnb.likelihoods import nb_kernel
from jaxnb.likelihoods.arguments import bounded_theta, floored_mean, largest, positive_mean, promote
from jaxnb.likelihoods.derivatives import Slope, Tangent, tangent
from jaxnb.likelihoods.dispersion import Dispersion, dispersion

__all__ = ["log_nb", "log_nb_positive", "nb_slopes"]


@jax.jit
def log_nb_positive(x: ArrayLike, mu: ArrayLike, theta: ArrayLike, eps: ArrayLike = 1e-8) -> Array:
    r"""Log-probability of counts under a negative binomial law with mean mu.

    .. math::

        \log\mathrm{NB}(x; \mu, \theta) = \log\frac{\Gamma(x+\theta)}{\Gamma(\theta)\,\Gamma(x+1)}
            + \theta\log\frac{\theta}{\theta+\mu} + x\log\frac{\mu}{\theta+\mu}

    with variance :math:`\mu + \mu^2/\theta`, extended to real counts by the gamma function. The
    arguments broadcast; nothing is reshaped.

    Args:
        x: Counts, of any real, integer or boolean dtype. Whole numbers are meant, and are fastest.
        mu: Mean, in counts, mu >= 0.
        theta: Inverse dispersion, theta >= 0. Infinity is the Poisson law, 0 a point mass at zero.
        eps: Floor on the mean, eps >= 0: a smaller mean is scored as eps, with the derivative in
            mu at the floor passed straight through. For mu >= eps the law is exact, which the
            formula of scVI, with eps inside its logarithms, is not. 0 gives the exact law.

    Returns:
        Log-probabilities in the dtype that the floating arguments promote to (float16 and bfloat16
        are computed in float32). -inf for x < 0, for mu = inf, and for x > 0 where mu or theta is
        0; NaN where an argument is NaN or a parameter negative. Derivatives of any order in mu and
        theta, in closed form up to the second; those in x are computed only if asked for. Outside
        the support every derivative is 0.

    Raises:
        TypeError: An argument is complex.
        ValueError: The shapes do not broadcast.

    Accuracy, in units of ``max(1, abs(value)) * 2**-23`` (float32, ``2**-52`` in float64), over
    thetas from 1e-6 to 1e10, means from 1e-8 to 1e7 and counts up to 2**24: at most 3 in either,
    1.3 at the 99th percentile. First derivatives are within 2 (float32) and 2.5 (float64) units of
    what one rounding of the arguments would do (`tests/likelihoods/test_accuracy.py`). For eps = 0,
    means below 1e-31 x lose digits in float32.

    References:
        Loader (2000), Fast and accurate computation of binomial probabilities, equation 3.
        Lopez et al. (2018), Deep generative modeling for single-cell transcriptomics, for the
        mean and inverse-dispersion form.
    """
    result_type, (x, mu, theta) = promote(x=x, mu=mu, theta=theta)
    return log_nb(x, mu, theta, jnp.asarray(eps, mu.dtype)).astype(result_type)


# Every function below takes (x, mu, theta, eps) as `promote` leaves them, and floors and bounds
# them for itself: done once beforehand, the floored mean would be one more array in memory. eps
# has no derivative, and the floor passes that of mu through.
_Arguments = tuple[Array, Array, Array, Array]
_Tangents = tuple[Tangent, Tangent, Tangent, Tangent]


@jax.custom_jvp
def log_nb(x: Array, mu: Array, theta: Array, eps: Array) -> Array:
    """`log_nb_positive` of arguments that are cast to one dtype and aligned."""
    impossible = (x > 0) & (jnp.minimum(jnp.maximum(mu, eps), theta) == 0)
    outside = (x < 0) | (jnp.maximum(x, mu) == jnp.inf) | impossible
    # added, not selected, so that a NaN stays one
    penalty = jnp.where(outside, -jnp.inf, 0.0)
    value = _with_gamma(nb_kernel.log_nb, nb_kernel.recurrence, x, mu, theta, eps, penalty)
    return materialize(value)[0]


@partial(log_nb.defjvp, symbolic_zeros=True)
def _log_nb_jvp(primals: _Arguments, tangents: _Tangents) -> tuple[Array, Array]:
    value = log_nb(*primals)
    return value, tangent(value, nb_slopes(*primals), tangents[:3])


def nb_slopes(x: Array, mu: Array, theta: Array, eps: Array) -> list[Slope]:
    """The derivatives of `log_nb` in x, mu and theta, each computed when called."""
    slopes = (partial(_without_gamma, nb_kernel.d_x), _d_mu, _d_theta)
    return [partial(slope, x, mu, theta, eps) for slope in slopes]


@jax.custom_jvp
def _d_mu(x: Array, mu: Array, theta: Array, eps: Array) -> Array:
    return _without_gamma(nb_kernel.d_mu, x, mu, theta, eps)


@partial(_d_mu.defjvp, symbolic_zeros=True)
def _d_mu_jvp(primals: _Arguments, tangents: _Tangents) -> tuple[Array, Array]:
    slope = _d_mu(*primals)
    kernels = (nb_kernel.d_x_d_mu, nb_kernel.d_mu_d_mu, nb_kernel.d_mu_d_theta)
    curvatures = [partial(_without_gamma, kernel, *primals) for kernel in kernels]
    return slope, tangent(slope, curvatures, tangents[:3])


@jax.custom_jvp
def _d_theta(x: Array, mu: Array, theta: Array, eps: Array) -> Array:
    return _with_gamma(nb_kernel.d_theta, nb_kernel.recurrence_d_theta, x, mu, theta, eps)


@partial(_d_theta.defjvp, symbolic_zeros=True)
def _d_theta_jvp(primals: _Arguments, tangents: _Tangents) -> tuple[Array, Array]:
    slope = _d_theta(*primals)
    curvatures = [
        partial(_without_gamma, nb_kernel.d_x_d_theta, *primals),
        partial(_without_gamma, nb_kernel.d_mu_d_theta, *primals),
        partial(
            _with_gamma,
            nb_kernel.d_theta_d_theta,
            nb_kernel.recurrence_d_theta_d_theta,
            *primals,
        ),
    ]
    return slope, tangent(slope, curvatures, tangents[:3])


def _without_gamma(
    kernel: Callable[[Array, Array, Array], Array], x: Array, mu: Array, theta: Array, eps: Array
) -> Array:
    """A derivative that needs no function of theta alone, 0 outside the support."""
    inside = jnp.clip(x, 0.0, largest(x.dtype))
    value = kernel(inside, positive_mean(mu, eps), bounded_theta(theta))
    return jnp.where(x < 0, 0.0, value)


def _with_gamma(
    kernel: Callable[[Array, Array, Dispersion], Array],
    recurrence: Callable[[Array, Array, Array], Array],
    x: Array,
    mu: Array,
    theta: Array,
    eps: Array,
    penalty: Array | None = None,
) -> Array:
    """A kernel for whole counts plus a penalty; without one, 0 outside the support.

    Where 0 < x < 2 is not whole, the kernel is evaluated at x + 2 and led down by the recurrence.
    Such counts come with normalised data only, so the recurrence stands behind a conditional.
    """
    d = dispersion(theta, finish=theta.size < max(x.size, mu.size))
    raised = jnp.where(_needs_recurrence(x), x + 2, x)
    value = kernel(jnp.minimum(raised, largest(x.dtype)), floored_mean(mu, eps), d)
    value = jnp.where(x < 0, 0.0, value) if penalty is None else value + penalty

    def led_down(value: Array, x: Array, mu: Array, theta: Array, eps: Array) -> Array:
        step = recurrence(x, floored_mean(mu, eps), bounded_theta(theta))
        return value + jnp.where(_needs_recurrence(x), step, 0.0)

    extended: Array = lax.cond(
        _any_in_batch(_needs_recurrence(x)),
        led_down,
        lambda value, *_: value,
        *(value, x, mu, theta, eps),
    )
    return extended


def _needs_recurrence(x: Array) -> Array:
    return (x > 0) & (x < 2) & (x != 1)


@jax.custom_batching.custom_vmap
def _any_in_batch(condition: Array) -> Array:
    """`jnp.any`, over the batch as well, so that a conditional on it stays one under `vmap`."""
    # As a maximum over columns first, which XLA's CPU compiler vectorises; `any` it does not.
    columns = jnp.max(jnp.atleast_1d(condition).astype(jnp.float32), axis=0)
    return jnp.max(columns) > 0


@_any_in_batch.def_vmap
def _any_in_batch_vmap(
    axis_size: int, in_batched: list[bool], condition: Array
) -> tuple[Array, bool]:
    return _any_in_batch(condition), False
