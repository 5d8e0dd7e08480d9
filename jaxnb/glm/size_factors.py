"""Size factors: how many counts of an average gene a cell or sample was going to have."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from jaxnb._warnings import warn
from jaxnb.glm.counts import CountData, aligned

__all__ = ["choice_of", "factors_of_totals", "given_factors", "median_ratio", "size_factors_of"]

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
            any order; ``"total"``, the rows' totals over their
            mean; ``"median-ratio"`` (`median_ratio`); the name of a column of ``obs``; None for
            median ratios if at least 100 genes have counts in every row, totals otherwise.

    Raises:
        ValueError: another length, values that are not positive, no such column, one gene without
            given size factors, no gene for median ratios, or a row without counts.
    """
    everywhere = np.diff(data.matrix.indptr) == data.matrix.shape[0]
    choice = choice_of(choice, int(everywhere.sum()))
    given = given_factors(choice, data.obs)
    if given is not None:
        return given
    if choice == "median-ratio":
        return median_ratio(data.matrix), "median-ratio"
    totals = np.asarray(data.matrix.sum(axis=1), np.float64).ravel()
    return factors_of_totals(totals, data.matrix.shape[1], data.obs.index), "total"


def choice_of(choice: ArrayLike | str | None, everywhere: int) -> ArrayLike | str:
    """The choice, or the default for so many genes that have counts in every row."""
    if choice is not None:
        return choice
    return "median-ratio" if everywhere >= _ENOUGH_GENES else "total"


def given_factors(choice: ArrayLike | str, obs: pd.DataFrame) -> tuple[Floats, str] | None:
    """Size factors that are not made from the counts, or None if they are to be.

    Raises:
        ValueError: see `size_factors_of`.
    """
    if not isinstance(choice, str):
        return _checked(choice, obs.index, "size_factors"), "given"
    if choice in obs.columns:
        return _checked(obs[choice], obs.index, f"obs[{choice!r}]"), f"obs[{choice!r}]"
    if choice in ("total", "median-ratio"):
        return None
    raise ValueError(
        f"size_factors={choice!r} is neither 'total' nor 'median-ratio' nor a column of obs "
        f"({', '.join(map(str, obs.columns)) or 'it has none'})"
    )


def median_ratio(matrix: Any) -> Floats:
    """The median over genes of a row's count over the gene's geometric mean.

    Only genes with counts in every row take part. The factors are scaled to a geometric mean of 1.

    Args:
        matrix: `scipy.sparse` matrix, rows are samples.

    Raises:
        ValueError: no gene has counts in every row.

    References:
        S. Anders and W. Huber (2010), *Differential expression analysis for sequence count data*,
        Genome Biology 11, R106, equation 5.
    """
    everywhere = np.diff(matrix.tocsc().indptr) == matrix.shape[0]
    if not everywhere.any():
        raise ValueError(
            "size_factors='median-ratio' needs genes with counts in every row, and there are "
            "none: use 'total' (usual for single cells) or pass an array"
        )
    logs = np.log(matrix[:, np.flatnonzero(everywhere)].toarray())
    median = np.median(logs - logs.mean(axis=0), axis=1)
    factors: Floats = np.exp(median - median.mean())
    return factors


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
            f"row {_label(index, totals == 0)} has no counts at all ({np.sum(totals == 0)} such "
            "rows): remove them, or pass size_factors"
        )
    factors: Floats = totals / totals.mean()
    return factors


def _checked(values: Any, index: pd.Index, name: str) -> Floats:
    if isinstance(values, pd.Series) and values.dtype.kind not in "buif":
        raise ValueError(f"{name} must be numbers, not {values.dtype}")
    rows = len(index)
    if isinstance(values, pd.Series) and len(values) == rows:
        values = aligned(values, index, name)
    factors = np.asarray(values, np.float64)
    if factors.shape != (rows,):
        raise ValueError(
            f"{name} must have one entry per row, shape ({rows},), not {factors.shape}"
        )
    wrong = ~(np.isfinite(factors) & (factors > 0))
    if wrong.any():
        raise ValueError(
            f"{name} must be positive and finite; that of row {_label(index, wrong)} is "
            f"{factors[wrong][0]}"
        )
    return factors


def _label(index: pd.Index, where: NDArray[np.bool_]) -> Any:
    return index[int(np.argmax(where))]
