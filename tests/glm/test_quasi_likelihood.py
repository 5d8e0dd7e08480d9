"""Quasi-dispersions of samples, their prior, and the level of the test under heavy tails."""

import numpy as np
import pandas as pd
import pytest
from scipy.special import digamma
from scipy.stats import nbinom

from jaxnb import glm
from jaxnb.glm.prior import FINE, learn_prior
from jaxnb.glm.quasi_likelihood import learn_quasi_prior, residual_dispersions


def log_pmf(counts, mean, alpha):
    return nbinom.logpmf(counts, 1 / alpha, 1 / (1 + alpha * mean))


@pytest.mark.quick
def test_residual_dispersions_are_those_of_the_definition():
    counts = np.array([[3.0] * 9 + [400], [0.0] * 5 + [9.0] * 5, [5.0] * 10])
    means = counts.mean(axis=1, keepdims=True) * np.ones(10)
    weights, alpha, degrees = np.ones((3, 10)), np.array([0.7, 0.2, 0.1]), np.array([9.0, 8, 9])
    weights[1, -1] = 0
    saturated = np.maximum(counts, 1e-12)
    a = alpha[:, None]
    deviance = 2 * (log_pmf(counts, saturated, a) - log_pmf(counts, means, a))
    pearson = (counts - means) ** 2 / (means + a * means**2)
    expected = [(weights * term).sum(axis=1) / degrees for term in (deviance, pearson)]
    assert expected[0][0] < expected[1][0]
    assert expected[0][1] > expected[1][1]
    found = residual_dispersions(counts, means, weights, alpha, degrees)
    np.testing.assert_allclose(found[:2], np.maximum(*expected)[:2], rtol=1e-9)
    assert found[2] == 1e-4


@pytest.mark.quick
def test_the_scale_agrees_with_the_mean_of_the_logarithms():
    rng, degrees = np.random.default_rng(8), np.full(3000, 4.0)
    even = learn_quasi_prior(np.exp(rng.normal(0, 0.1, 3000)), degrees, degrees > 0)
    assert even.scale == pytest.approx(np.exp(np.log(2) - digamma(2)), rel=0.01)
    found = learn_quasi_prior(2 * rng.f(4, 9, 3000), degrees, degrees > 0)
    assert found.scale == pytest.approx(2, rel=0.15)
    assert found.degrees == pytest.approx(9, rel=0.35)


@pytest.mark.quick
def test_a_trend_does_not_stay_on_the_grid():
    """A narrow prior has its center between the points that integrals are sums over."""
    rng = np.random.default_rng(8)
    center = FINE[60] + 0.7 * (FINE[3] - FINE[0])
    profiles = -((FINE - center - rng.normal(0, 0.3, (500, 1))) ** 2) / (2 * 0.3**2)
    profiles -= profiles.max(axis=1, keepdims=True)
    prior = learn_prior(profiles, np.exp(rng.normal(5, 1, 500)), np.ones(500, bool))
    assert prior.variance < 0.02
    np.testing.assert_allclose(prior.heights, center, atol=0.1)


def test_heavy_tails_and_rows_that_separation_leaves_out():
    rng = np.random.default_rng(0)
    counts = rng.poisson(200 * np.exp(rng.normal(-0.5, 1, (16, 1200))))
    counts[:8, 0] = 0
    obs = pd.DataFrame({"group": np.repeat(["A", "B"], 8)})
    fit = glm.fit(counts, "~ group", obs=obs, size_factors=np.ones(16))
    p = fit.test("group", "B", "A")["p_value"]
    # 0.112 if φ comes from each gene's own dispersion
    assert (p < 0.05).mean() < 0.09
    _, degrees = fit.regression.quasi_dispersions(fit.alpha, fit.beta)
    assert degrees[0] <= 7
    assert np.median(degrees[1:]) == 14


@pytest.mark.slow
def test_the_unit_of_size_factors_of_rows_that_are_no_samples():
    rng = np.random.default_rng(3)
    counts = rng.poisson(rng.gamma(2, 10, (12, 40)))
    obs = pd.DataFrame({"group": np.repeat(["A", "B"], 6)})
    one, other = (
        glm.fit(counts, "~ group", obs=obs, size_factors=np.full(12, unit), dispersion="cox-reid")
        for unit in (1.0, 1e-5)
    )
    got, expected = (f.test("group", "B", "A", method="ql")["p_value"] for f in (other, one))
    np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-9)
