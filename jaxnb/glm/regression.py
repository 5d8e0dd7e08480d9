"""All genes of a count matrix under one design: fits that go through the parts of the data."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from jaxnb._progress import progress_bar
from jaxnb.glm.correction import coefficients_at, dispersions
from jaxnb.glm.dispersion import DispersionFit
from jaxnb.glm.problem import Problem
from jaxnb.glm.pseudo_cells import PseudoCells, pseudo_cells
from jaxnb.glm.separation import limits_of

__all__ = ["Regression"]

Floats: TypeAlias = NDArray[np.float64]
Bools: TypeAlias = NDArray[np.bool_]


class Regression:
    """Negative binomial regression of every gene on one design.

    Args:
        parts: a function that gives the data of some genes after the others, as often as asked.
        genes: how many there are.
        progress: show progress bars if stderr is a terminal.
    """

    def __init__(
        self, parts: Callable[[], Iterator[PseudoCells]], genes: int, *, progress: bool = False
    ) -> None:
        self._parts, self._genes, self._progress = parts, genes, progress
        self._only: Problem | None = None
        self._light: list[tuple[slice, Problem]] = []

    @classmethod
    def of(
        cls, counts: Any, design: Floats, size_factors: Floats, *, progress: bool = False
    ) -> "Regression":
        """From a matrix in memory, see `jaxnb.glm.pseudo_cells.pseudo_cells`."""
        return cls(
            partial(pseudo_cells, counts, design, size_factors),
            counts.shape[1],
            progress=progress,
        )

    def problems(self, title: str = "") -> Iterator[tuple[slice, Problem]]:
        """The genes of each part and their likelihoods; a single part is kept."""
        if self._only is not None:
            yield slice(0, self._genes), self._only
            return
        start = 0
        shown = self._progress and bool(title)
        light = []
        with progress_bar(self._genes, title, "gene", progress=shown) as bar:
            for part in self._parts():
                problem = Problem(part)
                genes = slice(start, start + part.genes)
                if part.genes == self._genes:
                    self._only = problem
                yield genes, problem
                if problem.light is not None:
                    light.append((genes, problem.light))
                bar.update(part.genes)
                start += part.genes
        self._light = light

    def light_problems(self, title: str = "") -> Iterator[tuple[slice, Problem]]:
        """The same for what may be off by 1e-6: with representatives of the cells if there are."""
        if self._light:
            yield from self._light
            return
        for genes, problem in self.problems(title):
            yield genes, problem.light or problem

    def fit(self, *, cox_reid: bool) -> DispersionFit:
        """Dispersions and coefficients of all genes."""
        fits = [
            dispersions(problem, cox_reid=cox_reid) for _, problem in self.problems("dispersions")
        ]
        names = vars(fits[0])
        return DispersionFit(
            **{name: np.concatenate([getattr(fit, name) for fit in fits]) for name in names}
        )

    def fit_at(self, alpha: Floats, start: Floats | None = None) -> tuple[Floats, Floats, Bools]:
        """Coefficients, log-likelihoods and convergence at given dispersions."""
        betas, values, converged = [], [], []
        for genes, problem in self.problems("coefficients"):
            first = None if start is None else start[genes]
            beta, value, settled = coefficients_at(problem, alpha[genes], first)
            betas.append(beta)
            values.append(value - problem.data.histogram.log_factorials)
            converged.append(settled)
        return np.concatenate(betas), np.concatenate(values), np.concatenate(converged)

    def limits_of(self, contrast: Floats) -> Floats:
        """Where separation drives a contrast of every gene; 0 where it stays finite."""
        if np.count_nonzero(contrast) == 1:
            coefficient = int(np.flatnonzero(contrast)[0])
            limits = self.limits()[0][:, coefficient]
            return np.where(limits == 0, 0.0, limits * np.sign(contrast[coefficient]))
        found = [
            limits_of(contrast, problem.data.rows, problem.separation)
            for _, problem in self.problems()
        ]
        return np.concatenate(found)

    def limits(self) -> tuple[Floats, Bools]:
        """Where separation drives the coefficients, ``(genes, p)``, and which genes have any."""
        parts = [
            (problem.separation.limits, problem.separated) for _, problem in self.light_problems()
        ]
        limits, separated = zip(*parts, strict=True)
        return np.concatenate(limits), np.concatenate(separated)

    def variances(self, alpha: Floats, beta: Floats, contrasts: Floats) -> Floats:
        """V'Cov v for every gene and every row v of `contrasts`, ``(genes, contrasts)``."""
        found = []
        for genes, problem in self.light_problems():
            everyone = np.arange(problem.data.genes)
            covariances = problem.covariance(everyone, alpha[genes], beta[genes])
            found.append(np.einsum("ca,gab,cb->gc", contrasts, covariances, contrasts))
        return np.concatenate(found)
