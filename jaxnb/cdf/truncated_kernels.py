"""The tails of the zero-truncated negative binomial and of the hurdle model.

With F that of the negative binomial, the truncated distribution has for x >= 1

    1 - F_T(x) = (1 - F(x)) / (1 - F(0)),    F_T(x) = (F(x) - F(0)) / (1 - F(0)).

The hurdle model is a mixture of zeros with it, like zero inflation.
"""

from functools import partial
from typing import Any

import jax.numpy as jnp

from jaxnb._types import Array
from jaxnb.cdf import nb_kernel
from jaxnb.cdf.calls import Kernel
from jaxnb.cdf.nb_kernel import nb_log_tails
from jaxnb.cdf.tails import Part, Tails
from jaxnb.cdf.two_components import inflated_around, inflated_levels, inflated_log_tails
from jaxnb.likelihoods import hurdle, zero_truncated_kernel
from jaxnb.likelihoods.arguments import Scales
from jaxnb.special.complements import log1m_exp_of_any

__all__ = ["HURDLE", "ZERO_TRUNCATED"]

_LOG_HALF = -0.6931471805599453


def _truncated_log_tails(scales: Scales, x: Array, mu: Array, theta: Array) -> Tails:
    at_zero = _tails_at_zero(scales, mu, theta)
    t = nb_log_tails(scales, jnp.where(x < 1, 1.0, x), mu, theta)  # a NaN goes through
    return _without_zeros(x, t, at_zero)


def _tails_at_zero(scales: Scales, mu: Array, theta: Array) -> Tails:
    return nb_log_tails(scales, jnp.zeros((1,) * mu.ndim, mu.dtype), mu, theta)


def _without_zeros(x: Array, t: Tails, at_zero: Tails) -> Tails:
    """The tails without the zeros; of those with them at x = 0 and, for x >= 1, at x."""
    # All of the probability is at 1 where the negative binomial's is at 0.
    certain = at_zero.log_sf == -jnp.inf
    log_positive = jnp.where(certain, 0.0, at_zero.log_sf)
    log_sf = jnp.where(certain, -jnp.inf, t.log_sf - log_positive)
    # F(x) - F(0) where that does not cancel, else from the upper tail
    from_upper = log_sf < _LOG_HALF
    usable = ~from_upper & (t.log_cdf > -jnp.inf)
    difference = jnp.where(usable, at_zero.log_cdf - t.log_cdf, -1.0)
    from_lower = t.log_cdf + log1m_exp_of_any(difference) - log_positive
    log_cdf = jnp.where(
        from_upper, log1m_exp_of_any(jnp.where(from_upper, log_sf, -1.0)), from_lower
    )
    return Tails(jnp.where(x < 1, -jnp.inf, log_cdf), jnp.where(x < 1, 0.0, log_sf))


def _truncated_fixed(scales: Scales, mu: Array, theta: Array) -> tuple[Any, Tails]:
    return nb_kernel.fixed(scales, mu, theta), _tails_at_zero(scales, mu, theta)


def _truncated_around(x: Array, fixed: tuple[Any, Tails]) -> tuple[Tails, list[Part]]:
    with_zeros, at_zero = fixed
    t, (part,) = nb_kernel.around(jnp.where(x < 1, 1.0, x), with_zeros)
    part = part._replace(log_probability=jnp.where(x < 1, at_zero.log_cdf, part.log_probability))
    certain = at_zero.log_sf == -jnp.inf
    part = part.weighted(jnp.where(certain, -jnp.inf, -at_zero.log_sf))
    return _without_zeros(x, t, at_zero), [part]


def _truncated_start(
    scales: Scales, log_lower: Array, log_upper: Array, mu: Array, theta: Array
) -> Array:
    zero = jnp.zeros((1,) * log_upper.ndim, log_upper.dtype)
    log_upper = jnp.minimum(log_upper + nb_log_tails(scales, zero, mu, theta).log_sf, 0.0)
    return nb_kernel.start(scales, log1m_exp_of_any(log_upper), log_upper, mu, theta)


ZERO_TRUNCATED = Kernel(
    _truncated_log_tails,
    _truncated_fixed,
    _truncated_around,
    _truncated_start,
    nb_kernel.upper_end,
    zero_truncated_kernel.ZERO_TRUNCATED,
    lowest=1,
)


def _hurdle_log_tails(scales: Scales, x: Array, mu: Array, theta: Array, pi: Array) -> Tails:
    return inflated_log_tails(x, _truncated_log_tails(scales, x, mu, theta), pi)


def _hurdle_fixed(scales: Scales, mu: Array, theta: Array, pi: Array) -> tuple[Any, Array]:
    return _truncated_fixed(scales, mu, theta), pi


def _hurdle_start(
    scales: Scales, log_lower: Array, log_upper: Array, mu: Array, theta: Array, pi: Array
) -> Array:
    return _truncated_start(scales, *inflated_levels(log_lower, log_upper, pi), mu, theta)


def _hurdle_upper_end(scales: Scales, mu: Array, theta: Array, pi: Array) -> Array:
    return jnp.where(pi == jnp.inf, 0.0, nb_kernel.upper_end(scales, mu, theta))


HURDLE = Kernel(
    _hurdle_log_tails,
    _hurdle_fixed,
    partial(inflated_around, _truncated_around),
    _hurdle_start,
    _hurdle_upper_end,
    hurdle.HURDLE,
)
