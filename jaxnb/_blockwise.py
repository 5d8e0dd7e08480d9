"""Element-wise functions that are evaluated for some columns after the others.

For functions with loops, whose operands and intermediate results would otherwise be whole arrays.
Differentiated in reverse, a loop over blocks would keep what every block has computed. Hence the
loop is a primitive: derivatives of any order are further results of the same loop, each computed
inside of its block.
"""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax.interpreters import ad

from jaxnb._elementwise import elementwise, nonzero
from jaxnb._materialize import in_blocks
from jaxnb._types import Array

__all__ = ["blockwise"]

_ON_CPU = 1 << 13  # elements in a block
_ELSEWHERE = 1 << 17  # half of what an H100 runs at a time, 132 x 2048 threads

Function = Callable[..., Array]
Index = tuple[int, ...]
"""The places of the arguments in which a derivative is taken, in ascending order."""


def blockwise(function: Function, *arguments: Array) -> Array:
    """An element-wise function of arrays of one rank and floating dtype.

    Args:
        function: Of arrays of one shape; hashable, and equal for equal programs.
        arguments: Its arguments, whose shapes broadcast.
    """
    result: Array
    (result,) = _blocks.bind(*arguments, function=function, indices=((),))  # type: ignore[no-untyped-call]
    return result


def _evaluated(
    *arguments: Array, function: Function, indices: tuple[Index, ...], block: int = _ELSEWHERE
) -> tuple[Array, ...]:
    def of(*block: Array) -> tuple[Array, ...]:
        return tuple(_derivatives(function, indices, tuple(jnp.broadcast_arrays(*block))))

    return in_blocks(of, *arguments, block=block)


def _evaluated_on_cpu(*arguments: Array, **static: Any) -> tuple[Array, ...]:
    return _evaluated(*arguments, **static, block=_ON_CPU)


_blocks = elementwise("jaxnb_blockwise", _evaluated, "indices", on_cpu=_evaluated_on_cpu)


def _jvp(
    primals: Sequence[Array],
    tangents: Sequence[Any],
    *,
    function: Function,
    indices: tuple[Index, ...],
) -> tuple[list[Array], list[Array]]:
    along = nonzero(tangents)
    further = {_with(index, k) for index in indices for k in along}
    every = tuple(sorted({*indices, *further}, key=lambda index: (len(index), index)))
    found = _blocks.bind(*primals, function=function, indices=every)  # type: ignore[no-untyped-call]
    by_index = dict(zip(every, found, strict=True))
    changes = []
    for index in indices:
        parts = [by_index[_with(index, k)] * t for k, t in along.items()]
        changes.append(sum(parts[1:], parts[0]))
    return [by_index[index] for index in indices], changes


ad.primitive_jvps[_blocks] = _jvp


def _with(index: Index, k: int) -> Index:
    return tuple(sorted((*index, k)))


def _derivatives(
    function: Function, indices: tuple[Index, ...], arguments: tuple[Array, ...]
) -> list[Array]:
    """The function's derivatives of these indices: first ones in reverse, further ones forward."""
    by_index: dict[Index, Array] = {}
    if max(len(index) for index in indices) <= 1:
        places = sorted({k for index in indices for k in index})
        at, moved = _of_places(function, places, arguments)
        by_index[()], pull = jax.vjp(at, *moved)
        first = pull(jnp.ones_like(by_index[()])) if places else ()
        by_index |= {(k,): derivative for k, derivative in zip(places, first, strict=True)}
        return [by_index[index] for index in indices]
    longest = max(len(index) for index in indices)
    lower = [index for index in indices if len(index) < longest]
    for k in sorted({index[-1] for index in indices if len(index) == longest}):
        shorter = [index[:-1] for index in indices if len(index) == longest and index[-1] == k]
        wanted = tuple(dict.fromkeys((*lower, *shorter)))
        lower = []  # values of the first turn

        def lowered(argument: Array, k: int = k, wanted: tuple[Index, ...] = wanted) -> list[Array]:
            return _derivatives(function, wanted, (*arguments[:k], argument, *arguments[k + 1 :]))

        own = arguments[k]
        values, changes = jax.jvp(lowered, (own,), (jnp.ones_like(own),))
        by_index |= dict(zip(wanted, values, strict=True))
        by_index |= {(*index, k): changes[wanted.index(index)] for index in shorter}
    return [by_index[index] for index in indices]


def _of_places(
    function: Function, places: list[int], arguments: tuple[Array, ...]
) -> tuple[Function, list[Array]]:
    def at(*moved: Array) -> Array:
        there = dict(zip(places, moved, strict=True))
        return function(*(there.get(k, a) for k, a in enumerate(arguments)))

    return at, [arguments[k] for k in places]
