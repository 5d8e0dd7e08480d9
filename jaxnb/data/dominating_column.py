"""When row totals as size factors bend the fit of a column that they contain.

The total T of a row is the count x of a column plus the rest R. Where x varies by itself with
relative variance 1/θ and the column has the share w of the total, x/T varies less: to first order

    log(x/T) ≈ (1 − w)·(log x − log R),   so that   1/θ̂ ≈ (1 − w)²/θ:

theta comes out 1/(1 − w)² times too large, and infinite where the column is the total. With n
columns of about the same mean, w = 1/n.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

__all__ = ["DominatingColumn", "SharesOfTotals", "dominating_column"]

# Theta is 11% too large there. 20 columns or fewer always reach it.
_LARGEST_SHARE = 0.05
# A gene of a rare kind of cells has a small share of everything, but most of what these have.
_LARGEST_SHARE_WHERE_COUNTED = 0.5


class DominatingColumn(NamedTuple):
    """The column that has the largest share of the row totals.

    Attributes:
        column: its number.
        share: of all counts.
        share_where_counted: of the total of a row, on average over the column's counts.
        columns: how many columns there are.
    """

    column: int
    share: float
    share_where_counted: float
    columns: int

    def described(self, name: str | None = None) -> str:
        """What is the matter and what it does to theta, one sentence without a remedy."""
        which = f"column {self.column}" if name is None else f"{name!r}"
        if self.share < _LARGEST_SHARE:
            return (
                f"{which} is {self.share_where_counted:.0%} of the total of those rows in which it "
                f"is counted, and row totals as size factors contain it: its theta comes out too "
                f"large"
            )
        few = (
            f" (there are only {self.columns} columns)"
            if self.columns * _LARGEST_SHARE <= 1
            else ""
        )
        return (
            f"{which} is {self.share:.0%} of all counts{few}, and row totals as size factors "
            f"contain it: its theta comes out about {(1 - self.share) ** -2:.2g} times too large"
        )


class SharesOfTotals:
    """The sums over rows from which the column is found, to be added up block by block.

    Attributes:
        sums: of the columns.
        squares: Σx²/T with T the total of the row; divided by `sums`, it is the share of the total
            that a count of the column sees.
    """

    def __init__(self, columns: int) -> None:
        self.sums, self.squares = np.zeros(columns), np.zeros(columns)

    def add(self, counts: Any) -> NDArray[np.float64]:
        """Add a CSR matrix of some rows, and return their totals."""
        totals = np.asarray(counts.sum(axis=1), np.float64).ravel()
        with np.errstate(divide="ignore"):
            inverse = np.where(totals > 0, 1 / totals, 0)
        rows = np.repeat(inverse, np.diff(counts.indptr))
        x = counts.data.astype(np.float64)
        self.sums += np.bincount(counts.indices, x, self.sums.size)
        self.squares += np.bincount(counts.indices, x * x * rows, self.sums.size)
        return totals

    def merge(self, other: "SharesOfTotals") -> None:
        """Add the sums of other rows."""
        self.sums += other.sums
        self.squares += other.squares

    def found(self) -> DominatingColumn | None:
        """See `dominating_column`."""
        if self.sums.size == 1:
            raise ValueError(
                "there is one column only: row totals as size factors would be the counts "
                "themselves, and theta inf"
            )
        if not self.sums.any():
            return None
        shares = self.sums / self.sums.sum()
        counted = np.divide(
            self.squares, self.sums, out=np.zeros_like(self.sums), where=self.sums > 0
        )
        column = int(np.argmax(shares))
        if shares[column] < _LARGEST_SHARE:
            column = int(np.argmax(counted))
            if counted[column] < _LARGEST_SHARE_WHERE_COUNTED:
                return None
        return DominatingColumn(column, float(shares[column]), float(counted[column]), shares.size)


def dominating_column(counts: Any) -> DominatingColumn | None:
    """The column that contributes too much to the row totals, or None.

    Args:
        counts: shape ``(rows, columns)``, an array or a scipy sparse matrix.

    Returns:
        The column with the largest share of all counts if that is 5% or more (theta is then at
        least 11% too large); else one that makes up half of the totals of its own rows.

    Raises:
        ValueError: there is one column only: its totals are itself, and its theta would be inf.
    """
    matrix = sparse.csr_array(counts)
    shares = SharesOfTotals(matrix.shape[1])
    shares.add(matrix)
    return shares.found()
