"""Types of derivatives that are known in closed form."""

from collections.abc import Callable

from jax.custom_derivatives import SymbolicZero

from jaxnb._types import Array

__all__ = ["Derivative", "Tangent"]

Tangent = Array | SymbolicZero

Derivative = Callable[[], Array]
"""A partial derivative, computed when called."""
