"""Genes of one design, evaluated in blocks of one fixed shape."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from jaxnb.glm.likelihood import Block, Evaluation, covariance, evaluate
from jaxnb.glm.linear_algebra import packed_products
from jaxnb.glm.pseudo_cells import PseudoCells
from jaxnb.glm.separation import Separation, find_separation

__all__ = ["Problem"]

Floats: TypeAlias = NDArray[np.float64]
Ints: TypeAlias = NDArray[np.int64]

# Pseudo-cells and thresholds of one block: its arrays stay in the cache of a CPU.
_BLOCK_ENTRIES = 1 << 16
_NARROWEST, _WIDEST = 8, 1024
# Of more cells so many at a time, 64 kB for 8 genes; a GPU takes them all together.
_CELLS_AT_ONCE = 1024
# Sums over the pseudo-cells of every distinct row are products with a matrix of that many columns.
_MOST_ROWS = 512


@dataclass
class Problem:
    """The likelihoods of some genes with the rows and coefficients that separation leaves.

    Attributes:
        data: pseudo-cells of the genes.
        keep_all: whether to keep separated rows, for log-likelihoods with a prior.
        separation: what is estimated for each gene.
        separated: which genes have rows that are left out.
        scale: a mean count of each gene, at least 1: dispersions far below its inverse do not
            matter.
        width: genes in a block.
        evaluations: how many genes have been evaluated so far, for measurements.
        light: representatives of the cells in their place, once they are made.
    """

    data: PseudoCells
    keep_all: bool = False
    separation: Separation = field(init=False)
    separated: NDArray[np.bool_] = field(init=False)
    scale: Floats = field(init=False)
    width: int = field(init=False)
    evaluations: int = field(init=False, default=0)
    light: "Problem | None" = field(init=False, default=None)

    def __post_init__(self) -> None:
        data = self.data
        positive = np.ones_like(data.totals, bool) if self.keep_all else data.totals > 0
        self.separation = find_separation(data.rows, positive, _present(data))
        self.separated = np.any(~self.separation.kept, axis=1)
        exceedances = data.exceedances
        # Σ x² = Σₖ N(x > k) (2k + 1)
        squares = exceedances.weights @ (2 * exceedances.thresholds + 1)
        self.scale = np.maximum(squares / np.maximum(data.totals.sum(axis=1), 1), 1)
        entries = data.row_of.size + len(exceedances.thresholds)
        affordable = 1 << max(_BLOCK_ENTRIES // entries, 1).bit_length() - 1
        needed = 1 << max(data.genes - 1, 0).bit_length()
        self.width = max(_NARROWEST, min(affordable, needed, _WIDEST))
        design, member = data.rows, None
        if len(design) <= min(data.row_of.size // 2, _MOST_ROWS):
            member = (data.row_of[:, None] == np.arange(len(design))).astype(np.float64)
        else:
            design = design[data.row_of]
        with jax.enable_x64(True):
            self._shared = tuple(
                jnp.asarray(entry, jnp.float64)
                for entry in (
                    exceedances.thresholds,
                    data.log_size_factors,
                    design,
                    packed_products(design),
                )
            )
            self._member = None if member is None else jnp.asarray(member)

    def evaluate(
        self, genes: Ints, alpha: Floats, beta: Floats, *, cox_reid: bool, profile: bool = True
    ) -> Evaluation:
        """`jaxnb.glm.likelihood.evaluate` for any genes, as numpy arrays."""
        how = {"cox_reid": cox_reid, "profile": profile, "at_once": _at_once()}
        self.evaluations += genes.size
        parts = []
        with jax.enable_x64(True):
            for where, block in self._blocks(genes):
                result = evaluate(alpha[where], beta[where], block, **how)
                parts.append(jax.device_get(result))
        return _joined(parts, genes.size)

    def covariance(self, genes: Ints, alpha: Floats, beta: Floats) -> Floats:
        """Covariances of the coefficients, from the expected information, ``(genes, p, p)``."""
        parts = []
        with jax.enable_x64(True):
            for where, block in self._blocks(genes):
                parts.append(np.asarray(covariance(alpha[where], beta[where], block)))
        size = self.data.rows.shape[1]
        return np.concatenate(parts)[: genes.size] if parts else np.zeros((0, size, size))

    def _blocks(self, genes: Ints) -> Iterator[tuple[Ints, Block]]:
        """Positions in `genes`, the last one repeated to fill a block, and the block's data."""
        data, kept = self.data, self.separation.kept
        for start in range(0, genes.size, self.width):
            where = np.minimum(np.arange(start, start + self.width), genes.size - 1)
            mine = genes[where]
            weights = data.cells if data.cells.ndim == 1 else data.cells[mine]
            cells = np.broadcast_to(weights, (mine.size, data.row_of.size))
            if self.separated[mine].any():
                cells = np.where(kept[mine][:, data.row_of], cells, 0.0)
            free = self.separation.free[mine].astype(np.float64)
            thresholds, log_size_factors, design, products = self._shared
            if data.log_size_factors.ndim > 1:
                log_size_factors = log_size_factors[mine]
            yield (
                where,
                Block(
                    free,
                    cells,
                    data.counts[mine],
                    self.scale[mine],
                    data.exceedances.weights[mine],
                    thresholds,
                    log_size_factors,
                    design,
                    products,
                    self._member,
                ),
            )


def _present(data: PseudoCells) -> NDArray[np.bool_] | None:
    """Which rows of the design have cells of any weight, ``(genes, rows)``; None for all."""
    if np.all(data.exposures > 0):
        return None
    found: NDArray[np.bool_] = np.broadcast_to(data.exposures > 0, data.totals.shape)
    return found


def _at_once() -> int | None:
    return _CELLS_AT_ONCE if jax.default_backend() == "cpu" else None


def _joined(parts: list[Evaluation], count: int) -> Evaluation:
    return Evaluation(*(np.concatenate(entries)[:count] for entries in zip(*parts, strict=True)))
