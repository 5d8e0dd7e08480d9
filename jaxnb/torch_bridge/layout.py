"""The shapes in which tensors go to JAX: few programs to compile, no value computed twice."""

from collections.abc import Sequence
from math import prod
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

__all__ = ["Folded", "folded", "rounded_up"]


class Folded(NamedTuple):
    """Contiguous tensors for a compiled program, and the way back from its results.

    Attributes:
        tensors: What to hand over.
        rows: How many entries of a result's first axis are meant; None if it is a number.
        unexpanded: The shape of what is meant, where stride-0 axes have length 1.
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
    """Fold detached tensors that broadcast into few axes, the first of a rounded length.

    An axis along which every tensor is expanded (stride 0) is computed once. Neighbouring axes but
    the last are joined where the tensors allow it. Since every new shape compiles a new program,
    the length of the first axis, as a rule that of the minibatch, is rounded up by at most an
    eighth: eight programs for each doubling of it.
    """
    shape = np.broadcast_shapes(*(t.shape for t in tensors))  # torch's takes longer than a kernel
    dense = [_without_expansion(_aligned(t, len(shape))) for t in tensors]
    unexpanded = np.broadcast_shapes(*(t.shape for t in dense))
    groups = _joinable_axes([t.shape for t in dense], unexpanded)
    joined = [_joined(t, groups) for t in dense]
    if not groups:
        return Folded(joined, None, unexpanded, shape)
    rows = max(t.shape[0] for t in joined)
    return Folded([_padded(t, rows) for t in joined], rows, unexpanded, shape)


def rounded_up(length: int) -> int:
    """The next of eight lengths in every octave; below 16 the length itself."""
    step = 1 << max(0, length.bit_length() - 4)
    return -(-length // step) * step


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
    """Axes in groups along which every tensor is either whole or of length 1; the last alone."""
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
    """The tensor with ones behind its rows, up to the rounded length."""
    missing = rounded_up(rows) - rows
    if missing == 0 or tensor.shape[0] != rows:
        return tensor
    filling = tensor.new_ones((missing, *tensor.shape[1:]))
    return torch.cat([tensor, filling])
