"""The regression with donors of every gene."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from jaxnb._progress import progress_bar
from jaxnb.glm.conditioning import conditioned
from jaxnb.glm.dispersion import DispersionFit, fit_dispersion
from jaxnb.glm.mixed.data import DonorData
from jaxnb.glm.mixed.donors import Donors, check_memory
from jaxnb.glm.mixed.maximum import Maximum, maximize
from jaxnb.glm.mixed.problem import MixedProblem, Point
from jaxnb.glm.mixed.restricted import maximize_restricted
from jaxnb.glm.problem import Problem
from jaxnb.glm.pseudo_cells import distinct_rows, merged
from jaxnb.glm.separation import limits_of
from jaxnb.glm.source import Source
from jaxnb.glm.status import GLMStatus

__all__ = ["Estimates", "MixedRegression", "fit_genes"]

Floats: TypeAlias = NDArray[np.float64]
Ints: TypeAlias = NDArray[np.int64]

# The search for σ begins within these.
_FIRST_SDS = 0.1, 1.0
# Where restricted likelihood takes over, see `maximize`.
_NEAR_MAXIMUM = 0.1
# A maximum that is below that without donors by more than rounding is none.
_BELOW = 1e-7


@dataclass
class Estimates:
    """Estimates of all genes, entries of shape ``(genes,)`` and ``(genes, …)``.

    Attributes:
        point: parameters.
        log_likelihood: with all terms.
        covariance: of the coefficients, ``(genes, p, p)``.
        free: the coefficients that are estimated, ``(genes, p)``.
        limits: where the others diverge to, see `jaxnb.glm.separation.Separation`.
        codes: `GLMStatus`.
    """

    point: Point
    log_likelihood: Floats
    covariance: Floats
    limits: Floats
    codes: Ints


class MixedRegression:
    """Marginal likelihoods of all genes on one design, part by part.

    Args:
        source: the data.
        design: the matrix, with a row per line of the source's obs.
        donors: of the lines.
        progress: whether to show a progress bar.

    Attributes:
        basis: of the design. Problems have its rows, and points its coefficients.
    """

    def __init__(
        self, source: Source, design: Floats, donors: Donors, *, progress: bool = False
    ) -> None:
        self._source, self._donors, self._progress = source, donors, progress
        self.basis = conditioned(design)
        self._matrix = np.column_stack([donors.codes.astype(np.float64), self.basis.matrix])
        self._only: MixedProblem | None = None
        rows = len(distinct_rows(self._matrix)[0])
        check_memory(len(source.genes), rows, source.rows, donors.name)

    def reduced(self, design: Floats) -> MixedRegression:
        """The regression on a smaller design."""
        return MixedRegression(self._source, design, self._donors)

    def problems(self, title: str = "") -> Iterator[tuple[slice, MixedProblem]]:
        """The genes of each part and their likelihoods; a single part is kept."""
        genes = len(self._source.genes)
        if self._only is not None:
            yield slice(0, genes), self._only
            return
        start = 0
        shown = self._progress and bool(title)
        with progress_bar(genes, title, "gene", progress=shown) as bar:
            for part in self._source.parts(self._matrix):
                problem = MixedProblem(DonorData(part))
                if part.genes == genes:
                    self._only = problem
                yield slice(start, start + part.genes), problem
                bar.update(part.genes)
                start += part.genes

    def fit(self, *, restricted: bool) -> Estimates:
        """Estimates of all genes, by maximum or restricted maximum likelihood."""
        parts = [
            fit_genes(problem, restricted=restricted)
            for _, problem in self.problems("random effects")
        ]
        names = [name for name in vars(parts[0]) if name != "point"]
        joined = {name: np.concatenate([getattr(part, name) for part in parts]) for name in names}
        points = [part.point for part in parts]
        point = Point(
            np.concatenate([here.alpha for here in points]),
            np.concatenate([here.beta for here in points]),
            np.concatenate([here.sigma for here in points]),
        )
        return self._outer(Estimates(point=point, **joined))

    def inner(self, point: Point) -> Point:
        """The same parameters with the coefficients on the basis, as problems take them."""
        return replace(point, beta=self.basis.inner(point.beta))

    def _outer(self, found: Estimates) -> Estimates:
        """Estimates with the coefficients on the design."""
        if self.basis.triangle is None:
            return found
        contrasts = self.basis.contrasts(np.eye(found.limits.shape[1]))
        return replace(
            found,
            point=replace(found.point, beta=self.basis.outer(found.point.beta)),
            covariance=contrasts @ found.covariance @ contrasts.T,
            limits=found.limits
            if self.basis.is_diagonal
            else np.column_stack([self._limits_within(contrast) for contrast in contrasts]),
        )

    def limits_of(self, contrast: Floats) -> Floats:
        """Where separation drives a contrast of every gene; 0 where it stays finite."""
        return self._limits_within(self.basis.contrasts(contrast))

    def _limits_within(self, contrast: Floats) -> Floats:
        """The same of a contrast of the coefficients on the basis."""
        found = [
            limits_of(contrast, problem.data.cells.rows[:, 1:], problem.data.separation)
            for _, problem in self.problems()
        ]
        return np.concatenate(found)

    def effects(self, point: Point) -> tuple[Floats, Floats]:
        """Posterior means and standard deviations of the donors' effects, ``(genes, donors)``."""
        point = self.inner(point)
        found = [problem.effects(point.take(_range(genes))) for genes, problem in self.problems()]
        return np.concatenate([mean for mean, _ in found]), np.concatenate([sd for _, sd in found])


