"""The negative binomial as a `Kernel`: its two tails with their derivatives, its quantile roughly.

Mean and theta are a and b here, each on its scale.

The tails are a primitive of `tails_primitive`, up to second derivatives in closed form.
"""

from functools import partial
from typing import Final

import jax.numpy as jnp

from jaxnb._types import Array
from jaxnb.cdf import curvature, extended
from jaxnb.cdf.calls import Component, Kernel
from jaxnb.cdf.extended_curvature import log_tails_with_curvature
from jaxnb.cdf.moved import values
from jaxnb.cdf.start import approximate_quantile
from jaxnb.cdf.tails import Part, Tails
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


def nb_tails_found(
    scales: Scales, wanted: set[Places], x: Array, a: Array, b: Array
) -> dict[Places, Tails]:
    """Values and derivatives by places, of whole x."""
    found = _curved(scales, wanted, x, a, b)
    first = tuple(sorted({at[0] for at in wanted if len(at) == 1 and at not in found}))
    if first:
        wrt = tuple(_NAMES[place] for place in first)
        value, derivatives = extended.log_tails_with_derivatives(wrt, scales, x, a, b)
        found |= {(place,): d for place, d in zip(first, derivatives, strict=True)}
        found[()] = value
    elif () in wanted and () not in found:
        found[()] = extended.log_tails(scales, x, a, b)
    return found


def _curved(
    scales: Scales, wanted: set[Places], x: Array, a: Array, b: Array
) -> dict[Places, Tails]:
    """The second derivatives, if any, with what else is known then."""
    places = sorted(at for at in wanted if len(at) == 2)
    if not places:
        return {}
    pairs = tuple((_NAMES[j], _NAMES[k]) for j, k in places)
    d = log_tails_with_curvature(pairs, scales, x, a, b)
    found: dict[Places, Tails] = {(): d.value}
    found |= {(place,): d.first[name] for place, name in _NAMES.items() if name in d.first}
    found |= {place: d.second[pair] for place, pair in zip(places, pairs, strict=True)}
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
