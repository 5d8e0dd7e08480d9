"""The log-likelihood of the hurdle model: a zero, or a zero-truncated negative binomial count."""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
from jax.nn import log_sigmoid, sigmoid

from jaxnb._types import Array, ArrayLike
from jaxnb.likelihoods.arguments import Scales, on_scales, promote, refuse_tables, required
from jaxnb.likelihoods.derivatives import Derivative
from jaxnb.likelihoods.zero_truncated import log_truncated, zero_truncated_with_derivatives

__all__ = ["hurdle_with_derivatives", "log_hurdle_nb"]


def log_hurdle_nb(
    x: ArrayLike,
    mu: ArrayLike | None = None,
    theta: ArrayLike | None = None,
    pi: ArrayLike | None = None,
    eps: ArrayLike | None = None,
    *,
    log_mu: ArrayLike | None = None,
    log_theta: ArrayLike | None = None,
) -> Array:
    r"""Log-probability of counts under a hurdle model: a zero, or a zero-truncated NB count.

    .. math::

        \log \sigma(\pi) \text{ at } x = 0, \quad
        \log \left(\sigma(-\pi)\, \mathrm{NB}(x; \mu, \theta) / (1 - \mathrm{NB}(0; \mu, \theta))
        \right) \text{ for } x \ge 1

    with :math:`\sigma` the logistic function.

    Args:
        x: Counts, as in `log_zero_truncated_nb`.
        mu: Mean of the negative binomial before truncation, mu >= 0.
        theta: Inverse dispersion, theta >= 0, infinity included.
        pi: Log-odds of a zero, infinite or not.
        eps: Floor on the mean, as in `log_zero_truncated_nb`.
        log_mu: log(mu), instead of `mu`.
        log_theta: log(theta), instead of `theta`.

    Returns:
        Log-probabilities, as `log_zero_truncated_nb`; -inf unless x is a whole number from 0 on.

    Raises:
        TypeError: `pi` is missing; and as `log_zero_truncated_nb`.
        ValueError: The shapes do not broadcast.

    References:
        Mullahy (1986), Specification and testing of some modified count data models.
    """
    refuse_tables(x=x)
    owner = "log_hurdle_nb"
    parameters, scales = on_scales(owner, mu=(mu, log_mu), theta=(theta, log_theta))
    value: Array = _log_hurdle_nb(scales, x, *parameters, required(owner, pi=pi), eps)
    return value


@partial(jax.jit, static_argnums=0)
def _log_hurdle_nb(
    scales: Scales,
    x: ArrayLike,
    mu: ArrayLike,
    theta: ArrayLike,
    pi: ArrayLike,
    eps: ArrayLike | None,
) -> Array:
    result_type, (x, mu, theta, pi) = promote(x=x, mu=mu, theta=theta, pi=pi)
    return _hurdle(x, log_truncated(scales, x, mu, theta, eps), pi).astype(result_type)


def _hurdle(x: Array, log_truncated: Array, pi: Array) -> Array:
    """The log-probability with zeros of log-odds pi."""
    invalid = jnp.isnan(log_truncated) | jnp.isnan(pi)
    counted = jnp.where(x == 0, 0.0, log_truncated) + log_sigmoid(-pi)
    value = jnp.where(x == 0, log_sigmoid(pi), counted)
    return jnp.where(invalid, jnp.nan, value)


def hurdle_with_derivatives(
    x: Array, mu: Array, theta: Array, pi: Array, eps: Array, scales: Scales
) -> tuple[Array, list[Derivative]]:
    """The value, and its derivatives in x, mu, theta and pi, each computed when called."""
    truncated, derivatives = zero_truncated_with_derivatives(x, mu, theta, eps, scales)
    value = _hurdle(x, truncated, pi)

    def widened(derivative: Derivative) -> Derivative:
        return lambda: derivative() + jnp.zeros_like(value)

    def d_pi() -> Array:
        inside = (x >= 0) & (value > -jnp.inf)
        return jnp.where(inside, jnp.where(x == 0, sigmoid(-pi), -sigmoid(pi)), 0.0)

    return value, [*map(widened, derivatives), d_pi]
