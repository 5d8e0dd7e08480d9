"""Quasi-likelihood: what the trend of the dispersions leaves unexplained, with its uncertainty.

The variance of a gene is φ (μ + α μ²) with α the trend's dispersion at the gene's mean. Of samples,
φ is estimated by the larger of residual deviance and Pearson's statistic over their degrees of
freedom, rows minus coefficients. Where counts vary like a gamma both have a mean near φ. With
heavier tails the likelihood ratio grows beyond what a gene's own dispersion says, which follows a
large count only logarithmically; the deviance grows in the same way, and Pearson's statistic is
consistent. Without the single counts, a gene's own dispersion says φ = (1 + m α̂) / (1 + m α), with
m the mean count of a row of the usual depth.

Over the genes φ is scaled inverse χ², which makes the estimates scaled F; a share of the genes,
which vary more, has a larger scale and fewer prior degrees of freedom. Within each of the two, the
posterior mean of φ divides the likelihood ratio, and the degrees of freedom of prior and gene add;
a gene's p-value is the mean over both. Estimates of heavy-tailed counts vary less among the genes
than the model says, and then their mean, which is the scale of highest likelihood, is smaller than
the scale that agrees with the mean of their logarithms (Smyth 2004); the larger one is taken.

References:
    S. P. Lund, D. Nettleton, D. J. McCarthy and G. K. Smyth (2012), *Detecting differential
    expression in RNA-sequence data using quasi-likelihood with shrunken dispersion estimates*,
    Stat. Appl. Genet. Mol. Biol. 11(5), 8. C. Ahlmann-Eltze and W. Huber (2020), *glmGamPoi:
    fitting Gamma-Poisson generalized linear models on single cell count data*, Bioinformatics 36,
    5701-5702. B. Phipson, S. Lee, I. J. Majewski, W. S. Alexander and G. K. Smyth (2016), *Robust
    hyperparameter estimation protects against hypervariable genes and improves power to detect
    differential expression*, Ann. Appl. Stat. 10, 946-963. G. K. Smyth (2004), *Linear models and
    empirical Bayes methods for assessing differential expression in microarray experiments*, Stat.
    Appl. Genet. Mol. Biol. 3, 3.
"""

from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, xlogy
from scipy.stats import f as f_distribution

from jaxnb.glm.scaled_f import ScaledF, mean_of_log, minimum

__all__ = [
    "QuasiPrior",
    "learn_quasi_prior",
    "quasi_dispersions",
    "residual_dispersions",
]

Floats: TypeAlias = NDArray[np.float64]
Bools: TypeAlias = NDArray[np.bool_]

# Residuals may vanish.
_LEAST_PHI = 1e-4
# Genes that the prior is learned from.
_MOST_GENES = 8000
# Beyond this the prior is a point: more makes no difference to any p-value.
_MOST_DEGREES = 1e6
# The second component: at most so many prior degrees, and a scale so many times as large; logit of
# its share about -4.5 ± 1.5.
_SECOND_DEGREES, _SCALES = 20.0, (1.5, 50.0)
_LOGIT, _LOGIT_SD = -4.5, 1.5


class QuasiPrior(NamedTuple):
    """Two scaled inverse χ² distributions of φ.

    Attributes:
        scale: of most genes.
        degrees: prior degrees of freedom of most genes.
        share: of the genes that vary more.
        second_scale: of those.
        second_degrees: of those.
    """

    scale: float
    degrees: float
    share: float
    second_scale: float
    second_degrees: float

    def p_values(self, ratio: Floats, difference: int, phi: Floats, degrees: Floats) -> Floats:
        """Of likelihood ratios at the trend's dispersion.

        Args:
            ratio: twice the difference of the log-likelihoods, ``(genes,)``.
            difference: of the numbers of coefficients.
            phi: each gene's own estimate (`quasi_dispersions`).
            degrees: its degrees of freedom.
        """
        second = self.second_probability(phi, degrees)
        first = _p_value(ratio, difference, phi, degrees, self.scale, self.degrees)
        other = _p_value(ratio, difference, phi, degrees, self.second_scale, self.second_degrees)
        return (1 - second) * first + second * other

    def second_probability(self, phi: Floats, degrees: Floats) -> Floats:
        """That a gene is one of those that vary more, ``(genes,)``."""
        estimates = ScaledF(phi, degrees)
        first, other = (
            estimates.log_density(np.log(scale), np.log(prior)).value
            for scale, prior in (
                (self.scale, self.degrees),
                (self.second_scale, self.second_degrees),
            )
        )
        found: Floats = expit(other - first + np.log(self.share) - np.log1p(-self.share))
        return found

    def moderated(self, phi: Floats, degrees: Floats) -> Floats:
        """Posterior means of φ."""
        second = self.second_probability(phi, degrees)
        first = _posterior_mean(phi, degrees, self.scale, self.degrees)
        other = _posterior_mean(phi, degrees, self.second_scale, self.second_degrees)
        return (1 - second) * first + second * other


