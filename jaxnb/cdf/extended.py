"""log F and log(1 - F), and their derivatives, for every argument.

`tails` serves what occurs in practice. Beyond its range the arguments are moved into it as
`moved` explains, and the result is corrected: 1 - F is proportional to the
probability of x + 1 where mu or theta is small, and F to that of x where mu is large.

It also holds the edges: x < 0, a parameter that is 0, infinite or no number.

A parameter comes on its scale, itself or its logarithm. Derivatives are computed in the logarithm,
where they neither over- nor underflow.
"""

from collections.abc import Callable
from functools import partial
from typing import Final, NamedTuple

import jax.numpy as jnp
import numpy as np

from jaxnb._materialize import if_any
from jaxnb._types import Array
from jaxnb.cdf import tails
from jaxnb.cdf.moved import Moved, log_within, move, out_of_range, rescaled, values
from jaxnb.cdf.tails import Part, Tails
from jaxnb.likelihoods.arguments import Scales, largest
from jaxnb.likelihoods.dispersion import Dispersion, dispersion
from jaxnb.special.complements import log1m_exp_of_any
from jaxnb.special.elementary import reciprocal
from jaxnb.special.log1p import log_of_any

__all__ = [
    "Fixed",
    "around",
    "at_edges",
    "bounded",
    "broadcast",
    "corrected_tails",
    "derivatives_everywhere",
    "fixed",
    "log_tails",
    "log_tails_with_derivatives",
    "odds_above",
    "ordinary_derivatives",
    "times",
]


def log_tails(
    scales: Scales,
    x: Array,
    a: Array,
    b: Array,
    within: Callable[..., Tails] = tails.log_tails,
) -> Tails:
    """Both logarithms. x is whole; a and b are mean and theta, each on its scale.

    Here and below, `within` is what computes them in the range of `tails`.
    """
    x, a, b = broadcast(x, a, b)
    outside, point = bounded(scales, x, a, b)
    value = within(*point)

    def everywhere(value: Tails, x: Array, a: Array, b: Array) -> Tails:
        corrected, *_ = corrected_tails(move(scales, x, a, b), value)
        return at_edges(scales, x, a, b, corrected, _AT_ZERO, _AT_ONE)

    result: Tails = if_any(outside, everywhere, lambda value, *_: value, value, x, a, b)
    return result


def log_tails_with_derivatives(
    wrt: tuple[str, ...],
    scales: Scales,
    x: Array,
    a: Array,
    b: Array,
    within: Callable[..., tuple[Tails, list[Tails]]] = tails.log_tails_with_derivatives,
) -> tuple[Tails, list[Tails]]:
    """Both logarithms, and their derivatives in each of `wrt`, "mu" or "theta", on its scale."""
    x, a, b = broadcast(x, a, b)
    outside, point = bounded(scales, x, a, b)
    value, in_logs = within(wrt, *point)
    ordinary, everywhere = (
        partial(of, wrt, scales) for of in (ordinary_derivatives, derivatives_everywhere)
    )
    return if_any(outside, everywhere, ordinary, value, in_logs, x, a, b)


def _linear(wrt: tuple[str, ...], scales: Scales) -> list[bool]:
    return [scales[name == "theta"] == "linear" for name in wrt]


def ordinary_derivatives(
    wrt: tuple[str, ...],
    scales: Scales,
    value: Tails,
    in_logs: list[Tails],
    x: Array,
    a: Array,
    b: Array,
) -> tuple[Tails, list[Tails]]:
    """Both logarithms and first derivatives on their scales, within the range of `tails`."""
    parameters = [b if name == "theta" else a for name in wrt]
    inverses = [
        reciprocal(p) if is_linear else 1.0
        for p, is_linear in zip(parameters, _linear(wrt, scales), strict=True)
    ]
    scaled = [
        Tails(d.log_cdf * inverse, d.log_sf * inverse)
        for d, inverse in zip(in_logs, inverses, strict=True)
    ]
    if "mu" in wrt and scales[0] == "linear":
        place = wrt.index("mu")
        scaled[place] = _at_zero_counts(x == 0, *values(scales, a, b), scaled[place])
    return value, scaled


