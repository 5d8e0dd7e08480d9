"""Size factors of a regression: the default, and what totals have to have."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from jaxnb._warnings import warn
from jaxnb.data.size_factors import Rows, factors_from_counts, given_factors
from jaxnb.glm.counts import CountData

__all__ = ["choice_of", "factors_of_totals", "rows_of", "size_factors_of"]

Floats: TypeAlias = NDArray[np.float64]

# With fewer genes than this, a gene makes up much of the totals that it is compared with.
_FEW_GENES = 20
# Median ratios of fewer genes than this are hardly better than totals.
_ENOUGH_GENES = 100


def size_factors_of(data: CountData, choice: ArrayLike | str | None) -> tuple[Floats, str]:
    """Size factors and, in words, how they were found.

    Args:
        data: the counts.
        choice: an array, one per row, used as it is, or a Series with the labels of the rows, in
            any order; the name of a column of ``obs``; or, if there is none of that name,
            ``"total"``, the rows' totals over their mean, ``"median-ratio"`` or ``"tmm"``
            (`jaxnb.data.ratios`), or ``"ones"``; None for median ratios if at
            least 100 genes have counts in every row, totals otherwise.

    Raises:
        ValueError: another length, values that are not positive, no such column, one gene without
            given size factors, no gene for median ratios, or a row without counts.
    """
    # Of fields the default knows nothing, not even of one named like it.
    given = None if choice is None else given_factors(choice, rows_of(data.obs))
    if given is not None:
        return given
    everywhere = np.diff(data.matrix.indptr) == data.matrix.shape[0]
    how = str(choice_of(choice, int(everywhere.sum())))
    if how == "total":
        totals = np.asarray(data.matrix.sum(axis=1), np.float64).ravel()
        return factors_of_totals(totals, data.matrix.shape[1], data.obs.index), how
    return factors_from_counts(how, data.matrix), how


def rows_of(obs: pd.DataFrame) -> Rows:
    """The lines of a table as rows of a matrix."""
    return Rows(len(obs), obs.index, obs)


def choice_of(choice: ArrayLike | str | None, everywhere: int) -> ArrayLike | str:
    """The choice, or the default for so many genes that have counts in every row."""
    if choice is not None:
        return choice
    return "median-ratio" if everywhere >= _ENOUGH_GENES else "total"


def factors_of_totals(totals: Floats, genes: int, index: pd.Index) -> Floats:
    """The rows' totals over their mean.

    Args:
        totals: shape ``(rows,)``.
        genes: how many there are.
        index: the labels of the rows.

    Raises:
        ValueError: there is one gene, or a row without counts.
    """
    if genes == 1:
        raise ValueError(
            "with a single gene, the rows' totals are the gene itself: pass size_factors (an "
            "array or a column of obs), for instance the totals over all genes"
        )
    if genes < _FEW_GENES:
        warn(
            f"size factors from the totals of only {genes} genes: each gene is compared with "
            "totals that hold itself. Pass size_factors computed from all genes.",
        )
    if np.any(totals == 0):
        raise ValueError(
            f"row {index[int(np.argmin(totals))]} has no counts at all ({np.sum(totals == 0)} such "
            "rows): remove them, or pass size_factors (--size-factors)"
        )
    factors: Floats = totals / totals.mean()
    return factors
