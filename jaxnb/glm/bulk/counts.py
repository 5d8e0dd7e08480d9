"""Counts of samples as dense arrays, with offsets, and what the programs make of them."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, TypeAlias

import jax
import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline
from scipy.special import gammaln

from jaxnb.glm.bulk.programs import CoefficientsAt, Genes, fit_at, least_squares, profile
from jaxnb.glm.bulk.shrunken import modes_at
from jaxnb.glm.linear_algebra import packed_products
from jaxnb.glm.prior import FINE, GRID

__all__ = ["BulkCounts", "Fitted", "Profiles", "gammaln_between", "log_rising"]

Floats: TypeAlias = NDArray[np.float64]
Ints: TypeAlias = NDArray[np.int64]
Bools: TypeAlias = NDArray[np.bool_]

# Counts of one call: its arrays stay in the cache of a CPU.
_ENTRIES = 1 << 14
# Newton steps at a point of the grid; and where that was not enough.
_STEPS, _MORE_STEPS = 2, 20
# What a last step may be expected to add: the value is corrected for it.
_CLOSE = 0.02
# Evaluations in search of a mode, and where these are not enough.
_ROUNDS = 20, 500
# As in `jaxnb.glm.coefficients`.
_TOLERANCE = 1e-12
# The cubic spline through values on the grid is a matrix.
_SPLINE: Floats = CubicSpline(GRID, np.eye(GRID.size))(FINE).T


class Profiles(NamedTuple):
    """Adjusted profile log-likelihoods, and what they predict for one row.

    Attributes:
        value: on `GRID`, without log x!, ``(genes, points)``.
        eta: linear predictor of the row that was watched, on `GRID`.
        variance: that of the linear predictor, on `GRID`.
    """

    value: Floats
    eta: Floats
    variance: Floats

    def taken(self, which: Ints) -> "Profiles":
        """Those of some genes."""
        return Profiles(*(entry[which] for entry in self))

    def fine(self) -> tuple[Floats, Floats]:
        """On `FINE`, the largest of each gene 0; and what was subtracted, ``(genes,)``."""
        found = self.value @ _SPLINE
        top = found.max(axis=1)
        found -= top[:, None]
        return found, top

    def every(self, stride: int) -> "Profiles":
        """On every so many points of `FINE`."""
        spline = np.ascontiguousarray(_SPLINE[:, ::stride])
        variance = np.exp(np.log(self.variance) @ spline)
        return Profiles(self.value @ spline, self.eta @ spline, variance)


class Fitted(NamedTuple):
    """Coefficients of genes at given dispersions.

    Attributes:
        beta: ``(genes, p)``.
        value: log-likelihood, without what does not depend on the coefficients.
        converged: ``(genes,)``.
    """

    beta: Floats
    value: Floats
    converged: Bools


@dataclass(frozen=True)
class BulkCounts:
    """Counts of all genes that have any.

    Attributes:
        counts: ``(genes, rows)``.
        offsets: logarithms of size factors, ``(1, rows)``, or ``(genes, rows)``.
        design: ``(rows, p)``.
        width: coefficients that programs are compiled for, at least p, so that the program of a
            design serves smaller ones too; None for p.
    """

    counts: Floats
    offsets: Floats
    design: Floats
    width: int | None = None

    @property
    def rows(self) -> int:
        """How many samples there are."""
        return int(self.counts.shape[1])

    @cached_property
    def _orthonormal(self) -> Floats:
        """Columns of mean square 1 with the same span: coefficients of similar sizes."""
        found: Floats = np.linalg.qr(self.design)[0] * np.sqrt(self.rows)
        return found

    @cached_property
    def _distinct(self) -> tuple[Floats, NDArray[np.int64]]:
        values, code = np.unique(self.counts, return_inverse=True)
        return values, code.reshape(self.counts.shape)

    @cached_property
    def _rising(self) -> Floats:
        """Σₖ log(1 + αk) for every distinct count and every α of `GRID`."""
        found: Floats = log_rising(self._distinct[0][:, None], np.exp(GRID))
        return found

    def mean(self, weights: Floats, genes: Ints | slice = slice(None)) -> Floats:
        """Weighted means of counts divided by size factors."""
        scaled = self.counts[genes] * np.exp(-self._offsets(genes))
        found: Floats = (weights * scaled).sum(axis=1) / np.maximum(weights.sum(axis=1), 1e-300)
        return found

    def depth(self, weights: Floats, genes: Ints | slice = slice(None)) -> Floats:
        """Weighted geometric means of the size factors."""
        logs = (weights * self._offsets(genes)).sum(axis=1)
        found: Floats = np.exp(logs / np.maximum(weights.sum(axis=1), 1e-300))
        return found

    def profiles(self, genes: Ints, weights: Floats, watched: Ints | None = None) -> Profiles:
        """Profiles of some genes.

        Args:
            genes: which; one may occur several times.
            weights: ``(these genes, rows)``.
            watched: a row for each of them.
        """
        center = np.log(np.maximum(self.mean(weights, genes), 1e-8))
        row = np.full(genes.size, -1) if watched is None else watched
        found = np.empty((4, genes.size, GRID.size))
        self._fill(found, np.arange(genes.size), genes, weights, center, row, _STEPS)
        again = np.flatnonzero(~(np.abs(found[3]) < _CLOSE).all(axis=1))
        if again.size:
            self._fill(found, again, genes, weights, center, row, _MORE_STEPS)
        codes = self._distinct[1]
        for where, mine in self._blocks(np.arange(genes.size)):
            rising = self._rising[codes[genes[mine]]]
            found[0, where] += np.einsum("gr,grp->gp", weights[mine], rising)[: where.size]
        return Profiles(*found[:3])

    def _fill(
        self,
        found: Floats,
        these: Ints,
        genes: Ints,
        weights: Floats,
        center: Floats,
        row: Ints,
        steps: int,
    ) -> None:
        for where, mine in self._blocks(these):
            w = weights[mine].T
            offsets = self._offsets(genes[mine]).T + center[mine]
            data = self._genes(genes[mine], w, offsets, self._orthonormal)
            watched = (np.arange(self.rows)[:, None] == row[mine]).astype(np.float64)
            with jax.enable_x64(True):
                start = least_squares(data, np.ones((self._orthonormal.shape[1], 1)))
                part = jax.device_get(profile(data, start, watched, np.int32(steps)))
            for number, entry in enumerate(part):
                found[number, mine[: where.size]] = entry.T[: where.size]

    def fit_at(
        self,
        genes: Ints,
        weights: Floats,
        alpha: Floats,
        free: Floats | None = None,
        start: Floats | None = None,
        tolerance: float = _TOLERANCE,
    ) -> Fitted:
        """Coefficients at given dispersions.

        Args:
            genes: which.
            weights: ``(these genes, rows)``, 0 also for rows that separation leaves out.
            alpha: ``(these genes,)``.
            free: whether a coefficient is estimated, ``(these genes, p)``; None for all.
            start: coefficients to start from, ``(these genes, p)``.
            tolerance: of what a last step may be expected to add to a log-likelihood.
        """
        size = self.design.shape[1]
        width = size if self.width is None else max(size, self.width)
        scale = np.linalg.norm(self.design, axis=0) / np.sqrt(self.rows)
        padded = np.pad(self.design / scale, ((0, 0), (0, width - size)))
        mask = np.zeros((genes.size, width))
        mask[:, :size] = 1.0 if free is None else free
        count = genes.size
        found = Fitted(np.empty((count, width)), np.empty(count), np.empty(count, bool))
        for where, mine in self._blocks(np.arange(count)):
            data = self._genes(genes[mine], weights[mine].T, self._offsets(genes[mine]).T, padded)
            with jax.enable_x64(True):
                free = mask[mine].T
                if start is None:
                    first = least_squares(data, free)
                else:
                    first = np.pad(start[mine] * scale, ((0, 0), (0, width - size))).T * free
                part: CoefficientsAt = jax.device_get(
                    fit_at(data, first, alpha[mine], free, np.float64(tolerance))
                )
            for entry, values in zip(found, part, strict=True):
                entry[mine[: where.size]] = np.moveaxis(values, -1, 0)[: where.size]
        return found._replace(beta=found.beta[:, :size] / scale)

    def modes(
        self, weights: Floats, alpha: Floats, start: Floats, contrast: Floats, scale: float
    ) -> Floats:
        """Coefficients of all genes at the modes under a Cauchy prior of a contrast.

        Args:
            weights: ``(genes, rows)``.
            alpha: ``(genes,)``.
            start: coefficients to start from, ``(genes, p)``.
            contrast: ``(p,)``.
            scale: of the prior.
        """
        size = np.linalg.norm(self.design, axis=0) / np.sqrt(self.rows)
        design, found = self.design / size, start * size
        left = np.arange(len(start))
        for rounds in _ROUNDS:
            ended = np.ones(left.size, bool)
            for where, mine in self._blocks(left):
                data = self._genes(mine, weights[mine].T, self._offsets(mine).T, design)
                with jax.enable_x64(True):
                    beta, done = jax.device_get(
                        modes_at(
                            data, found[mine].T, alpha[mine], contrast / size,
                            np.float64(scale), np.int32(rounds),
                        )
                    )  # fmt: skip
                found[mine[: where.size]] = beta.T[: where.size]
                ended[where] = done[: where.size]
            left = left[~ended]
        modes: Floats = found / size
        return modes

    def constant(self, weights: Floats, alpha: Floats) -> Floats:
        """What the log-likelihoods of all genes have besides the value of `fit_at`."""
        gamma = log_rising(self.counts, alpha[:, None]) - gammaln_between(self.counts + 1.0)
        found: Floats = (weights * gamma).sum(axis=1)
        return found

    def means(self, genes: Ints, beta: Floats) -> Floats:
        """Expected counts, ``(these genes, rows)``."""
        found: Floats = np.exp(beta @ self.design.T + self._offsets(genes))
        return found

    def covariance(
        self, weights: Floats, mean: Floats, alpha: Floats, free: Floats | None = None
    ) -> Floats:
        """Of the coefficients, from the expected information, 0 where not free, ``(genes, p, p)``.

        Args:
            weights: as for `fit_at`.
            mean: expected counts.
            alpha: ``(genes,)``.
            free: as for `fit_at`.
        """
        weight = weights * mean / (1 + alpha[:, None] * mean)
        scale = np.linalg.norm(self.design, axis=0)
        both = scale[:, None] * scale
        inverses = _inverses(weight @ packed_products(self.design / scale), free)
        found: Floats = inverses / both
        return found

    def _offsets(self, genes: Ints | slice) -> Floats:
        return self.offsets if len(self.offsets) == 1 else self.offsets[genes]

    def _genes(self, genes: Ints, weights: Floats, offsets: Floats, design: Floats) -> Genes:
        return Genes(self.counts[genes].T, weights, offsets, design, packed_products(design))

    def _blocks(self, these: Ints) -> Iterator[tuple[Ints, Ints]]:
        """Of one width, so that there is one program: the last gene fills the last one."""
        width = 1 << max((_ENTRIES // self.rows).bit_length() - 1, 5)
        for start in range(0, these.size, width):
            where = np.arange(start, min(start + width, these.size))
            yield where, these[np.minimum(np.arange(start, start + width), these.size - 1)]


def _inverses(packed: Floats, free: Floats | None) -> Floats:
    """Inverses of symmetric matrices on the free coefficients, 0 elsewhere."""
    size = int(np.sqrt(2 * packed.shape[1]))
    first, second = np.tril_indices(size)
    matrices = np.empty((len(packed), size, size))
    matrices[:, first, second] = matrices[:, second, first] = packed
    diagonal = np.arange(size)
    matrices[:, diagonal, diagonal] *= 1 + 1e-12
    matrices[:, diagonal, diagonal] += 1e-300
    if free is None:
        free = np.ones((len(packed), size))
    both = free[:, :, None] * free[:, None, :]
    matrices *= both
    matrices[:, diagonal, diagonal] += 1 - free
    found: Floats = np.linalg.inv(matrices) * both
    return found


def log_rising(count: Floats, alpha: Floats | float) -> Floats:
    """Σₖ log(1 + αk) over k below the count, linear between whole numbers."""
    size = 1 / np.asarray(alpha, np.float64)
    found: Floats = gammaln_between(count + size, count) - gammaln(size) - count * np.log(size)
    return found


def gammaln_between(argument: Floats, count: Floats | None = None) -> Floats:
    """log Γ, linear where the count is between two whole numbers.

    Args:
        argument: the count and some number that is the same for all.
        count: None for ``argument - 1``.
    """
    count = argument - 1 if count is None else count
    fraction = count - np.floor(count)
    below = argument - fraction
    found: Floats = gammaln(below) + fraction * np.log(below)
    return found
