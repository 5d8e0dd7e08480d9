"""Newton's method for a maximum of the (adjusted) profile log-likelihood of the dispersion.

Steps are made in ρ = log(1 + α m), m a mean count of the gene: like α where dispersion hardly
matters, like log α where it dominates, and 0 at the Poisson boundary.
"""

from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from jaxnb.glm.coefficients import TOLERANCE, fit_coefficients
from jaxnb.glm.problem import Problem

__all__ = ["Maxima", "alpha_of", "d_alpha", "newton", "rho_of", "shortened"]

Floats: TypeAlias = NDArray[np.float64]
Ints: TypeAlias = NDArray[np.int64]
Bools: TypeAlias = NDArray[np.bool_]

# A step in α is made once the coefficients are this near to their path.
_NEAR_PATH = 1e-3
# Steps in ρ below this no longer update the bounds: the sign of the derivative may be rounding,
# or due to coefficients that are not exactly on the path.
_SMALL_STEP = 1e-2
_MAX_ITER = 80


class Maxima(NamedTuple):
    """Maxima of the profile and their values, which are those before the last step and its gain."""

    alpha: Floats
    beta: Floats
    log_likelihood: Floats
    adjustment: Floats
    converged: Bools


def newton(
    problem: Problem,
    gene: Ints,
    rho: Floats,
    beta: Floats,
    lower: Floats,
    upper: Floats,
    cox_reid: bool,
    rounds: int = _MAX_ITER,
    tolerance: float = TOLERANCE,
) -> Maxima:
    """Maxima within bounds of ρ, which are moved.

    Args:
        problem: the data.
        gene: whose they are; one may occur several times.
        rho: where to start.
        beta: coefficients there, ``(genes, p)``.
        lower: bounds.
        upper: bounds.
        cox_reid: whether the profile is adjusted.
        rounds: steps that are made at most.
        tolerance: the last step is one that is expected to add less than this.
    """
    scale = problem.scale[gene]
    alpha = alpha_of(rho, scale)
    value, adjustment = np.full(gene.size, np.nan), np.full(gene.size, np.nan)
    converged = np.zeros(gene.size, bool)
    active = np.arange(gene.size)
    settled = fit_coefficients(problem, gene, alpha, beta, tolerance=_NEAR_PATH, cox_reid=cox_reid)
    beta, here = settled.beta, settled.evaluation
    for _ in range(rounds):
        unit = d_alpha(alpha[active], scale[active])
        first = here.derivative * unit
        second = here.curvature * unit**2 + first
        with np.errstate(divide="ignore", invalid="ignore"):
            move = np.where(second < 0, -first / second, np.sign(first) * np.inf)
        gain = np.abs(first * move) / 2
        done = (second < 0) & (here.decrement + gain < tolerance)
        large = (np.abs(move) > _SMALL_STEP) & ~done
        up = large & (first > 0)
        down = large & (first <= 0)
        lower[active[up]] = rho[active[up]]
        upper[active[down]] = rho[active[down]]
        target = rho[active] + move
        outside = large & ((target <= lower[active]) | (target >= upper[active]))
        target = np.where(outside, (lower[active] + upper[active]) / 2, target)
        target = np.maximum(target, 0.0)
        step = target - rho[active]
        beta[active] += here.step + shortened(here.path * (unit * step)[:, None])
        # The path's first order; the second is the gain, without the adjustment's small share.
        of_adjustment = here.of_adjustment * unit * step
        adjustment[active] = here.adjustment + of_adjustment
        value[active] = here.log_likelihood + here.decrement + first * step / 2 - of_adjustment
        rho[active] = target
        alpha[active] = alpha_of(target, scale[active])
        converged[active] = done
        active = active[~done]
        if not active.size:
            break
        settled = fit_coefficients(
            problem, gene[active], alpha[active], beta[active],
            tolerance=_NEAR_PATH, cox_reid=cox_reid,
        )  # fmt: skip
        beta[active], here = settled.beta, settled.evaluation
    return Maxima(alpha, beta, value, adjustment, converged)


def rho_of(alpha: Floats, scale: Floats) -> Floats:
    """ρ of α and m."""
    return np.log1p(alpha * scale)


def alpha_of(rho: Floats, scale: Floats) -> Floats:
    """α of ρ and m."""
    found: Floats = np.expm1(rho) / scale
    return found


def d_alpha(alpha: Floats, scale: Floats) -> Floats:
    """dα/dρ = α + 1/m."""
    return alpha + 1 / scale


def shortened(move: Floats) -> Floats:
    """Moves of the coefficients of at most 1: predictions over a long way are often wrong."""
    largest = np.abs(move).max(axis=1, keepdims=True)
    shortened: Floats = move / np.maximum(largest, 1.0)
    return shortened
