"""Quasi-likelihood: what the trend of the dispersions leaves unexplained, with its uncertainty.

The variance of a gene is φ (μ + α μ²) with α the trend's dispersion at the gene's mean. Its own
dispersion estimate says φ = (1 + m α̂) / (1 + m α), with m the mean, on as many degrees of freedom
as rows minus coefficients; over the genes φ is scaled inverse χ², which makes the estimates scaled
F. The posterior means of φ divide the likelihood ratio, and the degrees of freedom of prior and
gene add.

References:
    S. P. Lund, D. Nettleton, D. J. McCarthy and G. K. Smyth (2012), *Detecting differential
    expression in RNA-sequence data using quasi-likelihood with shrunken dispersion estimates*,
    Stat. Appl. Genet. Mol. Biol. 11(5), 8. C. Ahlmann-Eltze and W. Huber (2020), *glmGamPoi:
    fitting Gamma-Poisson generalized linear models on single cell count data*, Bioinformatics 36,
    5701-5702.
"""

from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.stats import f as f_distribution

__all__ = ["QuasiLikelihood", "quasi_likelihood"]

Floats: TypeAlias = NDArray[np.float64]

# Beyond this the prior is a point: more makes no difference to any p-value.
_MOST_DEGREES = 1e6


class QuasiLikelihood(NamedTuple):
    """Quasi-likelihood dispersions.

    Attributes:
        dispersion: posterior mean of φ, ``(genes,)``.
        degrees: degrees of freedom of the denominator: prior and gene together.
        prior_degrees: of the prior alone.
    """

    dispersion: Floats
    degrees: float
    prior_degrees: float


def quasi_likelihood(
    alpha: Floats,
    trend: Floats,
    mean: Floats,
    degrees: int,
    *,
    learned_from: NDArray[np.bool_] | None = None,
) -> QuasiLikelihood:
    """Quasi-likelihood dispersions of all genes.

    Args:
        alpha: each gene's own (Cox-Reid) dispersion.
        trend: the trend's.
        mean: mean counts.
        degrees: rows minus coefficients.
        learned_from: the genes that the prior is learned from; None for all.
    """
    estimate = (1 + mean * alpha) / (1 + mean * trend)
    chosen = (mean > 0) & np.isfinite(estimate)
    if learned_from is not None:
        chosen &= learned_from
    usable = estimate[chosen]

    def loss(parameters: Floats) -> float:
        scale, prior = np.exp(parameters)
        terms = f_distribution.logpdf(usable / scale, degrees, prior) - parameters[0]
        return -float(np.sum(terms))

    bounds = [(-10, 10), (np.log(0.1), np.log(_MOST_DEGREES))]
    found = minimize(loss, [0.0, np.log(10.0)], bounds=bounds, method="L-BFGS-B")
    scale, prior = np.exp(found.x)
    dispersion = (prior * scale + degrees * estimate) / (prior + degrees)
    return QuasiLikelihood(dispersion, float(prior + degrees), float(prior))
