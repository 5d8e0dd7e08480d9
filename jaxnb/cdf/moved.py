"""Arguments moved into the range of kernels that work on mean and theta themselves.

Beyond that range the distribution function is, to rounding, a power of one of its parameters
or a function of their ratios:

1.  theta below `Limits.theta`: the probability of x > 0 is theta times a function of mu / theta, so
    that mu and theta are scaled up together.
2.  mu below `Limits.mu_low` times theta and x (or 1): 1 - F is proportional to mu**(x + 1).
3.  mu far above every count in range: F is proportional to p**theta, p = theta / (theta + mu).
4.  x too large and mu above `Limits.gamma` theta: F is that of a gamma variable, a function of
    x / mu and theta. Both are scaled down, as far as mu remains so.
5.  x too large still, mu and theta small beside it: log(1 - F) is proportional to x, which is
    scaled down.
6.  Counts or means above `Limits.size`, and theta nearly as large. A dtype has then no numbers
    within many standard deviations of the mean but the mean itself, where F does not depend on the
    scale, so that x, mu and theta are scaled down together. Elsewhere the logarithm of the smaller
    tail is a part proportional to the scale, and `_rest`, that of the large-deviation theorem of
    Bahadur and Rao (1960).

Counts too large are those above `Limits.x_per_theta` theta, within `Limits.x_low` and
`Limits.x_high`: below, either form 4 or form 5 would be in error. Where mu and theta are not small
beside x, form 6 takes its place: x is then far above the mean. All scales are powers of 2, with
which the distance of x from the mean is exact.

A kernel is evaluated at the point moved in, and its result corrected by the factors that `Moved`
holds.
"""

from typing import Final, NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import lax

from jaxnb._types import Array
from jaxnb.likelihoods.arguments import Scales, largest
from jaxnb.special.elementary import LOG_2, power_of_two
from jaxnb.special.log1p import log_of_any

__all__ = ["Moved", "log_within", "move", "out_of_range", "rescaled", "values"]


class Limits(NamedTuple):
    """The range of the kernels.

    Attributes:
        x_low: The range of counts whatever theta.
        x_per_theta: That of counts over theta beyond.
        x_high: The range of counts with large thetas.
        theta: The smallest theta.
        mu_low: The smallest mean over min(theta, 1).
        mu_per_x: The largest mean over the largest count.
        mu_ordinary: The largest mean with any count and theta.
        gamma: mu / theta above which counts are gamma variables in effect.
        size: The largest count or mean with large thetas.
        large: Thetas down to which they are scaled with them.
        deep: What the logarithm of a tail is below if the point is not the mean.
    """

    x_low: float
    x_per_theta: float
    x_high: float
    theta: float
    mu_low: float
    mu_per_x: float
    mu_ordinary: float
    gamma: float
    size: float
    large: float
    deep: float


_LIMITS: Final = {
    "float32": Limits(
        x_low=2.0**60,
        x_per_theta=2.0**54,
        x_high=2.0**94,
        theta=2.0**-36,
        mu_low=2.0**-36,
        mu_per_x=2.0**27,
        mu_ordinary=2.0**70,
        gamma=2.0**24,
        size=2.0**70,
        large=2.0**66,
        deep=-1e3,
    ),
    "float64": Limits(
        x_low=2.0**100,
        x_per_theta=2.0**115,
        x_high=2.0**480,
        theta=2.0**-100,
        mu_low=2.0**-100,
        mu_per_x=2.0**60,
        mu_ordinary=2.0**155,
        gamma=2.0**54,
        size=2.0**210,
        large=2.0**200,
        deep=-1e6,
    ),
}


class Moved(NamedTuple):
    """Arguments within the range, and how far they were moved.

    Attributes:
        x: The count used.
        mu: The mean used.
        theta: The theta used.
        log_theta: log(theta) less that used, <= 0.
        log_mu: log(mu) less that used, where it is too small, <= 0.
        log_m: log(theta + mu) less that used, where mu is too large, >= 0.
        p: p less that used.
        q_ratio: q = mu / (theta + mu) over that used.
        scale: What logarithms of small tails are proportional to in forms 5 and 6, else 1.
        rest: The part of them that is not.
    """

    x: Array
    mu: Array
    theta: Array
    log_theta: Array
    log_mu: Array
    log_m: Array
    p: Array
    q_ratio: Array
    scale: Array | float
    rest: Array | float


