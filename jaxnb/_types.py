"""The two array types of the public signatures."""

from jax import Array
from jax.typing import ArrayLike

__all__ = ["Array", "ArrayLike"]
