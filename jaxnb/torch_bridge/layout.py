"""The shapes in which tensors are handed to JAX: few programs, and no value computed twice."""

from collections.abc import Sequence
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
        rows: The length of a result's first axis without padding; None if it has no axes.
        unexpanded: The shape of a result without padding, where stride-0 axes have length 1.
        shape: The shape that the tensors given have together.
    """

    tensors: list[Tensor]
    rows: int | None
    unexpanded: tuple[int, ...]
    shape: tuple[int, ...]

    def unfold(self, result: Tensor) -> Tensor:
        """A result in the shape that the tensors given have together."""
        if self.rows is not None and self.rows < result.shape[0]:
            result = result[: self.rows]
        if result.shape == self.shape:
            return result
        return result.reshape(self.unexpanded).expand(self.shape).contiguous()


def folded(tensors: Sequence[Tensor]) -> Folded:
    """Detached tensors that broadcast, reshaped to few axes, the first of a rounded length.

    An axis along which every tensor is expanded (stride 0) is computed once. Adjacent axes except
    the last are joined where the tensors allow it. Since every new shape compiles a new program,
    the length of the first axis, which is usually the minibatch, is rounded up by at most an
    eighth: eight programs for each doubling of it.
    """
    shape = np.broadcast_shapes(
        *(t.shape for t in tensors)
    )  # torch's function is slower than a kernel
    if 0 in shape:
        return Folded([], None, shape, shape)
    dense = [_without_expansion(_aligned(t, len(shape))) for t in tensors]
    unexpanded = np.broadcast_shapes(*(t.shape for t in dense))
    groups = _joinable_axes([t.shape for t in dense], unexpanded)
    joined = [_joined(t, groups) for t in dense]
    if not groups:
        return Folded(joined, None, unexpanded, shape)
    rows = max(t.shape[0] for t in joined)
    return Folded([_padded(t, rows) for t in joined], rows, unexpanded, shape)


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


def _aligned(tensor: Tensor, rank: int) -> Tensor:
    missing = rank - tensor.dim()
    return tensor.reshape((1,) * missing + tensor.shape) if missing else tensor


def _without_expansion(tensor: Tensor) -> Tensor:
    for axis, stride in enumerate(tensor.stride()):
        if stride == 0 and tensor.shape[axis] > 1:
            tensor = tensor.narrow(axis, 0, 1)
    return tensor.resolve_neg().contiguous()


def _joined(tensor: Tensor, groups: Sequence[Sequence[int]]) -> Tensor:
    shape = [prod(tensor.shape[axis] for axis in group) for group in groups]
    return tensor if len(shape) == tensor.dim() else tensor.reshape(shape)


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


def _padded(tensor: Tensor, rows: int) -> Tensor:
    """The tensor with rows of ones appended, up to the rounded length."""
    missing = rounded_up(rows) - rows
    if missing == 0 or tensor.shape[0] != rows:
        return tensor
    filling = tensor.new_ones((missing, *tensor.shape[1:]))
    return torch.cat([tensor, filling])
