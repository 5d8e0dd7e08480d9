"""The types of the public signatures."""

from jax import Array
from jax.typing import ArrayLike, DTypeLike

__all__ = ["Array", "ArrayLike", "DTypeLike"]
