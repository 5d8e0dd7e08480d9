"""Where the data of a regression come from: a matrix, or statistics added up over cells."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from jaxnb.data.statistics import CountStatistics
from jaxnb.glm.bulk.dispersions import BulkDispersions
from jaxnb.glm.bulk.regression import BulkRegression, Samples
from jaxnb.glm.conditioning import conditioned
from jaxnb.glm.counts import CountData
from jaxnb.glm.pseudo_cells import PseudoCells, pseudo_cells, pseudo_cells_of_statistics
from jaxnb.glm.regression import Regression

__all__ = [
    "Source",
    "source_of_counts",
    "source_of_statistics",
    "with_samples",
    "without_outliers",
]

Floats: TypeAlias = NDArray[np.float64]


class Counted(NamedTuple):
    """A matrix and what goes with single counts.

    Attributes:
        matrix: counts, ``(rows, genes)``.
        size_factors: one per row.
        offsets: logarithms that are added for single counts, ``(rows, genes)``; None for none.
        weights: of rows, ``(rows,)``, or of single counts, ``(rows, genes)``; None for 1.
    """

    matrix: Any
    size_factors: Floats
    offsets: Floats | None
    weights: Floats | None


@dataclass(frozen=True)
class Source:
    """Counts of all genes, for any design.

    Attributes:
        genes: their names.
        obs: what a formula is applied to: a line per cell or sample, or per group of statistics.
        rows: how many cells or samples there are.
        mean: of the counts divided by the size factors, ``(genes,)``.
        depth: the geometric mean of the size factors, ``(genes,)`` or a number.
        empty: which genes have no counts, ``(genes,)``.
        parts: the data of some genes after the others, for a design with a row per line of `obs`.
        counted: the counts themselves; None for statistics.
        samples: the counts as dense arrays, for designs of few rows; None if there are many.
        weighted_rows: sums of the weights of rows, ``(genes,)`` or a number; None for `rows`.
        shift: what `with_offsets` has added.
    """

    genes: pd.Index
    obs: pd.DataFrame
    rows: int
    mean: Floats
    depth: Floats | float
    empty: NDArray[np.bool_]
    parts: Callable[[Floats], Iterator[PseudoCells]]
    counted: Counted | None = None
    samples: Samples | None = None
    weighted_rows: Floats | float | None = None
    shift: Floats | float = 0.0

    @property
    def mean_count(self) -> Floats:
        """Of a row of the usual depth, ``(genes,)``: whatever the unit of the size factors."""
        found: Floats = self.mean * self.depth
        return found

    def degrees(self, coefficients: int) -> Floats:
        """Degrees of freedom that coefficients leave every gene."""
        rows = self.rows if self.weighted_rows is None else self.weighted_rows
        return np.broadcast_to(np.asarray(rows, np.float64), self.mean.shape) - coefficients

    def regression(
        self, design: Floats, *, width: int | None = None, progress: bool = False
    ) -> Regression:
        """The regression of every gene on a design.

        Args:
            design: a row per line of `obs`.
            width: coefficients of the largest design, of which this one is a part.
            progress: show progress bars.
        """
        basis = conditioned(design)
        parts = partial(self.parts, basis.matrix)
        if self.samples is not None:
            return BulkRegression(self.samples, design, parts, width=width, progress=progress)
        return Regression(parts, len(self.genes), basis, progress=progress)

    def with_offsets(self, offsets: Floats) -> "Source":
        """The same counts with size factors times exp(offset), one for each line of `obs`."""
        samples = None if self.samples is None else self.samples.shifted(offsets)
        parts = partial(_with_offsets, self.parts, offsets)
        return replace(self, parts=parts, samples=samples, shift=offsets)


def source_of_counts(
    counts: CountData,
    size_factors: Floats,
    offsets: Floats | None = None,
    weights: Floats | None = None,
) -> Source:
    """From a matrix and size factors.

    Args:
        counts: the matrix.
        size_factors: one per row.
        offsets: logarithms that are added for single counts, ``(rows, genes)``; None for none.
        weights: of rows, ``(rows,)``, or of single counts, ``(rows, genes)``; None for 1.
    """
    matrix = counts.matrix
    counted = Counted(matrix, size_factors, offsets, weights)
    rows = int(matrix.shape[0])
    weighted_rows: Floats | float = float(rows) if weights is None else weights.sum(axis=0)
    of_counts = weights is not None and weights.ndim > 1
    of_rows = 1 / size_factors if weights is None or of_counts else weights / size_factors
    if offsets is None and not of_counts:
        totals = np.asarray(of_rows @ matrix, np.float64)  # without a second matrix
    else:
        scaled = sparse.diags_array(of_rows) @ matrix
        if offsets is not None:
            scaled = scaled.multiply(np.exp(-offsets))
        totals = np.asarray((scaled.multiply(weights) if of_counts else scaled).sum(axis=0)).ravel()
    return Source(
        counts.genes,
        counts.obs,
        rows,
        totals / weighted_rows,
        _depth(counted),
        totals == 0,
        partial(_parts_of_counts, counted),
        counted,
        weighted_rows=weighted_rows,
    )


def _depth(counted: Counted) -> Floats | float:
    logs, weights = np.log(counted.size_factors), counted.weights
    if counted.offsets is None and (weights is None or weights.ndim == 1):
        return float(np.exp(np.average(logs, weights=weights)))
    both = logs[:, None] + (0 if counted.offsets is None else counted.offsets)
    given = np.ones(1) if weights is None else weights
    of_counts = np.broadcast_to(given if given.ndim > 1 else given[:, None], counted.matrix.shape)
    found: Floats = np.exp((of_counts * both).sum(axis=0) / of_counts.sum(axis=0))
    return found


def with_samples(source: Source) -> Source:
    """A source of the same counts with dense arrays of the genes that have any, for few rows."""
    assert source.counted is not None
    matrix, size_factors, offsets, weights = source.counted
    genes = np.flatnonzero(~source.empty)
    dense = np.ascontiguousarray(matrix[:, genes].toarray().T, dtype=np.float64)
    logs = np.log(size_factors)[None]
    if offsets is not None:
        logs = logs + offsets.T[genes]
    of_counts = np.ones_like(dense)
    if weights is not None:
        of_counts *= weights if weights.ndim == 1 else weights.T[genes]
    return replace(source, samples=Samples(dense, logs, of_counts, genes, len(source.genes)))


def without_outliers(source: Source, found: BulkDispersions) -> Source:
    """The same source with the weights and means that outliers leave."""
    assert source.counted is not None
    samples = found.samples
    weights = np.ones(source.counted.matrix.shape)
    weights[:, samples.genes] = samples.weights.T
    weighted_rows = source.degrees(0).copy()
    weighted_rows[samples.genes] = samples.weights.sum(axis=1)
    counted = source.counted._replace(weights=weights)
    return replace(
        source,
        weighted_rows=weighted_rows,
        mean=found.mean,
        depth=samples.scattered(samples.depth, 1.0),
        parts=partial(_parts_of_counts, counted),
        counted=counted,
        samples=samples,
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
    depth = float(np.exp(np.sum(plain.cell_weights @ plain.nodes) / rows))
    empty = plain.totals.sum(axis=1) == 0
    return Source(names, obs, rows, mean, depth, empty, partial(_parts_of_statistics, plain))


# Functions of the module and not of the functions above, so that fits can be pickled.


def _parts_of_counts(counted: Counted, design: Floats) -> Iterator[PseudoCells]:
    matrix, size_factors, offsets, weights = counted
    return pseudo_cells(matrix, design, size_factors, offsets, weights)


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
