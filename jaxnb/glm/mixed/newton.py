"""Newton steps in (β, ρ, σ), one variable eliminated after the other.

ρ = log(1 + α m) with m a mean count, see `jaxnb.glm.dispersion`. At given α and σ the marginal
log-likelihood is concave in β, so that its part of the Hessian is always negative definite; the
remaining two by two profile may be indefinite, and is used with the absolute values of its
eigenvalues.

References:
    A. Prékopa (1973), *On logarithmic concave measures and functions*, Acta Sci. Math. 34, 335-343.
"""

from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from jaxnb.glm.mixed.likelihood import Evaluation

__all__ = ["Profile", "profile"]

Floats: TypeAlias = NDArray[np.float64]


class Profile(NamedTuple):
    """The log-likelihood maximized over β, to second order at a point, as a function of (ρ, σ).

    Attributes:
        step: Newton's step in β at fixed ρ and σ, ``(genes, p)``.
        paths: derivatives of the maximizing β in ρ and σ, ``(genes, p, 2)``.
        gradient: ``(genes, 2)``.
        hessian: ``(genes, 2, 2)``.
        decrement: what the step in β is expected to add, ``(genes,)``.
    """

    step: Floats
    paths: Floats
    gradient: Floats
    hessian: Floats
    decrement: Floats


def profile(here: Evaluation, alpha: Floats, scale: Floats) -> Profile:
    """Eliminate the coefficients.

    Args:
        here: an evaluation in (β, α, σ).
        alpha: where.
        scale: m of ρ, ``(genes,)``.
    """
    size = here.gradient.shape[1] - 2
    # dα/dρ = d²α/dρ² = α + 1/m
    by_rho = alpha + 1 / scale
    units = np.stack([by_rho, np.ones_like(by_rho)], axis=1)
    gradient = here.gradient[:, size:] * units
    hessian = here.hessian[:, size:, size:] * units[:, :, None] * units[:, None, :]
    hessian[:, 0, 0] += gradient[:, 0]
    cross = here.hessian[:, :size, size:] * units[:, None, :]
    score = here.gradient[:, :size]
    solved = _solve(-here.hessian[:, :size, :size], np.concatenate([score[..., None], cross], 2))
    step, paths = solved[..., 0], solved[..., 1:]
    return Profile(
        step,
        paths,
        gradient + np.einsum("gpk,gp->gk", cross, step),
        hessian + np.einsum("gpk,gpl->gkl", cross, paths),
        0.5 * np.einsum("gp,gp->g", score, step),
    )


def _solve(matrices: Floats, right: Floats) -> Floats:
    """Solutions with positive definite matrices, scaled to a unit diagonal and held regular."""
    diagonal = np.maximum(np.diagonal(matrices, axis1=1, axis2=2), 1e-300)
    root = np.sqrt(diagonal)
    scaled = matrices / (root[:, :, None] * root[:, None, :])
    scaled += 1e-13 * np.eye(matrices.shape[1])
    found: Floats = np.linalg.solve(scaled, right / root[..., None]) / root[..., None]
    return found
