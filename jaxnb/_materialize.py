"""Keeping XLA's CPU compiler from fusing a reduction into an element-wise kernel.

On CPU, XLA fuses `kernel(x).sum()` into one scalar loop that LLVM cannot vectorise: the sum of a
likelihood then costs several times as much as its values. `lax.optimization_barrier` does not
prevent it, since it is expanded before fusion. A conditional does, whose operands are finished
arrays. This module holds the one conditional that the library uses for that; on GPU and TPU, where
fusing the reduction is what one wants, it is absent from the compiled program.
"""

from collections.abc import Callable
from math import prod
from typing import TypeVar

import jax
import jax.numpy as jnp
from jax import lax

from jaxnb._types import Array

__all__ = ["any_in_batch", "computed_first", "if_any", "in_blocks", "materialize"]

_Result = TypeVar("_Result")

_BLOCK = 1 << 15  # elements


def _always() -> Array:
    # A predicate that must not be known to be true before the fusion pass has run: a constant would
    # be folded, and a value computed from the data would become one under `vmap`'s select or where
    # the data are closed over. The barrier is expanded only afterwards.
    always: Array = lax.optimization_barrier(jnp.asarray(True))  # type: ignore[no-untyped-call]
    return always


def _behind_conditional(*arrays: Array) -> tuple[Array, ...]:
    finished: tuple[Array, ...] = lax.cond(
        _always(),
        lambda *operands: operands,
        lambda *operands: tuple(
            jnp.full_like(a, jnp.nan if jnp.issubdtype(a.dtype, jnp.floating) else 0)
            for a in operands
        ),
        *arrays,
    )
    return finished


def materialize(*arrays: Array) -> tuple[Array, ...]:
    """Return the arrays unchanged, computed in full before anything that uses them (CPU only)."""
    finished: tuple[Array, ...] = lax.platform_dependent(
        *arrays, cpu=_behind_conditional, default=lambda *operands: operands
    )
    return finished


def if_any(
    condition: Array,
    then: Callable[..., _Result],
    otherwise: Callable[..., _Result],
    *operands: object,
) -> _Result:
    """`then` of the operands if the condition holds anywhere, else `otherwise`, which is cheaper.

    On GPU and TPU always `then`, which must be right for all arguments.
    """

    def conditional(*operands: object) -> _Result:
        result: _Result = lax.cond(any_in_batch(condition), then, otherwise, *operands)
        return result

    result: _Result = lax.platform_dependent(*operands, cpu=conditional, default=then)
    return result


def computed_first(function: Callable[..., _Result], *operands: object) -> _Result:
    """The function's arrays, computed in full before what uses them; for code that is CPU's alone.

    They are computed inside the conditional, and not copied through it as by `materialize`.
    """

    def nothing(*operands: object) -> _Result:
        shapes = jax.eval_shape(function, *operands)
        absent: _Result = jax.tree.map(lambda s: jnp.full(s.shape, jnp.nan, s.dtype), shapes)
        return absent

    result: _Result = lax.cond(_always(), function, nothing, *operands)
    return result


def in_blocks(
    function: Callable[..., tuple[Array, ...]], *operands: object, block: int = _BLOCK
) -> tuple[Array, ...]:
    """An element-wise function of arrays of one dtype, some columns after the others.

    What XLA cannot fuse then needs memory for a block instead of for everything. The memory of a
    branch is set aside even if it is never taken, and above 32 MB the C library returns it to the
    system after every call: the page faults of the next call take longer than the arithmetic.
    By columns, because cells, which are rows, are what is spread over devices.
    """
    leaves, structure = jax.tree.flatten(operands)
    shape = jnp.broadcast_shapes(*(leaf.shape for leaf in leaves))
    if len(shape) < 2 or not all(isinstance(size, int) for size in shape) or prod(shape) <= block:
        return function(*operands)
    columns = shape[-1]
    width = max(block * columns // prod(shape), 1)
    function = jax.jit(function)  # which is traced for the types of the results, and not again

    def add_block(number: Array, results: list[Array]) -> list[Array]:
        start = jnp.minimum(number * width, columns - width)  # the last one overlaps
        parts = [
            lax.dynamic_slice_in_dim(leaf, start, width, axis=-1)
            if leaf.shape[-1:] == (columns,)
            else leaf
            for leaf in leaves
        ]
        values = function(*jax.tree.unflatten(structure, parts))
        return [
            lax.dynamic_update_slice_in_dim(result, value, start, axis=-1)
            for result, value in zip(results, values, strict=True)
        ]

    part = [
        jax.ShapeDtypeStruct((*leaf.shape[:-1], width), leaf.dtype)  # type: ignore[no-untyped-call]
        if leaf.shape[-1:] == (columns,)
        else leaf
        for leaf in leaves
    ]
    outputs = jax.eval_shape(function, *jax.tree.unflatten(structure, part))
    nothing = [jnp.zeros(shape, output.dtype) for output in outputs]
    return tuple(lax.fori_loop(0, -(-columns // width), add_block, nothing))


@jax.custom_batching.custom_vmap
def any_in_batch(condition: Array) -> Array:
    """`jnp.any`, over the batch as well, so that a conditional on it stays one under `vmap`."""
    # As a maximum over columns first, which XLA's CPU compiler vectorizes; `any` it does not.
    columns = jnp.max(jnp.atleast_1d(condition).astype(jnp.int8), axis=0, initial=0)
    return jnp.max(columns, initial=0) > 0


@any_in_batch.def_vmap
def _any_in_batch_vmap(
    axis_size: int, in_batched: list[bool], condition: Array
) -> tuple[Array, bool]:
    return any_in_batch(condition), False
