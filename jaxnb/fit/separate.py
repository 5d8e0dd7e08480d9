"""Statistics of groups of cells that can be put together in any way."""

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from jaxnb.fit.statistics import CountStatistics

__all__ = ["SeparateStatistics"]


class SeparateStatistics:
    """A `CountStatistics` of each group of cells.

    `CountStatistics` of several groups have one histogram of the counts of all, enough for a
    regression on all of the cells. Here every group has its own, for regressions on some of them.

    Attributes:
        parts: the statistics of each group.
        names: of the genes, or None.
    """

    def __init__(self, genes: int, groups: int) -> None:
        self.parts = [CountStatistics(genes) for _ in range(groups)]
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
            groups: the number of every cell's group.
        """
        for group in np.unique(groups).tolist():
            rows = np.flatnonzero(groups == group)
            self.parts[group].add(counts[rows], size_factors[rows])
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
        made = cls(1, 0)
        made.parts = [CountStatistics.from_arrays(found[number]) for number in sorted(found)]
        return made
