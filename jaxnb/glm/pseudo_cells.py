"""Counts in the form that the likelihood needs: weights of pseudo-cells and a histogram.

All sums over the cells of one design row are of the form Σ wᵢ f(log sᵢ), with s the size factors
and f analytic for |Im| < π. They are replaced by sums over Chebyshev nodes in log s
(`jaxnb.fit.chebyshev`), so that the time of a fit does not depend on the number of cells. Where
that saves nothing, because a covariate is continuous or the cells are few, the cells are kept.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from jaxnb.fit import CountStatistics
from jaxnb.fit.chebyshev import Panels, nodes_for
from jaxnb.glm.histogram import Histogram, histogram, histogram_of_statistics

__all__ = ["TOLERANCE", "PseudoCells", "pseudo_cells", "pseudo_cells_of_statistics"]

Floats: TypeAlias = NDArray[np.float64]
Ints: TypeAlias = NDArray[np.int64]

# Error of one cell's term of the log-likelihood; with a million cells it adds up to 1e-7 at most.
TOLERANCE = 1e-13
# Entries of a dense array of counts, 128 MiB.
_DENSE_ENTRIES = 1 << 24


@dataclass(frozen=True)
class PseudoCells:
    """Some genes' counts, with what their cells have in common.

    Attributes:
        rows: the distinct rows of the design, ``(rows, p)``.
        row_of: the row of every pseudo-cell, ``(cells,)``.
        log_size_factors: ``(cells,)``.
        cells: the weights of the cells themselves, ``(cells,)``.
        counts: the weights of the counts, ``(genes, cells)``.
        histogram: of the counts of every gene.
        exposures: size factors added up over the cells of a row, ``(rows,)``.
        totals: counts added up over the cells of a row, ``(genes, rows)``.
    """

    rows: Floats
    row_of: Ints
    log_size_factors: Floats
    cells: Floats
    counts: Floats
    histogram: Histogram
    exposures: Floats
    totals: Floats

    @property
    def genes(self) -> int:
        """How many genes these are."""
        return len(self.counts)


def pseudo_cells(counts: Any, design: Floats, size_factors: Floats) -> Iterator[PseudoCells]:
    """Pseudo-cells of all genes, in one part if they are few, in dense parts if they are cells.

    Args:
        counts: whole numbers, a `scipy.sparse` matrix or an array, shape ``(cells, genes)``.
        design: shape ``(cells, p)``.
        size_factors: positive, shape ``(cells,)``.
    """
    rows, row_of = np.unique(design, axis=0, return_inverse=True)
    row_of, log_factors = row_of.ravel(), np.log(size_factors)
    x = sparse.csc_array(counts)
    exposures = np.bincount(row_of, size_factors, len(rows)).astype(np.float64)
    # A row without many cells needs a node per cell.
    if 4 * len(rows) <= len(row_of):
        basis, node_row, nodes = _basis(row_of, len(rows), log_factors)
        if 2 * len(nodes) <= len(row_of):
            weights = np.ascontiguousarray((basis.T @ x).toarray().T)
            cells = np.asarray(basis.sum(axis=0))
            yield _part(rows, exposures, node_row, nodes, cells, weights, x, row_of)
            return
    step = max(1, _DENSE_ENTRIES // len(row_of))
    for start in range(0, x.shape[1], step):
        columns = x[:, start : start + step]
        dense = np.ascontiguousarray(columns.toarray().T, dtype=np.float64)
        ones = np.ones(len(row_of))
        yield _part(rows, exposures, row_of, log_factors, ones, dense, columns, row_of)


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
        histogram_of_statistics(statistics),
        statistics.factor_sums,
        statistics.totals,
    )


def _part(
    rows: Floats,
    exposures: Floats,
    node_row: Ints,
    nodes: Floats,
    cells: Floats,
    weights: Floats,
    x: Any,
    row_of: Ints,
) -> PseudoCells:
    indicator = sparse.csr_array(
        (np.ones(row_of.size), (row_of, np.arange(row_of.size))), shape=(len(rows), row_of.size)
    )
    totals = np.ascontiguousarray((indicator @ x).toarray().T, dtype=np.float64)
    return PseudoCells(rows, node_row, nodes, cells, weights, histogram(x), exposures, totals)


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
