"""Primitives for the logarithms of two tails, with derivatives as further outputs.

The tangent of an output takes one derivative more, up to the second; third ones are those of what
is evaluated.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final

import jax
import jax.numpy as jnp
from jax import lax
from jax.extend.core import Primitive
from jax.interpreters import ad

from jaxnb._elementwise import elementwise, nonzero
from jaxnb._materialize import in_blocks
from jaxnb._types import Array
from jaxnb.cdf.tails import Tails
from jaxnb.likelihoods.arguments import Scales

__all__ = ["MEAN", "THETA", "Places", "found_tails", "tails_primitive"]

MEAN: Final = 1  # places of the operands
THETA: Final = 2

Places = tuple[int, ...]
"""Those of the parameters differentiated in, in their order."""
Evaluated = Callable[[Scales, set[Places], Array, Array, Array], dict[Places, Tails]]
"""Of the scales, what is wanted, and the operands; it may find more than is wanted."""
_Output = tuple[str, Places]
"""A field of `Tails`, and places."""


def found_tails(primitive: Primitive, scales: Scales, x: Array, a: Array, b: Array) -> Tails:
    """log F and log(1 - F); x is rounded down, and has no derivative."""
    outputs: tuple[_Output, ...] = (("log_cdf", ()), ("log_sf", ()))
    return Tails(*_bind(primitive, scales, outputs, lax.stop_gradient(jnp.floor(x)), a, b))


def _bind(
    primitive: Primitive, scales: Scales, outputs: tuple[_Output, ...], *operands: Array
) -> list[Array]:
    found: list[Array] = primitive.bind(*operands, scales=scales, outputs=outputs)  # type: ignore[no-untyped-call]
    return found


def tails_primitive(name: str, of: Evaluated) -> Primitive:
    """The primitive of this name, of x, mean and theta."""

    def evaluated(
        x: Array, a: Array, b: Array, *, scales: Scales, outputs: tuple[_Output, ...]
    ) -> tuple[Array, ...]:
        found = of(scales, {places for _, places in outputs}, x, a, b)
        return tuple(getattr(found[places], field) for field, places in outputs)

    def on_cpu(*operands: Array, **static: Any) -> tuple[Array, ...]:
        return in_blocks(partial(evaluated, **static), *operands)

    primitive = elementwise(name, evaluated, "outputs", on_cpu=on_cpu)
    ad.primitive_jvps[primitive] = partial(_jvp, primitive, evaluated)
    return primitive


def _jvp(
    primitive: Primitive,
    evaluated: Callable[..., tuple[Array, ...]],
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
    found = _bind(primitive, scales, (*outputs, *more), *primals)
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
            return evaluated(*operands.values(), scales=scales, outputs=last)

        at = tuple(primals[place] for place in places)
        third = jax.jvp(second, at, tuple(directions.values()))[1]
        along |= dict(zip(last, third, strict=True))
    return found[: len(outputs)], [along[output] for output in outputs]
