"""The tails of the zero-truncated negative binomial and of the hurdle model.

With F that of the negative binomial, the truncated distribution has for x >= 1

    1 - F_T(x) = (1 - F(x)) / (1 - F(0)),    F_T(x) = (F(x) - F(0)) / (1 - F(0)).

The hurdle model is a mixture of zeros with it, like zero inflation.
"""

import jax.numpy as jnp

from jaxnb._types import Array
from jaxnb.cdf import nb_kernel
from jaxnb.cdf.calls import Kernel
from jaxnb.cdf.nb_kernel import nb_log_tail
from jaxnb.cdf.two_components import inflated_levels, inflated_log_tail
from jaxnb.likelihoods.arguments import Scales
from jaxnb.likelihoods.hurdle import hurdle_with_derivatives
from jaxnb.likelihoods.zero_truncated import log_truncated
from jaxnb.special.complements import log1m_exp_of_any

__all__ = ["HURDLE", "ZERO_TRUNCATED"]

_LOG_HALF = -0.6931471805599453


def _truncated_log_tail(upper: bool, scales: Scales, x: Array, mu: Array, theta: Array) -> Array:
    zero = jnp.zeros((1,) * x.ndim, x.dtype)
    counted = jnp.where(x < 1, 1.0, x)  # a NaN goes through
    log_positive = nb_log_tail(True, scales, zero, mu, theta)
    # All of the probability is at 1 where the negative binomial's is at 0.
    certain = log_positive == -jnp.inf
    log_sf = nb_log_tail(True, scales, counted, mu, theta)
    log_sf = jnp.where(certain, -jnp.inf, log_sf - jnp.where(certain, 0.0, log_positive))
    if upper:
        return jnp.where(x < 1, 0.0, log_sf)
    log_cdf = nb_log_tail(False, scales, counted, mu, theta)
    log_zero = nb_log_tail(False, scales, zero, mu, theta)
    near = log_sf < _LOG_HALF
    # F(x) - F(0) where that does not cancel, else from the upper tail
    difference = jnp.where(near | (log_cdf == -jnp.inf), -1.0, log_zero - log_cdf)
    below = log_cdf + log1m_exp_of_any(difference) - jnp.where(certain, 0.0, log_positive)
    log_cdf = jnp.where(near, log1m_exp_of_any(jnp.where(near, log_sf, -1.0)), below)
    return jnp.where(x < 1, -jnp.inf, log_cdf)


def _truncated_log_probability(scales: Scales, x: Array, mu: Array, theta: Array) -> Array:
    return log_truncated(scales, x, mu, theta, None)


def _truncated_start(
    scales: Scales, log_lower: Array, log_upper: Array, mu: Array, theta: Array
) -> Array:
    zero = jnp.zeros((1,) * log_upper.ndim, log_upper.dtype)
    log_upper = jnp.minimum(log_upper + nb_log_tail(True, scales, zero, mu, theta), 0.0)
    return nb_kernel.start(scales, log1m_exp_of_any(log_upper), log_upper, mu, theta)


ZERO_TRUNCATED = Kernel(
    _truncated_log_tail,
    _truncated_log_probability,
    _truncated_start,
    nb_kernel.upper_end,
    lowest=1,
)


def _hurdle_log_tail(
    upper: bool, scales: Scales, x: Array, mu: Array, theta: Array, pi: Array
) -> Array:
    return inflated_log_tail(upper, x, _truncated_log_tail(upper, scales, x, mu, theta), pi)


def _hurdle_log_probability(scales: Scales, x: Array, mu: Array, theta: Array, pi: Array) -> Array:
    return hurdle_with_derivatives(x, mu, theta, pi, jnp.zeros((), x.dtype), scales)[0]


def _hurdle_start(
    scales: Scales, log_lower: Array, log_upper: Array, mu: Array, theta: Array, pi: Array
) -> Array:
    return _truncated_start(scales, *inflated_levels(log_lower, log_upper, pi), mu, theta)


def _hurdle_upper_end(scales: Scales, mu: Array, theta: Array, pi: Array) -> Array:
    return jnp.where(pi == jnp.inf, 0.0, nb_kernel.upper_end(scales, mu, theta))


HURDLE = Kernel(_hurdle_log_tail, _hurdle_log_probability, _hurdle_start, _hurdle_upper_end)
