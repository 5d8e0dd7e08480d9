"""The zero-truncated negative binomial: tails, entropy, moments and draws.

With F that of the negative binomial, the truncated distribution has for x >= 1

    1 - F_T(x) = (1 - F(x)) / (1 - F(0)),    F_T(x) = (F(x) - F(0)) / (1 - F(0)).
"""

import math
from functools import partial
from typing import Any

import jax.numpy as jnp

from jaxnb._types import Array
from jaxnb.cdf import nb_kernel
from jaxnb.cdf.calls import Component, Kernel
from jaxnb.cdf.entropy import grouped_entropy
from jaxnb.cdf.kernels import nb
from jaxnb.cdf.kernels.deviates import Deviates
from jaxnb.cdf.moments import ARRAYS
from jaxnb.cdf.nb_kernel import nb_log_tails
from jaxnb.cdf.tails import Part, Tails
from jaxnb.cdf.truncated_tails import truncated_log_tails, without_zeros
from jaxnb.likelihoods.arguments import Scales
from jaxnb.likelihoods.primitives import value
from jaxnb.likelihoods.zero_truncated_kernel import CONTINUED, ZERO_TRUNCATED
from jaxnb.special.complements import log1m_exp_of_any

__all__ = ["KERNEL", "entropy", "mean", "mode", "rate", "variance"]


def _tails_at_zero(scales: Scales, mu: Array, theta: Array) -> Tails:
    return nb_log_tails(scales, jnp.zeros((1,) * mu.ndim, mu.dtype), mu, theta)


def _fixed(scales: Scales, mu: Array, theta: Array) -> tuple[Any, Tails]:
    return nb_kernel.fixed(scales, mu, theta), _tails_at_zero(scales, mu, theta)


def _around(x: Array, fixed: tuple[Any, Tails]) -> tuple[Tails, list[Part]]:
    with_zeros, at_zero = fixed
    t, (part,) = nb_kernel.around(jnp.where(x < 1, 1.0, x), with_zeros)
    part = part._replace(log_probability=jnp.where(x < 1, at_zero.log_cdf, part.log_probability))
    certain = at_zero.log_sf == -jnp.inf
    part = part.weighted(jnp.where(certain, -jnp.inf, -at_zero.log_sf))
    return without_zeros(x, t, at_zero), [part]


def _start(scales: Scales, log_lower: Array, log_upper: Array, mu: Array, theta: Array) -> Array:
    zero = jnp.zeros((1,) * log_upper.ndim, log_upper.dtype)
    log_upper = jnp.minimum(log_upper + nb_log_tails(scales, zero, mu, theta).log_sf, 0.0)
    return nb_kernel.start(scales, log1m_exp_of_any(log_upper), log_upper, mu, theta)


def _components(scales: Scales, mu: Array, theta: Array) -> list[Component]:
    log_positive = _tails_at_zero(scales, mu, theta).log_sf
    return [part.weighted(-log_positive) for part in nb.KERNEL.components(scales, mu, theta)]


def _between(scales: Scales, x: Array, mu: Array, theta: Array) -> Array:
    return value(CONTINUED, x, mu, theta, jnp.zeros((), x.dtype), scales)


KERNEL = Kernel(
    truncated_log_tails,
    _fixed,
    _around,
    _start,
    nb_kernel.upper_end,
    _components,
    ZERO_TRUNCATED,
    lowest=1,
    between=_between,
)

entropy = partial(grouped_entropy, None)


def mean(mu: Any, theta: Any, *, xp: Any = ARRAYS) -> Any:
    """mu / (1 - P(0)), which is 1 at mu = 0; NaN at theta = 0."""
    return 1 + _excess_mean(mu, theta, xp)


def variance(mu: Any, theta: Any, *, xp: Any = ARRAYS) -> Any:
    """M (mu (1 + 1 / theta) - (M - 1)) with M the mean, which is small where mu is.

    Where zeros are rare, mu - (M - 1) is a small difference of large numbers, and is taken as
    1 - mu P(0) / (1 - P(0)).
    """
    excess = _excess_mean(mu, theta, xp)
    over_theta = mu / xp.where(theta > 0, theta, 1.0)
    y = _minus_log_zero(mu, theta, xp)
    rare = y > 1
    probability = xp.exp(-xp.where(rare, y, 1.0))
    removed = xp.where(rare & (mu < math.inf), mu, 0.0) * (probability / (1 - probability))
    variance = (1 + excess) * xp.where(rare, 1 + over_theta - removed, mu + over_theta - excess)
    return xp.where(mu == math.inf, mu, variance)


def _ratio(mu: Any, theta: Any, xp: Any) -> tuple[Any, Any, Any]:
    """mu / theta, whether it is small, and where it is not, it and its log(1 + ratio)."""
    ratio = xp.where(mu == math.inf, 0.0, mu) / xp.where(theta > 0, theta, 1.0)
    near, overflows = ratio < _SMALL_RATIO, ratio == math.inf
    large = xp.where(near | overflows, 1.0, ratio)
    apart = xp.log(xp.where(overflows, mu, 1.0)) - xp.log(xp.where(overflows, theta, 1.0))
    return ratio, near, xp.where(overflows, apart, xp.log1p(large))


