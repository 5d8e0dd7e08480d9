"""How likely a count is, given all other counts of its gene.

For each dispersion α the fit without the count predicts its mean μ with variance v of log μ. A
gamma variable of shape a = 1 / (α + 1/μ) over a gamma mean has the distribution F(2a, 2/v), to
which (y - ½) / μ is compared above, (y + ½) / μ below. The tail is averaged over the posterior of α
without the count, which the prior and the profile give.

References:
    G. E. P. Box (1980), *Sampling and Bayes' inference in scientific modelling and robustness*,
    J. R. Statist. Soc. A 143, 383-430 (predictive checks of one observation).
"""

from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.special import fdtr, fdtrc

from jaxnb.glm.bulk.counts import BulkCounts, Profiles
from jaxnb.glm.prior import FINE, DispersionPrior, stride_of

__all__ = ["Prediction", "predict"]

Floats: TypeAlias = NDArray[np.float64]
Ints: TypeAlias = NDArray[np.int64]


class Prediction(NamedTuple):
    """What the other counts say of one.

    Attributes:
        tail: the smaller tail's probability, or a number above `relevant`.
        expected: the mean predicted for the count.
        profiles: those without the count.
    """

    tail: Floats
    expected: Floats
    profiles: Profiles


def predict(
    bulk: BulkCounts,
    prior: DispersionPrior,
    genes: Ints,
    rows: Ints,
    weights: Floats,
    relevant: float,
) -> Prediction:
    """Predict one count for each of some genes.

    Args:
        bulk: the counts.
        prior: of the dispersions; its first component is used.
        genes: which; one may occur several times.
        rows: the row of the count.
        weights: ``(these genes, rows)``, 0 for the count itself.
        relevant: tails above this need not be exact.
    """
    found = bulk.profiles(genes, weights, rows)
    stride = stride_of(prior.variance)
    points, (value, eta, variance) = FINE[::stride], found.every(stride)
    distance = points - prior.log_trend(bulk.mean(weights, genes))[:, None]
    log_posterior = value - distance**2 / (2 * prior.variance)
    posterior = np.exp(log_posterior - log_posterior.max(axis=1, keepdims=True))
    posterior /= posterior.sum(axis=1, keepdims=True)
    count = bulk.counts[genes, rows]
    expected = (posterior * np.exp(eta)).sum(axis=1)
    # Every term bounds the average from below: that of the mode is enough for most counts.
    these = np.arange(genes.size)
    best = np.argmax(posterior, axis=1)
    alpha = np.exp(points)
    at_mode = _tail(count, eta[these, best], variance[these, best], alpha[best])
    tail = posterior[these, best] * at_mode
    close = np.flatnonzero(tail < relevant)
    terms = _tail(count[close, None], eta[close], variance[close], alpha)
    tail[close] = (posterior[close] * terms).sum(axis=1)
    return Prediction(tail, expected, found)


def _tail(count: Floats, eta: Floats, variance: Floats, alpha: Floats) -> Floats:
    """The smaller of both tails of a count."""
    mean = np.exp(eta)
    shape = 1 / (alpha + 1 / np.maximum(mean, 1e-9))
    degrees = 2 / np.maximum(variance, 1e-12)
    above = fdtrc(2 * shape, degrees, np.maximum(count - 0.5, 0) / mean)
    below = fdtr(2 * shape, degrees, (count + 0.5) / mean)
    smaller: Floats = np.minimum(above, below)
    return smaller
