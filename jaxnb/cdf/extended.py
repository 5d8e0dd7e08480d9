"""log F and log(1 - F), and their derivatives, for every argument.

`tails` serves what occurs in practice. Beyond its range this module moves the arguments into it
and corrects the result by what is known of F at the ends of the range, to the last digit:

1.  theta below `Limits.theta`: 1 - F is theta times a function of mu / theta, so that mu and theta
    are scaled up together.
2.  mu below `Limits.mu_low` min(theta, 1): 1 - F is proportional to mu**(x + 1).
3.  mu above `Limits.mu_high`: F is proportional to p**theta, p = theta / (theta + mu).
4.  x above `Limits.x`: F is the distribution function of a gamma variable, a function of x / mu.

It also holds the edges: x < 0, a parameter that is 0, infinite or no number.

A parameter comes on its scale, itself or its logarithm. Derivatives are computed in the logarithm,
where they neither over- nor underflow.
"""

from functools import partial
from typing import Final, NamedTuple

import jax.numpy as jnp
import numpy as np

from jaxnb._materialize import if_any
from jaxnb._types import Array
from jaxnb.cdf import tails
from jaxnb.cdf.tails import Tails
from jaxnb.likelihoods.arguments import Scales, largest
from jaxnb.special.complements import log1m_exp_of_any
from jaxnb.special.elementary import reciprocal

__all__ = ["log_tails", "log_tails_with_derivatives", "values"]


class Limits(NamedTuple):
    """The range of `tails`."""

    x: float
    theta: float
    mu_low: float
    mu_high: float


_LIMITS: Final = {
    "float32": Limits(2.0**60, 2.0**-40, 2.0**-36, 2.0**70),
    "float64": Limits(2.0**100, 2.0**-100, 2.0**-100, 2.0**300),
}


