"""Shrunken fold changes: the mode of the posterior under a Cauchy prior of one contrast.

The prior of the contrast δ = vᵀβ is Cauchy with scale S, that of everything else is flat, and the
dispersion is given. With log-prior -log(1 + δ²/S²) the mode is found by steps that replace the
prior by the normal with the same derivative, of precision ω = 2 / (S² + δ²): each maximizes a
quadratic function, and the Sherman-Morrison formula gives it from the covariance without the prior.

References:
    A. Zhu, J. G. Ibrahim and M. I. Love (2019), *Heavy-tailed prior distributions for sequence
    count data*, Bioinformatics 35, 2084-2092.
"""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq

from jaxnb.glm.coefficients import initial_coefficients
from jaxnb.glm.problem import Problem
from jaxnb.glm.regression import Regression

__all__ = ["prior_scale", "shrunken_contrast"]

Floats: TypeAlias = NDArray[np.float64]

_MAX_ITER, _TOLERANCE = 60, 1e-8
_ROUNDING = 1e-13


def shrunken_contrast(
    regression: Regression, alpha: Floats, beta: Floats, vector: Floats
) -> Floats:
    """Posterior modes of a contrast for all genes, natural logarithms; finite for every gene."""
    variance = regression.variances(alpha, beta, vector[None])[:, 0]
    # By how much the linear predictors of the rows differ where the contrast is 1.
    along = regression.basis.matrix @ regression.basis.inner(vector / (vector @ vector))
    scale = prior_scale(beta @ vector, variance, float(np.ptp(along)) or 1.0)
    inner, contrast = regression.basis.inner(beta), regression.basis.contrasts(vector)
    found = []
    for genes, problem in regression.problems():
        found.append(_modes(problem, alpha[genes], inner[genes], contrast, scale))
    return np.concatenate(found)


def prior_scale(estimates: Floats, variances: Floats, unit: float = 1.0) -> float:
    """Scale of the prior: A with Σ (δ² - V)/(A + V)² = Σ A/(A + V)² for normal effects.

    Args:
        estimates: of all genes; those with variance 0 or not finite do not count.
        variances: squares of their standard errors.
        unit: difference of the logarithms of two means that an effect of 1 makes.

    Returns:
        √A, for differences of means of at least 0.01 and at most 10.
    """
    usable = np.isfinite(estimates) & np.isfinite(variances) & (variances > 0)
    squares, v = estimates[usable] ** 2, variances[usable]

    def surplus(log_a: float) -> float:
        a = np.exp(log_a)
        return float(np.sum((squares - v - a) / (a + v) ** 2))

    low, high = 2 * np.log(0.01 / unit), 2 * np.log(10.0 / unit)
    if not usable.any() or surplus(low) <= 0:
        return 0.01 / unit
    if surplus(high) >= 0:
        return 10.0 / unit
    return float(np.exp(brentq(surplus, low, high) / 2))


def _modes(problem: Problem, alpha: Floats, beta: Floats, vector: Floats, scale: float) -> Floats:
    # Without counts in some rows only the prior holds the contrast back: all rows take part.
    separated = problem.separated
    problem = Problem(problem.data, keep_all=True)
    everyone = np.arange(problem.data.genes)
    # A narrow Cauchy prior has a second mode near 0, which the likelihood leaves from here.
    beta = np.where(separated[:, None], initial_coefficients(problem), beta)
    current, trial = beta.copy(), beta.copy()
    best = np.full(everyone.size, -np.inf)
    step, length = np.zeros_like(beta), np.ones(everyone.size)
    active = everyone
    sizes = np.sqrt(np.mean(problem.data.rows**2, axis=0))
    for _ in range(_MAX_ITER):
        here = problem.evaluate(active, alpha[active], trial[active], cox_reid=False)
        delta = trial[active] @ vector
        value = here.log_likelihood - np.log1p((delta / scale) ** 2)
        up = value >= best[active] - _ROUNDING * here.magnitude
        mine = active[up]
        current[mine], best[mine] = trial[mine], value[up]
        if mine.size:
            covariance = problem.covariance(mine, alpha[mine], trial[mine])
            weight = 2 / (scale**2 + delta[up] ** 2)
            along = covariance @ vector
            score = here.score[up] - (weight * delta[up])[:, None] * vector
            plain = np.einsum("gab,gb->ga", covariance, score)
            share = weight * (plain @ vector) / (1 + weight * (along @ vector))
            step[mine] = plain - share[:, None] * along
        length[active] = np.where(up, 1.0, length[active] / 4)
        small = np.abs(step[active] * sizes).max(axis=1) * length[active] < _TOLERANCE
        active = active[~small]
        if not active.size:
            break
        trial[active] = current[active] + length[active, None] * step[active]
    modes: Floats = current @ vector
    return modes
