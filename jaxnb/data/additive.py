"""Arrays of sums that are added, stored and cut by gene."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

from jaxnb.data.chebyshev import NODES, Panels, nodes_for
from jaxnb.data.tails import FIRST_TAIL

__all__ = ["ADDED", "AdditiveSums"]

Floats: TypeAlias = NDArray[np.float64]

_PLAIN = Panels(1.0, NODES)
# The logarithm of p + (1 − p)·NB(0) has singularities at |Im v| = π/log(1/p) and beyond: 1e-11 a
# zero whose probability under the NB is about p = 3e-4, and rounding where p > 0.03.
_INFLATED = Panels(0.25, nodes_for(0.25, np.pi / 8, 1e-11))
_VERSION = 1

ADDED = (
    "cells",
    "factor_sums",
    "factor_squares",
    "totals",
    "squares",
    "count_factor_sums",
    "count_log_factor_sums",
    "log_factorials",
    "histogram",
)
_OF_CELLS = ("header", "cells", "factor_sums", "factor_squares", "cell_weights")
_ON_PANELS = ("cell_weights", "count_weights", "nonzero_weights")


class AdditiveSums:
    """The arrays of `CountStatistics`, which documents them, and what can be done with any sums."""

    def __init__(self, genes: int, *, groups: int = 1, zero_inflation: bool = False) -> None:
        if genes < 1 or groups < 1:
            raise ValueError(f"there must be at least one gene and one group, not {genes, groups}")
        self.genes, self.groups, self.zero_inflation = genes, groups, zero_inflation
        self.panels = _INFLATED if zero_inflation else _PLAIN
        self.names: NDArray[np.str_] | None = None
        self.first_panel = 0
        self.cells = np.zeros(groups, np.int64)
        self.factor_sums, self.factor_squares = np.zeros(groups), np.zeros(groups)
        self.totals = np.zeros((genes, groups))
        self.squares = np.zeros(genes)
        self.count_factor_sums = np.zeros((genes, groups))
        self.count_log_factor_sums = np.zeros(genes)
        self.log_factorials = np.zeros(genes)
        self.histogram = np.zeros((genes, FIRST_TAIL + 2), np.int64)
        self.cell_weights = np.zeros((groups, 0))
        self.count_weights = np.zeros((genes, groups, 0))
        self.nonzero_weights: Floats | None = (
            np.zeros((genes, groups, 0)) if zero_inflation else None
        )
        self.tail_weights = np.zeros((genes, 0))

    def _hold(self, first: int, last: int) -> None:
        """Make room for the panels from first to last."""
        n = self.panels.nodes
        held = self.cell_weights.shape[1] // n
        if held == 0:
            self.first_panel = first
        before = max(self.first_panel - first, 0)
        total = max(last + 1, self.first_panel + held) - min(first, self.first_panel)
        if total == held:
            return
        for name in _ON_PANELS:
            if getattr(self, name) is not None:
                setattr(self, name, _padded(getattr(self, name), before * n, total * n))
        self.first_panel -= before

    def _add_tails(self, weights: Floats) -> None:
        self.tail_weights = _padded(self.tail_weights, 0, weights.shape[1])
        self.tail_weights[:, : weights.shape[1]] += weights

    def merge(self, other: Self) -> Self:
        """Add another part's sums to these, in place.

        Raises:
            ValueError: the parts are not of the same genes, groups and kind.
        """
        if _kind(self) != _kind(other):
            raise ValueError(
                "statistics of different genes, groups or zero inflation cannot be added: "
                f"{_kind(self)} and {_kind(other)}"
            )
        count = other.cell_weights.shape[1] // other.panels.nodes
        if count:
            self._hold(other.first_panel, other.first_panel + count - 1)
            start = (other.first_panel - self.first_panel) * self.panels.nodes
            for name in _ON_PANELS:
                if getattr(self, name) is not None:
                    own = getattr(self, name)[..., start : start + count * self.panels.nodes]
                    own += getattr(other, name)
        self._add_tails(other.tail_weights)
        for name in ADDED:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        return self

    def __add__(self, other: Self) -> Self:
        whole = type(self)(self.genes, groups=self.groups, zero_inflation=self.zero_inflation)
        whole.names = self.names
        return whole.merge(self).merge(other)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Everything as named arrays, from which `from_arrays` makes the statistics again."""
        stored = {name: getattr(self, name) for name in (*ADDED, *_ON_PANELS, "tail_weights")}
        stored["names"] = self.names
        kept = {name: array for name, array in stored.items() if array is not None}
        header = [_VERSION, self.first_panel, self.panels.nodes, NODES]
        return {"header": np.array(header, np.int64), **kept}

    @classmethod
    def from_arrays(cls, stored: Mapping[str, NDArray[Any]]) -> Self:
        """The statistics whose `arrays` these are.

        Raises:
            ValueError: they were stored by a version with other nodes.
        """
        genes, groups = stored["totals"].shape
        inflated = "nonzero_weights" in stored
        made = cls(genes, groups=groups, zero_inflation=inflated)
        version, first, nodes, tail_nodes = stored["header"].tolist()
        if (version, nodes, tail_nodes) != (_VERSION, made.panels.nodes, NODES):
            raise ValueError("these statistics were stored by another version; make them again")
        made.first_panel = first
        for name in (*ADDED, *_ON_PANELS, "tail_weights", "names"):
            if name in stored:
                setattr(made, name, stored[name])
        return made

    def save(self, path: str | Path) -> None:
        """Write an ``.npz`` file, to be read by `load`."""
        arrays: dict[str, Any] = self.arrays()
        with open(path, "wb") as file:
            np.savez(file, **arrays)

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read what `save` wrote."""
        with np.load(path) as stored:
            return cls.from_arrays({name: stored[name] for name in stored.files})

    def of_genes(self, genes: NDArray[np.integer[Any]]) -> Self:
        """The statistics of some of the genes."""
        arrays = self.arrays()
        for name, array in arrays.items():
            if name not in _OF_CELLS:
                arrays[name] = array[genes]
        return self.from_arrays(arrays)


def _kind(statistics: AdditiveSums) -> tuple[int, int, bool]:
    return statistics.genes, statistics.groups, statistics.zero_inflation


def _padded(weights: Floats, before: int, total: int) -> Floats:
    """The same weights on more nodes: zeros before and behind, up to a total."""
    behind = max(total - before - weights.shape[-1], 0)
    if before == behind == 0:
        return weights
    return np.pad(weights, [(0, 0)] * (weights.ndim - 1) + [(before, behind)])
