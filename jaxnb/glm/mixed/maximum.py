"""The maximum of the marginal likelihood over coefficients, dispersion and random_sd."""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from jaxnb.glm.dispersion import LARGEST_DISPERSION
from jaxnb.glm.mixed.likelihood import Evaluation
from jaxnb.glm.mixed.newton import Profile, profile
from jaxnb.glm.mixed.problem import MixedProblem, Point
from jaxnb.glm.mixed.quadrature import LARGEST_SD

__all__ = ["SMALLEST_SD", "Maximum", "maximize"]

Floats: TypeAlias = NDArray[np.float64]
Ints: TypeAlias = NDArray[np.int64]
Bools: TypeAlias = NDArray[np.bool_]

# A smaller standard deviation is 0 unless the likelihood rises with it.
SMALLEST_SD = 1e-3
_FROM_ZERO = 0.1
_MAX_ITER = 100
_TOLERANCE = 1e-9
# Rounding of the log-likelihood, relative to its terms, and the error of quadrature.
_ROUNDING, _QUADRATURE = 1e-14, 1e-8


@dataclass
class Maximum:
    """Estimates of some genes.

    Attributes:
        point: parameters.
        converged: ``(genes,)``.
        log_likelihood: what the last step should have reached, without Σ log x!, ``(genes,)``.
        at_limit: whether the likelihood still rises at the largest σ, ``(genes,)``.
    """

    point: Point
    converged: Bools
    log_likelihood: Floats
    at_limit: Bools


def maximize(
    problem: MixedProblem, genes: Ints, start: Point, *, tolerance: float = _TOLERANCE
) -> Maximum:
    """Maximize over β, α and σ by Newton's method, with steps that are shortened until it rises.

    Args:
        problem: the data.
        genes: which genes.
        start: of every gene; σ may be 0.
        tolerance: a step that is expected to add less than this to the log-likelihood is the last.
    """
    scale = problem.data.center[genes]
    at, trial = start.copy(), start.copy()
    best: Evaluation | None = None
    active, length = np.arange(genes.size), np.ones(genes.size)
    converged, reached = np.zeros(genes.size, bool), np.zeros(genes.size)
    for _ in range(_MAX_ITER):
        here = problem.evaluate(genes[active], trial.take(active))
        if best is None:
            best, accepted = here, np.ones(active.size, bool)
        else:
            slack = _ROUNDING * best.magnitude[active] + _QUADRATURE
            accepted = here.log_likelihood >= best.log_likelihood[active] - slack
            for entry, new in zip(best, here, strict=True):
                entry[active[accepted]] = new[accepted]
        taken = active[accepted]
        at.put(taken, trial.take(taken))
        length[active] = np.where(accepted, 1.0, length[active] / 4)
        now = Evaluation(*(entry[active] for entry in best))
        step, gain = _step(profile(now, at.alpha[active], scale[active]), at, active, scale)
        converged[active] = gain < tolerance
        reached[active] = now.log_likelihood + np.where(converged[active], gain, 0)
        moved = _moved(at.take(active), step, scale[active], length[active])
        trial.put(active, moved)
        # The last step is taken without looking back.
        done = converged[active]
        at.put(active[done], moved.take(done))
        active = active[~done & (length[active] > 1e-10)]
        if not active.size:
            break
    at_limit = converged & (at.sigma >= LARGEST_SD)
    return Maximum(at, converged, reached, at_limit)


def _step(found: Profile, at: Point, active: Ints, scale: Floats) -> tuple[Floats, Floats]:
    """Steps in (β, ρ, σ), ``(genes, p + 2)``, and what they are expected to add."""
    gradient, hessian = found.gradient.copy(), found.hessian.copy()
    alpha, sigma = at.alpha[active], at.sigma[active]
    # At σ = 0 the derivative is 0 and the second one decides.
    leaves = (sigma == 0) & (hessian[:, 1, 1] > 0)
    held = np.stack(
        [
            ((alpha == 0) & (gradient[:, 0] <= 0))
            | ((alpha >= LARGEST_DISPERSION) & (gradient[:, 0] >= 0)),
            (sigma == 0) | ((sigma >= LARGEST_SD) & (gradient[:, 1] >= 0)),
        ],
        axis=1,
    )
    free = (~held).astype(np.float64)
    gradient *= free
    hessian *= free[:, :, None] * free[:, None, :]
    hessian -= (1 - free)[:, :, None] * np.eye(2)
    values, vectors = np.linalg.eigh(hessian)
    along = np.einsum("gkl,gk->gl", vectors, gradient) / np.maximum(np.abs(values), 1e-6)
    both = np.einsum("gkl,gl->gk", vectors, along)
    both = np.clip(both, [-1.5, -1], [1.5, 1])
    rho = np.log1p(alpha * scale[active])
    both[:, 0] = np.maximum(both[:, 0], -rho)
    most = 0.7 * sigma + 0.1
    both[:, 1] = np.clip(both[:, 1], -most, np.minimum(most, LARGEST_SD - sigma))
    to_zero = sigma + both[:, 1] < SMALLEST_SD
    both[:, 1] = np.where(to_zero, -sigma, both[:, 1])
    both[:, 1] = np.where(leaves, _FROM_ZERO, both[:, 1])
    gain = found.decrement + np.where(leaves, np.inf, 0.5 * np.einsum("gk,gk->g", gradient, both))
    # A step to 0 may add nothing to first order and is not the last one.
    gain = np.where(to_zero & (sigma > 0), np.inf, gain)
    beta = found.step + np.einsum("gpk,gk->gp", found.paths, both)
    beta /= np.maximum(np.abs(beta).max(axis=1, keepdims=True, initial=0) / 2, 1)
    return np.concatenate([beta, both], axis=1), gain


def _moved(at: Point, step: Floats, scale: Floats, length: Floats) -> Point:
    """Where a share of the step leads."""
    part = step * length[:, None]
    rho = np.maximum(np.log1p(at.alpha * scale) + part[:, -2], 0)
    alpha = np.minimum(np.expm1(rho) / scale, LARGEST_DISPERSION)
    return Point(alpha, at.beta + part[:, :-2], at.sigma + part[:, -1])
