"""Log-probabilities of intervals, of every distribution, for censored and truncated counts."""

from __future__ import annotations

from functools import partial
from typing import Unpack

import jax
import jax.numpy as jnp

from jaxnb._names import MixtureNames, ZeroInflationName, keywords
from jaxnb._types import Array, ArrayLike
from jaxnb.cdf.calls import Kernel, mean_and_theta
from jaxnb.cdf.interval_kernel import log_probability_of_interval
from jaxnb.cdf.nb_kernel import NEGATIVE_BINOMIAL
from jaxnb.cdf.truncated_kernels import HURDLE, ZERO_TRUNCATED
from jaxnb.cdf.two_components import MIXTURE, ZERO_INFLATED
from jaxnb.likelihoods.arguments import Given, Scales, argument, checked, promote
from jaxnb.likelihoods.mixture import components

__all__ = [
    "hurdle_nb_log_interval",
    "mixture_nb_log_interval",
    "nb_log_interval",
    "poisson_log_interval",
    "zero_truncated_nb_log_interval",
    "zinb_log_interval",
    "zip_log_interval",
]


@keywords
def nb_log_interval(
    low: ArrayLike,
    high: ArrayLike,
    mu: ArrayLike | None = None,
    theta: ArrayLike | None = None,
    *,
    log_mu: ArrayLike | None = None,
    log_theta: ArrayLike | None = None,
) -> Array:
    r"""Logarithm of the probability that a negative binomial count is in an interval.

    .. math::

        \log P(\mathrm{low} \le X \le \mathrm{high})
            = \log \sum_{k=\lceil \mathrm{low} \rceil}^{\lfloor \mathrm{high} \rfloor}
            \mathrm{NB}(k; \mu, \theta)

    Both ends are included: for low < X <= high, that is the interval from floor(low) + 1. It is
    computed from the smaller tail, or where that cancels as a sum, never as a difference of two
    probabilities. The arguments broadcast.

    Args:
        low: Any real number or -inf, of any real, integer or boolean dtype. It is rounded up.
        high: Likewise, or infinity. It is rounded down.
        mu: Mean, in counts, mu >= 0.
        theta: Inverse dispersion, theta >= 0, infinity included.
        log_mu: log(mu), instead of `mu`.
        log_theta: log(theta), instead of `theta`.

    Returns:
        The logarithm of the probability, in the dtype that the floating arguments promote to. It is
        `nb_log_cdf` of `high` where low <= 0, `nb_log_sf` of `low` - 1 where `high` is infinite,
        0 where both hold, and the log-probability of the count where there is one. -inf where the
        interval holds no count of positive probability, as for low > high; NaN where an argument is
        NaN or a parameter negative. First and second derivatives in the parameters have the
        accuracy of the value; those in the ends are 0.

    Raises:
        TypeError: A parameter is given on no scale or on both; an argument is complex, or a sparse
            matrix, a table or a tensor.
        ValueError: The shapes do not broadcast.

    References:
        `jaxnb.cdf.interval_kernel` and `jaxnb.cdf.summation` for the method.
    """
    given = mean_and_theta(mu, theta, log_mu, log_theta)
    return log_interval(NEGATIVE_BINOMIAL, "nb_log_interval", low, high, **given)


@keywords
def poisson_log_interval(
    low: ArrayLike,
    high: ArrayLike,
    mu: ArrayLike | None = None,
    *,
    log_mu: ArrayLike | None = None,
) -> Array:
    """Logarithm of P(low <= X <= high) of a Poisson count: `nb_log_interval`, theta = inf."""
    given = mean_and_theta(mu, jnp.inf, log_mu, None)
    return log_interval(NEGATIVE_BINOMIAL, "poisson_log_interval", low, high, **given)


@keywords
def zinb_log_interval(
    low: ArrayLike,
    high: ArrayLike,
    mu: ArrayLike | None = None,
    theta: ArrayLike | None = None,
    pi: ArrayLike | None = None,
    *,
    log_mu: ArrayLike | None = None,
    log_theta: ArrayLike | None = None,
    **other: Unpack[ZeroInflationName[ArrayLike]],
) -> Array:
    """Logarithm of P(low <= X <= high) of a zero-inflated negative binomial count.

    The interval is that of `nb_log_interval`, the parameters are those of `zinb_log_cdf`.
    """
    given = mean_and_theta(mu, theta, log_mu, log_theta)
    return log_interval(ZERO_INFLATED, "zinb_log_interval", low, high, **given, pi=pi)