def quasi_dispersions(alpha: Floats, trend: Floats, mean: Floats) -> Floats:
    """Each gene's own estimate of φ.

    Args:
        alpha: its (Cox-Reid) dispersion, ``(genes,)``.
        trend: that of the trend.
        mean: counts of a row of the usual depth, in no other unit.
    """
    found: Floats = (1 + mean * alpha) / (1 + mean * trend)
    return found


def residual_dispersions(
    counts: Floats, means: Floats, weights: Floats, alpha: Floats, degrees: Floats
) -> Floats:
    """The larger of deviance and Pearson's statistic over the degrees of freedom.

    Args:
        counts: ``(genes, rows)``.
        means: fitted at these dispersions.
        weights: of the counts.
        alpha: ``(genes,)``, positive.
        degrees: ``(genes,)``.
    """
    alpha = alpha[:, None]
    above = np.log1p(alpha * counts) - np.log1p(alpha * means)
    ratio = xlogy(counts, counts / np.maximum(means, np.finfo(np.float64).tiny))
    deviance = 2 * (weights * (ratio - (counts + 1 / alpha) * above)).sum(axis=1)
    variance = np.maximum(means * (1 + alpha * means), np.finfo(np.float64).tiny)
    pearson = (weights * (counts - means) ** 2 / variance).sum(axis=1)
    found: Floats = np.maximum(np.maximum(deviance, pearson) / degrees, _LEAST_PHI)
    return found


def learn_quasi_prior(phi: Floats, degrees: Floats, usable: Bools) -> QuasiPrior:
    """The prior of φ that maximizes the likelihood of its estimates, with a scale not too small.

    Args:
        phi: estimates, ``(genes,)``.
        degrees: rows minus coefficients, ``(genes,)``.
        usable: which genes to learn from; at most 8,000 of them are taken, at equal distances.
    """
    chosen = np.flatnonzero(usable & np.isfinite(phi) & (degrees > 0))
    chosen = chosen[:: max(1, chosen.size // _MOST_GENES)]
    estimates = ScaledF(phi[chosen], degrees[chosen])

    def loss(v: Floats) -> tuple[float, Floats]:
        log_scale, log_prior, logit, shift, log_second = v
        first = estimates.log_density(log_scale, log_prior)
        second = estimates.log_density(log_scale + shift, log_second)
        share, away = expit(logit), (logit - _LOGIT) / _LOGIT_SD
        both = np.logaddexp(first.value + np.log1p(-share), second.value + np.log(share))
        of_second = np.exp(second.value + np.log(share) - both)
        by_shift = np.sum(of_second * second.by_log_scale)
        gradient = [
            np.sum((1 - of_second) * first.by_log_scale) + by_shift,
            np.sum((1 - of_second) * first.by_log_prior),
            np.sum(of_second - share) - away / _LOGIT_SD,
            by_shift,
            np.sum(of_second * second.by_log_prior),
        ]
        return float(0.5 * away**2 - np.sum(both)), -np.array(gradient)

    start = [0.0, np.log(10.0), -4.0, np.log(4.0), np.log(2.0)]
    bounds = [
        (-10.0, 10.0),
        (np.log(0.5), np.log(_MOST_DEGREES)),
        (-9.0, -1.5),
        (np.log(_SCALES[0]), np.log(_SCALES[1])),
        (np.log(0.5), np.log(_SECOND_DEGREES)),
    ]
    log_scale, log_prior, logit, shift, log_second = minimum(loss, start, bounds)
    share = expit(logit)
    mean = (1 - share) * mean_of_log(degrees[chosen], log_scale, log_prior)
    mean += share * mean_of_log(degrees[chosen], log_scale + shift, log_second)
    if chosen.size:
        log_scale += max(float(np.mean(np.log(phi[chosen]) - mean)), 0.0)
    return QuasiPrior(
        float(np.exp(log_scale)),
        float(np.exp(log_prior)),
        float(expit(logit)),
        float(np.exp(log_scale + shift)),
        float(np.exp(log_second)),
    )


def _posterior_mean(phi: Floats, degrees: Floats, scale: float, prior: float) -> Floats:
    return (prior * scale + degrees * phi) / (prior + degrees)


def _p_value(
    ratio: Floats, difference: int, phi: Floats, degrees: Floats, scale: float, prior: float
) -> Floats:
    statistic = ratio / (difference * _posterior_mean(phi, degrees, scale, prior))
    found: Floats = f_distribution.sf(statistic, difference, prior + degrees)
    return found
