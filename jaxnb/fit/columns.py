"""Any count matrix, checked once and handed out as the sums of blocks of genes."""

from collections.abc import Iterator
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from jaxnb.data.statistics import CountStatistics
from jaxnb.fit.sums import Sums, rough_sums, sums_of_cells, sums_of_statistics

__all__ = ["Block", "Columns"]

Floats: TypeAlias = NDArray[np.float64]
Ints: TypeAlias = NDArray[np.int64]

# Genes whose sums are in use at a time, and single counts of those that are taken cell by cell.
_GENES = 1024
_ELEMENTS = 1 << 21


class Block(NamedTuple):
    """Some genes and their sums.

    Attributes:
        genes: which columns of the matrix.
        sums: theirs.
        rough: the same, the sums over zeros on fewer nodes: good enough to choose starts.
    """

    genes: Ints
    sums: Sums
    rough: Sums


class Columns:
    """Counts and size factors, ready to be fitted column by column.

    Columns of whole numbers become statistics; the others are taken cell by cell.

    Args:
        matrix: checked, shape ``(cells, genes)``: a dense array or a scipy sparse one; cells of
            size factor 0 have been left out.
        size_factors: positive, shape ``(cells,)``.
        statistics: of all columns, if they are known; then no matrix is needed.
        zero_inflation: whether sums over zeros will be asked for.
        names: of the columns, if they have any.
    """

    def __init__(
        self,
        matrix: Any,
        size_factors: Floats | None,
        *,
        statistics: CountStatistics | None = None,
        zero_inflation: bool = False,
        names: NDArray[np.str_] | None = None,
    ) -> None:
        self._matrix, self._factors, self.names = matrix, size_factors, names
        if statistics is not None:
            if statistics.groups != 1:
                raise ValueError(
                    "statistics of several groups are for regression, not for this fit"
                )
            self.count, self.names = statistics.genes, statistics.names
            self.totals: Floats = statistics.totals[:, 0]
            self.whole: Ints = np.arange(self.count)
            self.fractional: Ints = np.arange(0)
            self.statistics: CountStatistics | None = statistics
            return
        self.count = int(matrix.shape[1])
        self.totals = np.asarray(matrix.sum(axis=0), np.float64).ravel()
        with_fractions = columns_with_fractions(matrix)
        self.whole, self.fractional = (
            np.flatnonzero(~with_fractions),
            np.flatnonzero(with_fractions),
        )
        self.statistics = None
        if self.whole.size:
            part = matrix[:, self.whole] if self.fractional.size else matrix
            self.statistics = CountStatistics.of(part, size_factors, zero_inflation=zero_inflation)

    def blocks(self, *, inflated: bool) -> Iterator[Block]:
        """The sums of all columns, in blocks of few shapes."""
        if self.statistics is not None:
            sums = sums_of_statistics(self.statistics, inflated=inflated)
            rough = rough_sums(self.statistics, sums) if inflated else sums
            for start in range(0, self.whole.size, _GENES):
                here = np.arange(start, min(start + _GENES, self.whole.size))
                yield Block(self.whole[here], sums.of_genes(here), rough.of_genes(here))
        if self.fractional.size:
            width = max(1, _ELEMENTS // self.size_factors.size)
            for start in range(0, self.fractional.size, width):
                genes = self.fractional[start : start + width]
                sums = sums_of_cells(self.dense(genes), self.size_factors)
                yield Block(genes, sums, sums)

    def dense(self, genes: Ints) -> Floats:
        """The counts of some genes, shape ``(genes, cells)``."""
        part = self._matrix[:, genes]
        dense = part.toarray() if sparse.issparse(part) else part
        counts: Floats = np.asarray(dense, np.float64).T
        return counts

    @property
    def in_memory(self) -> bool:
        """Whether single cells can be looked at."""
        return self._matrix is not None

    @property
    def size_factors(self) -> Floats:
        """Of the cells in memory."""
        assert self._factors is not None
        return self._factors


def columns_with_fractions(matrix: Any) -> NDArray[np.bool_]:
    """Which columns hold a number that is not whole, or too large to be known as whole."""
    values = matrix.data if sparse.issparse(matrix) else matrix
    if values.dtype.kind in "bui":
        return np.zeros(matrix.shape[1], bool)
    wrong = (values != np.floor(values)) | (values >= 2.0**53)
    if not sparse.issparse(matrix):
        return np.asarray(wrong.any(axis=0))
    found = np.zeros(matrix.shape[1], bool)
    if np.any(wrong):
        found[np.unique(matrix.tocoo().col[wrong])] = True
    return found
