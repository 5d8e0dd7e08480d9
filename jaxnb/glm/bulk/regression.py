"""The regression of samples on a design: fits at given dispersions, for all genes at once."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from jaxnb.glm.bulk.counts import BulkCounts
from jaxnb.glm.bulk.shrunken import poisson_step
from jaxnb.glm.conditioning import conditioned
from jaxnb.glm.pseudo_cells import PseudoCells
from jaxnb.glm.quasi_likelihood import residual_dispersions
from jaxnb.glm.regression import Regression
from jaxnb.glm.separation import Separation, find_separation, limits_of

__all__ = ["BulkRegression", "Samples"]

Floats: TypeAlias = NDArray[np.float64]
Ints: TypeAlias = NDArray[np.int64]
Bools: TypeAlias = NDArray[np.bool_]

# Of a gene that the design fits exactly, whose φ is that of the prior then.
_LEAST_DEGREES = 0.01


@dataclass(frozen=True)
class Samples:
    """Counts of samples.

    Attributes:
        counts: of the genes that have any, ``(these genes, rows)``.
        offsets: logarithms of the size factors, ``(1, rows)`` or ``(these genes, rows)``.
        weights: ``(these genes, rows)``.
        genes: which of all genes these are.
        total: how many genes there are.
    """

    counts: Floats
    offsets: Floats
    weights: Floats
    genes: Ints
    total: int

    @property
    def depth(self) -> Floats:
        """Geometric means of the size factors, ``(these genes,)``."""
        total = self.weights.sum(axis=1)
        found: Floats = np.exp((self.weights * self.offsets).sum(axis=1) / total)
        return found

    def with_weights(self, weights: Floats) -> "Samples":
        """The same counts with other weights."""
        return replace(self, weights=weights)

    def shifted(self, offsets: Floats | float) -> "Samples":
        """The same counts with more offsets, one per row."""
        return replace(self, offsets=self.offsets + offsets)

    def taken(self, which: Ints) -> "Samples":
        """Some of the genes, as all there are."""
        offsets = self.offsets if len(self.offsets) == 1 else self.offsets[which]
        counts, weights = self.counts[which], self.weights[which]
        return Samples(counts, offsets, weights, np.arange(which.size), which.size)

    def scattered(self, values: Floats, others: float = 0.0) -> Floats:
        """Values of these genes among those of all."""
        found = np.full((self.total, *values.shape[1:]), others)
        found[self.genes] = values
        return found


class BulkRegression(Regression):
    """`Regression` of samples: the same results at given dispersions, several times as fast.

    Args:
        samples: the counts.
        design: ``(rows, p)``.
        parts: see `Regression`; what is not about given dispersions goes through it.
        width: see `jaxnb.glm.bulk.counts.BulkCounts`.
        progress: see `Regression`.
    """

    def __init__(
        self,
        samples: Samples,
        design: Floats,
        parts: Callable[[], Iterator[PseudoCells]],
        *,
        width: int | None = None,
        progress: bool = False,
    ) -> None:
        super().__init__(parts, samples.total, conditioned(design), progress=progress)
        self.samples = samples
        self.bulk = BulkCounts(samples.counts, samples.offsets, self.basis.matrix, width)

    @cached_property
    def _rows(self) -> tuple[Floats, Ints]:
        rows, row_of = np.unique(self.bulk.design, axis=0, return_inverse=True)
        return rows, row_of.ravel()

    @cached_property
    def _separation(self) -> Separation:
        """Of all genes, in distinct rows of the design."""
        rows, row_of = self._rows
        member = (row_of[:, None] == np.arange(len(rows))).astype(np.float64)
        weights = self.samples.weights
        positive = self.samples.scattered((weights * self.samples.counts) @ member) > 0
        present = self.samples.scattered(weights @ member, others=1.0) > 0
        return find_separation(rows, positive, present)

    def _limits_within(self, contrast: Floats) -> Floats:
        return limits_of(contrast, self._rows[0], self._separation)

    def limits(self) -> tuple[Floats, Bools]:
        """See `Regression.limits`."""
        separated = np.any(~self._separation.kept, axis=1)
        return self._outer_limits(self._separation.limits, separated), separated

    def fit_at(self, alpha: Floats, start: Floats | None = None) -> tuple[Floats, Floats, Bools]:
        """See `Regression.fit_at`."""
        samples = self.samples
        weights, free = self._left()
        chosen = alpha[samples.genes]
        everyone = np.arange(samples.genes.size)
        first = None if start is None else self.basis.inner(start[samples.genes])
        found = self.bulk.fit_at(everyone, weights, chosen, free, first)
        value = found.value + self.bulk.constant(samples.weights, chosen)
        converged = np.ones(samples.total, bool)
        converged[samples.genes] = found.converged
        beta = samples.scattered(self.basis.outer(found.beta))
        return beta, samples.scattered(value), converged

    def variances(self, alpha: Floats, beta: Floats, contrasts: Floats) -> Floats:
        """See `Regression.variances`."""
        samples = self.samples
        weights, free = self._left()
        beta, contrasts = self.basis.inner(beta), self.basis.contrasts(contrasts)
        means = self.bulk.means(np.arange(samples.genes.size), beta[samples.genes])
        covariance = self.bulk.covariance(weights, means, alpha[samples.genes], free)
        found = np.einsum("ca,gab,cb->gc", contrasts, covariance, contrasts, optimize=True)
        return samples.scattered(found)

    def contrast_modes(self, alpha: Floats, beta: Floats, vector: Floats, scale: float) -> Floats:
        """A contrast of every gene at the mode under a Cauchy prior of it, with all rows.

        See `jaxnb.glm.fold_changes`. Without counts in some rows only the prior holds the contrast
        back.
        """
        genes, weights = self.samples.genes, self.samples.weights
        contrast = self.basis.contrasts(vector)
        start = self.basis.inner(beta[genes])
        infinite = np.any(~self._separation.kept[genes], axis=1)
        if infinite.any():
            some = self.samples.taken(np.flatnonzero(infinite))
            exposures = np.exp(some.offsets)
            start[infinite] = poisson_step(some.counts, some.weights, exposures, self.bulk.design)
        found = self.bulk.modes(weights, alpha[genes], start, contrast, scale)
        return self.samples.scattered(found @ contrast)

    def quasi_dispersions(self, alpha: Floats, beta: Floats) -> tuple[Floats, Floats]:
        """Each gene's estimate of φ around given dispersions, and its degrees of freedom.

        See `jaxnb.glm.quasi_likelihood.residual_dispersions`. Rows that separation leaves out are
        fitted exactly and say nothing of φ.
        """
        samples = self.samples
        weights, free = self._left()
        means = self.bulk.means(
            np.arange(samples.genes.size), self.basis.inner(beta[samples.genes])
        )
        degrees = np.maximum(weights.sum(axis=1) - free.sum(axis=1), _LEAST_DEGREES)
        phi = residual_dispersions(samples.counts, means, weights, alpha[samples.genes], degrees)
        return samples.scattered(phi, 1.0), samples.scattered(degrees, 1.0)

    def _left(self) -> tuple[Floats, Floats]:
        """Weights and coefficients that separation leaves, of the genes with counts."""
        separation, genes = self._separation, self.samples.genes
        kept = separation.kept[genes][:, self._rows[1]]
        return self.samples.weights * kept, separation.free[genes].astype(np.float64)
