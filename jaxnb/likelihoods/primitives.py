"""The likelihoods as primitives of JAX, so that their closed-form derivatives hold everywhere.

There are two of them:

`first`    outputs of a likelihood, each the value or a first derivative. Its tangent takes more
           first derivatives, and of these a product;
`product`  rows of the Hessian times a vector. It is linear in the vector, and because the Hessian
           is symmetric its transpose is itself, with rows and directions exchanged: reverse over
           reverse opens nothing either. Third derivatives are those of its closed form.

Operands are x, the parameters, the floor, and for `product` the directions, all of one rank and
dtype. An evaluation is element-wise (`jaxnb._elementwise`).
"""

from collections.abc import Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.interpreters import ad

from jaxnb._elementwise import as_direction, elementwise, nonzero, varying_alike
from jaxnb._types import Array
from jaxnb.likelihoods import evaluate
from jaxnb.likelihoods.arguments import Scales
from jaxnb.likelihoods.evaluate import VALUE, Directions, Likelihood

__all__ = ["outputs", "value"]

Places = tuple[int, ...]


def _first(
    likelihood: Likelihood,
    scales: Scales,
    outputs: Places,
    arguments: Sequence[Array],
    eps: Array,
) -> list[Array]:
    """Outputs of a likelihood, each of the shape of all arguments together.

    Args:
        likelihood: Which one.
        scales: The scales of means and thetas.
        outputs: `VALUE`, or the place of the argument differentiated in.
        arguments: x and the parameters, of one rank and dtype.
        eps: The floor on the means.
    """
    eps = lax.expand_dims(eps, range(arguments[0].ndim - eps.ndim))
    static = {"likelihood": likelihood, "scales": scales, "outputs": outputs}
    found: list[Array] = _first_p.bind(*arguments, eps, **static)  # type: ignore[no-untyped-call]
    return found


def outputs(likelihood: Likelihood, places: Places, *arguments: Any) -> list[Array]:
    """Outputs of a likelihood; the arguments are x, the parameters, the floor and the scales."""
    *operands, eps, scales = arguments
    return _first(likelihood, scales, places, operands, eps)


def value(likelihood: Likelihood, *arguments: Any) -> Array:
    """The log-probability, of the arguments of `outputs`."""
    return outputs(likelihood, (VALUE,), *arguments)[0]


def _product(
    likelihood: Likelihood,
    scales: Scales,
    rows: Places,
    arguments: Sequence[Array],
    eps: Array,
    directions: Directions,
) -> list[Array]:
    given = tuple(directions)
    static = {"likelihood": likelihood, "scales": scales, "rows": rows, "given": given}
    # so that each cotangent is summed over the devices where its direction is the same on all
    along = varying_alike([*arguments, eps, *directions.values()])[-len(given) :]
    found: list[Array] = _product_p.bind(  # type: ignore[no-untyped-call]
        *arguments, eps, *along, **static
    )
    return found


# -- the functions behind them ------------------------------------------------------------------


def _first_function(
    *operands: Array,
    likelihood: Likelihood,
    scales: Scales,
    outputs: Places,
    cpu: bool = False,
) -> tuple[Array, ...]:
    *arguments, eps = operands
    return evaluate.evaluated(likelihood, scales, outputs, arguments, eps, cpu=cpu)


def _product_function(
    *operands: Array,
    likelihood: Likelihood,
    scales: Scales,
    rows: Places,
    given: Places,
    cpu: bool = False,
) -> tuple[Array, ...]:
    number = len(operands) - len(given)
    *arguments, eps = operands[:number]
    directions = dict(zip(given, operands[number:], strict=True))
    return evaluate.product(likelihood, scales, rows, arguments, eps, directions, cpu=cpu)


_first_p = elementwise(
    "jaxnb_log_prob", _first_function, "outputs", partial(_first_function, cpu=True)
)
_product_p = elementwise(
    "jaxnb_hessian_product", _product_function, "rows", partial(_product_function, cpu=True)
)


# -- derivatives ----------------------------------------------------------------------------------


def _first_jvp(
    primals: Sequence[Array],
    tangents: Sequence[Any],
    *,
    likelihood: Likelihood,
    scales: Scales,
    outputs: Places,
) -> tuple[list[Array], list[Any]]:
    *arguments, eps = primals
    directions = nonzero(tangents[:-1])
    more = tuple(p for p in directions if p not in outputs) if VALUE in outputs else ()
    found = _first(likelihood, scales, outputs + more, arguments, eps)
    by_place = dict(zip(outputs + more, found, strict=True))
    results = found[: len(outputs)]
    along = {place: jnp.zeros_like(by_place[place]) for place in outputs}
    if directions:
        rows = tuple(place for place in outputs if place != VALUE)
        if rows:
            products = _product(likelihood, scales, rows, arguments, eps, directions)
            along.update(zip(rows, products, strict=True))
        if VALUE in outputs:
            along[VALUE] = along[VALUE] + evaluate.dot(by_place, directions)
    return results, [along[place] for place in outputs]


def _product_jvp(
    primals: Sequence[Array],
    tangents: Sequence[Any],
    *,
    likelihood: Likelihood,
    scales: Scales,
    rows: Places,
    given: Places,
) -> tuple[list[Array], list[Array]]:
    number = len(primals) - len(given)
    *arguments, eps = primals[:number]
    directions = dict(zip(given, primals[number:], strict=True))
    results = _product(likelihood, scales, rows, arguments, eps, directions)
    along = [jnp.zeros_like(result) for result in results]

    moved = nonzero(tangents[: number - 1])
    if moved:

        def at(*coordinates: Array) -> tuple[Array, ...]:
            places = dict(zip(moved, coordinates, strict=True))
            there = [places.get(place, a) for place, a in enumerate(arguments)]
            # the plain function: the third order has no closed form
            return evaluate.product(likelihood, scales, rows, there, eps, directions, blocks=False)

        where = tuple(arguments[place] for place in moved)
        along = list(jax.jvp(at, where, tuple(moved.values()))[1])

    others = {given[k]: tangent for k, tangent in nonzero(tangents[number:]).items()}
    if others:
        products = _product(likelihood, scales, rows, arguments, eps, others)
        along = [a + b for a, b in zip(along, products, strict=True)]
    return results, along


def _product_transpose(
    cotangents: Sequence[Any],
    *operands: Any,
    likelihood: Likelihood,
    scales: Scales,
    rows: Places,
    given: Places,
) -> list[Array | None]:
    number = len(operands) - len(given)
    *arguments, eps = operands[:number]
    directions = {rows[k]: cotangent for k, cotangent in nonzero(cotangents).items()}
    nothing: list[Array | None] = [None] * number
    if not directions:
        return nothing + [None] * len(given)
    products = _product(likelihood, scales, given, arguments, eps, directions)
    return nothing + [
        as_direction(product, operand.aval) if type(operand) is ad.UndefinedPrimal else None
        for product, operand in zip(products, operands[number:], strict=True)
    ]


ad.primitive_jvps[_first_p] = _first_jvp
ad.primitive_jvps[_product_p] = _product_jvp
ad.primitive_transposes[_product_p] = _product_transpose
