"""The sums that the likelihood of a block of genes is made of, whether from statistics or cells."""

from typing import Any, NamedTuple, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln

from jaxnb.data.statistics import CountStatistics

__all__ = ["Sums", "rough_sums", "sums_of_cells", "sums_of_statistics"]

Floats: TypeAlias = NDArray[np.float64]


class Sums(NamedTuple):
    """Weights at nodes for a block of genes; from cells, every cell is a node.

    Attributes:
        cells: number of cells.
        total: Σx, ``(genes,)``.
        poisson_log_mean: log(Σx / Σs), where the Poisson likelihood has its maximum, ``(genes,)``.
        poisson_log_likelihood: there, ``(genes,)``.
        factor_squares: Σs².
        square: Σx², ``(genes,)``.
        count_factor_sum: Σxs, ``(genes,)``.
        log_factors: nodes in log size factor, ``(nodes,)``.
        cell_weights: ``(nodes,)``.
        count_weights: ``(genes, nodes)``.
        zero_log_factors: nodes for the sums over zeros, ``(panels, nodes of a panel)``.
        zero_weights: ``(genes, panels, nodes of a panel)``.
        tail: k of Σ_k T_k·log(1 + k/θ), ``(tails,)``.
        tail_weights: T_k, ``(genes, tails)``.
        fractional: the counts themselves where they are not whole and there is no T_k,
            ``(genes, cells)``; else ``(genes, 0)``.
    """

    cells: Any
    total: Any
    poisson_log_mean: Any
    poisson_log_likelihood: Any
    factor_squares: Any
    square: Any
    count_factor_sum: Any
    log_factors: Any
    cell_weights: Any
    count_weights: Any
    zero_log_factors: Any
    zero_weights: Any
    tail: Any
    tail_weights: Any
    fractional: Any

    @classmethod
    def axes(cls) -> Self:
        """Which arrays have an axis of genes, as `jax.vmap` takes it."""
        return cls(
            cells=None,
            total=0,
            poisson_log_mean=0,
            poisson_log_likelihood=0,
            factor_squares=None,
            square=0,
            count_factor_sum=0,
            log_factors=None,
            cell_weights=None,
            count_weights=0,
            zero_log_factors=None,
            zero_weights=0,
            tail=None,
            tail_weights=0,
            fractional=0,
        )

    def of_genes(self, genes: Any) -> Self:
        """The sums of some of the genes."""
        return type(self)(
            *(
                entry if axis is None else entry[genes]
                for entry, axis in zip(self, self.axes(), strict=True)
            )
        )


def sums_of_statistics(statistics: CountStatistics, *, inflated: bool) -> Sums:
    """Nodes without any cell are left out; the panels of the sums over zeros stay whole."""
    coarse = statistics.coarse()
    total = statistics.totals[:, 0]
    log_mean = _log_mean(total, statistics.factor_sums[0])
    used = coarse.cell_weights[0] != 0
    k, tails = coarse.tails()
    panel = statistics.panels.nodes
    zeros = np.zeros((statistics.genes, 0, panel))
    zero_nodes = np.zeros((0, panel))
    if inflated:
        if statistics.nonzero_weights is None:
            raise ValueError("these statistics were made without zero_inflation=True")
        everyone = statistics.cell_weights[0].reshape(-1, panel)
        occupied = np.any(everyone != 0, axis=1)
        zeros = (everyone - statistics.nonzero_weights.reshape(-1, *everyone.shape))[:, occupied]
        zero_nodes = statistics.nodes.reshape(-1, panel)[occupied]
    return _padded(
        Sums(
            cells=float(statistics.cells[0]),
            total=total,
            poisson_log_mean=log_mean,
            poisson_log_likelihood=total * (log_mean - 1)
            + statistics.count_log_factor_sums
            - statistics.log_factorials,
            factor_squares=float(statistics.factor_squares[0]),
            square=statistics.squares,
            count_factor_sum=statistics.count_factor_sums[:, 0],
            log_factors=coarse.nodes[used],
            cell_weights=coarse.cell_weights[0, used],
            count_weights=coarse.count_weights[:, 0, used],
            zero_log_factors=zero_nodes,
            zero_weights=zeros,
            tail=k,
            tail_weights=tails,
            fractional=np.zeros((statistics.genes, 0)),
        )
    )


