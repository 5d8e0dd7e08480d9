"""All genes of a count matrix under one design: fits that go through the parts of the data."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from jaxnb._progress import progress_bar
from jaxnb.glm.all_cells import (
    coefficients_at,
    dispersions,
    nested_problem,
    representatives,
)
from jaxnb.glm.conditioning import Basis, conditioned
from jaxnb.glm.dispersion import DispersionFit
from jaxnb.glm.problem import Problem
from jaxnb.glm.pseudo_cells import PseudoCells, pseudo_cells
from jaxnb.glm.representatives import Representatives
from jaxnb.glm.separation import limits_of

__all__ = ["Regression"]

Floats: TypeAlias = NDArray[np.float64]
Bools: TypeAlias = NDArray[np.bool_]


class Regression:
    """Negative binomial regression of every gene on one design.

    Args:
        parts: a function that gives the data of some genes after the others, as often as asked,
            with the rows of `basis`.
        genes: how many there are.
        basis: of the design; coefficients and contrasts of the methods are those of the design.
        progress: show progress bars if stderr is a terminal.
    """

    def __init__(
        self,
        parts: Callable[[], Iterator[PseudoCells]],
        genes: int,
        basis: Basis,
        *,
        progress: bool = False,
    ) -> None:
        self._parts, self._genes, self._progress = parts, genes, progress
        self.basis = basis
        self._only: Problem | None = None
        self._chosen: list[Representatives | None] = []
        self._limits: list[tuple[Floats, Bools]] = []

    @classmethod
    def of(
        cls, counts: Any, design: Floats, size_factors: Floats, *, progress: bool = False
    ) -> "Regression":
        """From a matrix in memory, see `jaxnb.glm.pseudo_cells.pseudo_cells`."""
        basis = conditioned(design)
        return cls(
            partial(pseudo_cells, counts, basis.matrix, size_factors),
            counts.shape[1],
            basis,
            progress=progress,
        )

    def within(self, larger: "Regression") -> "Regression":
        """The same, with what a regression on a design that spans this one has of all its genes."""
        if larger._only is not None and larger._chosen:
            chosen = larger._chosen[0]
            self._only = nested_problem(larger._only, chosen, self.basis.matrix)
            if self._only is not None:
                self._chosen = [chosen]
        return self

    def problems(self, title: str = "") -> Iterator[tuple[slice, Problem]]:
        """The genes of each part and their likelihoods; a single part is kept."""
        if self._only is not None:
            yield slice(0, self._genes), self._only
            return
        start = 0
        shown = self._progress and bool(title)
        limits = []
        with progress_bar(self._genes, title, "gene", progress=shown) as bar:
            for part in self._parts():
                problem = Problem(part)
                genes = slice(start, start + part.genes)
                if part.genes == self._genes:
                    self._only = problem
                yield genes, problem
                limits.append((problem.separation.limits, problem.separated))
                bar.update(part.genes)
                start += part.genes
        self._limits = limits

    def representatives(self, problem: Problem) -> Representatives | None:
        """Of the cells, the same for all parts; see `jaxnb.glm.all_cells.representatives`."""
        if not self._chosen:
            self._chosen = [representatives(problem)]
        return self._chosen[0]

    def fit(self, *, cox_reid: bool) -> DispersionFit:
        """Dispersions and coefficients of all genes."""
        fits = []
        for _, problem in self.problems("dispersions"):
            chosen = self.representatives(problem)
            fits.append(dispersions(problem, chosen, cox_reid=cox_reid))
        names = vars(fits[0])
        found = {name: np.concatenate([getattr(fit, name) for fit in fits]) for name in names}
        return DispersionFit(**found | {"beta": self.basis.outer(found["beta"])})

    def fit_at(self, alpha: Floats, start: Floats | None = None) -> tuple[Floats, Floats, Bools]:
        """Coefficients, log-likelihoods and convergence at given dispersions."""
        betas, values, converged = [], [], []
        start = None if start is None else self.basis.inner(start)
        for genes, problem in self.problems("coefficients"):
            chosen = self.representatives(problem)
            first = None if start is None else start[genes]
            found = coefficients_at(problem, chosen, alpha[genes], first)
            here = found.evaluation
            betas.append(found.beta + here.step)
            constant = problem.data.exceedances.log_factorials
            values.append(here.log_likelihood + here.decrement - constant)
            converged.append(found.converged)
        beta = self.basis.outer(np.concatenate(betas))
        return beta, np.concatenate(values), np.concatenate(converged)

    def limits_of(self, contrast: Floats) -> Floats:
        """Where separation drives a contrast of every gene; 0 where it stays finite."""
        if np.count_nonzero(contrast) == 1:
            coefficient = int(np.flatnonzero(contrast)[0])
            limits = self.limits()[0][:, coefficient]
            return np.where(limits == 0, 0.0, limits * np.sign(contrast[coefficient]))
        return self._limits_within(self.basis.contrasts(contrast))

    def _limits_within(self, contrast: Floats) -> Floats:
        """`limits_of` a contrast of the coefficients on the basis."""
        found = [
            limits_of(contrast, problem.data.rows, problem.separation)
            for _, problem in self.problems()
        ]
        return np.concatenate(found)

    def limits(self) -> tuple[Floats, Bools]:
        """Where separation drives the coefficients, ``(genes, p)``, and which genes have any."""
        if not self._limits:
            self._limits = [(p.separation.limits, p.separated) for _, p in self.problems()]
        limits, separated = (np.concatenate(entry) for entry in zip(*self._limits, strict=True))
        return self._outer_limits(limits, separated), separated

    def _outer_limits(self, limits: Floats, separated: Bools) -> Floats:
        """Limits of the coefficients on the design from those on the basis."""
        if self.basis.is_diagonal or not separated.any():
            return limits
        contrasts = self.basis.contrasts(np.eye(limits.shape[1]))
        return np.column_stack([self._limits_within(contrast) for contrast in contrasts])

    def variances(self, alpha: Floats, beta: Floats, contrasts: Floats) -> Floats:
        """V'Cov v for every gene and every row v of `contrasts`, ``(genes, contrasts)``."""
        found = []
        beta, contrasts = self.basis.inner(beta), self.basis.contrasts(contrasts)
        for genes, problem in self.problems():
            everyone = np.arange(problem.data.genes)
            covariances = problem.covariance(everyone, alpha[genes], beta[genes])
            found.append(np.einsum("ca,gab,cb->gc", contrasts, covariances, contrasts))
        return np.concatenate(found)
