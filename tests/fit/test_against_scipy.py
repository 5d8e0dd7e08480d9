"""Every fit against an independent one: another formula, another optimizer.

For integer counts Γ(x+1/α) / Γ(1/α) · αˣ = Π_{k<x} (1 + kα), a polynomial in α: nothing cancels and
the Poisson distribution is simply α = 0. The optimizer is L-BFGS-B on (log overall mean,
log(1+α), p) with the boundaries as bounds, from many starts, the best kept.
"""

from itertools import product

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats
from scipy.optimize import minimize
from scipy.special import gammaln

from jaxnb import datasets
from jaxnb.fit import FitResult

Floats = NDArray[np.float64]
Fitted = tuple[FitResult, FitResult]


def log_likelihood(
    x: NDArray[np.int64], size_factors: Floats, log_overall_mean: float, alpha: float, p: float
) -> float:
    mu = size_factors * np.exp(log_overall_mean) / (1 - p)
    rising = np.concatenate([[0.0], np.cumsum(np.log1p(alpha * np.arange(x.max())))])
    decay = np.log1p(alpha * mu) / alpha if alpha > 0 else mu
    log_nb = rising[x] + x * (np.log(mu) - np.log1p(alpha * mu)) - decay - gammaln(x + 1)
    at_zero = np.log(p + (1 - p) * np.exp(-decay))
    return float(np.where(x == 0, at_zero, log_nb + np.log1p(-p)).sum())


def highest(x: NDArray[np.int64], size_factors: Floats, *, inflated: bool) -> tuple[float, Floats]:
    """The highest log-likelihood found, and (log overall mean, alpha, p) there."""

    def loss(point: Floats) -> float:
        return -log_likelihood(x, size_factors, point[0], np.expm1(point[1]), point[2])

    log_mean = np.log(x.sum() / size_factors.sum())
    shares = (0.0, 0.05, 0.4, 0.8) if inflated and np.any(x == 0) else (0.0,)
    bounds = [(None, None), (0, 12), (0, 0.999 if len(shares) > 1 else 0)]
    best = (-np.inf, np.zeros(3))
    for alpha, share in product((0.0, 0.05, 0.5, 3.0), shares):
        start = np.array([log_mean, np.log1p(alpha), share * np.mean(x == 0)])
        end = minimize(
            loss, start, method="L-BFGS-B", bounds=bounds, options={"ftol": 1e-13, "gtol": 1e-7}
        )
        if -end.fun > best[0]:
            best = (-end.fun, np.array([end.x[0], np.expm1(end.x[1]), end.x[2]]))
    return best


def check(fits: tuple[FitResult, FitResult], genes: NDArray[np.int64]) -> None:
    data = datasets.pbmc68k()
    counts, totals = data.counts.toarray().astype(np.int64), data.total_counts.astype(np.float64)
    factors = totals / totals.mean()
    for family, fit in zip((False, True), fits, strict=True):
        for gene in genes:
            best, (_, alpha, p) = highest(counts[:, gene], factors, inflated=family)
            name = data.genes[gene]
            assert fit.log_likelihood[gene] > best - 1e-6, name
            assert np.isinf(fit.theta[gene]) == (alpha == 0), name
            assert np.isinf(fit.zi_logits[gene]) == (p == 0), name


@pytest.mark.quick
def test_the_other_formula_is_that_of_scipy() -> None:
    x, s = np.array([0, 3, 0, 11]), np.array([0.5, 1.0, 2.0, 1.5])
    mean, alpha, p = 1.5, 0.7, 0.25
    terms = stats.nbinom.logpmf(x, 1 / alpha, 1 / (1 + alpha * mean / (1 - p) * s))
    expected = np.where(x == 0, np.log(p + (1 - p) * np.exp(terms)), np.log(1 - p) + terms).sum()
    assert log_likelihood(x, s, np.log(mean), alpha, p) == pytest.approx(expected, rel=1e-12)


@pytest.mark.slow
def test_a_gene_of_each_status_agrees_with_another_optimizer(fitted: Fitted) -> None:
    _, first = np.unique(fitted[1].status, return_index=True)
    check(fitted, first)


@pytest.mark.slow
def test_every_status_is_true(fitted: Fitted) -> None:
    """All genes, of which 17 are Poisson, 112 more have no dispersion beside their inflation."""
    check(fitted, np.arange(765))
