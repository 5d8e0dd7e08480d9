"""Arguments moved into the range of kernels that work on mean and theta themselves.

Beyond that range the negative binomial is a power of one of its parameters, or a function of a
ratio, to the last digit:

1.  theta below `Limits.theta`: the probability of x > 0 is theta times a function of mu / theta, so
    that mu and theta are scaled up together.
2.  mu below `Limits.mu_low` min(theta, 1): the probability is proportional to mu**x.
3.  mu above `Limits.mu_high`: it is proportional to p**theta, p = theta / (theta + mu).
4.  x above `Limits.x`: it is the density of a gamma variable, a function of x / mu.

So a kernel is evaluated at the point moved in, and its result corrected by the factors that `Moved`
holds.
"""

from typing import Final, NamedTuple

import jax.numpy as jnp
import numpy as np

from jaxnb._types import Array
from jaxnb.likelihoods.arguments import Scales, largest

__all__ = ["Moved", "log_within", "move", "out_of_range", "values"]


class Limits(NamedTuple):
    """The range of the kernels."""

    x: float
    theta: float
    mu_low: float
    mu_high: float


_LIMITS: Final = {
    "float32": Limits(2.0**60, 2.0**-40, 2.0**-36, 2.0**70),
    "float64": Limits(2.0**100, 2.0**-100, 2.0**-100, 2.0**300),
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
    """

    x: Array
    mu: Array
    theta: Array
    log_theta: Array
    log_mu: Array
    log_m: Array
    p: Array
    q_ratio: Array


def move(scales: Scales, x: Array, a: Array, b: Array) -> Moved:
    """The nearest point within the range in the sense of the module."""
    limits = _LIMITS[x.dtype.name]
    huge, theta_high = float(np.finfo(x.dtype).max), largest(x.dtype)
    mu, theta = values(scales, a, b)
    log_mu = _finite(a if scales[0] == "log" else log_within(a))
    log_theta = _finite(b if scales[1] == "log" else log_within(b))

    theta_in = jnp.clip(theta, limits.theta, theta_high)
    shift_theta = jnp.minimum(log_theta - float(np.log(limits.theta)), 0.0)
    x_in = jnp.clip(x, 0.0, limits.x)
    stretch = jnp.maximum(x / limits.x, 1.0)
    log_mu = log_mu - shift_theta - log_within(stretch)

    mu_low = limits.mu_low * jnp.minimum(theta_in, 1.0)
    log_mu_in = jnp.clip(log_mu, jnp.log(mu_low), float(np.log(limits.mu_high)))
    # not by way of the logarithm, where that can be avoided: it has fewer digits
    scaled = mu / stretch * jnp.exp(-shift_theta)
    usable = (log_mu == log_mu_in) & (scaled > 0) & (scaled < jnp.inf)
    mu_in = jnp.clip(jnp.where(usable, scaled, jnp.exp(log_mu_in)), mu_low, limits.mu_high)
    # log((theta + mu) / (theta + mu_in)), and the changes of p and q, from the ratio of the means
    above = jnp.maximum(log_mu - log_mu_in, 0.0)
    reach = float(np.log(huge)) - 1
    excess = jnp.expm1(jnp.minimum(above, reach))
    q_in = mu_in / (theta_in + mu_in)
    m_ratio = 1 + q_in * excess
    return Moved(
        x_in,
        mu_in,
        theta_in,
        log_theta=shift_theta,
        log_mu=jnp.minimum(log_mu - log_mu_in, 0.0),
        log_m=jnp.log1p(q_in * excess) + jnp.maximum(above - reach, 0.0),
        p=-(1 - q_in) * q_in * (excess / m_ratio),
        q_ratio=(1 + excess) / m_ratio,
    )


def log_within(y: Array) -> Array:
    """The logarithm of y, at the ends of the normal numbers that of the last of them."""
    info = np.finfo(y.dtype)
    return jnp.log(jnp.clip(y, float(info.tiny), float(info.max)))


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
    inside = (x >= 0) & (x <= limits.x)
    inside = inside & (theta >= limits.theta) & (theta <= largest(theta.dtype))
    inside = inside & (mu >= limits.mu_low * jnp.minimum(theta, 1.0)) & (mu <= limits.mu_high)
    return ~inside
