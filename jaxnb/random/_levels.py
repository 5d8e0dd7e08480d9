"""Uniform levels, for draws by inversion."""

from collections.abc import Sequence

import jax.numpy as jnp
import numpy as np

from jaxnb._types import Array, ArrayLike, DTypeLike
from jaxnb.random import _bits

__all__ = ["draw_levels"]


def draw_levels(key: ArrayLike, shape: Sequence[int], dtype: DTypeLike) -> Array:
    """Uniforms in (0, 1], of which the small ones keep their digits (`_bits.uniform`).

    Args:
        key: One key of jax.random, typed or raw, of any implementation.
        shape: Of the result.
        dtype: float32 or float64.
    """
    index = jnp.arange(int(np.prod(shape)), dtype=jnp.uint32)
    wide = _bits.needs_wide(dtype)
    word, _ = _bits.random_words(_bits.fold_key(key), index, _bits.LEVEL, wide=wide)
    return _bits.uniform(word, dtype).reshape(tuple(shape))
