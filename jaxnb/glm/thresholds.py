"""Tests of fold changes beyond a threshold: of |δ| ≤ τ against |δ| > τ.

With z(t) the signed root of the test of δ = t against the design, σ the sign of the estimate, and
Φ̄ the upper tail of the distribution that z has without a difference, the p-value is

    Φ̄(σ z(στ)) + Φ̄(σ z(−στ)),

as if δ were at the threshold nearest to the estimate. At τ = 0 it is the two-sided p-value. The
model of δ = t is a design without that direction, and with the offset t·Xw in the linear predictor,
vᵀw = 1 for the contrast v: its size factors are those times exp(t·Xw).

References:
    D. J. McCarthy and G. K. Smyth (2009), *Testing significance relative to a fold-change threshold
    is a TREAT*, Bioinformatics 25, 765-771, equation 3.
"""

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import stats

__all__ = ["beyond_threshold", "checked_threshold", "offsets_of", "wald_beyond_threshold"]

Floats: TypeAlias = NDArray[np.float64]


def checked_threshold(threshold: float) -> float:
    """The threshold, to base 2.

    Raises:
        ValueError: it is negative or not finite.
    """
    if not (np.isfinite(threshold) and threshold >= 0):
        raise ValueError(
            f"threshold={threshold} must be a log2 fold change, 0 or more: 1 asks for twofold"
        )
    return float(threshold)


def offsets_of(design: Floats, vector: Floats, threshold: float, smaller: Floats) -> Floats:
    """What is added to the linear predictor of every row where the contrast is the threshold.

    Args:
        design: shape ``(rows, coefficients)``.
        vector: the contrast.
        threshold: to base 2.
        smaller: the design with the contrast at 0. If it has an intercept, that takes a constant.

    Returns:
        With a mean of 0 if there is an intercept: a covariate far from 0 would overflow.
    """
    found: Floats = design @ vector * (threshold * np.log(2) / (vector @ vector))
    ones = np.ones(len(design))
    rest = ones - smaller @ np.linalg.lstsq(smaller, ones)[0]
    return found - found.mean() if np.abs(rest).max() < 1e-6 else found


def beyond_threshold(
    change: Floats, threshold: float, test: Callable[[float], tuple[Floats, Floats]]
) -> tuple[Floats, Floats]:
    """Statistics and p-values of fold changes beyond a threshold.

    Args:
        change: estimates to base 2, infinite where a mean is 0.
        threshold: to base 2.
        test: statistic, not negative, and two-sided p-value of the contrast being a number.

    Returns:
        The statistic is that of the threshold on the side of the estimate, 0 for an estimate that
        is not beyond it.
    """
    above, below = test(threshold), test(-threshold)
    up = change >= 0
    near = [np.where(up, *pair) for pair in zip(above, below, strict=True)]
    far = np.where(up, below[1], above[1])
    beyond = np.abs(change) > threshold
    p_value = np.where(beyond, near[1] / 2, 1 - near[1] / 2) + far / 2
    p_value = np.where(np.isnan(change), np.nan, np.minimum(p_value, 1.0))
    return np.where(beyond, near[0], 0.0), p_value


def wald_beyond_threshold(change: Floats, se: Floats, threshold: float) -> tuple[Floats, Floats]:
    """The same from standard errors; the statistic has the sign of the estimate."""
    size = np.abs(change)
    near, far = (size - threshold) / se, (size + threshold) / se
    p_value = np.minimum(stats.norm.sf(near) + stats.norm.sf(far), 1.0)
    return np.sign(change) * np.maximum(near, 0), p_value
