"""Shrunken fold changes: the mode of the posterior under a Cauchy prior of one contrast.

The prior of the contrast δ = vᵀβ is Cauchy with scale S, that of everything else is flat, and the
dispersion is given. With log-prior -log(1 + δ²/S²) the mode is found by steps that replace the
prior by the normal with the same derivative, of precision ω = 2 / (S² + δ²): each maximizes a
quadratic function, and the Sherman-Morrison formula gives it from the covariance without the prior.
Where the likelihood says little of δ they become ever shorter. Near a mode the curvature of the
log-prior itself, ω - (ω δ)² = 2 (S² - δ²) / (S² + δ²)², therefore takes the place of ω: with
a = vᵀ (I + ω v vᵀ)⁻¹ v, the step along (I + ω v vᵀ)⁻¹ v is 1 / (1 - a (ω δ)²) times as long. That
may be infinite or negative, where the posterior is not concave; the factor is at most 10.

References:
    A. Zhu, J. G. Ibrahim and M. I. Love (2019), *Heavy-tailed prior distributions for sequence
    count data*, Bioinformatics 35, 2084-2092.
"""

from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq

from jaxnb.glm.all_cells import light_problem
from jaxnb.glm.bulk.regression import BulkRegression
from jaxnb.glm.bulk.shrunken import LEAST_BEND, NEAR, NO_GAIN
from jaxnb.glm.coefficients import initial_coefficients
from jaxnb.glm.problem import Problem
from jaxnb.glm.regression import Regression
from jaxnb.glm.representatives import Representatives

__all__ = ["prior_scale", "shrunken_contrast"]

Floats: TypeAlias = NDArray[np.float64]
Ints: TypeAlias = NDArray[np.int64]
Bools: TypeAlias = NDArray[np.bool_]

_MAX_ITER, _TOLERANCE = 500, 1e-8
_ROUNDING = 1e-13
# A correction of modes on representatives that is smaller leaves an error below the tolerance, if
# their information is within 1% of that of all cells.
_CORRECTIONS, _MOVED = 4, 1e-6
# They are used where a step from the maximum of all cells to theirs adds less than this.
_NEAR = 1e-6


class _Prior(NamedTuple):
    """The contrast of the coefficients that has a Cauchy prior, and its scale."""

    vector: Floats
    scale: float


def shrunken_contrast(
    regression: Regression, alpha: Floats, beta: Floats, vector: Floats
) -> Floats:
    """Posterior modes of a contrast for all genes, natural logarithms; finite for every gene."""
    variance = regression.variances(alpha, beta, vector[None])[:, 0]
    # By how much the linear predictors of the rows differ where the contrast is 1.
    along = regression.basis.matrix @ regression.basis.inner(vector / (vector @ vector))
    scale = prior_scale(beta @ vector, variance, float(np.ptp(along)) or 1.0)
    if isinstance(regression, BulkRegression):
        return regression.contrast_modes(alpha, beta, vector, scale)
    inner, contrast = regression.basis.inner(beta), regression.basis.contrasts(vector)
    found = []
    prior = _Prior(contrast, scale)
    for genes, problem in regression.problems():
        chosen = regression.representatives(problem)
        found.append(_modes(problem, chosen, alpha[genes], inner[genes], prior))
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


def _modes(
    problem: Problem, chosen: Representatives | None, alpha: Floats, beta: Floats, prior: _Prior
) -> Floats:
    separated, known = problem.separated, problem.light
    if separated.any():
        # Without counts in some rows only the prior holds the contrast back: all rows take part.
        problem = Problem(problem.data, keep_all=True)
    # A narrow Cauchy prior has a second mode near 0, which the likelihood leaves from here.
    found = beta.copy()
    rest = np.arange(problem.data.genes)
    light = problem if chosen is None else light_problem(problem, chosen, known)
    if separated.any():
        found[separated] = initial_coefficients(light)[separated]
    start = found.copy()
    if chosen is not None:
        # Where the maxima of all cells are nearly those of the representatives.
        near = light.evaluate(rest, alpha, beta, cox_reid=False, profile=False)
        good = ~separated & (np.abs(near.decrement) < _NEAR)
        good[good] = _corrected(problem, light, rest[good], alpha, found, prior)
        rest = rest[~good]
    if rest.size:
        found[rest], _ = _climb(problem, rest, alpha[rest], start[rest], prior)
    modes: Floats = found @ prior.vector
    return modes