def move(scales: Scales, x: Array, a: Array, b: Array, *, rescale: bool = True) -> Moved:
    """The nearest point within the range in the sense of the module.

    Without `rescale`, counts are not too large, as in a search for one: forms 4 to 6 are left out,
    and theta keeps its shape.
    """
    limits = _LIMITS[x.dtype.name]
    huge, theta_high = float(np.finfo(x.dtype).max), largest(x.dtype)
    mu, theta = values(scales, a, b)
    log_mu, log_theta = (
        _finite(value if scale == "log" else log_within(value))
        for scale, value in zip(scales, (a, b), strict=True)
    )

    x = jnp.clip(x, 0.0, huge)
    if rescale:
        powers = _powers(x, log_mu, jnp.where(b == jnp.inf, 1e30, log_theta))
    else:
        powers = _Powers(*[jnp.zeros((1,) * x.ndim, x.dtype)] * 3)
    down = power_of_two(powers.all)
    of_all = powers.all > 0
    x = jnp.where(of_all, jnp.floor(x / down), x)
    theta = jnp.where(of_all, jnp.where(b == jnp.inf, jnp.inf, theta / down), theta)
    log_theta = log_theta - powers.all * LOG_2
    up = jnp.ceil((float(np.log(limits.theta)) - log_theta) / LOG_2)
    up = lax.stop_gradient(jnp.maximum(up, 0.0))
    # not by way of the logarithm, where that can be avoided: it has fewer digits
    theta = _times_power(theta, up)
    from_log = (theta == 0) | ((b < jnp.inf) & (scales[1] == "log"))
    theta = jnp.where(from_log, jnp.exp(log_theta + up * LOG_2), theta)
    theta_in = jnp.clip(theta, limits.theta, theta_high)

    x_in = x / power_of_two(powers.x_and_mu) / power_of_two(powers.x)
    mu_up = up - powers.all - powers.x_and_mu
    log_mu = log_mu + mu_up * LOG_2
    mu_low = limits.mu_low * jnp.minimum(theta_in, jnp.maximum(x_in, 1.0))
    mu_high = _highest_x(limits, theta_in) * limits.mu_per_x
    log_mu_in = jnp.clip(log_mu, jnp.log(mu_low), jnp.log(mu_high))
    scaled = _times_power(mu, mu_up)
    usable = (log_mu == log_mu_in) & (scaled > 0) & (scaled < jnp.inf)
    mu_in = jnp.clip(jnp.where(usable, scaled, jnp.exp(log_mu_in)), mu_low, mu_high)
    # log((theta + mu) / (theta + mu_in)), and the changes of p and q, from the ratio of the means
    above = jnp.maximum(log_mu - log_mu_in, 0.0)
    reach = float(np.log(huge)) - 1
    bounded = jnp.minimum(above, reach)
    q_in = mu_in / (theta_in + mu_in)
    # in powers of mu_in / mu, whose derivatives are no products of large numbers with small ones
    fallen = -jnp.expm1(-bounded)
    m_per_mu = jnp.exp(-bounded) + q_in * fallen
    return Moved(
        x_in,
        mu_in,
        theta_in,
        log_theta=-up * LOG_2,
        log_mu=jnp.minimum(log_mu - log_mu_in, 0.0),
        log_m=jnp.log1p(q_in * jnp.expm1(bounded)) + jnp.maximum(above - reach, 0.0),
        p=-(1 - q_in) * q_in * (fallen / m_per_mu),
        q_ratio=1 / m_per_mu,
        scale=lax.stop_gradient(down * power_of_two(powers.x)),
        rest=lax.stop_gradient(jnp.where(of_all, _rest(x_in, mu_in, theta_in), 0.0)),
    )


class _Powers(NamedTuple):
    """The powers of 2 by which arguments are scaled down.

    Attributes:
        all: Everything.
        x: x alone.
        x_and_mu: x and mu.
    """

    all: Array
    x: Array
    x_and_mu: Array


