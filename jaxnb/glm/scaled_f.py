"""Estimates of a variance that are a scale times an F variate, and maximum likelihood for them.

With d degrees of freedom of the estimate φ and D prior ones, z = d φ / (D scale), the logarithm
of φ has the log density

    ½ d log z - ½ (d + D) log(1 + z) - log B(½ d, ½ D).

References:
    G. K. Smyth (2004), *Linear models and empirical Bayes methods for assessing differential
    expression in microarray experiments*, Stat. Appl. Genet. Mol. Biol. 3, 3, equation 5.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import betaln, digamma

__all__ = ["LogDensity", "ScaledF", "mean_of_log", "minimum"]

Floats: TypeAlias = NDArray[np.float64]


class LogDensity(NamedTuple):
    """Of log φ, ``(genes,)``.

    Attributes:
        value: the log density.
        by_log_scale: its derivative in log scale.
        by_log_prior: that in log D.
    """

    value: Floats
    by_log_scale: Floats
    by_log_prior: Floats


def mean_of_log(degrees: Floats, log_scale: float, log_prior: float) -> Floats:
    """The mean of log φ (Smyth 2004, section 6.2)."""
    half, prior = 0.5 * degrees, 0.5 * np.exp(log_prior)
    found: Floats = log_scale + digamma(half) - np.log(half) - digamma(prior) + np.log(prior)
    return found


class ScaledF:
    """Estimates with their degrees of freedom.

    Args:
        phi: positive, ``(genes,)``.
        degrees: positive, ``(genes,)``.
    """

    def __init__(self, phi: Floats, degrees: Floats) -> None:
        self._log_phi, self._d = np.log(phi), degrees
        self._distinct, self._which = np.unique(degrees, return_inverse=True)

    def log_density(self, log_scale: Floats | float, log_prior: float) -> LogDensity:
        """Of the estimates, for a scale or one scale each."""
        d, prior = self._d, np.exp(log_prior)
        log_z = self._log_phi - log_scale + np.log(d) - log_prior
        log_1_z = np.logaddexp(0, log_z)
        share = np.exp(log_z - log_1_z)
        of_beta = betaln(0.5 * self._distinct, 0.5 * prior)
        change = digamma(0.5 * (self._distinct + prior)) - digamma(0.5 * prior)
        pulled = 0.5 * (d + prior) * share - 0.5 * d
        return LogDensity(
            0.5 * d * log_z - 0.5 * (d + prior) * log_1_z - of_beta[self._which],
            pulled,
            pulled + 0.5 * prior * (change[self._which] - log_1_z),
        )


def minimum(
    loss: Callable[[Floats], tuple[float, Floats]],
    start: Sequence[float],
    bounds: Sequence[tuple[float, float]],
) -> Floats:
    """Where a loss, given with its gradient, is lowest: to 1e-8 of the gradient or rounding.

    A search that ends earlier ends elsewhere when the rows or genes come in another order.
    """
    options = {"ftol": 0.0, "gtol": 1e-8, "maxiter": 1000}
    found = minimize(loss, start, jac=True, bounds=bounds, method="L-BFGS-B", options=options)
    best: Floats = found.x
    return best