def _corrected(
    problem: Problem, light: Problem, genes: Ints, alpha: Floats, found: Floats, prior: _Prior
) -> Bools:
    """Put modes of all cells into `found`, by way of representatives; for which genes it worked.

    What the score of all cells has more than that of the representatives is added to the latter as
    a constant, and the mode moves accordingly: by far more than what is left.
    """
    worked = np.zeros(genes.size, bool)
    if not genes.size:
        return worked
    found[genes], settled = _climb(light, genes, alpha[genes], found[genes], prior)
    sizes = _sizes(problem)
    left = np.flatnonzero(settled)
    for _ in range(_CORRECTIONS):
        mine = genes[left]
        exact, near = (
            each.evaluate(mine, alpha[mine], found[mine], cox_reid=False, profile=False).score
            for each in (problem, light)
        )
        new, settled = _climb(light, mine, alpha[mine], found[mine], prior, exact - near)
        moved = np.abs((new - found[mine]) * sizes).max(axis=1)
        found[mine] = new
        worked[left] = settled & (moved < _MOVED)
        left = left[settled & ~(moved < _MOVED)]
        if not left.size:
            break
    return worked


def _climb(
    problem: Problem,
    genes: Ints,
    alpha: Floats,
    beta: Floats,
    prior: _Prior,
    tilt: Floats | float = 0.0,
) -> tuple[Floats, Bools]:
    """Coefficients at the modes of genes, for log-likelihoods to which tilt'β is added.

    And for which genes the last steps were not shortened until they were small.
    """
    vector, scale = prior
    tilt = np.broadcast_to(tilt, beta.shape)
    current, trial = beta.copy(), beta.copy()
    best = np.full(genes.size, -np.inf)
    step, length = np.zeros_like(beta), np.ones(genes.size)
    distance = np.zeros(genes.size)
    settled = np.zeros(genes.size, bool)
    active = np.arange(genes.size)
    sizes = _sizes(problem)
    for _ in range(_MAX_ITER):
        here = problem.evaluate(
            genes[active], alpha[active], trial[active], cox_reid=False, profile=False
        )
        delta = trial[active] @ vector
        value = here.log_likelihood - np.log1p((delta / scale) ** 2)
        value += np.sum(tilt[active] * trial[active], axis=1)
        up = value >= best[active] - _ROUNDING * here.magnitude
        mine = active[up]
        current[mine], best[mine] = trial[mine], value[up]
        if mine.size:
            covariance = problem.covariance(genes[mine], alpha[mine], trial[mine])
            weight = 2 / (scale**2 + delta[up] ** 2)
            along = covariance @ vector
            score = here.score[up] + tilt[mine] - (weight * delta[up])[:, None] * vector
            plain = np.einsum("gab,gb->ga", covariance, score)
            inflation = 1 + weight * (along @ vector)
            along = along / inflation[:, None]
            ahead = plain - (weight * (plain @ vector))[:, None] * along
            variance = along @ vector
            bend = np.maximum(1 - variance * (delta[up] * weight) ** 2, LEAST_BEND)
            bend = np.where(np.abs(ahead * sizes).max(axis=1) < NEAR, bend, 1.0)
            more = (1 / bend - 1) * (ahead @ vector) / np.maximum(variance, 1e-300)
            step[mine] = ahead + more[:, None] * along
            # Without counts in some rows other coefficients have no end.
            flat = np.sum(score * step[mine], axis=1) < NO_GAIN
            largest = np.abs(step[mine] * sizes).max(axis=1)
            distance[mine] = np.where(flat, np.abs(step[mine] @ vector), largest)
        length[active] = np.where(up, 1.0, length[active] / 4)
        small = distance[active] * length[active] < _TOLERANCE
        trial[active] = current[active] + length[active, None] * step[active]
        current[active[small]] = trial[active[small]]
        settled[active[small]] = up[small]
        active = active[~small]
        if not active.size:
            break
    return current, settled


def _sizes(problem: Problem) -> Floats:
    found: Floats = np.sqrt(np.mean(problem.data.rows**2, axis=0))
    return found
