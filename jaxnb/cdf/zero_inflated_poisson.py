"""The distribution functions of the zero-inflated Poisson distribution."""

from __future__ import annotations

from typing import Unpack

import jax.numpy as jnp

from jaxnb._names import ZeroInflationName, keywords
from jaxnb._types import Array, ArrayLike
from jaxnb.cdf.calls import log_tail, mean_and_theta, quantile
from jaxnb.cdf.two_components import ZERO_INFLATED

__all__ = ["zip_cdf", "zip_log_cdf", "zip_log_sf", "zip_quantile", "zip_sf"]


@keywords
def zip_log_cdf(
    x: ArrayLike,
    mu: ArrayLike | None = None,
    pi: ArrayLike | None = None,
    *,
    log_mu: ArrayLike | None = None,
    **other: Unpack[ZeroInflationName[ArrayLike]],
) -> Array:
    """Logarithm of the probability that a zero-inflated Poisson count is at most x.

    Args:
        x: Any real number, as in `nb_log_cdf`.
        mu: Mean of the Poisson part, mu >= 0.
        pi: Log-odds of an extra zero, also as `zi_logits`, infinite or not.
        log_mu: log(mu), instead of `mu`.

    Returns:
        That of `zinb_log_cdf`, theta = inf.

    Raises:
        TypeError: `pi` is missing; and as `nb_log_cdf`.
        ValueError: The shapes do not broadcast.
    """
    return _log_tail("zip_log_cdf", False, x, mu, pi, log_mu)


@keywords
def zip_log_sf(
    x: ArrayLike,
    mu: ArrayLike | None = None,
    pi: ArrayLike | None = None,
    *,
    log_mu: ArrayLike | None = None,
    **other: Unpack[ZeroInflationName[ArrayLike]],
) -> Array:
    """Logarithm of the probability that a count exceeds x; otherwise as `zip_log_cdf`."""
    return _log_tail("zip_log_sf", True, x, mu, pi, log_mu)


@keywords
def zip_cdf(
    x: ArrayLike,
    mu: ArrayLike | None = None,
    pi: ArrayLike | None = None,
    *,
    log_mu: ArrayLike | None = None,
    **other: Unpack[ZeroInflationName[ArrayLike]],
) -> Array:
    """Probability that a count is at most x: the exponential of `zip_log_cdf`."""
    return jnp.exp(_log_tail("zip_cdf", False, x, mu, pi, log_mu))


@keywords
def zip_sf(
    x: ArrayLike,
    mu: ArrayLike | None = None,
    pi: ArrayLike | None = None,
    *,
    log_mu: ArrayLike | None = None,
    **other: Unpack[ZeroInflationName[ArrayLike]],
) -> Array:
    """Probability that a count exceeds x: the exponential of `zip_log_sf`."""
    return jnp.exp(_log_tail("zip_sf", True, x, mu, pi, log_mu))


@keywords
def zip_quantile(
    q: ArrayLike | None = None,
    mu: ArrayLike | None = None,
    pi: ArrayLike | None = None,
    *,
    log_q: ArrayLike | None = None,
    upper: bool = False,
    log_mu: ArrayLike | None = None,
    **other: Unpack[ZeroInflationName[ArrayLike]],
) -> Array:
    """The smallest count at which F reaches q, as `nb_quantile`; parameters as `zip_log_cdf`."""
    given = mean_and_theta(mu, jnp.inf, log_mu, None)
    return quantile(ZERO_INFLATED, "zip_quantile", q, log_q, upper, **given, pi=pi)


def _log_tail(
    owner: str,
    upper: bool,
    x: ArrayLike,
    mu: ArrayLike | None,
    pi: ArrayLike | None,
    log_mu: ArrayLike | None,
) -> Array:
    given = mean_and_theta(mu, jnp.inf, log_mu, None)
    return log_tail(ZERO_INFLATED, owner, upper, x, **given, pi=pi)
