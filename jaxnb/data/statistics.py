"""All that a maximum-likelihood fit needs of a count matrix, in a size that no cell adds to.

With s the size factors, v = log s, and x the counts of one gene, the negative binomial with mean
m·s and inverse dispersion θ has, with u = log m − log θ,

    log L = Σ_{k≥1} T_k·log(1 + k/θ) + log m·Σx + Σxv − Σ log x! − θ·F_1(u) − F_x(u),

    T_k = #{x > k},    F_w(u) = Σᵢ wᵢ·log(1 + exp(u + vᵢ)) ≈ Σ_q W_q·log(1 + exp(u + v_q)),

where W_q = Σᵢ wᵢ L_q(vᵢ) are the weights at Chebyshev nodes (`jaxnb.data.chebyshev`). With a
design, the same holds for the cells of each distinct row of it. Zero inflation needs F_w for the
nonzeros too.
"""

from typing import Any, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from jaxnb.data.additive import ADDED, AdditiveSums
from jaxnb.data.checks import check_block
from jaxnb.data.tails import count_values, tails

__all__ = ["CountStatistics"]

Floats: TypeAlias = NDArray[np.float64]

# Cells in a block: large enough for the sparse products, small beside the matrix.
_ROWS = 8192


class CountStatistics(AdditiveSums):
    """Sums over cells from which Poisson, NB and zero-inflated NB fits are made.

    Parts of one data set are added with ``+``, in any order; the sum differs from that of one pass
    by rounding only. All arrays are float64, or int64 where they count. Groups are numbered from 0:
    the distinct rows of a design, or one group if there is no design.

    Attributes:
        genes: number of genes (columns).
        groups: number of groups.
        zero_inflation: whether the weights of the nonzeros are kept, on finer panels.
        panels: width and nodes of the panels in log size factor.
        first_panel: the number of the first panel held.
        cells: cells with a positive size factor, ``(groups,)``.
        factor_sums: Σs, ``(groups,)``.
        factor_squares: Σs², ``(groups,)``.
        totals: Σx, ``(genes, groups)``.
        squares: Σx², ``(genes,)``.
        count_factor_sums: Σxs, ``(genes, groups)``.
        count_log_factor_sums: Σx·log s, ``(genes,)``.
        log_factorials: Σ log x!, ``(genes,)``.
        histogram: number of counts equal to k for k < 65, and above 64 in the last column,
            ``(genes, 66)``; the zeros are not counted, see `nonzeros`.
        cell_weights: weights of the cells at the nodes, ``(groups, nodes)``.
        count_weights: the same of the counts, ``(genes, groups, nodes)``.
        nonzero_weights: the same of the cells with a count, or None.
        names: of the genes, ``(genes,)``, or None.
        tail_weights: weights at the nodes in log k above k = 64, ``(genes, nodes)``, see `tails`.
    """

    @classmethod
    def of(
        cls,
        counts: Any,
        size_factors: Any,
        groups: Any = None,
        *,
        zero_inflation: bool = False,
    ) -> Self:
        """The statistics of a matrix in memory.

        Args:
            counts: whole numbers, shape ``(cells, genes)``: a dense array or a scipy sparse matrix.
            size_factors: shape ``(cells,)``, not negative.
            groups: an integer from 0 on for every cell, or None for one group.
            zero_inflation: keep what a zero-inflated fit needs.

        Raises:
            ValueError: as in `add`.
        """
        count = 1 if groups is None else int(np.max(groups, initial=0)) + 1
        statistics = cls(int(counts.shape[1]), groups=count, zero_inflation=zero_inflation)
        matrix = counts.tocsr() if sparse.issparse(counts) else np.asarray(counts)
        factors = np.asarray(size_factors)
        for start in range(0, matrix.shape[0], _ROWS):
            rows = slice(start, start + _ROWS)
            part = None if groups is None else np.asarray(groups)[rows]
            statistics.add(matrix[rows], factors[rows], part)
        return statistics

    @property
    def nodes(self) -> Floats:
        """The nodes in log size factor, shape ``(nodes,)``."""
        return self.panels.at(self.first_panel, self.cell_weights.shape[1] // self.panels.nodes)

    @property
    def nonzeros(self) -> NDArray[np.int64]:
        """Number of cells with a count, shape ``(genes,)``."""
        counted: NDArray[np.int64] = self.histogram.sum(axis=1)
        return counted

    def tails(self) -> tuple[Floats, Floats]:
        """Values k and weights T of Σ_k T_k·log(1 + k/θ), see `jaxnb.data.tails.tails`."""
        return tails(self.histogram, self.tail_weights)

    def coarse(self) -> Self:
        """The same without what zero inflation needs, on panels of width 1.

        Their polynomials are of no higher degree than those of the narrow panels inside them, so
        the weights are those that one would have collected there.
        """
        if not self.zero_inflation:
            return self
        made = type(self)(self.genes, groups=self.groups)
        made.names = self.names
        for name in (*ADDED, "tail_weights"):
            setattr(made, name, getattr(self, name))
        nodes = self.nodes
        panel = made.panels.panel(nodes)
        if nodes.size:
            made._hold(int(panel.min()), int(panel.max()))
        basis = made.panels.basis(nodes, panel)
        for p in np.unique(panel):
            start = (int(p) - made.first_panel) * made.panels.nodes
            here, own = panel == p, slice(start, start + made.panels.nodes)
            made.cell_weights[:, own] = self.cell_weights[:, here] @ basis[here]
            made.count_weights[..., own] = self.count_weights[..., here] @ basis[here]
        return made

    def add(self, counts: Any, size_factors: Any, groups: Any = None) -> Self:
        """Add cells.

        Args:
            counts: whole numbers below 2⁵³, shape ``(cells, genes)``, dense or sparse.
            size_factors: shape ``(cells,)``, not negative. A cell of size factor 0, which must
                have no counts, is left out.
            groups: an integer in ``range(self.groups)`` for every cell; None for group 0.

        Raises:
            ValueError: the shapes do not fit, a count is not a whole number or negative, a size
                factor is negative or not finite, or is 0 for a cell that has counts.
        """
        block = sparse.csr_array(counts)
        factors = np.asarray(size_factors, np.float64)
        labels = np.zeros(factors.size, np.int64) if groups is None else np.asarray(groups)
        check_block(block, factors, labels, genes=self.genes, groups=self.groups)
        if not np.all(factors > 0):
            kept = np.flatnonzero(factors > 0)
            block, factors, labels = block[kept], factors[kept], labels[kept]
        if factors.size:
            self._add_counts(block)
            self._add_weights(block, factors, labels)
        return self

    def _add_counts(self, block: Any) -> None:
        """Everything that the size factors do not enter."""
        x, gene = block.data, block.indices
        if np.any(x == 0):  # stored zeros
            gene, x = gene[x > 0], x[x > 0]
        counted = count_values(gene, x, self.genes)
        self.histogram += counted.binned
        self.squares += counted.squares
        self.log_factorials += counted.log_factorials
        self._add_tails(counted.tail_weights)

    def _add_weights(self, block: Any, factors: Floats, labels: NDArray[Any]) -> None:
        v = np.log(factors)
        panel = self.panels.panel(v)
        self._hold(int(panel.min()), int(panel.max()))
        x = block.data.astype(np.float64)
        values = sparse.csr_array((x, block.indices, block.indptr), shape=block.shape)
        present = sparse.csr_array(((x > 0) * 1.0, block.indices, block.indptr), shape=block.shape)
        self.cells += np.bincount(labels, minlength=self.groups)
        self.factor_sums += np.bincount(labels, factors, self.groups)
        self.factor_squares += np.bincount(labels, factors**2, self.groups)
        basis = self.panels.basis(v, panel)
        alike = labels * (1 + int(panel.max() - panel.min())) + panel - panel.min()
        for key in np.unique(alike):
            rows = np.flatnonzero(alike == key)
            group, p = int(labels[rows[0]]), int(panel[rows[0]])
            start = (p - self.first_panel) * self.panels.nodes
            own = slice(start, start + self.panels.nodes)
            local = basis[rows]
            # One product for the weights and the exact sums.
            columns = np.column_stack([local, np.ones(rows.size), factors[rows], v[rows]])
            sums = values[rows].T @ columns
            self.cell_weights[group, own] += local.sum(axis=0)
            self.count_weights[:, group, own] += sums[:, :-3]
            self.totals[:, group] += sums[:, -3]
            self.count_factor_sums[:, group] += sums[:, -2]
            self.count_log_factor_sums += sums[:, -1]
            if self.nonzero_weights is not None:
                self.nonzero_weights[:, group, own] += present[rows].T @ local
