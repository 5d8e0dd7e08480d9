"""Size factors: how much of every cell was sequenced, and when totals cannot tell."""

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jaxnb._types import ArrayLike

__all__ = ["resolve_size_factors"]

# Totals hold the counts of the gene itself, whose scatter then looks like a difference in
# sequencing. With equally common genes, theta comes out about 1 + 2/columns times too large and
# more: for theta = 2 and mean 4, at 2, 5, 20 and 100 columns, 10.1, 2.9, 2.18 and 2.05.
_FEW_COLUMNS = 50
_LARGE_SHARE = 0.2


def resolve_size_factors(
    size_factors: ArrayLike | str | None,
    totals: NDArray[np.float64],
    matrix: Any,
    names: NDArray[np.str_] | None = None,
) -> NDArray[np.float64]:
    """One factor per row.

    Args:
        size_factors: an array; "ones"; or None for the totals over their mean.
        totals: of the rows.
        matrix: the counts.
        names: of the columns, for messages.

    Raises:
        ValueError: there is one column and no size factors; or they have another length, are
            negative, not finite, or 0 for a row that has counts.

    Warns:
        UserWarning: totals over few columns, or of which one column makes up a fifth.
    """
    if isinstance(size_factors, str):
        return np.ones_like(totals)
    if size_factors is None:
        _check_totals(totals, matrix, names)
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


def _check_totals(totals: NDArray[np.float64], matrix: Any, names: NDArray[np.str_] | None) -> None:
    rows, columns = matrix.shape
    if not totals.any() or rows == 1:
        return
    if columns == 1:
        raise ValueError(
            "the totals of one column are that column, and leave nothing to fit: give "
            'size_factors="ones", an array, or the total counts of all genes'
        )
    shares = np.asarray(matrix.sum(axis=0), np.float64).ravel() / totals.sum()
    largest = int(np.argmax(shares))
    name = f"column {largest}" if names is None else repr(str(names[largest]))
    remedy = 'Give the total counts of all genes, an array, or size_factors="ones".'
    if columns < _FEW_COLUMNS:
        warnings.warn(
            f"the size factors are totals over only {columns} columns, {shares[largest]:.0%} of "
            f"them from {name}: they hold the scatter of the columns themselves, and theta comes "
            f"out too large. {remedy}",
            UserWarning,
            stacklevel=4,
        )
    elif shares[largest] > _LARGE_SHARE:
        warnings.warn(
            f"{name} makes up {shares[largest]:.0%} of the totals that serve as size factors: "
            f"they hold its own scatter, so that its theta comes out too large, and those of "
            f"other columns too small. {remedy}",
            UserWarning,
            stacklevel=4,
        )
