"""The coefficients at a given dispersion: a concave maximization by Newton's method."""

from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from jaxnb.glm.likelihood import Evaluation
from jaxnb.glm.problem import Problem

__all__ = ["CoefficientFit", "fit_coefficients", "initial_coefficients"]

Floats: TypeAlias = NDArray[np.float64]
Ints: TypeAlias = NDArray[np.int64]
Bools: TypeAlias = NDArray[np.bool_]

MAX_ITER = 100
# A Newton step that is expected to add less than this to the log-likelihood is taken without
# looking back: the error it leaves is of the order of the square of its length.
TOLERANCE = 1e-12
# The same where the value after the step is that before and what the step adds, instead of one more
# evaluation: with steps of 4e-5 of a standard error the value is off by their third power.
NEAR_TOLERANCE = 1e-9
# Rounding of a sum of terms, as a multiple of the sum of their absolute values.
ROUNDING = 1e-14


class CoefficientFit(NamedTuple):
    """Coefficients that maximize the log-likelihood, ``(genes, p)``, and the point before them.

    Attributes:
        beta: coefficients, 0 where they are not estimated.
        evaluation: at `beta`, or at one Newton step from it (see `polish`).
        converged: ``(genes,)``.
    """

    beta: Floats
    evaluation: Evaluation
    converged: Bools


def fit_coefficients(
    problem: Problem,
    genes: Ints,
    alpha: Floats,
    start: Floats,
    *,
    tolerance: float = TOLERANCE,
    cox_reid: bool = False,
    profile: bool = True,
) -> CoefficientFit:
    """Maximize the log-likelihood over the coefficients; the dispersion is given.

    The log-likelihood is concave in the coefficients, so that Newton's method with steps that are
    shortened until it rises finds the maximum from anywhere.

    Args:
        problem: the data.
        genes: which genes; one may occur several times.
        alpha: dispersions, 0 for Poisson, ``(genes,)``.
        start: ``(genes, p)``.
        tolerance: stop where a step is expected to add less than this to the log-likelihood. The
            last step is not taken: ``evaluation.step`` holds it.
        cox_reid: with the derivatives of the Cox-Reid adjustment.
        profile: with the derivatives in α.
    """
    beta, trial = start.copy(), start.copy()
    best: Evaluation | None = None
    active = np.arange(genes.size)
    length = np.ones(genes.size)
    converged = np.zeros(genes.size, bool)
    for _ in range(MAX_ITER):
        here = problem.evaluate(
            genes[active], alpha[active], trial[active], cox_reid=cox_reid, profile=profile
        )
        if best is None:
            best, accepted = here, np.ones(active.size, bool)
        else:
            slack = ROUNDING * best.magnitude[active]
            accepted = here.log_likelihood >= best.log_likelihood[active] - slack
            for entry, new in zip(best, here, strict=True):
                entry[active[accepted]] = new[accepted]
        beta[active[accepted]] = trial[active[accepted]]
        length[active] = np.where(accepted, 1.0, length[active] / 4)
        converged[active] = best.decrement[active] < tolerance
        # A step of rounding size that does not raise the log-likelihood is at its maximum.
        stuck = length[active] < 1e-12
        active = active[~converged[active] & ~stuck]
        if not active.size:
            break
        trial[active] = beta[active] + length[active, None] * best.step[active]
    assert best is not None
    return CoefficientFit(beta, best, converged)


def initial_coefficients(problem: Problem) -> Floats:
    """One weighted least-squares step of Poisson regression on the rows' totals, as GLMs start."""
    data = problem.data
    mask = problem.separation.kept
    totals = data.totals
    exposures = np.where(mask, data.exposures, 0.0)
    overall = totals.sum(axis=1) / np.maximum(exposures.sum(axis=1), 1e-300)
    expected = 0.5 * (totals + exposures * overall[:, None])
    positive = expected > 0
    safe = np.where(positive, expected, 1.0)
    known = np.where(data.exposures > 0, data.exposures, 1.0)
    response = np.log(safe / known) + (totals - expected) / safe
    products = data.rows[:, :, None] * data.rows[:, None, :]
    size = data.rows.shape[1]
    weights = np.where(positive, expected, 0.0)
    free = problem.separation.free
    both = free[:, :, None] & free[:, None, :]
    gram = (weights @ products.reshape(len(data.rows), -1)).reshape(-1, size, size)
    right = ((weights * response) @ data.rows) * free
    scale = np.maximum(np.trace(gram, axis1=1, axis2=2), 1e-300)[:, None, None]
    ridge = 1e-10 * scale * np.eye(size)
    gram = (
        np.where(both, gram, 0) + ridge + np.where(free, 0, 1.0)[:, :, None] * np.eye(size) * scale
    )
    found: Floats = np.linalg.solve(gram, right[:, :, None])[:, :, 0] * free
    return found