def derivatives_everywhere(
    wrt: tuple[str, ...],
    scales: Scales,
    value: Tails,
    in_logs: list[Tails],
    x: Array,
    a: Array,
    b: Array,
) -> tuple[Tails, list[Tails]]:
    """The same for any arguments, from what is found at the point moved in."""
    moved = move(scales, x, a, b)
    corrected, before_scaling, factors = corrected_tails(moved, value)
    edges = partial(at_edges, scales, x, a, b)
    mu, theta = values(scales, a, b)
    theta = jnp.minimum(theta, largest(theta.dtype))
    inside = (x == 0) & ~out_of_range(x, mu, theta)
    bounded = jnp.where(inside, mu, 1.0), jnp.where(inside, theta, 1.0)
    derivatives = []
    for name, is_linear, in_log in zip(wrt, _linear(wrt, scales), in_logs, strict=True):
        parameter = (b if name == "theta" else a) if is_linear else None
        derivative = _corrected_derivative(
            name, moved, corrected, before_scaling, in_log, parameter
        )
        # At a parameter of 0, where F is 1, the derivatives are the one-sided ones.
        factor = factors[name == "theta"]
        derivative = Tails(*(times(d, factor) for d in derivative))
        nothing = (x == jnp.inf) | ((b == jnp.inf) & (name == "theta"))
        derivative = Tails(*(jnp.where(nothing, 0.0, d) for d in derivative))
        if name == "mu" and is_linear:
            derivative = _at_zero_counts(inside, *bounded, derivative)
        derivatives.append(edges(derivative, (0.0, 0.0), derivative))
    return edges(corrected, _AT_ZERO, _AT_ONE), derivatives


class Fixed(NamedTuple):
    """What of an element is the same for every count, for `around`.

    Attributes:
        mu: Of `Moved`, as the others; parameters of 0 and infinity are moved infinitely far.
        theta: The same.
        log_theta: The same.
        log_mu: The same.
        log_m: The same.
        log_scale: Of `Dispersion`.
        variance_scale: The same.
    """

    mu: Array
    theta: Array
    log_theta: Array
    log_mu: Array
    log_m: Array
    log_scale: Array
    variance_scale: Array


def fixed(scales: Scales, a: Array, b: Array) -> Fixed:
    """That of mean a and theta b, each on its scale."""
    # Counts stay as they are, and so does all that theta alone decides.
    moved = move(scales, jnp.zeros((1,) * a.ndim, a.dtype), a, b, rescale=False)
    d = dispersion(moved.theta, materialized=moved.theta.shape != moved.mu.shape)
    no_mu, no_theta = (
        p == (-jnp.inf if scale == "log" else 0.0) for scale, p in zip(scales, (a, b), strict=True)
    )
    return Fixed(
        moved.mu,
        d.theta,
        log_theta=jnp.where(no_theta, -jnp.inf, moved.log_theta),
        log_mu=jnp.where(no_mu, -jnp.inf, moved.log_mu),
        log_m=jnp.where(a == jnp.inf, jnp.inf, moved.log_m),
        log_scale=d.log_scale,
        variance_scale=d.variance_scale,
    )


def around(x: Array, at: Fixed) -> tuple[Tails, Part]:
    """Both logarithms at whole 0 <= x <= `Limits.x`, and the probability of x."""
    unused = at.theta
    d = Dispersion(
        *(at.theta, unused, unused, unused, at.log_scale, unused, at.variance_scale),
        *(unused, unused, unused, unused),
    )
    value, part = tails.log_tails_with_part(x, at.mu, d)

    def everywhere(value: Tails, part: Part, x: Array, at: Fixed) -> tuple[Tails, Part]:
        nothing = jnp.zeros_like(x)
        nowhere = nothing, nothing, 1.0, 0.0
        moved = Moved(x, at.mu, at.theta, at.log_theta, at.log_mu, at.log_m, *nowhere)
        of_positive = jnp.where(x > 0, x * at.log_mu + at.log_theta, 0.0)
        log_probability = part.log_probability + (of_positive - at.theta * at.log_m)
        smaller = jnp.exp(at.log_mu)
        corrected, *_ = corrected_tails(moved, value)
        return corrected, Part(
            log_probability, part.q * smaller, part.theta_q * smaller * jnp.exp(at.log_theta)
        )

    unusual = (at.log_theta < 0) | (at.log_mu < 0) | (at.log_m > 0)
    return if_any(unusual, everywhere, lambda value, part, *_: (value, part), value, part, x, at)


def _at_zero_counts(zero: Array, mu: Array, theta: Array, d: Tails) -> Tails:
    """The derivative in mu, of log F where x = 0 as it is, -theta / (theta + mu).

    As theta q / mu, its own derivative in mu would be the difference of two numbers of size 1 / mu.
    """
    return Tails(jnp.where(zero, -theta * reciprocal(theta + mu), d.log_cdf), d.log_sf)


def broadcast(x: Array, a: Array, b: Array) -> list[Array]:
    """In one shape."""
    return jnp.broadcast_arrays(x, a, b)


