"""Any count matrix, checked once and handed out in dense blocks of one fixed shape."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from jaxnb._types import Array, ArrayLike

__all__ = ["Block", "Columns"]

# A CPU keeps both caches and threads busy with small blocks, and a column that converges slowly
# then holds few others up. An accelerator needs wide ones.
_ELEMENTS_ON_CPU = 1 << 15
_ELEMENTS_ON_ACCELERATOR = 1 << 21
_SMALLEST_WIDTH, _LARGEST_WIDTH = 8, 1024


class Block(NamedTuple):
    """Some columns as the rows of a dense array, padded with columns of zeros.

    Attributes:
        columns: which columns these are, a slice of the matrix's.
        x: their counts, shape ``(width, rows)``.
        size_factors: shape ``(rows,)``.
    """

    columns: slice
    x: Array
    size_factors: Array

    @property
    def occurs(self) -> NDArray[np.bool_]:
        """Which columns have any count at all, shape ``(width,)``."""
        return np.asarray(self.x.any(axis=1))

    @property
    def occupied(self) -> slice:
        """The rows of `x` that are columns of the matrix and not padding."""
        return slice(0, self.columns.stop - self.columns.start)


class Columns:
    """A count matrix and its size factors, ready to be fitted column by column.

    Rows whose size factor is 0 expect no counts and have none: they say nothing about any law and
    are left out.

    Args:
        counts: numpy array, JAX array or scipy sparse matrix, shape ``(rows, columns)``.
        size_factors: non-negative, shape ``(rows,)``, used as they are; None for the row totals
            over their mean.

    Raises:
        ValueError: the counts are not a matrix, have no row or no column, hold negative numbers,
            NaN or inf; or the size factors have another length, are negative, NaN or inf, or are
            0 for a row that has counts.
    """

    def __init__(self, counts: Any, size_factors: ArrayLike | None) -> None:
        matrix = sparse.csc_array(counts) if sparse.issparse(counts) else np.asarray(counts)
        _check_counts(matrix)
        totals = np.asarray(matrix.sum(axis=1), dtype=np.float64).ravel()
        factors = _checked_size_factors(size_factors, totals)
        informative = np.flatnonzero(factors > 0)
        if informative.size < factors.size:
            matrix = matrix[informative]
        self._matrix = matrix
        self.size_factors: NDArray[np.float64] = factors[informative]
        self.rows = int(informative.size)
        self.count = int(matrix.shape[1])
        self.totals: NDArray[np.float64] = np.asarray(matrix.sum(axis=0), np.float64).ravel()

    @property
    def width(self) -> int:
        """Columns in a block: a power of two, the same for every matrix of about this size."""
        on_cpu = jax.default_backend() == "cpu"
        elements = _ELEMENTS_ON_CPU if on_cpu else _ELEMENTS_ON_ACCELERATOR
        affordable = 1 << (elements // max(self.rows, 1)).bit_length() >> 1
        return min(max(affordable, _SMALLEST_WIDTH), _LARGEST_WIDTH)

    def blocks(self) -> Iterator[Block]:
        """The columns in order, in blocks of one shape."""
        factors = jnp.asarray(self.size_factors, dtype=float)
        for start in range(0, self.count, self.width):
            columns = slice(start, min(start + self.width, self.count))
            part = self._matrix[:, columns]
            dense = part if isinstance(part, np.ndarray) else part.toarray()
            x = np.zeros((self.width, self.rows), factors.dtype)
            x[: columns.stop - start] = dense.T
            yield Block(columns, jnp.asarray(x), factors)


def _check_counts(matrix: Any) -> None:
    if matrix.ndim != 2 or 0 in matrix.shape:
        raise ValueError(
            f"counts must be a matrix with at least one row and one column, not of shape "
            f"{matrix.shape}"
        )
    values = matrix.data if sparse.issparse(matrix) else matrix
    if values.dtype.kind not in "buif":
        raise ValueError(f"counts must be numbers, not {values.dtype}")
    if not np.all(np.isfinite(values)):
        raise ValueError("counts must be finite: there is a NaN or an infinity among them")
    if values.size and values.min() < 0:
        raise ValueError(f"counts must not be negative: the smallest is {values.min()}")


def _checked_size_factors(
    size_factors: ArrayLike | None, totals: NDArray[np.float64]
) -> NDArray[np.float64]:
    if size_factors is None:
        return totals / totals.mean() if totals.any() else np.ones_like(totals)
    factors = np.asarray(size_factors, dtype=np.float64)
    if factors.shape != totals.shape:
        raise ValueError(
            f"size_factors must have one entry per row, shape {totals.shape}, not {factors.shape}"
        )
    if not np.all(np.isfinite(factors)) or np.any(factors < 0):
        raise ValueError("size_factors must be finite and not negative")
    if not factors.any():
        raise ValueError("size_factors are all 0: there is nothing to fit")
    if np.any((factors == 0) & (totals > 0)):
        row = int(np.argmax((factors == 0) & (totals > 0)))
        raise ValueError(f"the size factor of row {row} is 0, but the row has counts")
    return factors