def _powers(x: Array, log_mu: Array, log_theta: Array) -> _Powers:
    limits = _LIMITS[x.dtype.name]
    largest_power = -float(np.finfo(x.dtype).minexp)
    log_x = log_within(x)

    def above(log_value: Array, limit: float) -> Array:
        return (log_value - float(np.log(limit))) / LOG_2

    def whole(power: Array) -> Array:
        return lax.stop_gradient(jnp.clip(jnp.ceil(power), 0.0, largest_power))

    size = above(jnp.maximum(log_x, log_mu), limits.size)
    of_size = whole(jnp.minimum(size, above(log_theta, limits.large)))
    log_x, log_mu, log_theta = (v - of_size * LOG_2 for v in (log_x, log_mu, log_theta))
    theta = jnp.exp(jnp.minimum(log_theta, float(np.log(limits.x_high))))
    of_x = whole((log_x - jnp.log(_highest_x(limits, theta))) / LOG_2)
    # as far as counts are gamma variables still
    of_gamma = jnp.minimum(whole(above(log_mu - log_theta, limits.gamma) - 1), of_x)
    rest = of_x - of_gamma
    alone = log_x - log_theta > float(np.log(limits.x_per_theta))
    return _Powers(of_size + jnp.where(alone, 0.0, rest), jnp.where(alone, rest, 0.0), of_gamma)


def _times_power(y: Array, power: Array) -> Array:
    """y 2**power; the power may be beyond the exponents, if the result is not."""
    half = jnp.floor(power / 2)
    bound = -float(np.finfo(y.dtype).minexp)
    first, second = (jnp.clip(part, -bound, bound) for part in (half, power - half))
    return y * power_of_two(first) * power_of_two(second)


def _highest_x(limits: Limits, theta: Array) -> Array:
    high = limits.x_high / limits.x_per_theta
    return jnp.maximum(jnp.minimum(theta, high) * limits.x_per_theta, limits.x_low)


def _rest(x: Array, mu: Array, theta: Array) -> Array:
    """Of the logarithm of the smaller tail, what is not proportional to the scale."""
    apart = jnp.maximum(jnp.abs(x - mu), 1.0)
    shape = jnp.log1p(x / theta) - jnp.log(jnp.maximum(x, 1.0)) - float(np.log(2 * np.pi))
    return jnp.where(x > 0, jnp.log(mu / apart) + shape / 2, 0.0)


def rescaled(moved: Moved, smaller: Array) -> tuple[Array, Array, Array]:
    """The logarithm of the smaller tail at its own scale, and what its derivatives are times.

    Of the derivatives, first in log(mu), then in log(theta).
    """
    deep = smaller < _LIMITS[smaller.dtype.name].deep
    scale = jnp.asarray(moved.scale)
    rest = jnp.where(moved.rest == 0, 0.0, (scale - 1) * moved.rest + jnp.log(scale) / 2)
    # The mean's own distribution function is 1/2, with a derivative in the mean of the size of 1
    # over the standard deviation, and next to none in theta.
    return (
        jnp.where(deep, scale * smaller - rest, smaller),
        jnp.where(deep, scale, jnp.sqrt(scale)),
        jnp.where(deep, scale, 1.0),
    )


def log_within(y: Array) -> Array:
    """The logarithm of y >= 0, at the ends of the positive numbers that of the last of them."""
    info = np.finfo(y.dtype)
    lowest, highest = (float(np.log(end)) for end in (info.tiny, info.max))
    return jnp.clip(log_of_any(y), lowest + float(np.log(info.eps)), highest)


def _finite(log_value: Array) -> Array:
    # so that differences are no NaN
    return jnp.clip(log_value, -1e30, 1e30)


def values(scales: Scales, a: Array, b: Array) -> tuple[Array, Array]:
    """Mean and theta themselves."""
    return (
        jnp.exp(a) if scales[0] == "log" else a,
        jnp.exp(b) if scales[1] == "log" else b,
    )


def out_of_range(x: Array, mu: Array, theta: Array) -> Array:
    """Whether an argument is out of the range, or NaN."""
    limits = _LIMITS[x.dtype.name]
    inside = (x >= 0) & (x <= limits.x_low)
    inside = inside & (theta >= limits.theta) & (theta <= largest(theta.dtype))
    high = jnp.where(theta > limits.large, min(limits.size, limits.mu_ordinary), limits.mu_ordinary)
    inside = inside & (mu >= limits.mu_low * jnp.minimum(theta, 1.0)) & (mu <= high)
    return ~inside
