"""Counts in the form that the likelihood needs: weights of pseudo-cells and exceedances.

All sums over the cells of one design row are of the form Σ wᵢ f(log sᵢ), with s the size factors
and f analytic for |Im| < π. They are replaced by sums over Chebyshev nodes in log s
(`jaxnb.data.chebyshev`), so that the time of a fit does not depend on the number of cells. Where
that saves nothing, because a covariate is continuous or the cells are few, the cells are kept.

`CountStatistics` have such sums on panels that do not depend on the data. A matrix in memory gets
nodes between its own smallest and largest size factor instead, which are fewer (179 for 232 with
8 groups of 20,000 cells), and may have weights and counts between whole numbers.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from jaxnb.data.chebyshev import Panels, nodes_for
from jaxnb.data.exceedances import Exceedances, exceedances, exceedances_of_statistics
from jaxnb.data.statistics import CountStatistics

__all__ = [
    "TOLERANCE",
    "PseudoCells",
    "distinct_rows",
    "merged",
    "pseudo_cells",
    "pseudo_cells_of_statistics",
]

Floats: TypeAlias = NDArray[np.float64]
Ints: TypeAlias = NDArray[np.int64]

# Error of one cell's term of the log-likelihood; with a million cells it adds up to 1e-7 at most.
TOLERANCE = 1e-13
# Entries of a dense array of counts, 128 MiB.
_DENSE_ENTRIES = 1 << 24
# Thresholds of parts are a multiple of these.
_THRESHOLDS = 32


@dataclass(frozen=True)
class PseudoCells:
    """Some genes' counts, with what their cells have in common.

    Attributes:
        rows: the distinct rows of the design, ``(rows, p)``.
        row_of: the row of every pseudo-cell, ``(cells,)``.
        log_size_factors: with offsets, ``(cells,)`` or ``(genes, cells)``.
        cells: the weights of the cells themselves, ``(cells,)`` or ``(genes, cells)``.
        counts: the weights of the counts, ``(genes, cells)``.
        exceedances: of the counts of every gene.
        exposures: weighted size factors added up over the cells of a row, ``(rows,)`` or
            ``(genes, rows)``.
        totals: counts added up over the cells of a row, ``(genes, rows)``.
    """

    rows: Floats
    row_of: Ints
    log_size_factors: Floats
    cells: Floats
    counts: Floats
    exceedances: Exceedances
    exposures: Floats
    totals: Floats

    @property
    def genes(self) -> int:
        """How many genes these are."""
        return len(self.counts)


def pseudo_cells(
    counts: Any,
    design: Floats,
    size_factors: Floats,
    offsets: Floats | None = None,
    weights: Floats | None = None,
) -> Iterator[PseudoCells]:
    """Pseudo-cells of all genes, in one part if they are few, in dense parts if they are cells.

    Args:
        counts: not negative, a `scipy.sparse` matrix or an array, shape ``(cells, genes)``.
        design: shape ``(cells, p)``.
        size_factors: positive, shape ``(cells,)``.
        offsets: logarithms of what the means of single counts are multiplied with, shape
            ``(cells, genes)``; None for none.
        weights: what the log-likelihoods of cells, or of single counts, are multiplied with, shape
            ``(cells,)`` or ``(cells, genes)``; None for 1.
    """
    rows, row_of = distinct_rows(design)
    log_factors = np.log(size_factors)
    x = sparse.csc_array(counts)
    of_cells = np.ones(len(row_of)) if weights is None else weights
    indicator = _indicator(row_of, len(rows))
    # A row without many cells needs a node per cell.
    if offsets is None and of_cells.ndim == 1 and 4 * len(rows) <= len(row_of):
        basis, node_row, nodes = _basis(row_of, len(rows), log_factors)
        if 2 * len(nodes) <= len(row_of):
            # Gene by gene, as the counts are stored.
            by_gene = sparse.csr_array(_scaled(x, weights).T)
            weighted = (by_gene @ basis).toarray()
            cells = np.asarray(basis.T @ of_cells)
            exposures = indicator @ (of_cells * size_factors)
            yield PseudoCells(
                rows, node_row, nodes, cells, weighted,
                *_summaries(x, weights, (by_gene @ sparse.csr_array(indicator.T)).T, exposures),
            )  # fmt: skip
            return
    step = max(1, _DENSE_ENTRIES // len(row_of))
    for start in range(0, x.shape[1], step):
        genes = slice(start, start + step)
        columns = x[:, genes]
        mine = of_cells if of_cells.ndim == 1 else of_cells[:, genes]
        logs = log_factors if offsets is None else log_factors[:, None] + offsets[:, genes]
        given = None if weights is None else mine
        weighted = _scaled(columns, given).T.astype(np.float64).toarray()
        exposures = indicator @ (mine.T * np.exp(logs).T).T
        # Not by a product of sparse matrices: nearly every cell is a row of its own.
        totals = weighted.T if len(rows) == len(row_of) else indicator @ weighted.T
        part = PseudoCells(
            rows, row_of, logs.T, mine.T, weighted,
            *_summaries(columns, given, totals, exposures.T),
        )  # fmt: skip
        yield part if step >= x.shape[1] else replace(part, exceedances=_padded(part.exceedances))


def pseudo_cells_of_statistics(statistics: CountStatistics, rows: Floats) -> PseudoCells:
    """Pseudo-cells from statistics that were added up over cells, with a design row per group."""
    statistics = statistics.coarse()
    node_row, nodes, cells, counts = [], [], [], []
    for row in range(statistics.groups):
        weights, mine = statistics.cell_weights[row], statistics.count_weights[:, row]
        held = np.flatnonzero((weights != 0) | np.any(mine != 0, axis=0))
        points, weights, mine = statistics.nodes[held], weights[held], mine[:, held]
        width = float(np.ptp(points)) if points.size else 0.0
        count = nodes_for(width, np.pi, TOLERANCE) if width > 0 else 1
        if count < points.size:
            panel = Panels(width, count, float(points.min()))
            basis = panel.basis(points, 0)
            points, weights, mine = panel.at(0, 1), weights @ basis, mine @ basis
        node_row.append(np.full(points.size, row))
        nodes.append(points)
        cells.append(weights)
        counts.append(mine)
    return PseudoCells(
        rows,
        np.concatenate(node_row),
        np.concatenate(nodes),
        np.concatenate(cells),
        np.hstack(counts),
        exceedances_of_statistics(statistics),
        statistics.factor_sums,
        statistics.totals,
    )


def merged(data: PseudoCells, design: Floats) -> PseudoCells:
    """The same counts on rows of which several agree, with common nodes for those that do.

    Args:
        data: whose size factors and weights are the same for all genes.
        design: what of the rows counts, ``(rows, p)``.
    """
    rows, number = distinct_rows(design)
    basis, node_row, nodes = _basis(number[data.row_of], len(rows), data.log_size_factors)
    members = _indicator(number, len(rows))
    return PseudoCells(
        rows,
        node_row,
        nodes,
        np.asarray(basis.T @ data.cells),
        np.ascontiguousarray((basis.T @ data.counts.T).T),
        data.exceedances,
        np.asarray(members @ data.exposures),
        np.ascontiguousarray((members @ data.totals.T).T),
    )


def _indicator(row_of: Ints, rows: int) -> Any:
    """1 where a cell is of a row, a sparse matrix rows x cells."""
    cells = np.arange(row_of.size)
    return sparse.csr_array((np.ones(row_of.size), (row_of, cells)), shape=(rows, row_of.size))


def _scaled(x: Any, weights: Floats | None) -> Any:
    """Counts times weights of cells, or of single counts; None for 1."""
    if weights is None:
        return x
    if weights.ndim == 1:
        return sparse.csc_array(sparse.diags_array(weights) @ x)
    return sparse.csc_array(x.multiply(weights))


def _summaries(
    x: Any, weights: Floats | None, totals: Any, exposures: Floats
) -> tuple[Exceedances, Floats, Floats]:
    """What a gene's pseudo-cells have besides their weights."""
    of_counts = None
    if weights is not None:
        gene = np.repeat(np.arange(x.shape[1]), np.diff(x.indptr))
        of_counts = weights[x.indices] if weights.ndim == 1 else weights[x.indices, gene]
    if sparse.issparse(totals):
        totals = totals.toarray()
    return (
        exceedances(x, of_counts),
        exposures,
        np.ascontiguousarray(totals.T, dtype=np.float64),
    )


