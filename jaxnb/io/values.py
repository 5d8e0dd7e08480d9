"""Are these numbers counts? Checked once, after reading."""

from collections.abc import Mapping
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from jaxnb._errors import InputError
from jaxnb.io.matrices import Matrix

__all__ = [
    "check_counts",
    "check_not_empty",
    "check_values",
    "fractions",
    "no_counts",
    "whole_numbers",
]


def check_counts(
    counts: Any,
    genes: NDArray[np.str_],
    source: str,
    others: Mapping[str, Matrix],
    *,
    allow_non_integer: bool,
) -> None:
    """Refuse what cannot be raw counts.

    Args:
        counts: CSR, cells in rows.
        genes: a name for every column.
        source: what the matrix is called in messages.
        others: the file's other matrices, by the option that reads them; those that hold whole
            numbers are named in the message.
        allow_non_integer: accept estimated counts, such as those of salmon and RSEM.

    Raises:
        InputError: there are no rows, columns or counts, or they are NaN, infinite, negative or
            not whole.
    """
    check_not_empty(counts.shape, source)
    check_values(counts, genes, source, others, allow_non_integer=allow_non_integer)
    if not counts.data.any():
        raise no_counts(source)


def check_not_empty(shape: tuple[int, int], source: str) -> None:
    """Refuse a matrix without rows or columns."""
    if 0 in shape:
        raise InputError(f"{source}: the matrix is empty (shape {shape}): nothing to fit")


def no_counts(source: str) -> InputError:
    """The error for a matrix of zeros."""
    return InputError(f"{source}: all counts are zero: nothing to fit")


def check_values(
    counts: Any,
    genes: NDArray[np.str_],
    source: str,
    others: Mapping[str, Matrix],
    *,
    allow_non_integer: bool,
    first: int = 0,
    cells: int | None = None,
) -> None:
    """Check the entries of a matrix, or of some of its cells.

    Args:
        counts: as in `check_counts`, as the next three.
        genes: of the columns.
        source: in messages.
        others: other matrices.
        allow_non_integer: as in `check_counts`.
        first: the number of the first of these cells in the whole matrix.
        cells: how many there are in the whole matrix; None if these are all.
    """
    if counts.dtype.kind not in "buif":
        raise InputError(f"{source}: holds {counts.dtype}, not numbers")
    values = counts.data
    # A NaN makes both of them NaN. One pass each: the entries are looked for only if need be.
    lowest, highest = (values.min(), values.max()) if values.size else (0, 0)
    if not (lowest >= 0 and highest < np.inf):
        _refuse(counts, genes, source, others, first)
    if not allow_non_integer and (share := fractions(values)):
        where = _first(values != np.floor(values), counts, genes, first)
        last = first + counts.shape[0]
        part = "" if cells in (None, counts.shape[0]) else f" of cells {first + 1} to {last}"
        raise InputError(
            f"{source}: {share:.1%} of the non-zero entries{part} are not whole numbers ({where}): "
            f"{_guess(counts)}{_elsewhere(others) or '; give the raw counts'}, or "
            f"--allow-non-integer (allow_non_integer=True) for estimated counts such as salmon's"
        )


def fractions(values: NDArray[Any]) -> float:
    """Share of the entries that are not whole numbers."""
    if values.dtype.kind in "bui" or not values.size:
        return 0.0
    return float(np.mean(values != np.floor(values)))


def whole_numbers(matrix: Matrix) -> bool:
    """Whether a matrix holds counts, judged by its first few million entries."""
    values = matrix.sample()
    return bool(
        values.dtype.kind in "buif"
        and values.any()
        and np.all(np.isfinite(values))
        and np.all(values >= 0)
        and not fractions(values)
    )


def _refuse(
    counts: Any, genes: NDArray[np.str_], source: str, others: Mapping[str, Matrix], first: int
) -> NoReturn:
    unknown = ~np.isfinite(counts.data)
    if unknown.any():
        what, bad, remedy = "NaN or infinite", unknown, "fill in or drop the missing values"
    else:
        what, bad = "negative", counts.data < 0
        remedy = "give raw counts, not scaled or log-ratio values"
    where = _first(bad, counts, genes, first)
    raise InputError(f"{source}: {what} counts ({where}): {remedy}{_elsewhere(others)}")


def _elsewhere(others: Mapping[str, Matrix]) -> str:
    found = [option for option, matrix in others.items() if whole_numbers(matrix)]
    return f"; whole numbers are in {', or in '.join(found)}" if found else ""


def _guess(counts: Any) -> str:
    """What people usually have done to such numbers."""
    with np.errstate(over="ignore"):
        totals = np.asarray(np.expm1(counts).sum(axis=1))
    totals = totals.ravel()[totals.ravel() > 0]
    if np.all(np.isfinite(totals)) and np.ptp(totals) < 1e-3 * totals.mean():
        return f"they are log(1 + x) of counts that were scaled to {totals.mean():.0f} per cell"
    sums = np.asarray(counts.sum(axis=1)).ravel()
    sums = sums[sums > 0]
    if np.ptp(sums) < 1e-3 * sums.mean():
        return f"they were scaled to {sums.mean():.6g} per cell"
    return "they look normalized"


def _first(chosen: NDArray[np.bool_], counts: Any, genes: NDArray[np.str_], first: int) -> str:
    """The first of some entries of a CSR matrix whose rows begin at `first`, and where it is."""
    at = int(np.argmax(chosen))
    row = int(np.searchsorted(counts.indptr, at, side="right"))
    return f"{counts.data[at]:g} in cell {first + row}, gene {genes[counts.indices[at]]}"
