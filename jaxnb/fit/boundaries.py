"""Derivatives of the log-likelihood into the parameter space from its two boundaries.

At a maximum over the other parameters, a positive derivative means that the boundary is not the
maximum. One that is no larger than its rounding is returned as 0.
"""

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from jaxnb.fit.likelihood import Point
from jaxnb.fit.sums import Sums

__all__ = ["towards_dispersion", "towards_inflation"]

Floats: TypeAlias = NDArray[np.float64]

_ROUNDING = 1e-14


def towards_dispersion(point: Point, sums: Sums, *, inflated: bool) -> Floats:
    """In α = 1/θ at α = 0: ½Σ w((x − μ)² − x), shape ``(genes,)``.

    w is the posterior probability that a count is not a structural zero. Without inflation this is
    a polynomial in exact moments, so that the choice of the Poisson distribution is exact.

    Args:
        point: with log_theta = +inf.
        sums: of the genes.
        inflated: whether zi_logits is finite.
    """
    mean = np.exp(point.log_overall_mean + np.logaddexp(0, point.zi_logits))
    terms = [
        sums.square,
        -sums.total,
        -2 * mean * sums.count_factor_sum,
        mean**2 * sums.factor_squares,
    ]
    if inflated:
        mu = _mu(mean, sums)
        share = expit(point.zi_logits[:, None, None] + mu)
        terms.append(-np.sum(sums.zero_weights * share * mu**2, axis=(1, 2)))
    return 0.5 * _significant(np.stack(terms, axis=1))


def towards_inflation(point: Point, sums: Sums) -> Floats:
    """In p = σ(zi_logits) at p = 0: Σ over zeros of 1/NB(0) − 1, less the number of nonzeros.

    Args:
        point: with zi_logits = −inf.
        sums: of the genes.

    Returns:
        Shape ``(genes,)``; some positive number where 1/NB(0) is too large for a polynomial.
    """
    mu = _mu(np.exp(point.log_overall_mean), sums)
    alpha = np.exp(-point.log_theta)[:, None, None]
    h = np.where(alpha > 0, np.log1p(alpha * mu) / np.where(alpha > 0, alpha, 1), mu)
    # A polynomial does not follow exp(h) where that is large. There a single zero decides.
    sure = np.log(sums.cells) + 3
    zeros = sums.zero_weights.sum(axis=2)
    decided = np.any((zeros > 0.5) & (h.min(axis=2) > sure), axis=1)
    gains = sums.zero_weights * np.expm1(np.minimum(h, sure + 20))
    nonzeros = sums.cells - zeros.sum(axis=1)
    terms = np.concatenate([gains.reshape(len(gains), -1), -nonzeros[:, None]], axis=1)
    return np.where(decided, sums.cells, _significant(terms))


def _mu(mean: Floats, sums: Sums) -> Any:
    return mean[:, None, None] * np.exp(sums.zero_log_factors)


def _significant(terms: Floats) -> Floats:
    total = terms.sum(axis=1)
    return np.where(np.abs(total) > _ROUNDING * np.abs(terms).sum(axis=1), total, 0)
