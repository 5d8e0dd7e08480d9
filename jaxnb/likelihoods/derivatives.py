"""The type of a tangent in a rule for derivatives."""

from jax.custom_derivatives import SymbolicZero

from jaxnb._types import Array

__all__ = ["Tangent"]

Tangent = Array | SymbolicZero