class _Moved(NamedTuple):
    """Arguments within the range of `tails`, and how far they were moved.

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


def log_tails(scales: Scales, x: Array, a: Array, b: Array) -> Tails:
    """Both logarithms. x is whole; a and b are mean and theta, each on its scale."""
    x, a, b = _broadcast(x, a, b)
    outside, point = _bounded(scales, x, a, b)
    value = tails.log_tails(*point)

    def everywhere(value: Tails, x: Array, a: Array, b: Array) -> Tails:
        corrected, _ = _corrected(_move(scales, x, a, b), value)
        return _at_edges(scales, x, a, b, corrected, _AT_ZERO, _AT_ONE)

    result: Tails = if_any(outside, everywhere, lambda value, *_: value, value, x, a, b)
    return result


def log_tails_with_derivatives(
    wrt: tuple[str, ...], scales: Scales, x: Array, a: Array, b: Array
) -> tuple[Tails, list[Tails]]:
    """Both logarithms, and their derivatives in each of `wrt`, "mu" or "theta", on its scale."""
    x, a, b = _broadcast(x, a, b)
    outside, point = _bounded(scales, x, a, b)
    value, in_logs = tails.log_tails_with_derivatives(wrt, *point)
    linear = [scales[name == "theta"] == "linear" for name in wrt]

    def ordinary(
        value: Tails, in_logs: list[Tails], x: Array, a: Array, b: Array
    ) -> tuple[Tails, list[Tails]]:
        parameters = [b if name == "theta" else a for name in wrt]
        inverses = [
            reciprocal(p) if is_linear else 1.0
            for p, is_linear in zip(parameters, linear, strict=True)
        ]
        scaled = [
            Tails(d.log_cdf * inverse, d.log_sf * inverse)
            for d, inverse in zip(in_logs, inverses, strict=True)
        ]
        return value, scaled

    def everywhere(
        value: Tails, in_logs: list[Tails], x: Array, a: Array, b: Array
    ) -> tuple[Tails, list[Tails]]:
        moved = _move(scales, x, a, b)
        corrected, before_scaling = _corrected(moved, value)
        edges = partial(_at_edges, scales, x, a, b)
        derivatives = []
        for name, is_linear, in_log in zip(wrt, linear, in_logs, strict=True):
            parameter = (b if name == "theta" else a) if is_linear else None
            derivative = _corrected_derivative(
                name, moved, corrected, before_scaling, in_log, parameter
            )
            # At a parameter of 0, where F is 1, the derivatives are the one-sided ones.
            derivative = Tails(*(jnp.where(x == jnp.inf, 0.0, d) for d in derivative))
            derivatives.append(edges(derivative, (0.0, 0.0), derivative))
        return edges(corrected, _AT_ZERO, _AT_ONE), derivatives

    return if_any(outside, everywhere, ordinary, value, in_logs, x, a, b)


def _broadcast(x: Array, a: Array, b: Array) -> tuple[Array, Array, Array]:
    """All of the full shape but b, on which alone some of the work depends."""
    shape = jnp.broadcast_shapes(x.shape, a.shape, b.shape)
    return jnp.broadcast_to(x, shape), jnp.broadcast_to(a, shape), b


def values(scales: Scales, a: Array, b: Array) -> tuple[Array, Array]:
    """Mean and theta themselves."""
    return (
        jnp.exp(a) if scales[0] == "log" else a,
        jnp.exp(b) if scales[1] == "log" else b,
    )


def _bounded(
    scales: Scales, x: Array, a: Array, b: Array
) -> tuple[Array, tuple[Array, Array, Array]]:
    """Whether an argument is out of the range of `tails` or NaN; x, mu and theta within it."""
    limits = _LIMITS[x.dtype.name]
    mu, theta = values(scales, a, b)
    inside = (x >= 0) & (x <= limits.x)
    inside = inside & (theta >= limits.theta) & (theta <= largest(theta.dtype))
    inside = inside & (mu >= limits.mu_low * jnp.minimum(theta, 1.0)) & (mu <= limits.mu_high)

    def ordinary(x: Array, a: Array, b: Array) -> tuple[Array, Array, Array]:
        return x, *values(scales, a, b)

    def moved(x: Array, a: Array, b: Array) -> tuple[Array, Array, Array]:
        return _move(scales, x, a, b)[:3]

    return ~inside, if_any(~inside, moved, ordinary, x, a, b)


def _move(scales: Scales, x: Array, a: Array, b: Array) -> _Moved:
    """The nearest point within the range of `tails` in the sense of the module."""
    limits = _LIMITS[x.dtype.name]
    huge, theta_high = float(np.finfo(x.dtype).max), largest(x.dtype)
    mu, theta = values(scales, a, b)
    log_mu = _finite(a if scales[0] == "log" else _log(a))
    log_theta = _finite(b if scales[1] == "log" else _log(b))

    theta_in = jnp.clip(theta, limits.theta, theta_high)
    shift_theta = jnp.minimum(log_theta - float(np.log(limits.theta)), 0.0)
    x_in = jnp.clip(x, 0.0, limits.x)
    stretch = jnp.maximum(x / limits.x, 1.0)
    log_mu = log_mu - shift_theta - _log(stretch)

    mu_low = limits.mu_low * jnp.minimum(theta_in, 1.0)
    log_mu_in = jnp.clip(log_mu, jnp.log(mu_low), float(np.log(limits.mu_high)))
    kept = (shift_theta == 0) & (stretch == 1) & (log_mu == log_mu_in)
    mu_in = jnp.clip(jnp.where(kept, mu, jnp.exp(log_mu_in)), mu_low, limits.mu_high)
    # log((theta + mu) / (theta + mu_in)), and the changes of p and q, from the ratio of the means
    above = jnp.maximum(log_mu - log_mu_in, 0.0)
    reach = float(np.log(huge)) - 1
    excess = jnp.expm1(jnp.minimum(above, reach))
    q_in = mu_in / (theta_in + mu_in)
    m_ratio = 1 + q_in * excess
    return _Moved(
        x_in,
        mu_in,
        theta_in,
        log_theta=shift_theta,
        log_mu=jnp.minimum(log_mu - log_mu_in, 0.0),
        log_m=jnp.log1p(q_in * excess) + jnp.maximum(above - reach, 0.0),
        p=-(1 - q_in) * q_in * (excess / m_ratio),
        q_ratio=(1 + excess) / m_ratio,
    )


def _log(y: Array) -> Array:
    info = np.finfo(y.dtype)
    return jnp.log(jnp.clip(y, float(info.tiny), float(info.max)))


def _finite(log_value: Array) -> Array:
    # so that differences are no NaN
    return jnp.clip(log_value, -1e30, 1e30)


def _corrected(moved: _Moved, t: Tails) -> tuple[Tails, Tails]:
    """The logarithms at the point before it was moved, and those with theta scaled up still."""
    above = moved.log_m > 0
    log_cdf = t.log_cdf - moved.theta * moved.log_m
    log_sf = jnp.where(above, log1m_exp_of_any(log_cdf), t.log_sf)
    before_scaling = Tails(log_cdf, log_sf)
    below = (moved.log_mu < 0) | (moved.log_theta < 0)
    log_sf = log_sf + (moved.x + 1) * moved.log_mu + moved.log_theta
    return Tails(jnp.where(below, log1m_exp_of_any(log_sf), log_cdf), log_sf), before_scaling


def _corrected_derivative(
    wrt: str,
    moved: _Moved,
    corrected: Tails,
    before_scaling: Tails,
    in_log: Tails,
    parameter: Array | None,
) -> Tails:
    """The derivative in the logarithm of a parameter, or in the parameter itself if it is given."""
    if wrt == "mu":
        d_cdf = in_log.log_cdf * moved.q_ratio
    else:
        d_cdf = in_log.log_cdf - moved.theta * (moved.log_m + moved.p)
    odds = jnp.exp(before_scaling.log_cdf - before_scaling.log_sf)
    d_sf = jnp.where(moved.log_m > 0, -odds * d_cdf, in_log.log_sf)
    below = (moved.log_mu < 0) | (moved.log_theta < 0)
    log_odds = corrected.log_sf - corrected.log_cdf
    if parameter is None:
        d_cdf = jnp.where(below, -jnp.exp(log_odds) * d_sf, d_cdf)
        return Tails(d_cdf, d_sf)
    # inside the exponential, since d log(F) / d log(parameter) may underflow
    below_d_cdf = -jnp.exp(jnp.minimum(log_odds - _log(parameter), 80.0)) * d_sf
    info = np.finfo(parameter.dtype)
    divisor = jnp.maximum(parameter, float(info.tiny))
    d_cdf = jnp.where(below, below_d_cdf, d_cdf / divisor)
    d_sf = jnp.where(parameter == 0, jnp.sign(d_sf) * float(info.max), d_sf / divisor)
    return Tails(*(jnp.clip(d, -float(info.max), float(info.max)) for d in (d_cdf, d_sf)))


_Pair = tuple[Array | float, Array | float]

_AT_ZERO: Final[_Pair] = (-jnp.inf, 0.0)  # both logarithms where F is 0, and where it is 1
_AT_ONE: Final[_Pair] = (0.0, -jnp.inf)


def _at_edges(
    scales: Scales, x: Array, a: Array, b: Array, t: Tails, at_zero: _Pair, at_one: _Pair
) -> Tails:
    """`t`, but `at_zero` where F is 0, `at_one` where it is 1, NaN where it is undefined."""
    zero, negative = [], []
    for scale, parameter in zip(scales, (a, b), strict=True):
        zero.append(parameter == (-jnp.inf if scale == "log" else 0.0))
        negative.append((parameter < 0) & (scale == "linear"))
    is_one = (zero[0] | zero[1] | (x == jnp.inf)) & (x >= 0)
    is_zero = (x < 0) | ((a == jnp.inf) & ~is_one)
    invalid = jnp.isnan(x) | jnp.isnan(a) | jnp.isnan(b) | negative[0] | negative[1]
    return Tails(
        *(
            jnp.where(invalid, jnp.nan, jnp.where(is_zero, low, jnp.where(is_one, high, value)))
            for value, low, high in zip(t, at_zero, at_one, strict=True)
        )
    )
