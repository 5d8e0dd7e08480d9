"""Tangents of functions whose partial derivatives are known in closed form."""

from collections.abc import Callable, Sequence

import jax.numpy as jnp
from jax.custom_derivatives import SymbolicZero

from jaxnb._types import Array

__all__ = ["Derivative", "Tangent", "tangent"]

Tangent = Array | SymbolicZero

Derivative = Callable[[], Array]
"""A partial derivative, computed when called."""


def tangent(output: Array, derivatives: Sequence[Derivative], tangents: Sequence[Tangent]) -> Array:
    """Sum of derivative x tangent, each derivative computed only if its tangent is not zero."""
    terms = [
        derivative() * direction
        for derivative, direction in zip(derivatives, tangents, strict=True)
        if not isinstance(direction, SymbolicZero)
    ]
    return sum(terms[1:], start=terms[0]) if terms else jnp.zeros_like(output)
