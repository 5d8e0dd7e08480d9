"""Genes with too few counts to test: edgeR's rule, which does not look at the groups.

Such a gene cannot be significant, and takes part in the adjustment all the same; and its estimate
of the quasi-dispersion is near 1 whatever its dispersion, which makes the prior look more certain
than it is. So the prior is learned from the other genes, and only those are adjusted for.

References:
    Y. Chen, A. T. L. Lun and G. K. Smyth (2016), *From reads to genes to pathways*, F1000Research
    5, 1438. R. Bourgon, R. Gentleman and W. Huber (2010), *Independent filtering increases
    detection power for high-throughput experiments*, PNAS 107, 9546-9551.
"""

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = ["enough_counts", "rows_needed"]

Floats: TypeAlias = NDArray[np.float64]

# A count of 10 in a row of median depth, and 15 in all rows.
_COUNT, _TOTAL = 10, 15
# Of the rows of the smallest group beyond ten, a gene needs counts in 70%.
_LARGE_GROUP, _SHARE = 10, 0.7


def rows_needed(design: Floats) -> float:
    """In how many rows a gene needs counts: as many as the smallest group has.

    For any design that is the inverse of the largest leverage; of groups beyond 10 rows, 70%.
    """
    orthonormal, _ = np.linalg.qr(design)
    smallest = 1 / float((orthonormal**2).sum(axis=1).max())
    return min(smallest, _LARGE_GROUP + _SHARE * max(smallest - _LARGE_GROUP, 0.0))


def enough_counts(matrix: Any, design: Floats, size_factors: Floats) -> NDArray[np.bool_]:
    """Which genes have enough counts to be tested.

    A gene needs 15 counts in all, and in `rows_needed` rows counts that, over the size factor, are
    as many as 10 are in a row of the median size factor.

    Args:
        matrix: `scipy.sparse` matrix, rows are samples, without stored zeros.
        design: shape ``(rows, coefficients)``.
        size_factors: one per row.
    """
    stored = matrix.tocsc()
    least = _COUNT * size_factors / np.median(size_factors)
    high = stored.data >= least[stored.indices] * (1 - 1e-12)
    gene_of = np.repeat(np.arange(stored.shape[1]), np.diff(stored.indptr))
    rows = np.bincount(gene_of[high], minlength=stored.shape[1])
    totals = np.asarray(stored.sum(axis=0)).ravel()
    return (rows >= rows_needed(design) - 1e-9) & (totals >= _TOTAL)
