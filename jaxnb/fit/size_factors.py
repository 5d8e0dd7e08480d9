"""Size factors: how much of every cell was sequenced, and when totals cannot tell."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from jaxnb._types import ArrayLike
from jaxnb._warnings import warn
from jaxnb.fit.dominating_column import SharesOfTotals

__all__ = ["REMEDY", "resolve_size_factors", "warn_of_domination"]

REMEDY = 'give size_factors="ones", an array, or the total counts of all genes'


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
        UserWarning: totals that one column dominates, as it must where there are few.
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
    if not totals.any() or matrix.shape[0] == 1:
        return
    shares = SharesOfTotals(matrix.shape[1])
    shares.add(sparse.csr_array(matrix))
    warn_of_domination(shares, names)


def warn_of_domination(shares: SharesOfTotals, names: NDArray[np.str_] | None = None) -> None:
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
