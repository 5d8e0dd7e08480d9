"""Standard deviations common to all genes: of the donors' intercepts, and of their slopes.

They maximize the sum over some genes of the adjusted profile log-likelihood of
`jaxnb.glm.mixed.restricted`, at each gene's dispersion. A coarse grid suffices, with a parabola
through its highest points: what a wrong value leaves of the variance is in the ratio φ of
`jaxnb.glm.mixed.moderation`.
"""

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from jaxnb.glm.mixed.problem import MixedProblem, Point
from jaxnb.glm.mixed.scores import Scales, fit_at_scales

__all__ = ["common_scales"]

Floats: TypeAlias = NDArray[np.float64]
Ints: TypeAlias = NDArray[np.int64]

_SIGMAS = (0.03, 0.1, 0.2, 0.35, 0.6, 1.0, 1.7)
_TAUS = (0.0, 0.1, 0.2, 0.4, 0.8)


def common_scales(
    parts: list[tuple[MixedProblem, Ints, Point]], slope: Floats, *, within: bool
) -> Scales:
    """The standard deviations.

    Args:
        parts: likelihoods, some of their genes, and the estimates of those.
        slope: ``(donors, rows)``.
        within: whether there is a random slope.
    """
    values = _around_top(_SIGMAS, lambda sigma: _adjusted(parts, Scales(sigma, 0.0, slope)))
    sigma = _highest(np.array(_SIGMAS), values)
    if not within:
        return Scales(sigma, 0.0, slope)
    values = _around_top(_TAUS, lambda tau: _adjusted(parts, Scales(sigma, tau, slope)))
    best = int(np.nanargmax(values))
    if best == 0:
        return Scales(sigma, 0.0, slope)
    if best == 1 or best == len(_TAUS) - 1:
        return Scales(sigma, _TAUS[best], slope)
    return Scales(sigma, _highest(np.array(_TAUS[1:]), values[1:]), slope)


def _around_top(places: tuple[float, ...], value: Callable[[float], float]) -> Floats:
    """The values at the highest place and its neighbors, found from the middle; others NaN."""
    values = np.full(len(places), np.nan)
    best = len(places) // 2
    while True:
        middle = int(np.clip(best, 1, len(places) - 2))
        for number in range(middle - 1, middle + 2):
            if np.isnan(values[number]):
                values[number] = value(places[number])
        top = int(np.nanargmax(values))
        if top == best:
            return values
        best = top


def _adjusted(parts: list[tuple[MixedProblem, Ints, Point]], scales: Scales) -> float:
    total = 0.0
    for problem, genes, at in parts:
        found = fit_at_scales(problem, genes, at.alpha, at.beta, scales)
        half = 0.5 * np.linalg.slogdet(found.information)[1]
        total += float(np.sum((found.value - half)[found.converged]))
    return total


def _highest(places: Floats, values: Floats) -> float:
    """The top of the parabola in log place through the highest value and its neighbors."""
    middle = int(np.clip(np.nanargmax(values), 1, len(places) - 2))
    x, y = np.log(places[middle - 1 : middle + 2]), values[middle - 1 : middle + 2]
    bend, tilt, _ = np.polyfit(x, y, 2)
    if bend >= 0:
        return float(places[np.nanargmax(values)])
    return float(np.exp(np.clip(-tilt / (2 * bend), x[0], x[2])))
