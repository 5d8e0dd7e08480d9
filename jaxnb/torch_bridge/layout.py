"""The shapes in which tensors are handed to JAX: few programs, and no value computed twice."""

from collections.abc import Sequence
from functools import lru_cache
from math import prod
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

__all__ = ["Folded", "batch_first", "folded", "rounded_up"]


class Folded(NamedTuple):
    """Contiguous tensors for a compiled program, and what it takes to reshape its results.

    Attributes:
        tensors: The tensors for the program.
        lengths: The shape of a result without padding, as the program has its axes.
        unexpanded: The same with all axes, where those of stride 0 have length 1.
        shape: The shape that the tensors given have together.
    """

    tensors: list[Tensor]
    lengths: tuple[int, ...]
    unexpanded: tuple[int, ...]
    shape: tuple[int, ...]

    def unfold(self, result: Tensor) -> Tensor:
        """A result in the shape that the tensors given have together."""
        for axis, length in enumerate(self.lengths):
            if length < result.shape[axis]:
                result = result.narrow(axis, 0, length)
        if result.shape != self.unexpanded:
            result = result.reshape(self.unexpanded)
        if self.unexpanded != self.shape:
            result = result.expand(self.shape)
        return result.contiguous()


class _Steps(NamedTuple):
    """What is done to one tensor: axes narrowed, its new shape, axes and numbers of rows added."""

    narrowed: tuple[int, ...]
    joined: tuple[int, ...]
    padding: tuple[tuple[int, int], ...]


def folded(tensors: Sequence[Tensor]) -> Folded:
    """Detached tensors that broadcast, reshaped to few axes, most of them of rounded lengths.

    An axis along which every tensor is expanded (stride 0) is computed once. Adjacent axes except
    the last are joined where the tensors allow it. Since every new shape compiles a new program,
    the lengths of all axes but the last, which is usually that of the genes, are rounded up by at
    most an eighth: eight programs for each doubling of the minibatch. An only axis is rounded too.
    """
    steps, lengths, unexpanded, shape = _plan(*[(t.shape, t.stride()) for t in tensors])
    if 0 in shape:
        return Folded([], lengths, unexpanded, shape)
    prepared = [_prepared(t, s) for t, s in zip(tensors, steps, strict=True)]
    return Folded(prepared, lengths, unexpanded, shape)


# A training loop has few shapes; to think about them takes longer than a small program runs.
@lru_cache(maxsize=4096)
def _plan(
    *given: tuple[tuple[int, ...], tuple[int, ...]],
) -> tuple[list[_Steps], tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
    """The steps for tensors of these shapes and strides, and the shapes of `Folded`."""
    shape = np.broadcast_shapes(*(of_one for of_one, _ in given))
    if 0 in shape:
        return [], (), shape, shape
    narrowed = [
        tuple(axis for axis, n in enumerate(of_one) if n > 1 and strides[axis] == 0)
        for of_one, strides in given
    ]
    dense = [
        (1,) * (len(shape) - len(of_one))
        + tuple(1 if axis in axes else n for axis, n in enumerate(of_one))
        for (of_one, _), axes in zip(given, narrowed, strict=True)
    ]
    unexpanded = np.broadcast_shapes(*dense)
    groups = _joinable_axes(dense, unexpanded)
    joined = [tuple(prod(one[axis] for axis in group) for group in groups) for one in dense]
    lengths = tuple(prod(unexpanded[axis] for axis in group) for group in groups)
    added = [(axis, rounded_up(n) - n) for axis, n in enumerate(lengths[: max(1, len(groups) - 1)])]
    steps = [
        _Steps(axes, one, tuple((axis, rows) for axis, rows in added if rows and one[axis] > 1))
        for axes, one in zip(narrowed, joined, strict=True)
    ]
    return steps, lengths, unexpanded, shape


def _prepared(tensor: Tensor, steps: _Steps) -> Tensor:
    for axis in steps.narrowed:
        tensor = tensor.narrow(axis, 0, 1)
    tensor = tensor.resolve_neg().contiguous()
    if tensor.shape != steps.joined:
        tensor = tensor.reshape(steps.joined)
    for axis, rows in steps.padding:
        filling = [*tensor.shape]
        filling[axis] = rows
        tensor = torch.cat([tensor, tensor.new_ones(filling)], axis)
    return tensor


def rounded_up(length: int) -> int:
    """The next of eight lengths in every doubling; below 16 the length itself."""
    step = 1 << max(0, length.bit_length() - 4)
    return -(-length // step) * step


def batch_first(
    tensors: Sequence[Tensor], in_dims: Sequence[int | None], rank: int = 0
) -> list[Tensor]:
    """The tensors with the axis of `vmap` first, and their other axes aligned at the end.

    Args:
        tensors: The tensors.
        in_dims: Of each, the place of the axis of `vmap`; None if it has none.
        rank: How many other axes there are at least.
    """
    others = [t.dim() - (d is not None) for t, d in zip(tensors, in_dims, strict=True)]
    rank = max(rank, *others)
    batched = []
    for tensor, axis in zip(tensors, in_dims, strict=True):
        front = tensor.unsqueeze(0) if axis is None else tensor.movedim(axis, 0)
        length, *others = front.shape
        batched.append(front.reshape(length, *[1] * (rank - len(others)), *others))
    return batched


def _joinable_axes(shapes: Sequence[Sequence[int]], full: Sequence[int]) -> list[list[int]]:
    """Groups of axes along which each tensor has either full length or 1; the last axis alone."""
    groups: list[list[int]] = []
    pattern = None
    for axis in (axis for axis, length in enumerate(full) if length > 1):
        broadcast = [shape[axis] == 1 for shape in shapes]
        if broadcast == pattern and axis != len(full) - 1:
            groups[-1].append(axis)
        else:
            groups.append([axis])
        pattern = broadcast
    return groups
