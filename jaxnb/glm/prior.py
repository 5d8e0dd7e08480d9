"""The prior of the dispersions: most genes near a trend, and a share with far larger ones.

The prior of log α is (1 - π) N(trend, v) + π N(trend + δ, v₂), with a trend that is piecewise
linear in the log mean. All of it maximizes the marginal likelihood of all genes, by an EM algorithm
on the Cox-Reid adjusted profile likelihoods. Genes whose estimate is α = 0 take part like all
others: their profile says how large the dispersion may be. The second component keeps genes with
outliers, and genes that vary far more than others, out of trend and variance.

References:
    M. I. Love, W. Huber and S. Anders (2014), *Moderated estimation of fold change and dispersion
    for RNA-seq data with DESeq2*, Genome Biology 15, 550. B. Phipson, S. Lee, I. J. Majewski, W. S.
    Alexander and G. K. Smyth (2016), *Robust hyperparameter estimation protects against
    hypervariable genes and improves power to detect differential expression*, Ann. Appl. Stat. 10,
    946-963.
"""

from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = ["FINE", "GRID", "DispersionPrior", "learn_prior", "mode", "stride_of"]

Floats: TypeAlias = NDArray[np.float64]

# Profiles are evaluated on this grid of log α, and interpolated on one that is six times as fine.
GRID: Floats = np.linspace(np.log(1e-5), np.log(1e2), 18)
FINE: Floats = np.linspace(GRID[0], GRID[-1], 6 * (GRID.size - 1) + 1)
# Sums over every third point of it are exact enough, unless the prior is about as narrow as these
# are apart (0.47): then its mean would stay at one of them.
_STRIDE, _NARROW = 3, 0.15
# Genes that the prior is learned from, and knots of its trend.
_MOST_GENES = 4000
_GENES_PER_KNOT, _MOST_KNOTS = 100, 12
_ITERATIONS, _TOLERANCE = 200, 1e-3
# Where few genes or none are of the second component, it is that of 20 imagined ones.
_IMAGINED, _SHIFT, _SECOND_VARIANCE = 20, 2.5, 2.0
_LEAST_SHIFT, _MOST_SHARE, _LEAST_SHARE = 1.0, 0.15, 1e-4
_LEAST_VARIANCE, _LEAST_SECOND_VARIANCE = 0.01, 0.5


class DispersionPrior(NamedTuple):
    """log α ~ N(trend(log mean), variance) for most genes, and for a share a second normal.

    Attributes:
        knots: log means, ``(knots,)``.
        heights: the trend's log α at the knots.
        variance: of log α around the trend.
        share: of the genes of the second component.
        shift: how far its mean is above the trend.
        second_variance: of its log α.
    """

    knots: Floats
    heights: Floats
    variance: float
    share: float = 0.0
    shift: float = _SHIFT
    second_variance: float = _SECOND_VARIANCE

    def trend(self, mean: Floats) -> Floats:
        """The dispersion that the trend has at a mean."""
        found: Floats = np.exp(self.log_trend(mean))
        return found

    def log_trend(self, mean: Floats) -> Floats:
        """The logarithm of `trend`."""
        log_mean = np.log(np.maximum(mean, np.finfo(np.float64).tiny))
        found: Floats = np.interp(log_mean, self.knots, self.heights)
        return found

    def log_densities(self, mean: Floats) -> tuple[Floats, Floats]:
        """Of both components on `FINE`, without their shares, each ``(genes, points)``."""
        distance = FINE - self.log_trend(mean)[:, None]
        return (
            _log_normal(distance, self.variance),
            _log_normal(distance - self.shift, self.second_variance),
        )

    def log_density(self, mean: Floats) -> Floats:
        """Of the whole prior on `FINE`, ``(genes, points)``."""
        first, second = self.log_densities(mean)
        if self.share == 0:
            return first
        found: Floats = np.logaddexp(np.log1p(-self.share) + first, np.log(self.share) + second)
        return found


def _log_normal(distance: Floats, variance: float) -> Floats:
    found: Floats = -(distance**2) / (2 * variance) - 0.5 * np.log(2 * np.pi * variance)
    return found


