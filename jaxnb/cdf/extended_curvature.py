"""Second derivatives of log F and log(1 - F) for every argument, from those of `curvature`.

As `extended` does with the first ones, they are those at the point moved in, corrected. Indices are
derivatives in u = log(mu) and v = log(theta); a form is one of `moved`, which has the notation.

- 1 - F proportional to mu**b (form 2): its logarithm is b u and a function of theta but for terms
  that are proportional to mu. Its mixed derivative, that in log(mu), and at x = 0, where that
  function is 0, those in theta as well, fall with the mean from where it was moved to.
- F proportional to p**theta (form 3): l_u = -theta q, l_uv = -theta q**2, l_uu = -theta q p, and
  l_uu - l_u is theta q**2; in theta, theta q**2 takes the place of theta q**2 there.
- The other tail of one that is known, o = log(1 - exp(l)) with the odds w, has
  o_jk = -w (l_jk + (1 + w) l_j l_k).
- A tail that is proportional to a scale (forms 5 and 6) has derivatives that are. The mean's own
  distribution function has a second derivative in the mean that is the square of the first one.
"""

from collections.abc import Callable
from functools import partial
from typing import Final, NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import lax

from jaxnb._materialize import if_any
from jaxnb._types import Array
from jaxnb.cdf import curvature
from jaxnb.cdf.curvature import MU, THETA, Derivatives, Pair
from jaxnb.cdf.extended import (
    at_edges,
    bounded,
    broadcast,
    corrected_tails,
    derivatives_everywhere,
    odds_above,
    ordinary_derivatives,
    times,
)
from jaxnb.cdf.moved import Moved, log_within, move, values
from jaxnb.cdf.small_theta import shares
from jaxnb.cdf.tails import Tails
from jaxnb.likelihoods.arguments import Scales, largest
from jaxnb.special.elementary import reciprocal
from jaxnb.special.log1p import log1p_minus_x

__all__ = ["log_tails_with_curvature"]

_NAMES: Final = (MU, THETA)


def log_tails_with_curvature(
    pairs: tuple[Pair, ...],
    scales: Scales,
    x: Array,
    a: Array,
    b: Array,
    within: Callable[..., Derivatives] = curvature.log_tails_with_curvature,
) -> Derivatives:
    """Both logarithms with second derivatives and the first ones of those, each on its scale."""
    x, a, b = broadcast(x, a, b)
    outside, point = bounded(scales, x, a, b)
    linear = _linear(scales)
    found = within(pairs, linear, *point)
    ordinary, everywhere = (partial(of, scales) for of in (_ordinary, _everywhere))
    return if_any(outside, everywhere, ordinary, found, x, a, b)


class _Original(NamedTuple):
    """What second derivatives at the point itself are made of.

    Attributes:
        moved: How far it was moved.
        found: What is found at the point moved in.
        corrected: The logarithms at the point itself.
        before: Those with theta scaled up still.
        parameters: Mean and theta there, each on its scale.
    """

    moved: Moved
    found: Derivatives
    corrected: Tails
    before: Tails
    parameters: dict[str, Array]


def _linear(scales: Scales) -> tuple[str, ...]:
    return tuple(name for name, s in zip(_NAMES, scales, strict=True) if s == "linear")


def _ordinary(scales: Scales, found: Derivatives, x: Array, a: Array, b: Array) -> Derivatives:
    wrt = tuple(found.first)
    value, first = ordinary_derivatives(wrt, scales, found.value, [*found.first.values()], x, a, b)
    inverses = {
        name: reciprocal(parameter) if scale == "linear" else 1.0
        for name, parameter, scale in zip(_NAMES, (a, b), scales, strict=True)
    }
    second = {
        pair: Tails(*((d * inverses[pair[0]]) * inverses[pair[1]] for d in derivative))
        for pair, derivative in found.second.items()
    }
    second = {
        pair: _at_zero_counts(pair, scales, x, *values(scales, a, b), derivative)
        for pair, derivative in second.items()
    }
    return Derivatives(value, dict(zip(wrt, first, strict=True)), second)


def _everywhere(scales: Scales, found: Derivatives, x: Array, a: Array, b: Array) -> Derivatives:
    wrt = tuple(found.first)
    value, first = derivatives_everywhere(
        wrt, scales, found.value, [*found.first.values()], x, a, b
    )
    moved = move(scales, x, a, b)
    corrected, before, factors = corrected_tails(moved, found.value)
    scale = jnp.asarray(moved.scale)
    by_pair = {(MU, MU): scale, (MU, THETA): factors[0], (THETA, THETA): factors[1]}
    original = _Original(moved, found, corrected, before, {MU: a, THETA: b})
    second = {}
    for pair in found.second:
        d = _moved_back(pair, scales, original, by_pair[pair])
        d = _at_zero_counts(pair, scales, x, *values(scales, a, b), d)
        nothing = (x == jnp.inf) | ((b == jnp.inf) & (THETA in pair))
        d = Tails(*(jnp.where(nothing, 0.0, part) for part in d))
        second[pair] = at_edges(scales, x, a, b, d, (0.0, 0.0), d)
    return Derivatives(value, dict(zip(wrt, first, strict=True)), second)