def rough_sums(statistics: CountStatistics, sums: Sums) -> Sums:
    """The same with the sums over zeros on the nodes of the other sums."""
    assert statistics.nonzero_weights is not None
    # Nonzeros are counts of 1.
    as_counts = CountStatistics(statistics.genes, zero_inflation=True)
    as_counts.first_panel = statistics.first_panel
    as_counts.cell_weights = statistics.cell_weights
    as_counts.count_weights = statistics.nonzero_weights
    coarse = as_counts.coarse()
    used = coarse.cell_weights[0] != 0
    zeros = (coarse.cell_weights - coarse.count_weights[:, 0])[:, used]
    nodes = sums.log_factors.size - zeros.shape[1]
    return sums._replace(
        zero_log_factors=sums.log_factors[None],
        zero_weights=np.pad(zeros, [(0, 0), (0, nodes)])[:, None],
    )


def sums_of_cells(x: Floats, size_factors: Floats) -> Sums:
    """From counts that need not be whole, shape ``(genes, cells)``."""
    v, total = np.log(size_factors), x.sum(axis=1)
    log_mean = _log_mean(total, float(size_factors.sum()))
    return Sums(
        cells=float(size_factors.size),
        total=total,
        poisson_log_mean=log_mean,
        poisson_log_likelihood=total * (log_mean - 1) + x @ v - gammaln(x + 1).sum(axis=1),
        factor_squares=float(np.sum(size_factors**2)),
        square=np.sum(x**2, axis=1),
        count_factor_sum=x @ size_factors,
        log_factors=v,
        cell_weights=np.ones_like(v),
        count_weights=x,
        zero_log_factors=v[:, None],
        zero_weights=(x == 0).astype(np.float64)[..., None],
        tail=np.ones(1),
        tail_weights=np.zeros((len(x), 1)),
        fractional=x,
    )


def _log_mean(total: Floats, exposure: float) -> Floats:
    # Genes without counts get some finite value: they are overwritten at the end.
    found: Floats = np.log(np.where(total > 0, total, 1.0) / exposure)
    return found


def _padded(sums: Sums) -> Sums:
    """Few shapes, hence few programs to compile: nodes of weight 0 are added."""
    nodes = _round_up(sums.log_factors.size, 32) - sums.log_factors.size
    tails = (128 if sums.tail.size <= 128 else _round_up(sums.tail.size, 512)) - sums.tail.size
    panels = _round_up(len(sums.zero_log_factors), 8) - len(sums.zero_log_factors)
    behind, below = (0, nodes), (0, panels)
    return sums._replace(
        log_factors=np.pad(sums.log_factors, behind, mode="edge"),
        cell_weights=np.pad(sums.cell_weights, behind),
        count_weights=np.pad(sums.count_weights, [(0, 0), behind]),
        zero_log_factors=np.pad(sums.zero_log_factors, [below, (0, 0)], mode="edge")
        if len(sums.zero_log_factors)
        else sums.zero_log_factors,
        zero_weights=np.pad(sums.zero_weights, [(0, 0), below, (0, 0)])
        if len(sums.zero_log_factors)
        else sums.zero_weights,
        tail=np.pad(sums.tail, (0, tails), mode="edge"),
        tail_weights=np.pad(sums.tail_weights, [(0, 0), (0, tails)]),
    )


def _round_up(size: int, step: int) -> int:
    """To a power of two times the step, or 0."""
    return 0 if size == 0 else step << max(0, (-(-size // step) - 1).bit_length())
