"""Checks of counts and size factors: every error says which entry is wrong."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["check_block"]


def check_block(
    block: Any,
    factors: NDArray[np.float64],
    labels: NDArray[Any],
    *,
    genes: int,
    groups: int,
) -> None:
    """Check a block of cells for `CountStatistics.add`, whose docstring lists the errors."""
    cells = block.shape[0]
    if block.shape[1] != genes:
        raise ValueError(f"counts have {block.shape[1]} columns, not {genes}")
    if factors.shape != (cells,) or labels.shape != (cells,):
        raise ValueError(
            f"size_factors and groups must have one entry per row, shape {(cells,)}, not "
            f"{factors.shape} and {labels.shape}"
        )
    if labels.dtype.kind not in "iu" or not np.all((labels >= 0) & (labels < groups)):
        raise ValueError(f"groups must be integers from 0 to {groups - 1}")
    x = block.data
    if not (np.all(x >= 0) and np.all(x < 2.0**53) and np.all(x == np.floor(x))):
        raise ValueError("counts must be whole numbers, not negative, NaN or 2**53 and above")
    if not np.all(np.isfinite(factors)) or np.any(factors < 0):
        raise ValueError("size_factors must be finite and not negative")
    empty = np.flatnonzero(factors == 0)
    if empty.size and block[empty].sum() > 0:
        row = int(empty[np.argmax(np.asarray(block[empty].sum(axis=1)).ravel() > 0)])
        raise ValueError(f"the size factor of row {row} is 0, but the row has counts")
