"""The log-likelihood of the zero-truncated negative binomial."""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
from jax.custom_derivatives import SymbolicZero

from jaxnb._types import Array, ArrayLike
from jaxnb.likelihoods.arguments import Scales, floor_of, on_scales, promote, refuse_tables
from jaxnb.likelihoods.derivatives import Derivative, Tangent
from jaxnb.likelihoods.zero_truncated_kernel import log_truncated_with_derivatives

__all__ = ["log_truncated", "log_zero_truncated_nb", "zero_truncated_with_derivatives"]


def log_zero_truncated_nb(
    x: ArrayLike,
    mu: ArrayLike | None = None,
    theta: ArrayLike | None = None,
    eps: ArrayLike | None = None,
    *,
    log_mu: ArrayLike | None = None,
    log_theta: ArrayLike | None = None,
) -> Array:
    r"""Log-probability of counts under a negative binomial without its zeros.

    .. math::

        \log \frac{\mathrm{NB}(x; \mu, \theta)}{1 - \mathrm{NB}(0; \mu, \theta)}, \quad x \ge 1

    The parameters are those of the negative binomial that is truncated; the mean is larger than mu.

    Args:
        x: Counts, of any real, integer or boolean dtype.
        mu: Mean before truncation, mu >= 0. At 0 the distribution is the point mass at 1.
        theta: Inverse dispersion, theta >= 0. Infinity truncates Poisson's distribution. At 0 there
            is no distribution: every log-probability is -inf.
        eps: Floor on the mean, as in `log_nb_positive`; None and 0 for none, since none is needed.
        log_mu: log(mu), instead of `mu`.
        log_theta: log(theta), instead of `theta`.

    Returns:
        Log-probabilities in the dtype that the floating arguments promote to. -inf unless x is a
        whole number from 1 on; NaN where an argument is NaN or a parameter negative. The first
        derivatives in the parameters have closed forms; that in x is 0.

    Raises:
        TypeError: A parameter is given on no scale or on both; an argument is complex, or a sparse
            matrix, a table or a tensor.
        ValueError: The shapes do not broadcast.

    Accuracy as for `log_nb_positive`, however small mu is (`tests/likelihoods/test_truncated.py`).
    """
    refuse_tables(x=x)
    owner = "log_zero_truncated_nb"
    parameters, scales = on_scales(owner, mu=(mu, log_mu), theta=(theta, log_theta))
    value: Array = _log_zero_truncated_nb(scales, x, *parameters, eps)
    return value


@partial(jax.jit, static_argnums=0)
def _log_zero_truncated_nb(
    scales: Scales, x: ArrayLike, mu: ArrayLike, theta: ArrayLike, eps: ArrayLike | None
) -> Array:
    result_type, (x, mu, theta) = promote(x=x, mu=mu, theta=theta)
    return log_truncated(scales, x, mu, theta, eps).astype(result_type)


# In what follows the arguments are as `promote` leaves them, mean and theta each on its scale.


def log_truncated(
    scales: Scales, x: Array, mu: Array, theta: Array, eps: ArrayLike | None
) -> Array:
    """The log-probability, with a floor on the mean if there is one."""
    floor = floor_of(0.0 if eps is None else eps, mu.dtype, scales[0])
    return _log_truncated(scales, x, _floored(scales, mu, floor), theta)


def _floored(scales: Scales, mu: Array, eps: Array) -> Array:
    """The mean on its scale, not below the floor; a negative mean stays what it is."""
    floor = jnp.log(eps) if scales[0] == "log" else eps
    return jnp.where(_below(scales, mu, eps), floor, mu)


def _below(scales: Scales, mu: Array, eps: Array) -> Array:
    return mu < jnp.log(eps) if scales[0] == "log" else (mu < eps) & (mu >= 0)


@partial(jax.custom_jvp, nondiff_argnums=(0,))
def _log_truncated(scales: Scales, x: Array, a: Array, b: Array) -> Array:
    return log_truncated_with_derivatives((), scales, x, a, b)[0]


@partial(_log_truncated.defjvp, symbolic_zeros=True)
def _log_truncated_jvp(
    scales: Scales, primals: tuple[Array, Array, Array], tangents: tuple[Tangent, Tangent, Tangent]
) -> tuple[Array, Array]:
    along = {
        name: direction
        for name, direction in zip(("mu", "theta"), tangents[1:], strict=True)
        if not isinstance(direction, SymbolicZero)
    }
    value, derivatives = log_truncated_with_derivatives(tuple(along), scales, *primals)
    terms = [d * direction for d, direction in zip(derivatives, along.values(), strict=True)]
    return value, sum(terms, jnp.zeros_like(value))


def zero_truncated_with_derivatives(
    x: Array, mu: Array, theta: Array, eps: Array, scales: Scales
) -> tuple[Array, list[Derivative]]:
    """The value, and its derivatives in x, mu and theta, each computed when called."""
    floored = _floored(scales, mu, eps)
    value = _log_truncated(scales, x, floored, theta)

    def d_mu() -> Array:
        derivative = log_truncated_with_derivatives(("mu",), scales, x, floored, theta)[1][0]
        return jnp.where(_below(scales, mu, eps), 0.0, derivative)

    def d_theta() -> Array:
        return log_truncated_with_derivatives(("theta",), scales, x, floored, theta)[1][0]

    return value, [lambda: jnp.zeros_like(value), d_mu, d_theta]
