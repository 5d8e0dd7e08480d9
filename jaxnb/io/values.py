"""Are these numbers counts? Checked once, after reading."""

from collections.abc import Mapping
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from jaxnb._errors import InputError
from jaxnb.io.matrices import Matrix

__all__ = ["check_counts", "fractions", "whole_numbers"]


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
    if 0 in counts.shape:
        raise InputError(f"{source}: the matrix is empty (shape {counts.shape}): nothing to fit")
    if counts.dtype.kind not in "buif":
        raise InputError(f"{source}: holds {counts.dtype}, not numbers")
    values = counts.data
    # A NaN makes both of them NaN. One pass each: the entries are looked for only if need be.
    lowest, highest = (values.min(), values.max()) if values.size else (0, 0)
    if not (lowest >= 0 and highest < np.inf):
        _refuse(counts, genes, source, others)
    if not highest > 0:
        raise InputError(f"{source}: all counts are zero: nothing to fit")
    if not allow_non_integer and (share := fractions(values)):
        where = _first(values != np.floor(values), counts, genes)
        raise InputError(
            f"{source}: {share:.1%} of the non-zero entries are not whole numbers ({where}): "
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
    counts: Any, genes: NDArray[np.str_], source: str, others: Mapping[str, Matrix]
) -> NoReturn:
    unknown = ~np.isfinite(counts.data)
    if unknown.any():
        what, bad, remedy = "NaN or infinite", unknown, "fill in or drop the missing values"
    else:
        what, bad = "negative", counts.data < 0
        remedy = "give raw counts, not scaled or log-ratio values"
    where = _first(bad, counts, genes)
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


def _first(chosen: NDArray[np.bool_], counts: Any, genes: NDArray[np.str_]) -> str:
    """The first of some entries of a CSR matrix, and where it is."""
    at = int(np.argmax(chosen))
    row = int(np.searchsorted(counts.indptr, at, side="right"))
    return f"{counts.data[at]:g} in cell {row}, gene {genes[counts.indices[at]]}"
