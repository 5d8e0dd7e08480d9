"""The negative binomial as a `Kernel`: its two tails with their derivatives, its quantile roughly.

Mean and theta are a and b here, each on its scale.

The tails are a primitive with their derivatives as further outputs. The tangent of an output takes
one derivative more, up to the second; third ones are those of the closed forms.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any, Final

import jax
import jax.numpy as jnp
from jax import lax
from jax.interpreters import ad

from jaxnb._elementwise import elementwise, nonzero
from jaxnb._materialize import in_blocks
from jaxnb._types import Array
from jaxnb.cdf import extended
from jaxnb.cdf.calls import Component, Kernel
from jaxnb.cdf.curvature import MU, THETA
from jaxnb.cdf.extended_curvature import log_tails_with_curvature
from jaxnb.cdf.moved import values
from jaxnb.cdf.start import approximate_quantile
from jaxnb.cdf.tails import Part, Tails
from jaxnb.likelihoods import negative_binomial
from jaxnb.likelihoods.arguments import Scales

__all__ = ["NEGATIVE_BINOMIAL", "around", "fixed", "nb_log_tails", "start", "upper_end"]

_MU: Final = 1  # places of the operands
_THETA: Final = 2
_NAMES: Final = {_MU: MU, _THETA: THETA}

_Output = tuple[str, tuple[int, ...]]
"""A field of `Tails`, and the places of the parameters differentiated in, in their order."""


def nb_log_tails(scales: Scales, x: Array, a: Array, b: Array) -> Tails:
    """log F and log(1 - F)."""
    outputs: tuple[_Output, ...] = (("log_cdf", ()), ("log_sf", ()))
    return Tails(*_bind(scales, outputs, lax.stop_gradient(jnp.floor(x)), a, b))


def _bind(scales: Scales, outputs: tuple[_Output, ...], *operands: Array) -> list[Array]:
    found: list[Array] = _tails_p.bind(*operands, scales=scales, outputs=outputs)  # type: ignore[no-untyped-call]
    return found


def _evaluated(
    x: Array, a: Array, b: Array, *, scales: Scales, outputs: tuple[_Output, ...]
) -> tuple[Array, ...]:
    wanted = {places for _, places in outputs}
    found = _curved(scales, wanted, x, a, b)
    first = tuple(sorted({at[0] for at in wanted if len(at) == 1 and at not in found}))
    if first:
        wrt = tuple(_NAMES[place] for place in first)
        value, derivatives = extended.log_tails_with_derivatives(wrt, scales, x, a, b)
        found |= {(place,): d for place, d in zip(first, derivatives, strict=True)}
        found[()] = value
    elif () in wanted and () not in found:
        found[()] = extended.log_tails(scales, x, a, b)
    return tuple(getattr(found[places], name) for name, places in outputs)


def _curved(
    scales: Scales, wanted: set[tuple[int, ...]], x: Array, a: Array, b: Array
) -> dict[tuple[int, ...], Tails]:
    """The second derivatives, if any, with what else is known then."""
    places = sorted(at for at in wanted if len(at) == 2)
    if not places:
        return {}
    pairs = tuple((_NAMES[j], _NAMES[k]) for j, k in places)
    d = log_tails_with_curvature(pairs, scales, x, a, b)
    found: dict[tuple[int, ...], Tails] = {(): d.value}
    found |= {(place,): d.first[name] for place, name in _NAMES.items() if name in d.first}
    found |= {place: d.second[pair] for place, pair in zip(places, pairs, strict=True)}
    return found


def _evaluated_on_cpu(*operands: Array, **static: Any) -> tuple[Array, ...]:
    return in_blocks(partial(_evaluated, **static), *operands)


_tails_p: Final = elementwise("jaxnb_log_tails", _evaluated, "outputs", on_cpu=_evaluated_on_cpu)


def _tails_jvp(
    primals: Sequence[Array],
    tangents: Sequence[Any],
    *,
    scales: Scales,
    outputs: tuple[_Output, ...],
) -> tuple[list[Array], list[Any]]:
    directions = nonzero(tangents)

    def derivative(output: _Output, place: int) -> _Output:
        name, places = output
        return name, tuple(sorted((*places, place)))

    known = [output for output in outputs if len(output[1]) < 2]
    # all at once, since they share the quadrature
    more = tuple({derivative(output, place): None for output in known for place in directions})
    found = _bind(scales, (*outputs, *more), *primals)
    by_output = dict(zip((*outputs, *more), found, strict=True))
    along = {
        output: sum(by_output[derivative(output, place)] * t for place, t in directions.items())
        for output in known
    }
    last = tuple(output for output in outputs if len(output[1]) == 2)
    if last:
        places = tuple(directions)

        def second(*parameters: Array) -> tuple[Array, ...]:
            operands = dict(enumerate(primals)) | dict(zip(places, parameters, strict=True))
            return _evaluated(*operands.values(), scales=scales, outputs=last)

        at = tuple(primals[place] for place in places)
        third = jax.jvp(second, at, tuple(directions.values()))[1]
        along |= dict(zip(last, third, strict=True))
    return found[: len(outputs)], [along[output] for output in outputs]


ad.primitive_jvps[_tails_p] = _tails_jvp


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
