"""Shapes and dtypes of the samplers' arguments, by the rules of jax.random."""

from collections.abc import Sequence
from typing import SupportsIndex

import jax
import jax.numpy as jnp
import numpy as np

from jaxnb._types import Array, ArrayLike, DTypeLike

# The flat index of an element counts in 32 bits, its slot in a buffer in 31.
_MAX_SIZE = 2**31 - 1


def result_shape(name: str, shape: Sequence[int] | None, *parameters: ArrayLike) -> tuple[int, ...]:
    """The shape asked for, or that of the parameters broadcast together.

    Raises:
      ValueError: If the parameters do not broadcast to the shape, or it has too many elements.
    """
    broadcast = jnp.broadcast_shapes(*(jnp.shape(parameter) for parameter in parameters))
    if shape is None:
        shape = broadcast
    # A length that is a symbol, of a program for export, is known only when the program runs.
    shape = tuple(int(n) if isinstance(n, SupportsIndex) else n for n in shape)
    if any(length < 0 for length in shape):
        raise ValueError(f"{name}: shape must hold non-negative integers, got {shape}")
    if jnp.broadcast_shapes(shape, broadcast) != shape:
        raise ValueError(
            f"{name}: the parameters have the shape {broadcast} together, which does not broadcast"
            f" to shape={shape}"
        )
    if np.prod([n for n in shape if isinstance(n, int)], dtype=float) > _MAX_SIZE:
        raise ValueError(
            f"{name}: shape={shape} has more than {_MAX_SIZE} elements: split the key and draw"
            " in parts"
        )
    return shape


def float_dtype(name: str, dtype: DTypeLike) -> np.dtype:
    """The dtype as it is available (float64 is float32 without x64), a real float."""
    available = _available(dtype)
    if not jnp.issubdtype(available, jnp.floating):
        raise ValueError(f"{name}: dtype must be a float dtype, got {available}")
    return available


def count_dtype(name: str, dtype: DTypeLike) -> np.dtype:
    """The dtype as it is available (int64 is int32 without x64), an integer or a real float."""
    available = _available(dtype)
    if not (jnp.issubdtype(available, jnp.integer) or jnp.issubdtype(available, jnp.floating)):
        raise ValueError(f"{name}: dtype must be an integer or a float dtype, got {available}")
    return available


def _available(dtype: DTypeLike) -> np.dtype:
    available: np.dtype = jax.eval_shape(lambda: jnp.zeros((), dtype)).dtype
    return available


def working_float(dtype: np.dtype) -> np.dtype:
    """The float dtype to compute in: float64 for the 64-bit dtypes, float32 for all others."""
    return np.dtype(np.float64 if dtype.itemsize == 8 else np.float32)


def working_count(dtype: np.dtype) -> np.dtype:
    """A signed dtype to count in, so that negative numbers can mark what has no count yet."""
    if jnp.issubdtype(dtype, jnp.signedinteger):
        return np.dtype(np.int64 if dtype.itemsize == 8 else np.int32)
    return working_float(dtype)


def flat(parameter: ArrayLike, shape: tuple[int, ...], dtype: np.dtype) -> Array:
    """The parameter cast, broadcast and flattened."""
    return jnp.broadcast_to(jax.lax.convert_element_type(parameter, dtype), shape).reshape(-1)
