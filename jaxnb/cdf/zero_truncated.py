"""The distribution functions of the zero-truncated negative binomial."""

from __future__ import annotations

import jax.numpy as jnp

from jaxnb._names import keywords
from jaxnb._types import Array, ArrayLike
from jaxnb.cdf.calls import log_tail, mean_and_theta, quantile
from jaxnb.cdf.truncated_kernels import ZERO_TRUNCATED

__all__ = [
    "zero_truncated_nb_cdf",
    "zero_truncated_nb_log_cdf",
    "zero_truncated_nb_log_sf",
    "zero_truncated_nb_quantile",
    "zero_truncated_nb_sf",
]


@keywords
def zero_truncated_nb_log_cdf(
    x: ArrayLike,
    mu: ArrayLike | None = None,
    theta: ArrayLike | None = None,
    *,
    log_mu: ArrayLike | None = None,
    log_theta: ArrayLike | None = None,
) -> Array:
    r"""Logarithm of the probability that a negative binomial count other than 0 is at most x.

    .. math::

        \log \frac{F(x; \mu, \theta) - F(0; \mu, \theta)}{1 - F(0; \mu, \theta)}, \quad x \ge 1

    with F as in `nb_log_cdf`. The arguments broadcast.

    Args:
        x: Any real number, as in `nb_log_cdf`.
        mu: Mean before truncation, mu >= 0. At 0 the distribution is the point mass at 1.
        theta: Inverse dispersion, theta >= 0, infinity included.
        log_mu: log(mu), instead of `mu`.
        log_theta: log(theta), instead of `theta`.

    Returns:
        The logarithm of the probability, in the dtype that the floating arguments promote to. Edges
        and derivatives as for `nb_log_cdf`. Where theta is small and most of the probability lies
        above x, relative accuracy is that of F(x) - F(0): it loses the digits that these share.

    Raises:
        TypeError: As `nb_log_cdf`.
        ValueError: The shapes do not broadcast.
    """
    given = mean_and_theta(mu, theta, log_mu, log_theta)
    return log_tail(ZERO_TRUNCATED, "zero_truncated_nb_log_cdf", False, x, **given)


@keywords
def zero_truncated_nb_log_sf(
    x: ArrayLike,
    mu: ArrayLike | None = None,
    theta: ArrayLike | None = None,
    *,
    log_mu: ArrayLike | None = None,
    log_theta: ArrayLike | None = None,
) -> Array:
    """Logarithm of the probability that a count exceeds x, as `zero_truncated_nb_log_cdf`."""
    given = mean_and_theta(mu, theta, log_mu, log_theta)
    return log_tail(ZERO_TRUNCATED, "zero_truncated_nb_log_sf", True, x, **given)


@keywords
def zero_truncated_nb_cdf(
    x: ArrayLike,
    mu: ArrayLike | None = None,
    theta: ArrayLike | None = None,
    *,
    log_mu: ArrayLike | None = None,
    log_theta: ArrayLike | None = None,
) -> Array:
    """Probability that a count is at most x: the exponential of `zero_truncated_nb_log_cdf`."""
    given = mean_and_theta(mu, theta, log_mu, log_theta)
    return jnp.exp(log_tail(ZERO_TRUNCATED, "zero_truncated_nb_cdf", False, x, **given))


@keywords
def zero_truncated_nb_sf(
    x: ArrayLike,
    mu: ArrayLike | None = None,
    theta: ArrayLike | None = None,
    *,
    log_mu: ArrayLike | None = None,
    log_theta: ArrayLike | None = None,
) -> Array:
    """Probability that a count exceeds x: the exponential of `zero_truncated_nb_log_sf`."""
    given = mean_and_theta(mu, theta, log_mu, log_theta)
    return jnp.exp(log_tail(ZERO_TRUNCATED, "zero_truncated_nb_sf", True, x, **given))


@keywords
def zero_truncated_nb_quantile(
    q: ArrayLike | None = None,
    mu: ArrayLike | None = None,
    theta: ArrayLike | None = None,
    *,
    log_q: ArrayLike | None = None,
    upper: bool = False,
    log_mu: ArrayLike | None = None,
    log_theta: ArrayLike | None = None,
) -> Array:
    """The smallest count at which F reaches q, as `nb_quantile`.

    The parameters are those of `zero_truncated_nb_log_cdf`.
    """
    given = mean_and_theta(mu, theta, log_mu, log_theta)
    return quantile(ZERO_TRUNCATED, "zero_truncated_nb_quantile", q, log_q, upper, **given)
