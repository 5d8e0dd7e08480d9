"""The compiled JAX programs behind the bridge: any partial derivatives of a likelihood, by name.

A name is that of a function, followed, if parameters are given by their logarithms, by a slash and
those: "log_nb_positive", "log_nb_positive/log_mu,log_theta".
"""

from collections.abc import Callable, Sequence
from functools import cache, partial
from typing import Any

import jax
import jax.numpy as jnp

from jaxnb._types import Array
from jaxnb.families import FAMILIES, Family, tied
from jaxnb.likelihoods.arguments import Scale, Scales, floor_of, promote
from jaxnb.likelihoods.derivatives import Derivative
from jaxnb.likelihoods.zero_inflated import zinb_parameter_derivatives

__all__ = ["LIKELIHOODS", "Orders", "modes", "named", "partials"]

Orders = tuple[int, ...]
"""How often to differentiate in each tensor argument."""


def _families_by_name() -> dict[str, Family]:
    every = {family.function_name: family for family in FAMILIES.values()}
    with_defaults = [f for f in every.values() if any(p.default for p in f.parameters)]
    return every | {f"{f.function_name}_tied": tied(f) for f in with_defaults}


LIKELIHOODS = _families_by_name()
"""The distributions by the names of their functions, also without their optional parameters."""

_PARAMETER_DERIVATIVES: dict[str, Callable[..., list[Derivative]]] = {
    "log_zinb_positive": zinb_parameter_derivatives
}
"""Cheaper ways to the values of the derivatives in the parameters. They leave the dependence on x
out, so that they must not be differentiated."""


def named(function: str, logarithms: Sequence[str]) -> str:
    """The name of a function that takes the logarithms of some of its parameters."""
    return f"{function}/{','.join(logarithms)}" if logarithms else function


def _found(name: str) -> tuple[Family, Scales]:
    function, _, logarithms = name.partition("/")
    family, logs = LIKELIHOODS[function], set(filter(None, logarithms.split(",")))
    scaled = [p.log_name for p in family.parameters if p.has_log_scale]
    if unknown := logs.difference(scaled):
        raise ValueError(f"{function} has no parameter {', '.join(sorted(unknown))}")
    scales: list[Scale] = ["log" if log_name in logs else "linear" for log_name in scaled]
    return family, tuple(scales)


def _scales_of_means(family: Family, scales: Scales) -> list[Scale]:
    scaled = [p.name for p in family.parameters if p.has_log_scale]
    return [s for name, s in zip(scaled, scales, strict=True) if name.startswith("mu")]


@cache
def partials(name: str, requested: tuple[Orders, ...]) -> Callable[..., tuple[Array, ...]]:
    """A compiled function of (eps, *tensors) that returns the partial derivatives requested.

    The first derivative is the one in closed form; higher ones are derivatives of it in forward
    mode, along a tangent of ones, which for a pointwise function is the derivative of each element.
    Each has the shape that the tensors have together.
    """
    family, scales = _found(name)
    cheaper = _PARAMETER_DERIVATIVES.get(name.partition("/")[0])

    @jax.jit
    def evaluate(eps: float | None, *tensors: Array) -> tuple[Array, ...]:
        _, aligned = promote(**dict(zip(family.arguments, tensors, strict=True)))
        shape = jnp.broadcast_shapes(*(a.shape for a in aligned))
        floor = floor_of(eps, aligned[0].dtype, *_scales_of_means(family, scales))
        at_most_first = _at_most_first(family, cheaper, (*aligned, floor, scales), requested)

        def derivative(orders: Orders) -> Array:
            if sum(orders) > 1:
                return _beyond_first(family, scales, aligned, floor, orders)
            return at_most_first(orders)

        return tuple(jnp.broadcast_to(derivative(orders), shape) for orders in requested)

    return evaluate


def _at_most_first(
    family: Family,
    cheaper: Callable[..., list[Derivative]] | None,
    arguments: tuple[Any, ...],
    requested: tuple[Orders, ...],
) -> Callable[[Orders], Array]:
    """The value and the first derivatives, of a likelihood that is evaluated once for all.

    The cheaper derivatives are used where nothing but first derivatives in the parameters is
    requested, and never differentiated.
    """
    if cheaper is not None and all(sum(o) == 1 and o[0] == 0 for o in requested):
        derivatives = cheaper(*arguments)
        return lambda orders: derivatives[orders.index(1) - 1]()
    evaluated = cache(partial(family.with_derivatives, *arguments))
    return lambda orders: evaluated()[1][orders.index(1)]() if any(orders) else evaluated()[0]


def _beyond_first(
    family: Family, scales: Scales, aligned: list[Array], eps: Array, orders: Orders
) -> Array:
    """A derivative of order two or more.

    Which of the first derivatives is differentiated is a matter of speed only. The one in theta,
    which comes after x and the means, is the most expensive.
    """
    first = next(place for place, order in enumerate(orders) if order)

    def derivative(*tensors: Array) -> Array:
        return family.with_derivatives(*tensors, eps, scales)[1][first]()

    for place, order in enumerate(orders):
        for _ in range(order - (place == first)):
            derivative = _along(derivative, place)
    return derivative(*aligned)


def _along(function: Callable[..., Array], place: int) -> Callable[..., Array]:
    def derivative(*tensors: Array) -> Array:
        def of_one(tensor: Array) -> Array:
            return function(*tensors[:place], tensor, *tensors[place + 1 :])

        tensor = tensors[place]
        tangent: Array = jax.jvp(of_one, (tensor,), (jnp.ones_like(tensor),))[1]
        return tangent

    return derivative


@cache
def modes(name: str) -> Callable[..., tuple[Array]]:
    """A compiled function of (None, *parameters) that returns the modes of a distribution."""
    return jax.jit(lambda _, *parameters: (FAMILIES[name].mode(*parameters),))