def learn_prior(
    profiles: Floats,
    mean: Floats,
    usable: NDArray[np.bool_],
    start: DispersionPrior | None = None,
) -> DispersionPrior:
    """Maximize the marginal likelihood over trend, variance and the second component.

    Args:
        profiles: adjusted profile log-likelihoods on `FINE`, the largest of each gene 0.
        mean: of every gene's counts divided by the size factors.
        usable: the genes to learn from, of positive mean; at most 4,000 of them are taken, at equal
            distances.
        start: one that was learned from nearly the same profiles.
    """
    chosen = np.flatnonzero(usable & (mean > 0))
    chosen = chosen[:: max(1, chosen.size // _MOST_GENES)]
    log_mean = np.log(mean[chosen])
    count = int(np.clip(log_mean.size // _GENES_PER_KNOT, 1, _MOST_KNOTS))
    knots = np.unique(np.quantile(log_mean, (np.arange(count) + 0.5) / count))
    if start is None:
        coarse = FINE[::_STRIDE]
        highest = coarse[np.argmax(profiles[chosen, ::_STRIDE].sum(axis=0))]
        start = DispersionPrior(knots, np.full(knots.size, highest), 0.5, 0.03)
    else:
        heights = np.interp(knots, start.knots, start.heights)
        share = max(start.share, _LEAST_SHARE)
        start = start._replace(knots=knots, heights=heights, share=share)
    found = _maximized(profiles[chosen], log_mean, start, stride_of(start.variance))
    if stride_of(found.variance) < stride_of(start.variance):
        found = _maximized(profiles[chosen], log_mean, found, stride_of(found.variance))
    return found


def stride_of(variance: float) -> int:
    """Sums over so many points of `FINE` are exact enough for a prior of this variance."""
    return 1 if variance < _NARROW else _STRIDE


def _maximized(
    profiles: Floats, log_mean: Floats, start: DispersionPrior, stride: int
) -> DispersionPrior:
    """The EM algorithm, with integrals as sums over every so many points of `FINE`."""
    knots, variance, share = start.knots, start.variance, start.share
    heights: Any = start.heights
    shift, second = start.shift, start.second_variance
    fine, likelihood = FINE[::stride], np.exp(profiles[:, ::stride])
    hats = np.stack([np.interp(log_mean, knots, unit) for unit in np.eye(knots.size)], axis=1)
    powers = np.stack([np.ones_like(fine), fine, fine**2], axis=1)
    for _ in range(_ITERATIONS):
        center = hats @ heights
        distance = fine - center[:, None]
        total, first, square = _moments(likelihood, distance, variance, powers)
        total2, first2, square2 = _moments(likelihood, distance - shift, second, powers)
        weighted = share * total2
        responsible = (1 - share) * total
        responsible /= np.maximum(responsible + weighted, np.finfo(np.float64).tiny)
        before = heights, variance
        scaled = (hats * responsible[:, None]).T
        heights = np.linalg.solve(scaled @ hats + 1e-6 * np.eye(knots.size), scaled @ first)
        center = hats @ heights
        spread = square - 2 * center * first + center**2
        variance = float((responsible @ spread) / np.maximum(responsible.sum(), 1e-300))
        variance = max(variance, _LEAST_VARIANCE)
        others = 1 - responsible
        share = float(np.clip(others.mean(), _LEAST_SHARE, _MOST_SHARE))
        real = others.sum() + _IMAGINED
        above = first2 - center
        shift = max(float((others @ above + _IMAGINED * _SHIFT) / real), _LEAST_SHIFT)
        spread = square2 - first2**2 + (above - shift) ** 2
        second = float((others @ spread + _IMAGINED * _SECOND_VARIANCE) / real)
        second = max(second, _LEAST_SECOND_VARIANCE)
        moved = np.abs(heights - before[0]).max() + abs(np.log(variance / before[1]))
        if moved < _TOLERANCE:
            break
    return DispersionPrior(knots, heights, variance, share, shift, second)


def _moments(
    likelihood: Floats, distance: Floats, variance: float, powers: Floats
) -> tuple[Floats, Floats, Floats]:
    """Of each gene's posterior: its integral, up to a constant, and its first two moments."""
    posterior = likelihood * np.exp(distance**2 * (-0.5 / variance))
    total, first, square = (posterior @ powers).T
    safe = np.maximum(total, np.finfo(np.float64).tiny)
    return total / np.sqrt(variance), first / safe, square / safe


def mode(log_posterior: Floats) -> Floats:
    """log α at the maximum: of the parabola through the highest point of `FINE` and its neighbors.

    Args:
        log_posterior: on `FINE`, ``(genes, points)``.
    """
    best = np.clip(np.argmax(log_posterior, axis=1), 1, FINE.size - 2)
    genes = np.arange(best.size)
    left, middle, right = (log_posterior[genes, best + shift] for shift in (-1, 0, 1))
    bend = left - 2 * middle + right
    shift = np.where(bend < 0, (left - right) / np.where(bend < 0, 2 * bend, 1.0), 0.0)
    modes: Floats = FINE[best] + np.clip(shift, -1, 1) * (FINE[1] - FINE[0])
    return modes
