"""The variance of a contrast from the scores of the donors, moderated over the genes.

For a contrast that differs within donors, psi_d = aᵀS_d with a = H⁻¹c, S_d a donor's score and
H = Σ I_d the information: Σ psi_d² estimates the variance of cᵀβ without trusting the model. Under
the model the vector psi has the covariance M = diag(aᵀI_d a) - U H⁻¹Uᵀ, U_d = I_d a. For one that
is constant within donors, psi_d is the score of the donor's linear predictor, with its information
in the place of aᵀI_d a, and U_d the information that it shares with β. The ratio
φ = Σ psi_d² / tr M has mean 1 under the model, on about (tr M)² / tr M² degrees of freedom.

Over the genes φ is a scale that depends on the mean, times an F variate. As with the variances of
limma, the posterior mean of φ replaces it, and the degrees of freedom of prior and gene add.

References:
    R. M. Bell and D. F. McCaffrey (2002), *Bias reduction in standard errors for linear regression
    with multi-stage samples*, Survey Methodology 28, 169-181. G. K. Smyth (2004), *Linear models
    and empirical Bayes methods for assessing differential expression in microarray experiments*,
    Stat. Appl. Genet. Mol. Biol. 3, 3.
"""

from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from jaxnb.glm.mixed.scores import ScaleFit
from jaxnb.glm.scaled_f import ScaledF, minimum

__all__ = ["Moderated", "Variances", "moderated", "variances_of"]

Floats: TypeAlias = NDArray[np.float64]

_GENES_OF_A_BIN, _MOST_BINS = 200, 4
_FEWEST_DEGREES, _SMALLEST_RATIO = 0.3, 1e-8
_MOST_LEARNED_FROM = 4000
_LOG_DEGREES = (np.log(0.2), np.log(1e4))


class Variances(NamedTuple):
    """Of a contrast, ``(genes,)``.

    Attributes:
        model: cᵀH⁻¹c.
        ratio: φ, what the donors' scores say in units of it; NaN if they say nothing.
        degrees: of freedom of φ.
    """

    model: Floats
    ratio: Floats
    degrees: Floats


class Moderated(NamedTuple):
    """Posterior means of φ.

    Attributes:
        ratio: ``(genes,)``.
        degrees: of freedom, ``(genes,)``.
        prior_degrees: of the prior alone.
    """

    ratio: Floats
    degrees: Floats
    prior_degrees: float


def variances_of(
    found: ScaleFit, contrast: Floats, *, within: bool, most_degrees: int
) -> Variances:
    """The ratio φ of every gene.

    Args:
        found: the fit.
        contrast: ``(p,)``.
        within: whether the contrast differs within donors.
        most_degrees: donors minus dimensions of the design among them.
    """
    size = contrast.size
    inverse = np.linalg.inv(found.information)
    along = inverse @ contrast
    if within:
        psi = np.einsum("gdp,gp->gd", found.score[..., :size], along)
        shared = np.einsum("gdpq,gq->gdp", found.donors_information[..., :size, :size], along)
        own = np.einsum("gdp,gp->gd", shared, along)
    else:
        psi = found.score[..., size]
        shared = found.donors_information[..., size, :size]
        own = found.donors_information[..., size, size]
    covariance = -np.einsum("gdp,gpq,geq->gde", shared, inverse, shared, optimize=True)
    diagonal = np.arange(psi.shape[1])
    covariance[:, diagonal, diagonal] += own
    trace = np.trace(covariance, axis1=1, axis2=2)
    squares = np.sum(covariance**2, axis=(1, 2))
    with np.errstate(divide="ignore", invalid="ignore"):
        degrees = np.clip(trace**2 / squares, 0.5, psi.shape[1] if within else most_degrees)
        ratio = np.where(trace > 0, np.sum(psi**2, axis=1) / trace, np.nan)
    return Variances(np.einsum("p,gp->g", contrast, along), ratio, degrees)


def moderated(
    found: Variances, mean: Floats, learned_from: NDArray[np.bool_] | None = None
) -> Moderated:
    """Learn the prior of φ from all genes and apply it, by maximum likelihood.

    Args:
        found: of every gene.
        mean: of a gene's counts, which the scale depends on.
        learned_from: the genes that the prior is learned from; None for all.
    """
    usable = np.isfinite(found.ratio) & (found.ratio > _SMALLEST_RATIO)
    usable &= (found.degrees > _FEWEST_DEGREES) & (mean > 0)
    chosen = usable if learned_from is None else usable & learned_from
    if not chosen.any():
        return Moderated(np.ones_like(mean), found.degrees, 0.0)
    bins = int(np.clip(chosen.sum() // _GENES_OF_A_BIN, 1, _MOST_BINS))
    edges = np.quantile(mean[chosen], np.arange(1, bins) / bins)
    bin_of = np.searchsorted(edges, mean)
    some = np.flatnonzero(chosen)[:: max(1, int(chosen.sum()) // _MOST_LEARNED_FROM)]
    where, estimates = bin_of[some], ScaledF(found.ratio[some], found.degrees[some])

    def loss(parameters: Floats) -> tuple[float, Floats]:
        density = estimates.log_density(parameters[where], parameters[-1])
        by_scale = np.bincount(where, density.by_log_scale, bins)
        gradient = [*-by_scale, -np.sum(density.by_log_prior)]
        return -float(np.sum(density.value)), np.array(gradient)

    centers = [np.log(np.mean(found.ratio[some][where == number])) for number in range(bins)]
    bounds = [(-8.0, 8.0)] * bins + [_LOG_DEGREES]
    best = minimum(loss, [*centers, np.log(8.0)], bounds)
    scale, prior = np.exp(best[bin_of]), float(np.exp(best[-1]))
    own = np.where(usable, found.ratio, scale)
    ratio = (prior * scale + found.degrees * own) / (prior + found.degrees)
    return Moderated(ratio, prior + found.degrees, prior)
