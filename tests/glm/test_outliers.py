"""Counts that the other counts of their gene rule out."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from jaxnb import glm
from jaxnb.glm.bulk.counts import BulkCounts
from jaxnb.glm.bulk.evidence import probability_of_outliers
from jaxnb.glm.bulk.tails import predict
from jaxnb.glm.prior import DispersionPrior

GENES = 400
SINGLE, SWITCHED, DOUBLE = 0, 1, 2


def counts_of(samples, seed):
    """Genes without differences; one has an outlier, one is on in half of the rows, one has two."""
    rng = np.random.default_rng(seed)
    mean = np.exp(rng.uniform(3, 7, GENES))
    alpha = 0.1 * np.exp(rng.normal(0, 0.5, GENES))
    counts = rng.poisson(rng.gamma(1 / alpha, alpha * mean, (2 * samples, GENES)))
    counts[:, :3] = rng.poisson(rng.gamma(10, 10, (2 * samples, 3)))
    counts[-1, SINGLE] = 4000
    counts[::2, SWITCHED] *= 60
    counts[1, DOUBLE] = counts[-2, DOUBLE] = 5000
    obs = pd.DataFrame({"group": np.repeat(["A", "B"], samples)})
    obs.index = [f"s{i}" for i in range(2 * samples)]
    return counts, obs


@pytest.fixture(scope="module")
def few():
    counts, obs = counts_of(4, seed=1)
    return glm.fit(counts, "~ group", obs=obs, size_factors=np.ones(8))


@pytest.fixture(scope="module")
def more():
    counts, obs = counts_of(8, seed=2)
    return glm.fit(counts, "~ group", obs=obs, size_factors=np.ones(16))


@pytest.mark.quick
def test_an_outlier_is_reported_and_decides_nothing(few):
    table = few.test("group", "B", "A")
    assert table.loc[SINGLE, "outliers"] == 1
    assert table.loc[SINGLE, "status"] == "outlier"
    line = few.outliers.set_index("gene").loc[SINGLE]
    assert (line["row"], line["count"]) == ("s7", 4000)
    assert 30 < line["expected"] < 300
    assert line["p_value"] < 1e-4
    assert (few.outliers["p_value"].diff().dropna() >= 0).all()
    # the estimates are those of the other counts, the p-value is that of neither alone
    assert abs(table.loc[SINGLE, "log2_fold_change"]) < 1
    assert table.loc[SINGLE, "p_value"] > 0.01
    counts, obs = counts_of(4, seed=1)
    kept = glm.fit(counts, "~ group", obs=obs, size_factors=np.ones(8), keep_outliers=True)
    assert kept.outliers.empty
    before = kept.test("group", "B", "A")
    assert "outliers" not in before
    assert before.loc[SINGLE, "log2_fold_change"] > 3
    weights = np.ones((8, GENES))
    weights[7, SINGLE] = 0
    left = glm.fit(
        counts, "~ group", obs=obs, size_factors=np.ones(8), weights=weights, keep_outliers=True
    )
    assert left.mean[SINGLE] == pytest.approx(few.mean[SINGLE])
    alone = left.test("group", "B", "A").loc[SINGLE, "log2_fold_change"]
    assert table.loc[SINGLE, "log2_fold_change"] == pytest.approx(alone, abs=0.05)


@pytest.mark.slow
def test_an_outlier_is_told_from_the_others_of_its_small_batch():
    """Of three rows in a batch, the good ones are farther from the mean of all three."""
    rng = np.random.default_rng(1)
    counts = rng.negative_binomial(5, 0.05, (16, 60))
    counts[3, 4] = 9000
    batch = np.repeat(list("abcde"), [3, 3, 3, 3, 4])
    obs = pd.DataFrame({"batch": batch, "group": list("AB") * 8})
    fit = glm.fit(counts, "~ batch + group", obs=obs, size_factors=np.ones(16))
    assert fit.outliers[["gene", "row"]].to_numpy().tolist() == [[4, 3]]


@pytest.mark.slow
def test_good_counts_are_kept(few, more):
    for fit in (few, more):
        others = fit.test("group", "B", "A").iloc[3:]
        assert (others["outliers"] > 0).mean() < 0.01


def test_two_outliers_do_not_hide_each_other(more):
    counts, obs = counts_of(8, seed=2)
    counts[9, DOUBLE], counts[1, DOUBLE] = 5000, counts[3, DOUBLE]
    of_one_group = glm.fit(counts, "~ group", obs=obs, size_factors=np.ones(16))
    for fit, rows in ((more, {"s1", "s14"}), (of_one_group, {"s9", "s14"})):
        table = fit.test("group", "B", "A")
        assert table.loc[DOUBLE, "outliers"] == 2
        assert set(fit.outliers.set_index("gene").loc[DOUBLE, "row"]) == rows
        assert table.loc[DOUBLE, "p_value"] > 0.01


def test_with_few_rows_a_difference_must_show_with_the_outlier_too():
    counts, obs = counts_of(4, seed=1)
    counts[4:, SINGLE], counts[0, SINGLE] = [820, 790, 860, 775], 9000
    words = {"obs": obs, "size_factors": np.ones(8)}
    fit = glm.fit(counts, "~ group", **words)
    weights = np.ones((8, GENES))
    weights[0, SINGLE] = 0
    without = glm.fit(counts, "~ group", weights=weights, keep_outliers=True, **words)
    assert fit.outliers.set_index("gene").loc[SINGLE, "row"] == "s0"
    assert without.test("group", "B", "A").loc[SINGLE, "p_value"] < 1e-3
    assert fit.test("group", "B", "A").loc[SINGLE, "p_value"] > 0.1


def test_the_unit_of_size_factors_does_not_matter(more):
    counts, obs = counts_of(8, seed=2)
    fit = glm.fit(counts, "~ group", obs=obs, size_factors=np.full(16, 1e-5))
    got, expected = (f.test("group", "B", "A") for f in (fit, more))
    np.testing.assert_array_equal(got["outliers"], expected["outliers"])
    for name in ("statistic", "p_value", "dispersion"):
        np.testing.assert_allclose(got[name], expected[name], rtol=1e-6, atol=1e-9)


def test_a_gene_that_is_on_in_some_rows_is_none_with_outliers(more):
    """Whatever is flagged, its p-value stays that of all counts."""
    counts, _ = counts_of(8, seed=2)
    bulk = BulkCounts(counts.T.astype(float), np.zeros((1, 16)), more.design.matrix)
    genes = np.array([SINGLE, SWITCHED])
    weights = np.ones((2, 16))
    without = weights.copy()
    without[0, -1] = without[1, 0] = 0
    before = more.prior._replace(share=0.02)
    probability = probability_of_outliers(bulk, genes, weights, without, before, more.prior)
    assert probability[0] > 0.9
    assert probability[1] < 0.1
    assert more.test("group", "B", "A").loc[SWITCHED, "p_value"] > 0.05


@pytest.mark.quick
def test_tails_are_those_of_a_negative_binomial_where_all_else_is_known():
    """Many rows and a prior that is nearly a point."""
    rng = np.random.default_rng(4)
    rows, alpha = 400, 0.2
    counts = rng.poisson(rng.gamma(1 / alpha, alpha * 200, (6, rows))).astype(float)
    counts[:, 0] = [5, 50, 200, 600, 900, 1500]
    bulk = BulkCounts(counts, np.zeros((1, rows)), np.ones((rows, 1)))
    prior = DispersionPrior(np.array([0.0]), np.array([np.log(alpha)]), 0.01)
    weights = np.ones((6, rows))
    weights[:, 0] = 0
    genes = np.arange(6)
    found = predict(bulk, prior, genes, np.zeros(6, int), weights, 1.0)
    np.testing.assert_allclose(found.expected, counts[:, 1:].mean(axis=1), rtol=1e-3)
    distribution = stats.nbinom(1 / alpha, 1 / (1 + alpha * found.expected))
    expected = np.minimum(distribution.sf(counts[:, 0] - 1), distribution.cdf(counts[:, 0]))
    np.testing.assert_allclose(np.log(found.tail), np.log(expected), rtol=0.1, atol=0.15)
    # what need not be exact is no smaller than what matters
    rough = predict(bulk, prior, genes, np.zeros(6, int), weights, 1e-4)
    small = found.tail < 1e-4
    np.testing.assert_array_equal(rough.tail[small], found.tail[small])
    assert np.all(rough.tail[~small] >= 1e-4)


@pytest.mark.slow
def test_outliers_of_a_gene_with_few_counts_separate_nothing():
    """Without its only counts in a group a gene has an infinite fold change, and says so."""
    counts, obs = counts_of(4, seed=1)
    counts[:, 5] = [9, 11, 8, 12, 0, 0, 0, 4000]
    fit = glm.fit(counts, "~ group", obs=obs, size_factors=np.ones(8))
    table = fit.test("group", "B", "A", shrink=True)
    assert table.loc[5, "p_value"] > 1e-6
    finite = table.drop(columns=["status"]).notna().all(axis=1)
    assert finite.drop(5).all()
