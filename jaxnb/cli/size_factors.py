"""Size factors: how much of every cell was sequenced."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jaxnb.cli.counts import CountTable
from jaxnb.cli.messages import InputError, note

__all__ = ["size_factors", "without_empty_cells"]


def size_factors(how: str, table: CountTable) -> NDArray[np.float64]:
    """One factor per cell: from the totals, all 1, or from a file.

    Raises:
        InputError: the file cannot be read, a line is not a positive number, or their number is
            not that of the cells.
    """
    if how == "total":
        factors: NDArray[np.float64] = table.totals / table.totals.mean()
        return factors
    if how == "none":
        return np.ones_like(table.totals)
    factors = np.array(_numbers(Path(how)))
    if factors.size != table.totals.size:
        raise InputError(
            f"{how}: {factors.size} size factors for {table.totals.size} cells; give one per cell"
        )
    return factors


def without_empty_cells(
    counts: Any, factors: NDArray[np.float64]
) -> tuple[Any, NDArray[np.float64]]:
    """Leave out cells of size factor 0: no law says anything about them."""
    known = factors > 0
    if known.all():
        return counts, factors
    note(f"{np.sum(~known)} cells without any count are left out")
    return counts[np.flatnonzero(known)], factors[known]


def _numbers(file: Path) -> list[float]:
    try:
        lines = file.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"--size-factors {file}: cannot be read ({error}); give 'total', 'none' or a text file"
        ) from error
    numbers = []
    for at, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            numbers.append(float(line))
        except ValueError:
            raise InputError(f"{file}: line {at}: {line.strip()!r} is not a number") from None
        if not 0 < numbers[-1] < np.inf:
            raise InputError(
                f"{file}: line {at}: size factors must be positive, not {line.strip()}"
            )
    return numbers
