"""The dispersions of all genes by one of the methods, and what is known with them."""

from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from jaxnb.glm.bulk.dispersions import Flagged, bulk_dispersions
from jaxnb.glm.conditioning import conditioned
from jaxnb.glm.prior import DispersionPrior
from jaxnb.glm.regression import Regression
from jaxnb.glm.shrinkage import shrink_dispersions
from jaxnb.glm.source import Source, with_samples, without_outliers

__all__ = ["Estimates", "estimates_of_any", "estimates_of_samples"]

Floats: TypeAlias = NDArray[np.float64]
Bools: TypeAlias = NDArray[np.bool_]


class Estimates(NamedTuple):
    """Dispersions of all genes.

    Attributes:
        source: the counts, outliers without weight.
        regression: of these.
        alpha: dispersions, ``(genes,)``.
        own: those of the genes by themselves; None for maximum likelihood.
        at_limit: which are at the largest dispersion allowed.
        prior: None where dispersions are not shrunken.
        flagged: the genes with outliers; None if these were not looked for.
        whole: coefficients, log-likelihoods and convergence where they came with the dispersions.
    """

    source: Source
    regression: Regression
    alpha: Floats
    own: Floats | None
    at_limit: Bools
    prior: DispersionPrior | None = None
    flagged: Flagged | None = None
    whole: tuple[Floats, Floats, Bools] | None = None


def estimates_of_samples(
    source: Source, design: Floats, usable: Bools | None, *, keep_outliers: bool
) -> Estimates:
    """Shrunken dispersions of few rows of counts; arguments as for `bulk_dispersions`."""
    source = with_samples(source)
    assert source.samples is not None
    basis = conditioned(design).matrix
    found = bulk_dispersions(source.samples, basis, usable, keep_outliers=keep_outliers)
    if found.flagged is not None and found.flagged.genes.size:
        source = without_outliers(source, found)
    return Estimates(
        source, source.regression(design), found.alpha, found.own,
        np.zeros(found.alpha.size, bool), found.prior, found.flagged,
    )  # fmt: skip


def estimates_of_any(
    source: Source, design: Floats, usable: Bools | None, dispersion: str, *, progress: bool
) -> Estimates:
    """Dispersions of genes by themselves, or shrunken ones of many rows."""
    regression = source.regression(design, progress=progress)
    found = regression.fit(cox_reid=dispersion != "ml")
    if dispersion != "shrunken":
        own = found.alpha if dispersion != "ml" else None
        whole = found.beta, found.log_likelihood, found.converged
        return Estimates(source, regression, found.alpha, own, found.at_limit, whole=whole)
    alpha, prior = shrink_dispersions(regression, source.mean, found.alpha, found.beta, usable)
    at_limit = found.at_limit & (alpha == found.alpha)
    whole = regression.fit_at(alpha, found.beta)
    return Estimates(source, regression, alpha, found.alpha, at_limit, prior, whole=whole)
