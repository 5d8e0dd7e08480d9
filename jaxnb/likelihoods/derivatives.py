"""Tangents of functions whose partial derivatives are known in closed form."""

from collections.abc import Callable, Sequence

import jax.numpy as jnp
from jax.custom_derivatives import SymbolicZero

from jaxnb._materialize import materialize
from jaxnb._types import Array

__all__ = ["Slope", "Tangent", "tangent"]

Tangent = Array | SymbolicZero
Slope = Callable[[], Array]
Derivative = Slope


def tangent(output: Array, slopes: Sequence[Slope], tangents: Sequence[Tangent]) -> Array:
    """Sum of slope x tangent, each slope computed only if its tangent is not zero.

    The slopes are finished before they are used: in reverse mode each is multiplied and reduced to
    the shape of its argument, and that reduction must not be fused with the kernel.
    """
    terms = [
        materialize(slope())[0] * direction
        for slope, direction in zip(slopes, tangents, strict=True)
        if not isinstance(direction, SymbolicZero)
    ]
    return sum(terms[1:], start=terms[0]) if terms else jnp.zeros_like(output)
