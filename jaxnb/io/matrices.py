"""Matrices in memory or in an open file, read whole or in blocks of rows as CSR."""

from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np
from scipy import sparse

from jaxnb._errors import InputError
from jaxnb._progress import progress_bar

__all__ = ["InMemory", "Matrix", "StoredDense", "StoredSparse"]

_ELEMENTS_AT_ONCE = 1 << 22  # of a stored array: 32 MB of float64


class Matrix(Protocol):
    """Two-dimensional numbers, wherever they are."""

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""

    @property
    def by_rows(self) -> bool:
        """Whether `blocks` reads a block of rows at a time."""

    def blocks(self, rows: int, start: int = 0) -> Iterator[Any]:
        """The rows from `start` on, as CSR matrices of `rows` rows (the last may have fewer)."""

    def read(self, *, progress: bool) -> Any:
        """The whole matrix as CSR."""

    def transposed(self) -> "Matrix":
        """Rows and columns exchanged."""

    def sample(self) -> Any:
        """Some of the entries, enough to see whether they are whole numbers."""


class InMemory:
    """A numpy array or a scipy sparse matrix."""

    by_rows = False

    def __init__(self, matrix: Any) -> None:
        if matrix.ndim != 2:
            raise InputError(f"not a matrix, but an array of shape {matrix.shape}")
        self._matrix = matrix
        self.shape: tuple[int, int] = tuple(matrix.shape)

    def blocks(self, rows: int, start: int = 0) -> Iterator[Any]:  # noqa: D102
        # Converted once for every pass.
        self._matrix = self.read(progress=False)
        for first in range(start, self.shape[0], rows):
            yield self._matrix[first : first + rows]

    def read(self, *, progress: bool) -> Any:  # noqa: D102
        return _as_csr(self._matrix)

    def transposed(self) -> Matrix:  # noqa: D102
        return InMemory(self._matrix.T)

    def sample(self) -> Any:  # noqa: D102
        entries = self._matrix.data if sparse.issparse(self._matrix) else self._matrix.ravel()
        return entries[:_ELEMENTS_AT_ONCE]


class StoredSparse:
    """The three arrays of a compressed matrix in an HDF5 or Zarr file.

    Args:
        group: holds datasets `data`, `indices` and `indptr`.
        shape: rows and columns.
        by_rows: True for CSR, False for CSC.
    """

    def __init__(self, group: Any, shape: tuple[int, int], *, by_rows: bool) -> None:
        self._group, self.by_rows = group, by_rows
        self.shape = (int(shape[0]), int(shape[1]))
        self._whole: InMemory | None = None

    def blocks(self, rows: int, start: int = 0) -> Iterator[Any]:
        """Blocks of rows; a file that is compressed by columns is read whole, and kept, for it."""
        if not self.by_rows:
            self._whole = self._whole or InMemory(self.read(progress=False))
            yield from self._whole.blocks(rows, start)
            return
        starts = self._starts()
        for first in range(start, self.shape[0], rows):
            last = min(first + rows, self.shape[0])
            entries = slice(starts[first], starts[last])
            parts = (
                self._group["data"][entries],
                self._group["indices"][entries],
                starts[first : last + 1] - starts[first],
            )
            yield _checked(sparse.csr_array(parts, shape=(last - first, self.shape[1])))

    def read(self, *, progress: bool) -> Any:  # noqa: D102
        starts = self._starts()
        sizes = [self._group[name].shape[0] for name in ("data", "indices")]
        with progress_bar(sum(sizes), "reading", "entry", progress=progress) as bar:
            data, indices = (_read_array(self._group[name], bar) for name in ("data", "indices"))
        kind = sparse.csr_array if self.by_rows else sparse.csc_array
        return _checked(kind((data, indices, starts), shape=self.shape))

    def _starts(self) -> Any:
        """`indptr`, once the other two arrays are known to have the entries that it says."""
        starts = self._group["indptr"][:]
        lines = self.shape[0] if self.by_rows else self.shape[1]
        sizes = {name: int(self._group[name].shape[0]) for name in ("data", "indices")}
        if starts.size != lines + 1 or any(size != starts[-1] for size in sizes.values()):
            raise ValueError(
                f"damaged: {sizes['data']} values and {sizes['indices']} indices where indptr, "
                f"with {starts.size} entries for {lines} lines, ends at {starts[-1:].tolist()}"
            )
        return starts

    def transposed(self) -> Matrix:  # noqa: D102
        return StoredSparse(self._group, self.shape[::-1], by_rows=not self.by_rows)

    def sample(self) -> Any:  # noqa: D102
        return self._group["data"][:_ELEMENTS_AT_ONCE]


class StoredDense:
    """A two-dimensional dataset of an HDF5 or Zarr file."""

    by_rows = True

    def __init__(self, dataset: Any, *, exchanged: bool = False) -> None:
        self._dataset, self._exchanged = dataset, exchanged
        rows, columns = dataset.shape
        self.shape: tuple[int, int] = (columns, rows) if exchanged else (rows, columns)

    def blocks(self, rows: int, start: int = 0) -> Iterator[Any]:  # noqa: D102
        for first in range(start, self.shape[0], rows):
            part = slice(first, min(first + rows, self.shape[0]))
            block = self._dataset[:, part].T if self._exchanged else self._dataset[part]
            yield sparse.csr_array(block)

    def read(self, *, progress: bool) -> Any:  # noqa: D102
        # Along the stored rows, whichever these are: a chunk is read once.
        stored = StoredDense(self._dataset)
        rows = max(_ELEMENTS_AT_ONCE // max(stored.shape[1], 1), 1)
        parts = []
        with progress_bar(stored.shape[0], "reading", "row", progress=progress) as bar:
            for block in stored.blocks(rows):
                parts.append(block)
                bar.update(block.shape[0])
        if not parts:
            return sparse.csr_array(self.shape)
        matrix = sparse.vstack(parts, format="csr")
        return _as_csr(matrix.T) if self._exchanged else matrix

    def transposed(self) -> Matrix:  # noqa: D102
        return StoredDense(self._dataset, exchanged=not self._exchanged)

    def sample(self) -> Any:  # noqa: D102
        rows = max(_ELEMENTS_AT_ONCE // max(self._dataset.shape[1], 1), 1)
        return self._dataset[:rows].ravel()


def _read_array(dataset: Any, bar: Any) -> Any:
    whole = np.empty(dataset.shape, dataset.dtype)
    for start in range(0, dataset.shape[0], _ELEMENTS_AT_ONCE):
        part = slice(start, start + _ELEMENTS_AT_ONCE)
        whole[part] = dataset[part]
        bar.update(whole[part].size)
    return whole


def _checked(matrix: Any) -> Any:
    """As CSR, once every index is known to be inside the matrix: scipy trusts them."""
    matrix.check_format(full_check=True)
    return _as_csr(matrix)


def _as_csr(matrix: Any) -> Any:
    """CSR with sorted, distinct indices; entries that a file gives twice are added."""
    converted = sparse.csr_array(matrix)
    converted.sum_duplicates()
    return converted