def bounded(
    scales: Scales, x: Array, a: Array, b: Array
) -> tuple[Array, tuple[Array, Array, Array]]:
    """Whether an argument is out of the range of `tails` or NaN; x, mu and theta within it."""
    outside = out_of_range(x, *values(scales, a, b))

    def ordinary(x: Array, a: Array, b: Array) -> tuple[Array, Array, Array]:
        return x, *values(scales, a, b)

    def moved(x: Array, a: Array, b: Array) -> tuple[Array, Array, Array]:
        return move(scales, x, a, b)[:3]

    return outside, if_any(outside, moved, ordinary, x, a, b)


def times(derivative: Array, factor: Array) -> Array:
    """The product, bounded, and 0 of a 0 times infinity."""
    highest = float(np.finfo(derivative.dtype).max)
    return jnp.clip(derivative * jnp.minimum(factor, highest), -highest, highest)


def corrected_tails(moved: Moved, t: Tails) -> tuple[Tails, Tails, tuple[Array, Array]]:
    """The logarithms before the point was moved, those with theta scaled up still, and factors.

    The factors are those of the derivatives in mean and theta, due to the scale.
    """
    above = moved.log_m > 0
    log_cdf = t.log_cdf - moved.theta * moved.log_m
    log_sf = jnp.where(above, log1m_exp_of_any(log_cdf), t.log_sf)
    before_scaling = Tails(log_cdf, log_sf)
    below = (moved.log_mu < 0) | (moved.log_theta < 0)
    log_sf = log_sf + (moved.x + 1) * moved.log_mu + moved.log_theta
    log_cdf = jnp.where(below, log1m_exp_of_any(log_sf), log_cdf)
    if isinstance(moved.scale, float):
        one = jnp.ones_like(log_cdf)
        return Tails(log_cdf, log_sf), before_scaling, (one, one)
    lower = log_cdf < log_sf
    smaller, *factors = rescaled(moved, jnp.minimum(log_cdf, log_sf))
    larger = jnp.where(smaller == jnp.minimum(log_cdf, log_sf), jnp.maximum(log_cdf, log_sf), 0.0)
    corrected = Tails(jnp.where(lower, smaller, larger), jnp.where(lower, larger, smaller))
    return corrected, before_scaling, (factors[0], factors[1])


def odds_above(moved: Moved, t: Tails) -> Array:
    """F / (1 - F) where log F was corrected; not from the two logarithms, which may be large."""
    log_cdf = jnp.where(moved.log_m > 0, t.log_cdf, -1.0)
    return 1 / jnp.expm1(jnp.maximum(-log_cdf, float(np.finfo(log_cdf.dtype).tiny)))


def _corrected_derivative(
    wrt: str,
    moved: Moved,
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
    odds = odds_above(moved, before_scaling)
    d_sf = jnp.where(moved.log_m > 0, -odds * d_cdf, in_log.log_sf)
    below = (moved.log_mu < 0) | (moved.log_theta < 0)
    if wrt == "theta":
        # log(1 - F(0)) is log(mu) less half of q: its derivative in log(theta) vanishes with mu
        d_sf = jnp.where(moved.x == 0, d_sf * jnp.exp(moved.log_mu), d_sf)
    log_odds = corrected.log_sf - corrected.log_cdf
    if parameter is None:
        d_cdf = jnp.where(below, -jnp.exp(log_odds) * d_sf, d_cdf)
        return Tails(d_cdf, d_sf)
    # inside the exponential, since d log(F) / d log(parameter) may underflow
    below_d_cdf = -jnp.exp(jnp.minimum(log_odds - log_within(parameter), 80.0)) * d_sf
    info = np.finfo(parameter.dtype)
    divisor = jnp.maximum(parameter, float(info.tiny))
    d_cdf = jnp.where(below, below_d_cdf, d_cdf / divisor)
    d_sf = jnp.where(parameter == 0, jnp.sign(d_sf) * float(info.max), d_sf / divisor)
    return Tails(*(jnp.clip(d, -float(info.max), float(info.max)) for d in (d_cdf, d_sf)))


_Pair = tuple[Array | float, Array | float]

_AT_ZERO: Final[_Pair] = (-jnp.inf, 0.0)  # both logarithms where F is 0, and where it is 1
_AT_ONE: Final[_Pair] = (0.0, -jnp.inf)


def at_edges(
    scales: Scales, x: Array, a: Array, b: Array, t: Tails, at_zero: _Pair, at_one: _Pair
) -> Tails:
    """`t`, but `at_zero` where F is 0, `at_one` where it is 1, NaN where it is undefined."""
    zero, negative = [], []
    for scale, parameter in zip(scales, (a, b), strict=True):
        # XLA's CPU code takes subnormal numbers for 0
        zero.append((parameter if scale == "log" else log_of_any(parameter)) == -jnp.inf)
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
