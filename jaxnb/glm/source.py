"""Where the data of a regression come from: a matrix, or statistics added up over cells."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from jaxnb.fit import CountStatistics
from jaxnb.glm.counts import CountData
from jaxnb.glm.pseudo_cells import PseudoCells, pseudo_cells, pseudo_cells_of_statistics
from jaxnb.glm.regression import Regression

__all__ = ["Source", "source_of_counts", "source_of_statistics"]

Floats: TypeAlias = NDArray[np.float64]


@dataclass(frozen=True)
class Source:
    """Counts of all genes, for any design.

    Attributes:
        genes: their names.
        obs: what a formula is applied to: a line per cell or sample, or per group of statistics.
        rows: how many cells or samples there are.
        mean: of the counts divided by the size factors, ``(genes,)``.
        empty: which genes have no counts, ``(genes,)``.
        parts: the data of some genes after the others, for a design with a row per line of `obs`.
    """

    genes: pd.Index
    obs: pd.DataFrame
    rows: int
    mean: Floats
    empty: NDArray[np.bool_]
    parts: Callable[[Floats], Iterator[PseudoCells]]

    def regression(self, design: Floats, *, progress: bool = False) -> Regression:
        """The regression of every gene on a design."""
        return Regression(partial(self.parts, design), len(self.genes), progress=progress)

    def with_offsets(self, offsets: Floats) -> "Source":
        """The same counts with size factors times exp(offset), one for each line of `obs`."""
        return replace(self, parts=partial(_with_offsets, self.parts, offsets))


def source_of_counts(counts: CountData, size_factors: Floats) -> Source:
    """From a matrix and size factors."""
    matrix = counts.matrix
    mean = np.asarray(matrix.T @ (1 / size_factors), np.float64) / matrix.shape[0]
    return Source(
        counts.genes,
        counts.obs,
        int(matrix.shape[0]),
        mean,
        np.diff(matrix.indptr) == 0,
        partial(_parts_of_counts, matrix, size_factors),
    )


def source_of_statistics(statistics: CountStatistics, obs: Any, genes: Any) -> Source:
    """From statistics, of which every group is a row of the design.

    Raises:
        ValueError: `obs` or `genes` are not as many as groups and genes, or a group has no cells.
    """
    obs = pd.DataFrame(index=pd.RangeIndex(statistics.groups)) if obs is None else obs
    names = pd.RangeIndex(statistics.genes) if genes is None else pd.Index(genes)
    if len(obs) != statistics.groups:
        raise ValueError(
            f"obs has {len(obs)} lines for {statistics.groups} groups: with statistics, a line "
            "says what the cells of one group have in common"
        )
    if len(names) != statistics.genes:
        raise ValueError(f"{len(names)} names for {statistics.genes} genes")
    if np.any(statistics.cells == 0):
        group = int(np.argmin(statistics.cells))
        raise ValueError(f"group {group} of the statistics has no cells: leave it out")
    plain = statistics.coarse()
    rows = int(plain.cells.sum())
    mean = np.einsum("gcq,q->g", plain.count_weights, np.exp(-plain.nodes)) / rows
    empty = plain.totals.sum(axis=1) == 0
    return Source(names, obs, rows, mean, empty, partial(_parts_of_statistics, plain))


# Functions of the module and not of the functions above, so that fits can be pickled.


def _parts_of_counts(matrix: Any, size_factors: Floats, design: Floats) -> Iterator[PseudoCells]:
    return pseudo_cells(matrix, design, size_factors)


def _with_offsets(
    parts: Callable[[Floats], Iterator[PseudoCells]], offsets: Floats, design: Floats
) -> Iterator[PseudoCells]:
    # As a column of the design, so that pseudo-cells are of one offset each.
    for part in parts(np.column_stack([design, offsets])):
        offset = part.rows[:, -1]
        yield replace(
            part,
            rows=part.rows[:, :-1],
            log_size_factors=part.log_size_factors + offset[part.row_of],
            exposures=part.exposures * np.exp(offset),
        )


def _parts_of_statistics(statistics: CountStatistics, design: Floats) -> Iterator[PseudoCells]:
    yield pseudo_cells_of_statistics(statistics, design)
