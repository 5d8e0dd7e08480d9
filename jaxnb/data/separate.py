"""Statistics of parts of the cells that can be put together in any way."""

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from jaxnb.data.statistics import CountStatistics

__all__ = ["SeparateStatistics"]


class SeparateStatistics:
    """A `CountStatistics` of each part of the cells.

    `CountStatistics` of several groups have one histogram of the counts of all, enough for a
    regression on all of the cells. Here every part has its own, for regressions on some of them.

    Attributes:
        parts: the statistics of each part.
        names: of the genes, or None.

    Args:
        genes: how many.
        groups: how many each part has.
    """

    def __init__(self, genes: int, groups: Sequence[int]) -> None:
        self.parts = [CountStatistics(genes, groups=count) for count in groups]
        self.names: NDArray[np.str_] | None = None

    @property
    def totals(self) -> NDArray[np.float64]:
        """Σx, ``(genes, groups)``."""
        return np.hstack([part.totals for part in self.parts])

    def add(self, counts: Any, size_factors: Any, groups: Any) -> Self:
        """Add cells, see `CountStatistics.add`.

        Args:
            counts: shape ``(cells, genes)``, CSR.
            size_factors: shape ``(cells,)``.
            groups: the number of every cell's group, counted through all parts; cells of a negative
                number are left out.
        """
        start = 0
        for part in self.parts:
            rows = np.flatnonzero((groups >= start) & (groups < start + part.groups))
            if rows.size:
                part.add(counts[rows], size_factors[rows], groups[rows] - start)
            start += part.groups
        return self

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Everything as named arrays, from which `from_arrays` makes the statistics again."""
        return {
            f"{number}-{name}": array
            for number, part in enumerate(self.parts)
            for name, array in part.arrays().items()
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """The statistics from what `arrays` gave."""
        found: dict[int, dict[str, NDArray[Any]]] = {}
        for key, array in arrays.items():
            number, name = key.split("-", 1)
            found.setdefault(int(number), {})[name] = array
        made = cls(1, [])
        made.parts = [CountStatistics.from_arrays(found[number]) for number in sorted(found)]
        return made
