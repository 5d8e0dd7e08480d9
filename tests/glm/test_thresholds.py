"""Fold changes beyond a threshold."""

import numpy as np
import pandas as pd
import pytest
from scipy import optimize, stats

from jaxnb import glm
from jaxnb.fit import CountStatistics
from jaxnb.glm.thresholds import beyond_threshold, checked_threshold

RNG = np.random.default_rng(17)
GROUP = np.repeat([0, 1], 60)
FACTORS = np.exp(RNG.normal(0, 0.4, 120))
FOLD = np.array([1, 1.7, 4, 0.2, 1 / 1.6, 1, 1, 1])
MEAN = 8 * FACTORS[:, None] * np.where(GROUP[:, None] == 1, FOLD, 1.0)
COUNTS = RNG.negative_binomial(4, 4 / (4 + MEAN))
COUNTS[GROUP == 1, 6] = 0
COUNTS[:, 7] = 0
OBS = pd.DataFrame({"condition": np.where(GROUP == 1, "B", "A")})


@pytest.fixture(scope="module")
def fit():
    return glm.fit(COUNTS, "~ condition", obs=OBS, size_factors=FACTORS)


def log_likelihood(gene, alpha, difference):
    """The highest with the difference of the groups given, from SciPy."""

    def loss(log_mean):
        mean = FACTORS * np.exp(log_mean + difference * GROUP)
        return -stats.nbinom.logpmf(COUNTS[:, gene], 1 / alpha, 1 / (1 + alpha * mean)).sum()

    return -optimize.minimize_scalar(loss, bounds=(-3, 6), options={"xatol": 1e-10}).fun


def test_against_constrained_fits(fit):
    threshold = 0.5
    table = fit.test("condition", "B", "A", threshold=threshold)
    plain = fit.test("condition", "B", "A")
    assert "|log2 fold change| > 0.5" in table.attrs["tested"]
    for gene in range(6):
        alpha, change = table["dispersion"][gene], table["log2_fold_change"][gene]
        top = fit.log_likelihood[gene]
        side = np.sign(change)
        z = []
        for value in (side * threshold, -side * threshold):
            ratio = 2 * (top - log_likelihood(gene, alpha, value * np.log(2)))
            z.append(side * np.sign(change - value) * np.sqrt(max(ratio, 0)))
        expected = min(stats.norm.sf(z).sum(), 1)
        np.testing.assert_allclose(table["p_value"][gene], expected, rtol=1e-5)
        assert table["p_value"][gene] > plain["p_value"][gene]
    assert table["p_value"][6] < 1e-10  # no count in one group
    assert np.isnan(table["p_value"][7])
    small = fit.test("condition", "B", "A", threshold=1e-9)
    np.testing.assert_allclose(small["p_value"], plain["p_value"], rtol=1e-4, atol=1e-12)


@pytest.mark.slow
def test_the_formula_of_the_wald_test_and_statistics(fit):
    table = fit.test("condition", "B", "A", threshold=0.7, method="wald")
    size, se = table["log2_fold_change"].abs(), table["se"]
    expected = stats.norm.sf((size - 0.7) / se) + stats.norm.sf((size + 0.7) / se)
    np.testing.assert_allclose(table["p_value"][:6], np.minimum(expected[:6], 1))
    sums = CountStatistics.of(COUNTS, FACTORS, GROUP)
    lines = pd.DataFrame({"condition": ["A", "B"]})
    other = glm.fit(sums, "~ condition", obs=lines).test("condition", "B", "A", threshold=0.7)
    same = fit.test("condition", "B", "A", threshold=0.7)
    np.testing.assert_allclose(other["p_value"], same["p_value"], rtol=1e-7, atol=1e-12)


@pytest.mark.quick
def test_sides_of_the_threshold():
    change = np.array([-np.inf, -2.0, -0.5, 0.5, 2.0, np.nan])

    def wald(value):
        z = change - value
        return np.abs(z), 2 * stats.norm.sf(np.abs(z))

    statistic, p_value = beyond_threshold(change, 1.0, wald)
    size = np.abs(change)
    expected = np.minimum(stats.norm.sf(size - 1) + stats.norm.sf(size + 1), 1)
    np.testing.assert_allclose(p_value, expected)
    np.testing.assert_allclose(statistic[:5], [np.inf, 1, 0, 0, 1])


@pytest.mark.quick
@pytest.mark.parametrize("threshold", [-1, np.nan, np.inf])
def test_one_clear_message(threshold):
    with pytest.raises(ValueError, match="must be a log2 fold change, 0 or more"):
        checked_threshold(threshold)
