"""Size factors from ratios of counts: medians of ratios, and trimmed means of their logarithms."""

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.stats import rankdata

__all__ = ["median_ratio", "trimmed_mean"]

Floats: TypeAlias = NDArray[np.float64]

# Shares of the genes that are left out at each end, by their ratios and by their means.
_TRIMMED_RATIOS, _TRIMMED_MEANS = 0.3, 0.05


def median_ratio(matrix: Any) -> Floats:
    """The median over genes of a row's count over the gene's geometric mean.

    Only genes with counts in every row take part. The factors are scaled to a geometric mean of 1.

    Args:
        matrix: `scipy.sparse` matrix or array, rows are samples.

    Raises:
        ValueError: no gene has counts in every row.

    References:
        S. Anders and W. Huber (2010), *Differential expression analysis for sequence count data*,
        Genome Biology 11, R106, equation 5.
    """
    columns = sparse.csc_array(matrix)
    counted = np.flatnonzero(columns.count_nonzero(axis=0) == columns.shape[0])
    if not counted.size:
        raise ValueError(
            "size_factors='median-ratio' needs genes with counts in every row, and there are "
            "none: use 'total' (usual for single cells) or pass an array"
        )
    logs = np.log(columns[:, counted].toarray())
    median = np.median(logs - logs.mean(axis=0), axis=1)
    return _of_logarithms(median)


def trimmed_mean(matrix: Any) -> Floats:
    """Totals times a trimmed mean of the ratios to a reference row: TMM, as edgeR has it.

    The reference is the row whose upper quartile, over its total, is nearest to the mean of all.
    Of the genes that have counts in both rows, the 30% with the largest and the smallest ratios
    are left out, and 5% at either end of the mean; the logarithms of the others' ratios are
    weighted by their inverse variances. The factors are scaled to a geometric mean of 1.

    Args:
        matrix: `scipy.sparse` matrix or array, rows are samples.

    Raises:
        ValueError: a row has no counts.

    Accuracy: within 1e-12 of edgeR's (``tests/data/test_size_factors.py``).

    References:
        M. D. Robinson and A. Oshlack (2010), *A scaling normalization method for differential
        expression analysis of RNA-seq data*, Genome Biology 11, R25.
    """
    rows = sparse.csr_array(matrix)
    rows = rows[:, np.flatnonzero(rows.count_nonzero(axis=0))]
    totals = np.asarray(rows.sum(axis=1), np.float64).ravel()
    if not totals.all():
        raise ValueError(
            f"size_factors='tmm' needs counts in every row: row {int(np.argmin(totals))} has none"
        )
    quartiles = np.array([np.quantile(_row(rows, r), 0.75) for r in range(totals.size)]) / totals
    if np.median(quartiles) < 1e-20:
        reference = int(np.argmax(np.sqrt(rows).sum(axis=1)))
    else:
        reference = int(np.argmin(np.abs(quartiles - quartiles.mean())))
    of_reference = _row(rows, reference)
    logs = [
        _log_ratio(_row(rows, row), totals[row], of_reference, totals[reference])
        for row in range(totals.size)
    ]
    return _of_logarithms(np.log(totals) + np.array(logs))


def _row(rows: Any, at: int) -> Floats:
    found: Floats = rows[[at]].toarray().ravel().astype(np.float64)
    return found


def _log_ratio(x: Floats, total: float, reference: Floats, total_of_reference: float) -> float:
    """The trimmed, weighted mean of log ratios of shares; 0 where no gene is left."""
    both = (x > 0) & (reference > 0)
    share, of_reference = x[both] / total, reference[both] / total_of_reference
    ratio, mean = np.log(share / of_reference), np.log(share * of_reference)
    if not ratio.size or np.abs(ratio).max() < 1e-6 * np.log(2):
        return 0.0
    # By the delta method: (1 - share) / count, of both rows (Robinson and Oshlack, equation 3).
    variance = (1 - share) / x[both] + (1 - of_reference) / reference[both]
    kept = _inside(ratio, _TRIMMED_RATIOS) & _inside(mean, _TRIMMED_MEANS)
    if not kept.any():
        return 0.0
    return float(np.average(ratio[kept], weights=1 / variance[kept]))


def _inside(values: Floats, trimmed: float) -> NDArray[np.bool_]:
    """Which are left when a share of the values is left out at each end; ties have mean ranks."""
    first = np.floor(values.size * trimmed) + 1
    ranks = rankdata(values)
    inside: NDArray[np.bool_] = (ranks >= first) & (ranks <= values.size + 1 - first)
    return inside


def _of_logarithms(logs: Floats) -> Floats:
    factors: Floats = np.exp(logs - logs.mean())
    return factors
