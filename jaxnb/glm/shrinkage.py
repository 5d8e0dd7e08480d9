"""Dispersions shrunken towards a trend: a log-normal prior learned from all genes.

The prior of log α is normal around a trend that is piecewise linear in the log mean, as in DESeq2;
but trend and variance maximize the marginal likelihood of all genes, by an EM algorithm on the Cox-
Reid adjusted profile likelihoods. Genes whose estimate is α = 0 take part like all others: their
profile says how large the dispersion may be. A gene's dispersion is the mode of its posterior.

References:
    M. I. Love, W. Huber and S. Anders (2014), *Moderated estimation of fold change and dispersion
    for RNA-seq data with DESeq2*, Genome Biology 15, 550.
"""

from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicHermiteSpline

from jaxnb.glm.coefficients import fit_coefficients
from jaxnb.glm.dispersion import DispersionFit
from jaxnb.glm.regression import Regression

__all__ = ["DispersionPrior", "shrink_dispersions"]

Floats: TypeAlias = NDArray[np.float64]

# Profiles are evaluated on this grid of log α and interpolated, by their exact derivatives, on one
# that is eight times as fine.
_GRID = np.linspace(np.log(1e-5), np.log(1e2), 15)
_FINE = np.linspace(_GRID[0], _GRID[-1], 8 * (_GRID.size - 1) + 1)
# Genes that the prior is learned from, and knots of its trend.
_ENOUGH_GENES = 4000
_GENES_PER_KNOT, _MOST_KNOTS = 100, 12
_ITERATIONS, _TOLERANCE = 200, 1e-4


class DispersionPrior(NamedTuple):
    """log α ~ N(trend(log mean), variance).

    Attributes:
        knots: log means, ``(knots,)``.
        heights: the trend's log α at the knots.
        variance: of log α around the trend.
    """

    knots: Floats
    heights: Floats
    variance: float

    def trend(self, mean: Floats) -> Floats:
        """The dispersion that the trend has at a mean."""
        log_mean = np.log(np.maximum(mean, np.finfo(np.float64).tiny))
        found: Floats = np.exp(np.interp(log_mean, self.knots, self.heights))
        return found


def shrink_dispersions(
    regression: Regression,
    mean: Floats,
    found: DispersionFit,
    learned_from: NDArray[np.bool_] | None = None,
) -> tuple[Floats, DispersionPrior]:
    """Posterior modes of the dispersions and the prior behind them.

    Args:
        regression: the likelihoods.
        mean: of every gene, ``(genes,)``.
        found: Cox-Reid estimates, where the paths of the coefficients start.
        learned_from: the genes that the prior is learned from; None for all.
    """
    profiles = _profiles(regression, found)
    usable = np.flatnonzero((mean > 0) & np.isfinite(profiles).all(axis=1))
    chosen = usable if learned_from is None else usable[learned_from[usable]]
    chosen = chosen[:: max(1, chosen.size // _ENOUGH_GENES)]
    prior = _learn(profiles[chosen], np.log(mean[chosen]))
    alpha = found.alpha.copy()
    center = np.log(prior.trend(mean[usable]))
    log_prior = -((_FINE - center[:, None]) ** 2) / (2 * prior.variance)
    alpha[usable] = np.exp(_mode(profiles[usable] + log_prior))
    return alpha, prior


def _profiles(regression: Regression, found: DispersionFit) -> Floats:
    """Adjusted profile log-likelihoods on the fine grid, the largest of each gene 0."""
    values = np.empty((found.alpha.size, _GRID.size))
    derivatives = np.empty_like(values)
    for genes, problem in regression.problems("profiles"):
        everyone = np.arange(problem.data.genes)
        beta = found.beta[genes]
        for point in range(_GRID.size):
            alpha = np.full(everyone.size, np.exp(_GRID[point]))
            fit = fit_coefficients(problem, everyone, alpha, beta, tolerance=1e-3, cox_reid=True)
            here = fit.evaluation
            values[genes, point] = here.log_likelihood + here.decrement + here.adjustment
            derivatives[genes, point] = here.derivative * alpha
            beta = fit.beta + here.step
    values -= values.max(axis=1, keepdims=True)
    fine: Floats = CubicHermiteSpline(_GRID, values, derivatives, axis=1)(_FINE)
    relative: Floats = fine - fine.max(axis=1, keepdims=True)
    return relative


def _learn(profiles: Floats, log_mean: Floats) -> DispersionPrior:
    """Maximize the marginal likelihood over the trend's knots and the variance."""
    count = int(np.clip(log_mean.size // _GENES_PER_KNOT, 1, _MOST_KNOTS))
    knots = np.unique(np.quantile(log_mean, (np.arange(count) + 0.5) / count))
    hats = np.stack([np.interp(log_mean, knots, unit) for unit in np.eye(knots.size)], axis=1)
    likelihood = np.exp(profiles)
    heights = np.full(knots.size, _FINE[np.argmax(profiles.sum(axis=0))])
    variance = 1.0
    gram = hats.T @ hats + 1e-9 * np.eye(knots.size)
    for _ in range(_ITERATIONS):
        center = hats @ heights
        posterior = likelihood * np.exp(-((_FINE - center[:, None]) ** 2) / (2 * variance))
        posterior /= np.maximum(posterior.sum(axis=1, keepdims=True), np.finfo(np.float64).tiny)
        expected = posterior @ _FINE
        spread = posterior @ _FINE**2 - expected**2
        before = heights, variance
        heights = np.linalg.solve(gram, hats.T @ expected)
        variance = max(float(np.mean(spread + (expected - hats @ heights) ** 2)), 0.01)
        moved = np.abs(heights - before[0]).max() + abs(np.log(variance / before[1]))
        if moved < _TOLERANCE:
            break
    return DispersionPrior(knots, heights, variance)


def _mode(log_posterior: Floats) -> Floats:
    """The maximum of the parabola through the highest point of the grid and its neighbors."""
    best = np.clip(np.argmax(log_posterior, axis=1), 1, _FINE.size - 2)
    genes = np.arange(best.size)
    left, middle, right = (log_posterior[genes, best + shift] for shift in (-1, 0, 1))
    bend = left - 2 * middle + right
    shift = np.where(bend < 0, (left - right) / np.where(bend < 0, 2 * bend, 1.0), 0.0)
    modes: Floats = _FINE[best] + np.clip(shift, -1, 1) * (_FINE[1] - _FINE[0])
    return modes