def _moved_back(pair: Pair, scales: Scales, o: _Original, scale: Array) -> Tails:
    """The second derivatives on their scales, of logarithms with a scale of their own."""
    moved, found = o.moved, o.found
    itself = pair[0] == pair[1] and pair[0] in _linear(scales)
    slopes = [_of_power(moved, name, found.first[name].log_cdf) for name in pair]
    lower = _of_power_again(moved, pair, itself, found.second[pair].log_cdf)
    above = moved.log_m > 0
    odds = odds_above(moved, o.before)
    upper = jnp.where(above, _of_other(odds, lower, slopes), found.second[pair].log_sf)
    falls = [(name == THETA) & (moved.x == 0) for name in pair]
    upper_slopes = [
        jnp.where(above, -odds * slope, found.first[name].log_sf)
        * jnp.where(fall, jnp.exp(moved.log_mu), 1.0)
        for name, slope, fall in zip(pair, slopes, falls, strict=True)
    ]
    proportional = (pair == (MU, THETA)) | ((pair == (MU, MU)) & (not itself)) | falls[1]
    log_fall = jnp.where(proportional, moved.log_mu, 0.0)
    log_scale = sum(
        (log_within(o.parameters[name]) for name in pair if name in _linear(scales)),
        jnp.zeros_like(log_fall),
    )
    below = (moved.log_mu < 0) | (moved.log_theta < 0)
    log_odds = o.corrected.log_sf - o.corrected.log_cdf
    factor = _exp(log_odds - log_scale)
    square = times(times((1 + jnp.exp(log_odds)) * factor, upper_slopes[0]), upper_slopes[1])
    of_below = -(times(upper * jnp.exp(log_fall), factor) + square)
    # by halves, one after the other, which neither over- nor underflow
    tiny = float(np.finfo(scale.dtype).tiny)
    root = jnp.ones_like(log_fall)
    for name in pair:
        if name in _linear(scales):
            root = root * lax.rsqrt(jnp.maximum(o.parameters[name], tiny))
    fallen = jnp.where(moved.log_mu < 0, _exp((log_fall - log_scale) / 2), root)
    lower, upper = (
        times(times(times(d, scale), half), half) for d, half in ((lower, root), (upper, fallen))
    )
    return Tails(jnp.where(below, times(of_below, jnp.ones_like(scale)), lower), upper)


def _exp(z: Array) -> Array:
    return jnp.exp(jnp.minimum(z, float(np.log(np.finfo(z.dtype).max)) - 1))


def _of_power(moved: Moved, name: str, slope: Array) -> Array:
    """The derivative of log F, also where it was moved by form 3."""
    if name == MU:
        return slope * moved.q_ratio
    return slope - moved.theta * (moved.log_m + moved.p)


def _of_power_again(moved: Moved, pair: Pair, itself: bool, second: Array) -> Array:
    """The same of the second derivative."""
    p, _ = shares(moved.mu, moved.theta)
    if pair == (THETA, THETA):
        # theta (q**2 less that used)
        change = moved.theta * (moved.p * (2 * p + moved.p - 2))
        return second + (change if itself else change - moved.theta * (moved.log_m + moved.p))
    if pair == (MU, MU) and not itself:
        return second * (moved.q_ratio * jnp.exp(-moved.log_m))
    return second * (moved.q_ratio * moved.q_ratio)


def _of_other(odds: Array, second: Array, slopes: list[Array]) -> Array:
    # in this order, since the product may overflow
    return -(odds * second + (odds * slopes[0]) * ((1 + odds) * slopes[1]))


def _at_zero_counts(
    pair: Pair, scales: Scales, x: Array, mu: Array, theta: Array, d: Tails
) -> Tails:
    """The second derivatives, of log F where x = 0 from the parameters themselves.

    Those of theta log(p), in a mean itself also theta / m**2, would under- or overflow.
    """
    zero, poisson = (x == 0) & (mu < jnp.inf), theta == jnp.inf
    theta = jnp.minimum(theta, largest(theta.dtype))
    mu, theta = jnp.where(zero, mu, 1.0), jnp.where(zero, theta, 1.0)
    half = jnp.maximum(mu / 2 + theta / 2, float(np.finfo(x.dtype).tiny))
    inverse_m = reciprocal(half) / 2
    p, q = theta * inverse_m, mu * inverse_m
    of_mu = inverse_m if scales[0] == "linear" else q  # q by mu
    own_theta = 1.0 if scales[1] == "linear" else theta
    if pair == (MU, MU):
        itself = jnp.where(poisson, 0.0, p * inverse_m)
        value = itself if scales[0] == "linear" else -mu * (p * p)
    elif pair == (MU, THETA):
        value = -own_theta * (q * of_mu)
    elif scales[1] == "linear":
        value = q * (q * reciprocal(jnp.maximum(theta, float(np.finfo(x.dtype).tiny))))
    else:
        value = theta * (log1p_minus_x(-q, p) + q * q)
    return Tails(jnp.where(zero, value, d.log_cdf), d.log_sf)