def _range(genes: slice) -> Ints:
    return np.arange(genes.start, genes.stop)


def fit_genes(problem: MixedProblem, *, restricted: bool) -> Estimates:
    """Estimates of the genes of one part."""
    problem.determinant = restricted
    data = problem.data
    genes = np.arange(data.genes)
    plain = _without_donors(data)
    zero = Point(plain.alpha, plain.beta, np.zeros(genes.size))
    busy = np.flatnonzero(data.cells.totals.any(axis=1))
    nothing = np.zeros(genes.size)
    found = Maximum(zero.copy(), plain.converged.copy(), nothing, nothing > 0)
    if busy.size:
        start = zero.take(busy)
        start.sigma = _first_sds(data, plain)[busy]
        enough = {"tolerance": _NEAR_MAXIMUM} if restricted else {}
        best = maximize(problem, busy, start, **enough)
        value, constant = best.log_likelihood, data.exceedances.log_factorials[busy]
        lost = value - constant < plain.log_likelihood[busy] - _BELOW * (1 + np.abs(value) * 1e-6)
        best.point.put(np.flatnonzero(lost), zero.take(busy[lost]))
        if restricted:
            best = maximize_restricted(problem, busy, best)
        # Without a donor's effect the fit is that of the regression without donors.
        none = best.point.sigma == 0
        best.point.put(np.flatnonzero(none), zero.take(busy[none]))
        best.converged |= none & plain.converged[busy]
        found.point.put(busy, best.point)
        found.converged[busy], found.at_limit[busy] = best.converged, best.at_limit
    here = problem.evaluate(genes, found.point)
    empty = ~data.cells.totals.any(axis=1)
    separated = ~data.separation.kept.all(axis=1)
    codes = np.select(
        [
            empty,
            ~found.converged,
            separated,
            found.at_limit,
            plain.at_limit & (found.point.sigma == 0),
            found.point.sigma == 0,
            found.point.alpha == 0,
        ],
        [
            GLMStatus.ALL_ZEROS,
            GLMStatus.NOT_CONVERGED,
            GLMStatus.SEPARATED,
            GLMStatus.RANDOM_SD_LIMIT,
            GLMStatus.DISPERSION_LIMIT,
            GLMStatus.NO_RANDOM_SD,
            GLMStatus.POISSON,
        ],
        GLMStatus.CONVERGED,
    )
    log_likelihood = here.log_likelihood - data.exceedances.log_factorials
    return Estimates(
        found.point,
        np.where(empty, 0.0, log_likelihood),
        _covariance(here.hessian, found.point, data.separation.free),
        data.separation.limits,
        codes,
    )


def _without_donors(data: DonorData) -> DispersionFit:
    """Maximum likelihood of the regression without donors."""
    problem = Problem(merged(data.cells, data.cells.rows[:, 1:]))
    return fit_dispersion(problem, np.arange(data.genes), cox_reid=False)


def _first_sds(data: DonorData, plain: DispersionFit) -> Floats:
    """σ of every gene; a donor's total has the variance μ + μ² (exp(σ²) - 1 + α / cells)."""
    cells = data.cells
    _, donor = np.unique(cells.rows[:, 0], return_inverse=True)
    members = (donor[:, None] == np.arange(data.donors)).astype(np.float64)
    means = (cells.exposures * np.exp(np.minimum(plain.beta @ cells.rows[:, 1:].T, 50))) @ members
    numbers = np.maximum(data.cell_weights.sum(axis=(1, 2)), 1)
    rest = (cells.totals @ members - means) ** 2 - means
    degrees = max(data.donors - plain.beta.shape[1], 1) / data.donors
    squares = np.maximum(np.sum(means**2, axis=1), 1e-300)
    excess = np.sum(rest - plain.alpha[:, None] * means**2 / numbers, axis=1) / squares / degrees
    found: Floats = np.clip(np.sqrt(np.log1p(np.maximum(excess, 0))), *_FIRST_SDS)
    return found


def _covariance(hessian: Floats, point: Point, free: NDArray[np.bool_]) -> Floats:
    """Inverse of the observed information on all parameters that are not at a boundary."""
    size = point.beta.shape[1]
    inside = np.column_stack([free, point.alpha > 0, point.sigma > 0])
    information = np.where(inside[:, :, None] & inside[:, None, :], -hessian, 0.0)
    information += (~inside)[:, :, None] * np.eye(size + 2)
    # On one scale, so that small eigenvalues are of rounding and not of the units of a covariate.
    scale = np.sqrt(np.maximum(np.abs(np.diagonal(information, axis1=1, axis2=2)), 1e-300))
    information /= scale[:, :, None] * scale[:, None, :]
    # If the dispersion or σ is not at a maximum, the coefficients' own part is taken.
    definite = np.linalg.eigvalsh(information)[:, 0] > 0
    own = information.copy()
    own[:, size:, :], own[:, :, size:] = 0, 0
    own[:, size, size] = own[:, size + 1, size + 1] = 1
    used = np.where(definite[:, None, None], information, own)
    found: Floats = np.linalg.pinv(used, hermitian=True)[:, :size, :size]
    found /= scale[:, :size, None] * scale[:, None, :size]
    return found * (free[:, :, None] & free[:, None, :])