def _padded(found: Exceedances) -> Exceedances:
    """With more thresholds, so that the parts of a matrix run the same programs."""
    more = -found.thresholds.size % _THRESHOLDS
    thresholds = np.pad(found.thresholds, (0, more), mode="edge")
    weights = np.pad(found.weights, ((0, 0), (0, more)))
    return Exceedances(weights, thresholds, found.log_factorials)


def distinct_rows(design: Floats) -> tuple[Floats, Ints]:
    """`numpy.unique` of rows, without its comparisons of whole rows; unsorted if all differ."""
    order = np.lexsort(design.T[::-1])
    first = np.append(True, np.any(np.diff(design[order], axis=0) != 0, axis=1))
    row_of = np.empty(len(design), np.int64)
    if first.all():
        return design, np.arange(len(design))
    row_of[order] = np.cumsum(first) - 1
    return design[order[first]], row_of


def _basis(row_of: Ints, rows: int, log_factors: Floats) -> tuple[Any, Ints, Floats]:
    """Lagrange polynomials of each row's nodes at its cells, a sparse matrix cells x nodes."""
    blocks, node_row, nodes, order = [], [], [], []
    ends = np.cumsum(np.bincount(row_of, minlength=rows))
    for row, members in enumerate(np.split(np.argsort(row_of, kind="stable"), ends[:-1])):
        values = log_factors[members]
        low, width = values.min(), np.ptp(values)
        count = nodes_for(width, np.pi, TOLERANCE) if width > 0 else 1
        if count >= members.size:
            blocks.append(np.eye(members.size))
            nodes.append(values)
        elif width == 0:
            blocks.append(np.ones((members.size, 1)))
            nodes.append(values[:1])
        else:
            panel = Panels(float(width), count, float(low))
            blocks.append(panel.basis(values, 0))
            nodes.append(panel.at(0, 1))
        node_row.append(np.full(len(nodes[-1]), row))
        order.append(members)
    basis = sparse.block_diag([sparse.coo_array(block) for block in blocks], format="csr")
    back = np.argsort(np.concatenate(order))
    return basis[back], np.concatenate(node_row), np.concatenate(nodes)