@keywords
def zip_log_interval(
    low: ArrayLike,
    high: ArrayLike,
    mu: ArrayLike | None = None,
    pi: ArrayLike | None = None,
    *,
    log_mu: ArrayLike | None = None,
    **other: Unpack[ZeroInflationName[ArrayLike]],
) -> Array:
    """Logarithm of P(low <= X <= high) of a zero-inflated Poisson count.

    That of `zinb_log_interval`, theta = inf.
    """
    given = mean_and_theta(mu, jnp.inf, log_mu, None)
    return log_interval(ZERO_INFLATED, "zip_log_interval", low, high, **given, pi=pi)


@keywords
def mixture_nb_log_interval(
    low: ArrayLike,
    high: ArrayLike,
    mu_1: ArrayLike | None = None,
    mu_2: ArrayLike | None = None,
    theta_1: ArrayLike | None = None,
    theta_2: ArrayLike | None = None,
    pi_logits: ArrayLike | None = None,
    *,
    log_mu_1: ArrayLike | None = None,
    log_mu_2: ArrayLike | None = None,
    log_theta_1: ArrayLike | None = None,
    log_theta_2: ArrayLike | None = None,
    **other: Unpack[MixtureNames[ArrayLike]],
) -> Array:
    """Logarithm of P(low <= X <= high) of a count from a mixture of two negative binomials.

    The interval is that of `nb_log_interval`, the parameters are those of `mixture_nb_log_cdf`.
    """
    given = components(mu_1, mu_2, theta_1, theta_2, log_mu_1, log_mu_2, log_theta_1, log_theta_2)
    given |= {"pi_logits": pi_logits}
    return log_interval(MIXTURE, "mixture_nb_log_interval", low, high, **given)


@keywords
def zero_truncated_nb_log_interval(
    low: ArrayLike,
    high: ArrayLike,
    mu: ArrayLike | None = None,
    theta: ArrayLike | None = None,
    *,
    log_mu: ArrayLike | None = None,
    log_theta: ArrayLike | None = None,
) -> Array:
    """Logarithm of P(low <= X <= high) of a zero-truncated negative binomial count.

    The interval is that of `nb_log_interval`, the parameters are those of
    `zero_truncated_nb_log_cdf`.
    """
    given = mean_and_theta(mu, theta, log_mu, log_theta)
    return log_interval(ZERO_TRUNCATED, "zero_truncated_nb_log_interval", low, high, **given)


@keywords
def hurdle_nb_log_interval(
    low: ArrayLike,
    high: ArrayLike,
    mu: ArrayLike | None = None,
    theta: ArrayLike | None = None,
    pi: ArrayLike | None = None,
    *,
    log_mu: ArrayLike | None = None,
    log_theta: ArrayLike | None = None,
    **other: Unpack[ZeroInflationName[ArrayLike]],
) -> Array:
    """Logarithm of P(low <= X <= high) of a count of the hurdle model.

    The interval is that of `nb_log_interval`, the parameters are those of `hurdle_nb_log_cdf`.
    """
    given = mean_and_theta(mu, theta, log_mu, log_theta)
    return log_interval(HURDLE, "hurdle_nb_log_interval", low, high, **given, pi=pi)


def log_interval(
    kernel: Kernel, owner: str, low: ArrayLike, high: ArrayLike, **parameters: Given
) -> Array:
    """The log-probability of an interval, for the arguments of the public function `owner`."""
    names, values, scales = checked(owner, parameters)
    ends = argument("low", low), argument("high", high)
    result: Array = _log_interval(kernel, scales, names, *ends, *values)
    return result


@partial(jax.jit, static_argnums=(0, 1, 2))
def _log_interval(
    kernel: Kernel,
    scales: Scales,
    names: tuple[str, ...],
    low: ArrayLike,
    high: ArrayLike,
    *parameters: ArrayLike,
) -> Array:
    named = dict(zip(names, parameters, strict=True))
    result_type, aligned = promote(x=low, high=high, **named)
    return log_probability_of_interval(kernel, scales, *aligned).astype(result_type)
