"""Genes of one design, evaluated in blocks of one fixed shape."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from jaxnb.glm.likelihood import (
    Block,
    Evaluation,
    FirstDerivatives,
    covariance,
    evaluate,
    first_derivatives,
)
from jaxnb.glm.linear_algebra import packed_products
from jaxnb.glm.pseudo_cells import PseudoCells
from jaxnb.glm.separation import Separation, find_separation

__all__ = ["Problem"]

Floats: TypeAlias = NDArray[np.float64]
Ints: TypeAlias = NDArray[np.int64]

# Pseudo-cells and thresholds of one block: its arrays stay in the cache of a CPU.
_BLOCK_ENTRIES = 1 << 16
_NARROWEST, _WIDEST = 8, 1024
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
        linear: a linear function of α and β that is added to the log-likelihoods.
        evaluations: how many genes have been evaluated so far, for measurements.
    """

    data: PseudoCells
    keep_all: bool = False
    separation: Separation = field(init=False)
    separated: NDArray[np.bool_] = field(init=False)
    scale: Floats = field(init=False)
    width: int = field(init=False)
    linear: FirstDerivatives | None = field(init=False, default=None)
    evaluations: int = field(init=False, default=0)
    _all_cells: PseudoCells = field(init=False, repr=False)

    def __post_init__(self) -> None:
        data = self.data
        positive = np.ones_like(data.totals, bool) if self.keep_all else data.totals > 0
        self.separation = find_separation(data.rows, positive, _present(data))
        self.separated = np.any(~self.separation.kept, axis=1)
        self._all_cells = data
        histogram = data.histogram
        # Σ x² = Σₖ N(x > k) (2k + 1)
        squares = histogram.exceedances @ (2 * histogram.thresholds + 1)
        self.scale = np.maximum(squares / np.maximum(data.totals.sum(axis=1), 1), 1)
        entries = data.row_of.size + len(histogram.thresholds)
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
                    histogram.thresholds,
                    data.log_size_factors,
                    design,
                    packed_products(design),
                )
            )
            self._member = None if member is None else jnp.asarray(member)

    def evaluate(self, genes: Ints, alpha: Floats, beta: Floats, *, cox_reid: bool) -> Evaluation:
        """`jaxnb.glm.likelihood.evaluate` for any genes, as numpy arrays."""
        self.evaluations += genes.size
        parts = []
        with jax.enable_x64(True):
            for where, block in self._blocks(genes):
                result = evaluate(alpha[where], beta[where], block, cox_reid=cox_reid)
                parts.append(jax.device_get(result))
        return _joined(parts, genes.size)

    @cached_property
    def light(self) -> "Problem | None":
        """The same genes with representatives of the cells; None without such."""
        chosen, data = self.data.representatives, self.data
        if chosen is None:
            return None
        factors = np.exp(data.log_size_factors)
        part = replace(
            data,
            rows=data.rows[data.row_of[chosen.cells]],
            row_of=np.arange(chosen.cells.size),
            log_size_factors=data.log_size_factors[chosen.cells],
            cells=chosen.sums(data.cells),
            counts=chosen.sums(data.counts),
            exposures=chosen.totals(data.cells * factors),
            totals=chosen.totals(data.counts),
            representatives=None,
        )
        left = part
        separated = np.flatnonzero(self.separated)
        if separated.size:
            cells, exposures = (np.tile(x, (data.genes, 1)) for x in (part.cells, part.exposures))
            kept = data.cells * self.separation.kept[separated][:, data.row_of]
            cells[separated] = chosen.sums(kept)
            exposures[separated] = chosen.totals(kept * factors)
            left = replace(part, cells=cells, exposures=exposures)
        light = Problem(left, keep_all=True)
        free, limits = self.separation.free, self.separation.limits
        light.separation = light.separation._replace(free=free, limits=limits)
        light.separated, light._all_cells = self.separated, part
        light.linear = light._nothing()
        return light

    def with_all_rows(self) -> "Problem":
        """The same genes without regard to separation."""
        problem = Problem(self._all_cells, keep_all=True)
        problem.linear = None if self.linear is None else self._nothing()
        return problem

    def correct(self, exact: "Problem", genes: Ints, alpha: Floats, beta: Floats) -> None:
        """Make values and first derivatives of a light problem exact at a point of every gene."""
        theirs = exact.first_derivatives(genes, alpha, beta)
        mine = self.first_derivatives(genes, alpha, beta)
        value, by_beta, by_alpha = (a - b for a, b in zip(theirs, mine, strict=True))
        value -= np.sum(by_beta * beta, axis=1) + by_alpha * alpha
        assert self.linear is not None
        for entry, found in zip(self.linear, (value, by_beta, by_alpha), strict=True):
            entry[genes] = found

    def _nothing(self) -> FirstDerivatives:
        """A linear function that is 0, for the program that adds one."""
        genes, size = self.data.genes, self.data.rows.shape[1]
        return FirstDerivatives(np.zeros(genes), np.zeros((genes, size)), np.zeros(genes))

    def first_derivatives(self, genes: Ints, alpha: Floats, beta: Floats) -> FirstDerivatives:
        """`jaxnb.glm.likelihood.first_derivatives` for any genes, as numpy arrays."""
        parts = []
        with jax.enable_x64(True):
            for where, block in self._blocks(genes):
                found = first_derivatives(alpha[where], beta[where], block._replace(linear=None))
                parts.append(jax.device_get(found))
        joined = (np.concatenate(entries)[: genes.size] for entries in zip(*parts, strict=True))
        return FirstDerivatives(*joined)

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
                    data.histogram.exceedances[mine],
                    thresholds,
                    log_size_factors,
                    design,
                    products,
                    self._member,
                    None
                    if self.linear is None
                    else FirstDerivatives(*(entry[mine] for entry in self.linear)),
                ),
            )


def _present(data: PseudoCells) -> NDArray[np.bool_] | None:
    """Which rows of the design have cells of any weight, ``(genes, rows)``; None for all."""
    if np.all(data.exposures > 0):
        return None
    found: NDArray[np.bool_] = np.broadcast_to(data.exposures > 0, data.totals.shape)
    return found


def _joined(parts: list[Evaluation], count: int) -> Evaluation:
    return Evaluation(*(np.concatenate(entries)[:count] for entries in zip(*parts, strict=True)))
