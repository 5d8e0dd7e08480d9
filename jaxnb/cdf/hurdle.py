"""The distribution functions of the hurdle model."""

from __future__ import annotations

from typing import Unpack

import jax.numpy as jnp

from jaxnb._names import ZeroInflationName, keywords
from jaxnb._types import Array, ArrayLike
from jaxnb.cdf.calls import log_tail, mean_and_theta, quantile
from jaxnb.cdf.truncated_kernels import HURDLE

__all__ = [
    "hurdle_nb_cdf",
    "hurdle_nb_log_cdf",
    "hurdle_nb_log_sf",
    "hurdle_nb_quantile",
    "hurdle_nb_sf",
]


@keywords
def hurdle_nb_log_cdf(
    x: ArrayLike,
    mu: ArrayLike | None = None,
    theta: ArrayLike | None = None,
    pi: ArrayLike | None = None,
    *,
    log_mu: ArrayLike | None = None,
    log_theta: ArrayLike | None = None,
    **other: Unpack[ZeroInflationName[ArrayLike]],
) -> Array:
    r"""Logarithm of the probability that a count of the hurdle model is at most x.

    .. math::

        \log\left(\sigma(\pi) + \sigma(-\pi)\, \frac{F(x; \mu, \theta) - F(0; \mu, \theta)}
            {1 - F(0; \mu, \theta)}\right), \quad x \ge 0

    with :math:`\sigma` the logistic function and F as in `nb_log_cdf`. The arguments broadcast.

    Args:
        x: Any real number, as in `nb_log_cdf`.
        mu: Mean of the negative binomial before truncation, mu >= 0.
        theta: Inverse dispersion, theta >= 0, infinity included.
        pi: Log-odds of a zero, also as `zi_logits`, infinite or not.
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
    return log_tail(HURDLE, "hurdle_nb_log_cdf", False, x, **given, pi=pi)


@keywords
def hurdle_nb_log_sf(
    x: ArrayLike,
    mu: ArrayLike | None = None,
    theta: ArrayLike | None = None,
    pi: ArrayLike | None = None,
    *,
    log_mu: ArrayLike | None = None,
    log_theta: ArrayLike | None = None,
    **other: Unpack[ZeroInflationName[ArrayLike]],
) -> Array:
    """Logarithm of the probability that a count exceeds x, as `hurdle_nb_log_cdf`."""
    given = mean_and_theta(mu, theta, log_mu, log_theta)
    return log_tail(HURDLE, "hurdle_nb_log_sf", True, x, **given, pi=pi)


@keywords
def hurdle_nb_cdf(
    x: ArrayLike,
    mu: ArrayLike | None = None,
    theta: ArrayLike | None = None,
    pi: ArrayLike | None = None,
    *,
    log_mu: ArrayLike | None = None,
    log_theta: ArrayLike | None = None,
    **other: Unpack[ZeroInflationName[ArrayLike]],
) -> Array:
    """Probability that a count is at most x: the exponential of `hurdle_nb_log_cdf`."""
    given = mean_and_theta(mu, theta, log_mu, log_theta)
    return jnp.exp(log_tail(HURDLE, "hurdle_nb_cdf", False, x, **given, pi=pi))


@keywords
def hurdle_nb_sf(
    x: ArrayLike,
    mu: ArrayLike | None = None,
    theta: ArrayLike | None = None,
    pi: ArrayLike | None = None,
    *,
    log_mu: ArrayLike | None = None,
    log_theta: ArrayLike | None = None,
    **other: Unpack[ZeroInflationName[ArrayLike]],
) -> Array:
    """Probability that a count exceeds x: the exponential of `hurdle_nb_log_sf`."""
    given = mean_and_theta(mu, theta, log_mu, log_theta)
    return jnp.exp(log_tail(HURDLE, "hurdle_nb_sf", True, x, **given, pi=pi))


@keywords
def hurdle_nb_quantile(
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
    """The smallest count at which F reaches q, as `nb_quantile`.

    The parameters are those of `hurdle_nb_log_cdf`.
    """
    given = mean_and_theta(mu, theta, log_mu, log_theta)
    return quantile(HURDLE, "hurdle_nb_quantile", q, log_q, upper, **given, pi=pi)