def _excess_mean(mu: Any, theta: Any, xp: Any) -> Any:
    """The mean less 1, (mu - (1 - P(0))) / (1 - P(0)), relative to itself.

    With r = mu / theta, y = -log P(0) = theta log(1 + r), a = 1 - log(1 + r) / r and
    b = 1 - (1 - exp(-y)) / y, both of which vanish with mu, it is (a / (1 - a) + b) / (1 - b).
    """
    valid = theta > 0
    ratio, near, log_ratio = _ratio(mu, theta, xp)
    small, large = xp.where(near, ratio, 0.0), xp.where(near | (ratio == math.inf), 1.0, ratio)
    a = small * _alternating(small)
    first = xp.where(near, a / (1 - a), (large - log_ratio) / log_ratio)
    y = _minus_log_zero(mu, theta, xp)
    near = y < _SMALL_Y
    rare = y > _RARE_ZEROS
    small, large = xp.where(near, y, 0.0), xp.where(near | rare, 1.0, y)
    b = xp.where(near, small * _exponential(small), 1 + xp.expm1(-large) / large)
    rest = xp.where(near, 1 - small * _exponential(small), -xp.expm1(-large) / large)
    excess = (first + b) / rest
    # M = mu / (1 - P(0)), far above 1 where r overflows
    overflows = ratio == math.inf
    excess = xp.where(overflows, mu / xp.where(overflows, y * rest, 1.0), excess)
    # in whose derivatives the square of y * rest would overflow
    finite = xp.where(rare & (mu < math.inf), mu, 1.0)
    direct = finite / -xp.expm1(-xp.where(rare, y, 1.0)) - 1
    excess = xp.where(rare, direct, excess)
    return xp.where(valid, xp.where(mu == math.inf, mu, excess), math.nan)


def _minus_log_zero(mu: Any, theta: Any, xp: Any) -> Any:
    """-log P(0) of the negative binomial, theta log(1 + mu / theta)."""
    ratio, near, log_ratio = _ratio(mu, theta, xp)
    small = xp.where(near, ratio, 0.0)
    bounded, t = xp.where(mu == math.inf, 0.0, mu), xp.where(near, 1.0, theta)
    return xp.where(near, bounded * (1 - small * _alternating(small)), t * log_ratio)


# Series, to the last digit of float64, where the closed forms lose more than three bits.
_SMALL_RATIO, _TERMS_RATIO = 0.3, 30
_SMALL_Y, _TERMS_Y = 1.0, 18
# Above it the mean, over 16, less 1 loses nothing.
_RARE_ZEROS = 16.0


def _alternating(z: Any) -> Any:
    """(z - log(1 + z)) / z**2 = 1/2 - z/3 + z**2/4 - ..."""
    value = z * 0
    for k in range(_TERMS_RATIO + 1, 1, -1):
        value = 1 / k - z * value
    return value


def _exponential(z: Any) -> Any:
    """(z - 1 + exp(-z)) / z**2 = 1/2 - z/6 + z**2/24 - ..."""
    value = z * 0 + 1.0
    for k in range(_TERMS_Y, 2, -1):
        value = 1 - z / k * value
    return value / 2


def mode(mu: Array, theta: Array) -> Array:
    """The mode of the negative binomial, but at least 1."""
    larger = jnp.maximum(nb.mode(mu, theta), 1.0)
    return jnp.where(theta > 0, larger, jnp.nan)


def rate(deviates: Deviates, mu: Array, theta: Array) -> tuple[Array, Array]:
    """The rate of the counts after the first one, and that one.

    A negative binomial count is the number of arrivals in [0, 1] of a Poisson process whose rate is
    a gamma variable of shape theta and mean mu. The first arrival is at s / mu, where with
    v = log(1 + s / theta) the probability of an earlier one is 1 - exp(-theta v). Once it has come,
    the rate has the shape theta + 1 and the mean (theta + 1) mu / (theta + s), so that what follows
    it is a negative binomial count of mean (1 + 1 / theta) (mu - s) exp(-v). No count is rejected,
    however small mu is.
    """
    valid = (mu >= 0) & (theta > 0)
    finite = valid & jnp.isfinite(mu)
    m, t = jnp.where(finite, mu, 1.0), jnp.where(valid, theta, 1.0)
    inverse = 1 / t
    is_poisson = t == jnp.inf
    t = jnp.where(is_poisson, 1.0, t)
    exponent = jnp.where(is_poisson, m, t * jnp.log1p(m / t))
    earlier = -deviates.uniform(mu) * jnp.expm1(-exponent)
    at = jnp.minimum(-jnp.log1p(-earlier), exponent)
    v = at * inverse
    s = jnp.where(is_poisson, at, t * jnp.expm1(v))
    mean_after = (jnp.maximum(m - s, 0.0) * jnp.exp(-v)) * (1 + inverse)
    following = nb.rate(deviates, mean_after, jnp.where(valid, theta, 1.0) + 1)
    following = jnp.where(finite, following, jnp.where(valid, jnp.inf, jnp.nan))
    return following, jnp.ones_like(following)
