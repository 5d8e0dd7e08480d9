"""Dispersions shrunken towards a trend, for the likelihoods of any regression.

A gene's dispersion is the mode of its posterior under the prior that is learned from all genes
(`jaxnb.glm.prior`). For samples, `jaxnb.glm.bulk.dispersions` does the same several times as fast.
"""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicHermiteSpline

from jaxnb.glm.coefficients import fit_coefficients
from jaxnb.glm.prior import FINE, GRID, DispersionPrior, learn_prior, mode
from jaxnb.glm.regression import Regression

__all__ = ["shrink_dispersions"]

Floats: TypeAlias = NDArray[np.float64]


def shrink_dispersions(
    regression: Regression,
    mean: Floats,
    alpha: Floats,
    beta: Floats,
    learned_from: NDArray[np.bool_] | None = None,
) -> tuple[Floats, DispersionPrior]:
    """Posterior modes of the dispersions and the prior behind them.

    Args:
        regression: the likelihoods.
        mean: of every gene, ``(genes,)``.
        alpha: each gene's own, which stays where there is no profile.
        beta: coefficients, where their paths start.
        learned_from: the genes that the prior is learned from; None for all.
    """
    profiles = _profiles(regression, beta)
    usable = (mean > 0) & np.isfinite(profiles).all(axis=1)
    prior = learn_prior(profiles, mean, usable if learned_from is None else usable & learned_from)
    alpha = alpha.copy()
    alpha[usable] = np.exp(mode(profiles[usable] + prior.log_density(mean[usable])))
    return alpha, prior


def _profiles(regression: Regression, start: Floats) -> Floats:
    """Adjusted profile log-likelihoods on the fine grid, the largest of each gene 0."""
    values = np.empty((len(start), GRID.size))
    derivatives = np.empty_like(values)
    start = regression.basis.inner(start)
    for genes, problem in regression.problems("profiles"):
        everyone = np.arange(problem.data.genes)
        beta = start[genes]
        for point in range(GRID.size):
            alpha = np.full(everyone.size, np.exp(GRID[point]))
            fit = fit_coefficients(problem, everyone, alpha, beta, tolerance=1e-3, cox_reid=True)
            here = fit.evaluation
            values[genes, point] = here.log_likelihood + here.decrement + here.adjustment
            derivatives[genes, point] = here.derivative * alpha
            beta = fit.beta + here.step
    values -= values.max(axis=1, keepdims=True)
    fine: Floats = CubicHermiteSpline(GRID, values, derivatives, axis=1)(FINE)
    relative: Floats = fine - fine.max(axis=1, keepdims=True)
    return relative
