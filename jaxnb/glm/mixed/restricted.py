"""The standard deviation of the donors' effects, corrected for the coefficients estimated.

With few donors the maximum likelihood estimate of σ is too small, as a variance divided by the
number of observations is. The adjusted profile log-likelihood

    max over β, α of ℓ(β, α, σ), minus ½ log det(-∂²ℓ/∂β²),

is what restricted maximum likelihood (REML) is for normal data. Its derivative in σ is that of the
profile, and half the derivative of the determinant along the path of β and α.

References:
    D. R. Cox and N. Reid (1987), *Parameter orthogonality and approximate conditional inference*,
    J. R. Statist. Soc. B 49, 1-39. H. D. Patterson and R. Thompson (1971), *Recovery of
    inter-block information when block sizes are unequal*, Biometrika 58, 545-554.
"""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from jaxnb.glm.dispersion import LARGEST_DISPERSION
from jaxnb.glm.mixed.maximum import SMALLEST_SD, Maximum
from jaxnb.glm.mixed.newton import profile
from jaxnb.glm.mixed.problem import MixedProblem, Point
from jaxnb.glm.mixed.quadrature import LARGEST_SD

__all__ = ["maximize_restricted"]

Floats: TypeAlias = NDArray[np.float64]
Ints: TypeAlias = NDArray[np.int64]

_MAX_ITER = 60
# σ is moved once β and ρ are this near to their path. The derivative is off by less than this
# multiple of what is left, so its sign is certain where it is larger: a multiple of 0.3 was not
# enough for 1 of 500 genes, whose σ was off by 3e-5.
_NEAR_PATH, _ERROR = 0.05, 3.0
_TOLERANCE, _ON_PATH = 1e-6, 1e-4
_FROM_ZERO = 0.05


def maximize_restricted(problem: MixedProblem, genes: Ints, start: Maximum) -> Maximum:
    """Maximize the adjusted profile log-likelihood over σ, from the maximum of the likelihood.

    Args:
        problem: the data, with `determinant`.
        genes: which genes.
        start: of every gene.
    """
    at = start.point.copy()
    at.sigma = np.clip(1.1 * at.sigma, _FROM_ZERO, LARGEST_SD)
    low, high = np.zeros(genes.size), np.full(genes.size, np.inf)
    before = np.full((2, genes.size), np.nan)  # σ and the derivative of the last iteration
    converged = np.zeros(genes.size, bool)
    active = np.arange(genes.size)
    for _ in range(_MAX_ITER):
        now, scale = at.take(active), problem.data.center[genes[active]]
        here = problem.evaluate(genes[active], now)
        found = profile(here, now.alpha, scale)
        # One step of ρ on the profile over β; at 0 it may be held there.
        bend = np.maximum(-found.hessian[:, 0, 0], 1e-6)
        held = ((now.alpha == 0) & (found.gradient[:, 0] <= 0)) | (
            (now.alpha >= LARGEST_DISPERSION) & (found.gradient[:, 0] >= 0)
        )
        rho = np.where(held, 0, found.gradient[:, 0] / bend)
        path = np.where(held, 0, found.hessian[:, 0, 1] / bend)
        beta = found.step + found.paths[..., 0] * rho[:, None]
        beta_path = found.paths[..., 1] + found.paths[..., 0] * path[:, None]
        alpha_by_rho = now.alpha + 1 / scale
        direction = np.column_stack([beta_path, alpha_by_rho * path, np.ones(active.size)])
        half = 0.5 * np.sum(here.determinant * direction, axis=1)
        derivative = found.gradient[:, 1] + found.hessian[:, 0, 1] * rho - half
        curvature = found.hessian[:, 1, 1] + found.hessian[:, 0, 1] * path
        away = np.maximum(np.abs(beta).max(axis=1, initial=0), np.abs(rho))
        near = away < _NEAR_PATH
        certain = near & (np.abs(derivative) > _ERROR * away)
        rising, falling = certain & (derivative > 0), certain & (derivative <= 0)
        low[active] = np.where(rising, np.maximum(low[active], now.sigma), low[active])
        high[active] = np.where(falling, np.minimum(high[active], now.sigma), high[active])
        curvature = _secant(now.sigma, derivative, curvature, *before[:, active])
        before[:, active] = np.where(near, [now.sigma, derivative], np.nan)
        move = _bounded(now.sigma, derivative, curvature, low[active], high[active])
        move = np.where(near, move, 0.0)
        beta = beta + beta_path * move[:, None]
        rho = rho + path * move
        shorter = np.maximum(np.maximum(np.abs(beta).max(axis=1, initial=0), np.abs(rho)), 1)
        new_rho = np.maximum(np.log1p(now.alpha * scale) + rho / shorter, 0)
        at.put(
            active,
            Point(
                np.minimum(np.expm1(new_rho) / scale, LARGEST_DISPERSION),
                now.beta + beta / shorter[:, None],
                now.sigma + move,
            ),
        )
        small = np.abs(move) < _TOLERANCE * (1 + 10 * now.sigma)
        converged[active] = small & (away < _ON_PATH)
        active = active[~converged[active]]
        if not active.size:
            break
    at.sigma = np.where(at.sigma <= SMALLEST_SD, 0.0, at.sigma)
    return Maximum(at, converged, start.log_likelihood, converged & (at.sigma >= LARGEST_SD))


def _secant(sigma: Floats, now: Floats, curvature: Floats, last: Floats, then: Floats) -> Floats:
    """The curvature from two derivatives where there are two, that of the profile elsewhere."""
    change = sigma - last
    apart = np.abs(change) > 1e-9
    secant = np.where(apart, (now - then) / np.where(apart, change, 1), np.nan)
    found: Floats = np.where(np.isnan(secant), curvature, secant)
    return found


def _bounded(
    sigma: Floats, derivative: Floats, curvature: Floats, low: Floats, high: Floats
) -> Floats:
    """Newton's step in σ within the bounds, to the smallest or the largest σ if that is nearer."""
    most = 0.7 * sigma + 0.02
    move = derivative / np.maximum(-curvature, np.abs(derivative) / most)
    move = np.where(curvature >= 0, np.copysign(most, derivative), move)
    new = np.clip(sigma + move, SMALLEST_SD, LARGEST_SD)
    # Halfway to the bound that would be passed: the other half may not have been looked at.
    above, below = new >= high, (new <= low) & (new > SMALLEST_SD)
    bound, other = np.where(above, high, low), np.where(above, low, np.minimum(high, LARGEST_SD))
    begin = np.where((sigma > low) & (sigma < high), sigma, other)
    new = np.where(above | below, (begin + bound) / 2, new)
    stays = ((sigma <= SMALLEST_SD) & (derivative <= 0)) | (
        (sigma >= LARGEST_SD) & (derivative >= 0)
    )
    found: Floats = np.where(stays, sigma, new) - sigma
    return found
