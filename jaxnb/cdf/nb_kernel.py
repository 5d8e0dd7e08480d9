"""The negative binomial as a `Kernel`: its two tails with their derivatives, its quantile roughly.

Mean and theta are a and b here, each on its scale.

The tails are a primitive of `tails_primitive`, up to second derivatives in closed form.
"""

from collections.abc import Callable
from functools import partial
from typing import Final, NamedTuple

import jax.numpy as jnp

from jaxnb._types import Array
from jaxnb.cdf import curvature, extended, tails
from jaxnb.cdf.calls import Component, Kernel
from jaxnb.cdf.extended_curvature import log_tails_with_curvature
from jaxnb.cdf.moved import values
from jaxnb.cdf.start import approximate_quantile
from jaxnb.cdf.tails import Part, Tails
from jaxnb.cdf.tails_of_zero import (
    log_tails_of_zero,
    zero_with_curvature,
    zero_with_derivatives,
)
from jaxnb.cdf.tails_primitive import MEAN, THETA, Places, found_tails, tails_primitive
from jaxnb.likelihoods import negative_binomial
from jaxnb.likelihoods.arguments import Scales

__all__ = [
    "NEGATIVE_BINOMIAL",
    "around",
    "fixed",
    "nb_log_tails",
    "nb_tails_found",
    "start",
    "upper_end",
]

_NAMES: Final = {MEAN: curvature.MU, THETA: curvature.THETA}


class _Within(NamedTuple):
    """What computes values, first and second derivatives in the range of `tails`."""

    value: Callable[..., Tails]
    first: Callable[..., tuple[Tails, list[Tails]]]
    second: Callable[..., curvature.Derivatives]


_ANY: Final = _Within(
    tails.log_tails, tails.log_tails_with_derivatives, curvature.log_tails_with_curvature
)
_OF_ZERO: Final = _Within(log_tails_of_zero, zero_with_derivatives, zero_with_curvature)


def nb_tails_found(
    scales: Scales, wanted: set[Places], x: Array, a: Array, b: Array, *, zero: bool = False
) -> dict[Places, Tails]:
    """Values and derivatives by places, of whole x; `zero` says that all of them are 0."""
    within = _OF_ZERO if zero else _ANY
    found: dict[Places, Tails] = {}
    twice = sorted(places for places in wanted if len(places) == 2)
    if twice:
        pairs = tuple((_NAMES[j], _NAMES[k]) for j, k in twice)
        d = log_tails_with_curvature(pairs, scales, x, a, b, within.second)
        found = {(place,): d.first[name] for place, name in _NAMES.items() if name in d.first}
        found |= {places: d.second[pair] for places, pair in zip(twice, pairs, strict=True)}
        found[()] = d.value
    once = tuple(sorted(at[0] for at in wanted if len(at) == 1 and at not in found))
    if once:
        wrt = tuple(_NAMES[place] for place in once)
        value, first = extended.log_tails_with_derivatives(wrt, scales, x, a, b, within.first)
        found |= {(place,): d for place, d in zip(once, first, strict=True)}
        found[()] = value
    elif () in wanted and () not in found:
        found[()] = extended.log_tails(scales, x, a, b, within.value)
    return found


_tails_p: Final = tails_primitive("jaxnb_log_tails", nb_tails_found)
nb_log_tails: Final = partial(found_tails, _tails_p)
"""log F and log(1 - F) of scales, x, mean and theta."""


def fixed(scales: Scales, a: Array, b: Array) -> extended.Fixed:
    """What `around` needs."""
    return extended.fixed(scales, a, b)


def around(x: Array, at: extended.Fixed) -> tuple[Tails, tuple[Part]]:
    """Both logarithms and the probability of x."""
    t, part = extended.around(x, at)
    return t, (part,)


def start(scales: Scales, log_lower: Array, log_upper: Array, a: Array, b: Array) -> Array:
    """The quantile, roughly; a NaN for a NaN."""
    mu, theta = values(scales, a, b)
    mu, theta = jnp.clip(mu, 1e-30, 1e30), jnp.clip(theta, 1e-30, 1e12)
    return approximate_quantile(mu, theta, log_lower, log_upper)


def upper_end(scales: Scales, a: Array, b: Array) -> Array:
    """0 where the distribution is the point mass at 0."""
    zero = (0.0 if scale == "linear" else -jnp.inf for scale in scales)
    return jnp.where((a == next(zero)) | (b == next(zero)), 0.0, 1.0)


NEGATIVE_BINOMIAL = Kernel(
    nb_log_tails,
    fixed,
    around,
    start,
    upper_end,
    lambda scales, a, b: [Component(0.0, *values(scales, a, b))],
    negative_binomial.NEGATIVE_BINOMIAL,
)
