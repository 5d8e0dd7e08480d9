"""Size factors: how many counts of an average gene a cell or sample was going to have.

The same choices for fits and regression, for counts in memory, in files and on the command line.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from jaxnb._warnings import warn
from jaxnb.data.dominating_column import SharesOfTotals
from jaxnb.data.labels import aligned, is_labelled
from jaxnb.data.ratios import median_ratio, trimmed_mean

__all__ = [
    "FROM_COUNTS",
    "REMEDY",
    "WHOLE_MATRIX",
    "Rows",
    "factors_from_counts",
    "given_factors",
    "warn_of_domination",
]

Floats: TypeAlias = NDArray[np.float64]

WHOLE_MATRIX = ("median-ratio", "tmm")
"""Choices that are made from the whole matrix, and are not for counts that are read in blocks."""
FROM_COUNTS = ("total", *WHOLE_MATRIX)
"""Choices that are made from the counts."""
REMEDY = 'give size_factors="ones", an array, or the total counts of all genes'


class Rows(NamedTuple):
    """What is known of the rows of a matrix.

    Attributes:
        number: how many there are.
        labels: theirs, a pandas index; None if they have none.
        fields: columns by name, such as a DataFrame; None for nothing.
    """

    number: int
    labels: Any = None
    fields: Any = None

    def label(self, where: NDArray[np.bool_]) -> Any:
        """What to call the first row of a mask."""
        at = int(np.argmax(where))
        return at if self.labels is None else self.labels[at]


def given_factors(choice: Any, rows: Rows, *, zeros: bool = False) -> tuple[Floats, str] | None:
    """Size factors that are not made from the counts and how they were found; or None.

    Args:
        choice: an array, one entry per row; a Series with the labels of the rows, in any order;
            the name of a field of the rows; ``"ones"`` or one of `FROM_COUNTS`, if no field has
            that name.
        rows: what is known of them.
        zeros: whether a factor may be 0.

    Raises:
        ValueError: no such field; another length or other labels; values that are not numbers, not
            finite, or not positive.
    """
    if not isinstance(choice, str):
        return _checked(choice, rows, "size_factors", zeros=zeros), "given"
    fields: Mapping[str, Any] = {} if rows.fields is None else rows.fields
    if choice in fields:
        name = f"obs[{choice!r}]"
        return _checked(fields[choice], rows, name, zeros=zeros), name
    if choice in ("ones", *FROM_COUNTS):
        return (np.ones(rows.number), choice) if choice == "ones" else None
    known = ", ".join(map(str, fields)) or "it has none"
    words = ", ".join(map(repr, (*FROM_COUNTS, "ones")))
    raise ValueError(f"size_factors={choice!r} is none of {words}, nor a column of obs ({known})")


def factors_from_counts(choice: str, matrix: Any, totals: Floats | None = None) -> Floats:
    """Size factors by one of `FROM_COUNTS`; totals over their mean are 0 for rows without counts.

    Args:
        choice: which.
        matrix: the counts, `scipy.sparse` or an array; rows are cells or samples.
        totals: of the rows, if they are known.

    Raises:
        ValueError: median ratios without a gene that has counts in every row, or trimmed means of
            a row without counts.
    """
    if choice == "median-ratio":
        return median_ratio(matrix)
    if choice == "tmm":
        return trimmed_mean(matrix)
    if totals is None:
        totals = np.asarray(matrix.sum(axis=1), np.float64).ravel()
    return totals / totals.mean() if totals.any() else np.ones_like(totals)


def warn_of_domination(shares: SharesOfTotals, names: Any = None) -> None:
    """Say so if one column dominates the totals that are to be size factors.

    Raises:
        ValueError: there is one column only.

    Warns:
        UserWarning: one column dominates.
    """
    try:
        found = shares.found()
    except ValueError as error:
        raise ValueError(f"{error}: {REMEDY}") from None
    if found is not None:
        name = None if names is None else str(names[found.column])
        warn(f"{found.described(name)}; {REMEDY}")


def shares_of(matrix: Any) -> SharesOfTotals:
    """The columns' shares of the totals of a matrix."""
    shares = SharesOfTotals(matrix.shape[1])
    shares.add(sparse.csr_array(matrix))
    return shares


def _checked(values: Any, rows: Rows, name: str, *, zeros: bool) -> Floats:
    if is_labelled(values):
        if values.dtype.kind not in "buif":
            raise ValueError(f"{name} must be numbers, not {values.dtype}")
        if rows.labels is not None and len(values) == rows.number:
            values = aligned(values, rows.labels, name)
    factors = np.asarray(values, np.float64)
    if factors.shape != (rows.number,):
        raise ValueError(
            f"{name} must have one entry per row, shape ({rows.number},), not {factors.shape}"
        )
    wrong = ~(np.isfinite(factors) & ((factors >= 0) if zeros else (factors > 0)))
    if wrong.any():
        rule = "finite and not negative" if zeros else "positive and finite"
        raise ValueError(
            f"{name} must be {rule}; that of row {rows.label(wrong)} is {factors[wrong][0]}"
        )
    return factors
