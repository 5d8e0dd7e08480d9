"""The distribution functions of the zero-inflated negative binomial."""

from __future__ import annotations

from typing import Unpack

import jax.numpy as jnp

from jaxnb._names import ZeroInflationName, keywords
from jaxnb._types import Array, ArrayLike
from jaxnb.cdf.calls import log_tail, mean_and_theta, quantile
from jaxnb.cdf.two_components import ZERO_INFLATED

__all__ = ["zinb_cdf", "zinb_log_cdf", "zinb_log_sf", "zinb_quantile", "zinb_sf"]


@keywords
def zinb_log_cdf(
    x: ArrayLike,
    mu: ArrayLike | None = None,
    theta: ArrayLike | None = None,
    pi: ArrayLike | None = None,
    *,
    log_mu: ArrayLike | None = None,
    log_theta: ArrayLike | None = None,
    **other: Unpack[ZeroInflationName[ArrayLike]],
) -> Array:
    r"""Logarithm of the probability that a zero-inflated negative binomial count is at most x.

    .. math::

        \log\left(\sigma(\pi) + \sigma(-\pi)\, F(x; \mu, \theta)\right), \quad x \ge 0

    with :math:`\sigma` the logistic function and F as in `nb_log_cdf`. The arguments broadcast.

    Args:
        x: Any real number, as in `nb_log_cdf`.
        mu: Mean of the negative binomial part, mu >= 0.
        theta: Inverse dispersion, theta >= 0, infinity included.
        pi: Log-odds of an extra zero, also as `zi_logits`, infinite or not.
        log_mu: log(mu), instead of `mu`.
        log_theta: log(theta), instead of `theta`.

    Returns:
        The logarithm of the probability, in the dtype that the floating arguments promote to. Edges
        and derivatives as for `nb_log_cdf`.

    Raises:
        TypeError: `pi` is missing; and as `nb_log_cdf`.
        ValueError: The shapes do not broadcast.
    """
    given = mean_and_theta(mu, theta, log_mu, log_theta)
    return log_tail(ZERO_INFLATED, "zinb_log_cdf", False, x, **given, pi=pi)


@keywords
def zinb_log_sf(
    x: ArrayLike,
    mu: ArrayLike | None = None,
    theta: ArrayLike | None = None,
    pi: ArrayLike | None = None,
    *,
    log_mu: ArrayLike | None = None,
    log_theta: ArrayLike | None = None,
    **other: Unpack[ZeroInflationName[ArrayLike]],
) -> Array:
    """Logarithm of the probability that a count exceeds x; otherwise as `zinb_log_cdf`."""
    given = mean_and_theta(mu, theta, log_mu, log_theta)
    return log_tail(ZERO_INFLATED, "zinb_log_sf", True, x, **given, pi=pi)


@keywords
def zinb_cdf(
    x: ArrayLike,
    mu: ArrayLike | None = None,
    theta: ArrayLike | None = None,
    pi: ArrayLike | None = None,
    *,
    log_mu: ArrayLike | None = None,
    log_theta: ArrayLike | None = None,
    **other: Unpack[ZeroInflationName[ArrayLike]],
) -> Array:
    """Probability that a count is at most x: the exponential of `zinb_log_cdf`."""
    given = mean_and_theta(mu, theta, log_mu, log_theta)
    return jnp.exp(log_tail(ZERO_INFLATED, "zinb_cdf", False, x, **given, pi=pi))


@keywords
def zinb_sf(
    x: ArrayLike,
    mu: ArrayLike | None = None,
    theta: ArrayLike | None = None,
    pi: ArrayLike | None = None,
    *,
    log_mu: ArrayLike | None = None,
    log_theta: ArrayLike | None = None,
    **other: Unpack[ZeroInflationName[ArrayLike]],
) -> Array:
    """Probability that a count exceeds x: the exponential of `zinb_log_sf`."""
    given = mean_and_theta(mu, theta, log_mu, log_theta)
    return jnp.exp(log_tail(ZERO_INFLATED, "zinb_sf", True, x, **given, pi=pi))


@keywords
def zinb_quantile(
    q: ArrayLike | None = None,
    mu: ArrayLike | None = None,
    theta: ArrayLike | None = None,
    pi: ArrayLike | None = None,
    *,
    log_q: ArrayLike | None = None,
    upper: bool = False,
    log_mu: ArrayLike | None = None,
    log_theta: ArrayLike | None = None,
    **other: Unpack[ZeroInflationName[ArrayLike]],
) -> Array:
    """The smallest count at which F reaches q, as `nb_quantile`; parameters as `zinb_log_cdf`."""
    given = mean_and_theta(mu, theta, log_mu, log_theta)
    return quantile(ZERO_INFLATED, "zinb_quantile", q, log_q, upper, **given, pi=pi)
