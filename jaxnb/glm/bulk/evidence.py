"""Whether a flagged gene holds outliers, or is one that varies far more than others.

Three explanations of a gene's counts are compared by their marginal likelihoods over α: that the
flagged counts come from elsewhere, log-uniform over fourteen units of log y; that the gene is of
the second component of the prior; and that it is an ordinary gene. How frequent outliers and
hypervariable genes are is learned from all genes, by an EM algorithm.
"""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from jaxnb.glm.bulk.counts import BulkCounts, gammaln_between
from jaxnb.glm.prior import DispersionPrior

__all__ = ["probability_of_outliers"]

Floats: TypeAlias = NDArray[np.float64]
Ints: TypeAlias = NDArray[np.int64]

_LOG_RANGE = 14.0
_ROUNDS, _FIRST_SHARE, _LEAST_SHARE = 30, 0.02, 1e-5


def probability_of_outliers(
    bulk: BulkCounts,
    genes: Ints,
    weights: Floats,
    without: Floats,
    before: DispersionPrior,
    after: DispersionPrior,
) -> Floats:
    """For every flagged gene, the probability that the flagged counts are outliers.

    Args:
        bulk: the counts.
        genes: those with flagged counts.
        weights: of all their counts, ``(these genes, rows)``.
        without: 0 for the flagged ones.
        before: the prior learned with all counts: what hypervariable genes are like.
        after: that learned without the flagged ones.
    """
    whole, whole_top = bulk.profiles(genes, weights).fine()
    rest, rest_top = bulk.profiles(genes, without).fine()
    mean = bulk.mean(without, genes)
    ordinary, _ = after.log_densities(mean)
    _, hyper = after._replace(
        shift=before.shift, second_variance=before.second_variance
    ).log_densities(mean)
    gone = (without == 0) & (weights > 0)
    counts = bulk.counts[genes]
    # Log-likelihoods are without log y!, which the distribution of an outlier has.
    elsewhere = gammaln_between(counts + 1) - np.log(_LOG_RANGE * np.maximum(counts, 1))
    evidence = np.stack(
        [
            rest_top + logsumexp(rest + ordinary, axis=1) + (gone * elsewhere).sum(axis=1),
            whole_top + logsumexp(whole + hyper, axis=1),
            whole_top + logsumexp(whole + ordinary, axis=1),
        ]
    )
    # Hypervariable genes without a flag are counted by the prior.
    total, unflagged = len(bulk.counts), after.share * len(bulk.counts)
    outlier, variable = _FIRST_SHARE, _FIRST_SHARE
    for _ in range(_ROUNDS):
        shares = np.array([outlier, variable, 1 - outlier - variable])
        joint = np.log(shares)[:, None] + evidence
        posterior = np.exp(joint - logsumexp(joint, axis=0))
        found = posterior.sum(axis=1)
        outlier = max(float(found[0]) / total, _LEAST_SHARE)
        variable = max((float(found[1]) + unflagged) / total, _LEAST_SHARE)
    probability: Floats = posterior[0]
    return probability
