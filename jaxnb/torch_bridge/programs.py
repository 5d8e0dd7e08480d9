"""The compiled JAX programs behind the bridge: any partial derivatives of a function, by name.

A name is that of a function, followed, if parameters are given by their logarithms, by a slash and
those: "log_nb_positive", "log_nb_positive/log_mu,log_theta".
"""

from collections.abc import Callable
from functools import cache

import jax
import jax.numpy as jnp

from jaxnb._types import Array
from jaxnb.likelihoods.arguments import Scales, promote
from jaxnb.likelihoods.evaluate import VALUE
from jaxnb.torch_bridge.functions import Pointwise, along, found

__all__ = ["Orders", "partials"]

Orders = tuple[int, ...]
"""How often to differentiate in each tensor argument."""


@cache
def partials(name: str, requested: tuple[Orders, ...]) -> Callable[..., tuple[Array, ...]]:
    """A compiled function of (eps, *tensors) that returns the partial derivatives requested.

    The first derivative is the one in closed form; higher ones are derivatives of it in forward
    mode, along a tangent of ones, which for a pointwise function is the derivative of each element.
    Each has the shape that the tensors have together.
    """
    function, scales = found(name)

    @jax.jit
    def evaluate(eps: float | None, *tensors: Array) -> tuple[Array, ...]:
        first, *others = tensors
        _, aligned = promote(x=first, **dict(zip(function.arguments[1:], others, strict=True)))
        shape = jnp.broadcast_shapes(*(a.shape for a in aligned))
        floor = function.floor(eps, aligned[0].dtype, scales)
        places = tuple({_place(orders) for orders in requested if sum(orders) <= 1})
        # all in one evaluation
        found_at = function.outputs(places, *aligned, floor, scales) if places else []
        at_most_first = dict(zip(places, found_at, strict=True))

        def derivative(orders: Orders) -> Array:
            if sum(orders) > 1:
                return _beyond_first(function, scales, aligned, floor, orders)
            return at_most_first[_place(orders)]

        return tuple(jnp.broadcast_to(derivative(orders), shape) for orders in requested)

    return evaluate


def _place(orders: Orders) -> int:
    return orders.index(1) if any(orders) else VALUE


def _beyond_first(
    function: Pointwise, scales: Scales, aligned: list[Array], eps: Array, orders: Orders
) -> Array:
    """A derivative of order two or more.

    Which of the first derivatives is differentiated is a matter of speed only. The one in theta,
    which comes after x and the means, is the most expensive.
    """
    first = next(place for place, order in enumerate(orders) if order)

    def derivative(*tensors: Array) -> Array:
        return function.outputs((first,), *tensors, eps, scales)[0]

    for place, order in enumerate(orders):
        for _ in range(order - (place == first)):
            derivative = along(derivative, place)
    return derivative(*aligned)
