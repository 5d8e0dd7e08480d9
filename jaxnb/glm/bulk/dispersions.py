"""Dispersions of samples: profiles of all genes, a prior without outliers, and posterior modes."""

from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from jaxnb.glm.bulk.counts import BulkCounts
from jaxnb.glm.bulk.evidence import probability_of_outliers
from jaxnb.glm.bulk.outliers import find_outliers
from jaxnb.glm.bulk.regression import Samples
from jaxnb.glm.prior import DispersionPrior, learn_prior, mode

__all__ = ["BulkDispersions", "Flagged", "FlaggedCounts", "bulk_dispersions"]

Floats: TypeAlias = NDArray[np.float64]
Ints: TypeAlias = NDArray[np.int64]
Bools: TypeAlias = NDArray[np.bool_]


class FlaggedCounts(NamedTuple):
    """Outliers, one entry each.

    Attributes:
        gene: position among all genes.
        row: position of the sample.
        counted: the counts.
        expected: what the gene's other counts predict.
        p_value: probability of a count as far from it, on either side.
    """

    gene: Ints
    row: Ints
    counted: Floats
    expected: Floats
    p_value: Floats


@dataclass(frozen=True)
class Flagged:
    """Genes with outliers, as they are with all their counts.

    Attributes:
        genes: which of all genes these are.
        counts: how many outliers each has.
        samples: their counts, with the weights that they had before.
        mean: of all their counts, divided by size factors.
        probability: that the flagged counts are outliers and the gene is none that varies much.
        outliers: all flagged counts.
    """

    genes: Ints
    counts: Ints
    samples: Samples
    mean: Floats
    probability: Floats
    outliers: FlaggedCounts


@dataclass(frozen=True)
class BulkDispersions:
    """Dispersions of all genes, ``(genes,)``.

    Attributes:
        samples: the counts, outliers with a weight of 0.
        mean: of the counts divided by size factors.
        own: where a gene's adjusted profile alone is highest, between 1e-5 and 100.
        alpha: posterior modes.
        prior: learned from all genes.
        flagged: the genes with outliers; None if these were not looked for.
    """

    samples: Samples
    mean: Floats
    own: Floats
    alpha: Floats
    prior: DispersionPrior
    flagged: Flagged | None


def bulk_dispersions(
    samples: Samples, design: Floats, usable: Bools | None, *, keep_outliers: bool
) -> BulkDispersions:
    """Estimate the dispersions of all genes.

    Args:
        samples: the counts.
        design: ``(rows, p)``.
        usable: the genes that the prior is learned from; None for all.
        keep_outliers: do not look for outliers.
    """
    bulk = BulkCounts(samples.counts, samples.offsets, design)
    everyone = np.arange(samples.genes.size)
    learn = np.ones(everyone.size, bool) if usable is None else usable[samples.genes]
    whole, _ = bulk.profiles(everyone, samples.weights).fine()
    mean = bulk.mean(samples.weights)
    prior = learn_prior(whole, mean, learn)
    fine, weights, flagged = whole, samples.weights, None
    if not keep_outliers:
        flags = find_outliers(bulk, weights, fine, prior)
        fine, weights = flags.fine, flags.weights
        before, all_means = prior, mean
        if flags.gene.size:
            mean = bulk.mean(weights)
            prior = learn_prior(fine, mean, learn, start=prior)
        genes, counts = np.unique(flags.gene, return_counts=True)
        flagged = Flagged(
            samples.genes[genes],
            counts,
            samples.taken(genes),
            all_means[genes],
            probability_of_outliers(
                bulk, genes, samples.weights[genes], weights[genes], before, prior
            ),
            FlaggedCounts(
                samples.genes[flags.gene],
                flags.row,
                samples.counts[flags.gene, flags.row],
                flags.expected,
                flags.p_value,
            ),
        )
    alpha = np.exp(mode(fine + prior.log_density(mean)))
    return BulkDispersions(
        samples.with_weights(weights),
        samples.scattered(mean),
        samples.scattered(np.exp(mode(fine))),
        samples.scattered(alpha),
        prior,
        flagged,
    )
