"""Fits of samples in batches, against those of any regression; weights, offsets, estimates."""

import numpy as np
import pandas as pd
import pytest
from scipy import sparse, stats

from jaxnb import glm
from jaxnb.glm.bulk.counts import BulkCounts, log_rising
from jaxnb.glm.bulk.regression import BulkRegression, Samples
from jaxnb.glm.counts import count_data
from jaxnb.glm.fold_changes import prior_scale, shrunken_contrast
from jaxnb.glm.prior import FINE, learn_prior
from jaxnb.glm.regression import Regression
from jaxnb.glm.shrinkage import _profiles
from jaxnb.glm.source import source_of_counts, with_samples

RNG = np.random.default_rng(5)
ROWS, GENES = 8, 60
DESIGN = np.column_stack([np.ones(ROWS), np.arange(ROWS) < 4, np.tile([0.0, 1], ROWS // 2)])
FACTORS = np.exp(RNG.normal(0, 0.3, ROWS))
MEANS = np.exp(RNG.uniform(-2, 7, GENES))
COUNTS = RNG.poisson(RNG.gamma(3, 1 / 3, (ROWS, GENES)) * np.outer(FACTORS, MEANS))
COUNTS[:4, 0] = 0
COUNTS[1::2, 1] = 0
COUNTS[:, 2] = 0
OBS = pd.DataFrame({"group": list("AAAABBBB"), "batch": list("xy") * 4, "w": [2, 1, 1, 3] * 2})
OBS.index = [f"s{i}" for i in range(ROWS)]


def batched(weights=None, offsets=None, design=DESIGN):
    counts = count_data(COUNTS)
    source = source_of_counts(counts, FACTORS, offsets, weights)
    return with_samples(source).regression(design)


@pytest.mark.quick
def test_coefficients_and_log_likelihoods_are_those_of_any_regression():
    exact, fast = Regression.of(COUNTS, DESIGN, FACTORS), batched()
    assert isinstance(fast, BulkRegression)
    for got, expected in zip(fast.limits(), exact.limits(), strict=True):
        np.testing.assert_array_equal(got, expected)
    contrast = np.array([0.0, 1, -1])
    np.testing.assert_array_equal(fast.limits_of(contrast), exact.limits_of(contrast))
    alpha = np.exp(RNG.uniform(-9, 2, GENES))
    expected, got = exact.fit_at(alpha), fast.fit_at(alpha)
    assert got[2].all()
    np.testing.assert_allclose(got[0], expected[0], atol=1e-6)
    some = np.arange(GENES) != 2
    np.testing.assert_allclose(got[1][some], expected[1][some], rtol=1e-10, atol=1e-8)
    variances = (r.variances(alpha, expected[0], np.eye(3)) for r in (fast, exact))
    np.testing.assert_allclose(*variances, rtol=1e-8, atol=1e-12)


def test_shrunken_contrasts_are_those_of_any_regression_and_are_modes():
    """Where counts say little of a contrast, plain steps need hundreds of rounds."""
    rng = np.random.default_rng(1)
    counts = rng.poisson(rng.gamma(3, 1 / 3, (ROWS, 300)) * np.exp(rng.uniform(-2, 3, 300)))
    exact = Regression.of(counts, DESIGN, FACTORS)
    source = source_of_counts(count_data(counts), FACTORS, None, None)
    fast = with_samples(source).regression(DESIGN)
    alpha, vector = np.full(300, 0.05), np.array([0.0, 1, 0])
    beta = exact.fit_at(alpha)[0]
    variance = fast.variances(alpha, beta, vector[None])[:, 0]
    scale = prior_scale(beta @ vector, variance)
    got, expected = (shrunken_contrast(each, alpha, beta, vector) for each in (fast, exact))
    seen = counts.any(axis=0)
    np.testing.assert_allclose(got[seen], expected[seen], rtol=0, atol=1e-7)

    def profile(change):
        offsets = np.log(FACTORS)[:, None] + np.outer(DESIGN[:, 1], change)
        given = source_of_counts(count_data(counts), np.ones(ROWS), offsets, None)
        value = with_samples(given).regression(DESIGN[:, ::2]).fit_at(alpha)[1]
        return value - np.log1p((change / scale) ** 2)

    slope = (profile(got + 1e-4) - profile(got - 1e-4)) / 2e-4
    below, at, above = (profile(got + shift) for shift in (-0.02, 0.0, 0.02))
    assert np.abs(slope[seen]).max() < 1e-6
    assert np.all(at[seen] >= np.maximum(below, above)[seen])


def test_a_smaller_design_and_a_start_give_the_same_by_the_same_program():
    alpha = np.full(GENES, 0.2)
    plain = batched(design=DESIGN[:, :2])
    samples = batched().samples
    wide = BulkRegression(samples, DESIGN[:, :2], lambda: iter(()), width=3)
    expected = plain.fit_at(alpha)
    for got in (wide.fit_at(alpha), wide.fit_at(alpha, expected[0] + 0.3)):
        np.testing.assert_allclose(got[0], expected[0], atol=1e-6)
        np.testing.assert_allclose(got[1], expected[1], rtol=1e-11)


def test_profiles_are_those_of_any_regression():
    exact = _profiles(Regression.of(COUNTS, DESIGN, FACTORS), batched().fit_at(np.ones(GENES))[0])
    samples = batched().samples
    bulk = BulkCounts(samples.counts, samples.offsets, DESIGN)
    found, _ = bulk.profiles(np.arange(samples.genes.size), samples.weights).fine()
    finite = np.all(samples.counts > 0, axis=1)
    assert finite.sum() > 30
    expected = exact[samples.genes]
    near = expected > -8
    # splines through values alone, and by derivatives too
    assert np.abs(found - expected)[finite][near[finite]].max() < 0.15
    assert np.median(np.abs(found - expected)[near]) < 1e-3


@pytest.mark.slow
def test_a_count_without_weight_is_left_out_and_predicted():
    samples = batched().samples
    bulk = BulkCounts(samples.counts, samples.offsets, DESIGN)
    genes = np.flatnonzero(np.all(samples.counts > 0, axis=1))
    rows = genes % ROWS
    weights = np.ones((genes.size, ROWS))
    weights[np.arange(genes.size), rows] = 0
    profiles = bulk.profiles(genes, weights, rows)
    fine, found = profiles.fine()[0], profiles.every(1)
    for number, (gene, row) in enumerate(zip(genes, rows, strict=True)):
        rest = np.arange(ROWS) != row
        # the column scaling of the design only shifts the profile
        alone = BulkCounts(samples.counts[[gene]][:, rest], samples.offsets[:, rest], DESIGN[rest])
        (expected,), _ = alone.profiles(np.array([0]), np.ones((1, ROWS - 1))).fine()
        near = expected > -15
        np.testing.assert_allclose(fine[number][near], expected[near], atol=0.02)
        point = 60
        alpha = np.exp(FINE[[point]])
        beta = alone.fit_at(np.array([0]), np.ones((1, ROWS - 1)), alpha).beta
        eta = beta @ DESIGN[row] + samples.offsets[0, row]
        assert found.eta[number, point] == pytest.approx(eta[0], abs=0.02)
        means = alone.means(np.array([0]), beta)
        covariance = alone.covariance(np.ones((1, ROWS - 1)), means, alpha)[0]
        expected_variance = DESIGN[row] @ covariance @ DESIGN[row]
        assert found.variance[number, point] == pytest.approx(expected_variance, rel=0.03)


_SLOW = pytest.mark.slow


@pytest.mark.slow
@pytest.mark.parametrize(
    ("dispersion", "rtol"),
    [
        pytest.param("ml", 1e-7, marks=_SLOW),
        pytest.param("cox-reid", 1e-7, marks=_SLOW),
        ("shrunken", 0.01),
    ],
)
@pytest.mark.filterwarnings("ignore:a prior of the dispersions")
def test_a_row_of_weight_two_counts_like_two_rows(dispersion, rtol):
    repeated = np.repeat(np.arange(ROWS), OBS["w"])
    words = {"dispersion": dispersion, "keep_outliers": True}
    twice = glm.fit(
        COUNTS[repeated], "~ batch + group", obs=OBS.iloc[repeated].reset_index(),
        size_factors=FACTORS[repeated], **words,
    )  # fmt: skip
    for weights in (OBS["w"].iloc[::-1], np.outer(OBS["w"], np.ones(GENES))):
        fit = glm.fit(
            COUNTS, "~ batch + group", obs=OBS, size_factors=FACTORS, weights=weights, **words
        )
        np.testing.assert_allclose(fit.dispersion, twice.dispersion, rtol=rtol / 5, atol=1e-9)
        for method in ("lr", "ql"):
            got, expected = (f.test("group", "B", "A", method=method) for f in (fit, twice))
            close = {"check_exact": False, "rtol": rtol, "atol": 1e-9}
            pd.testing.assert_frame_equal(got, expected, **close)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:a prior of the dispersions")
def test_a_row_without_weight_is_none():
    seven = np.arange(ROWS) != 5
    weights = seven.astype(float)
    for dispersion in ("cox-reid", "shrunken"):
        words = {"dispersion": dispersion, "keep_outliers": True}
        fit = glm.fit(
            COUNTS, "~ group", obs=OBS, size_factors=FACTORS, weights=weights, **words
        ).test("group", "B", "A", shrink=True)
        alone = glm.fit(
            COUNTS[seven], "~ group", obs=OBS[seven], size_factors=FACTORS[seven], **words
        ).test("group", "B", "A", shrink=True)
        pd.testing.assert_frame_equal(fit, alone, check_exact=False, rtol=1e-5, atol=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize("dispersion", ["cox-reid", "shrunken"])
@pytest.mark.filterwarnings("ignore:a prior of the dispersions")
def test_offsets_are_factors_of_single_counts(dispersion):
    words = {"dispersion": dispersion, "obs": OBS}
    plain = glm.fit(COUNTS, "~ group", size_factors=FACTORS, **words)
    shift = RNG.normal(0, 1, GENES)
    whole = np.log(FACTORS)[:, None] + shift
    fit = glm.fit(COUNTS, "~ group", size_factors=np.ones(ROWS), offsets=whole, **words)
    counted = COUNTS.any(axis=0)
    np.testing.assert_allclose(
        fit.coefficients["Intercept"][counted],
        (plain.coefficients["Intercept"] - shift)[counted], atol=1e-4,
    )  # fmt: skip
    table, expected = (f.test("group", "B", "A", shrink=True) for f in (fit, plain))
    # The means, and with them the trend's knots, are others; a gene's own estimates are not.
    if dispersion == "cox-reid":
        columns = ["log2_fold_change", "se", "p_value", "log2_fold_change_shrunken"]
        pd.testing.assert_frame_equal(
            table[columns], expected[columns], check_exact=False, rtol=1e-5, atol=1e-7
        )
    # labels in any order, and what they are for
    frame = pd.DataFrame(whole, OBS.index, range(GENES)).iloc[::-1, ::-1]
    data = pd.DataFrame(COUNTS, OBS.index)
    again = glm.fit(data, "~ group", size_factors=np.ones(ROWS), offsets=frame, **words)
    np.testing.assert_array_equal(again.alpha, fit.alpha)


def test_size_factors_are_found_beside_offsets():
    lengths = np.exp(RNG.normal(0, 0.5, (ROWS, 300)))
    factors = np.exp(np.linspace(-0.5, 0.5, ROWS))
    counts = RNG.poisson(2000 * lengths * factors[:, None])
    for how in ("median-ratio", "total"):
        fit = glm.fit(
            counts, np.ones((ROWS, 1)), offsets=np.log(lengths), size_factors=how, dispersion="ml"
        )
        found = fit.size_factors / np.exp(np.log(fit.size_factors).mean())
        np.testing.assert_allclose(found, factors, rtol=0.02)


@pytest.mark.quick
def test_between_whole_numbers_the_log_likelihood_is_linear():
    counts = np.array([[0.3, 5.0, 1.75], [12.25, 0, 300.5]]).T
    fit = glm.fit(
        counts, np.ones((3, 1)), size_factors=np.ones(3), dispersion="ml", allow_non_integer=True
    )
    np.testing.assert_allclose(np.exp(fit.coefficients["x0"]), counts.mean(axis=0))
    below, fraction = np.floor(counts), counts - np.floor(counts)
    alpha = fit.alpha + 1e-300
    terms = [
        stats.nbinom.logpmf(whole, 1 / alpha, 1 / (1 + alpha * counts.mean(axis=0)))
        for whole in (below, below + 1)
    ]
    expected = ((1 - fraction) * terms[0] + fraction * terms[1]).sum(axis=0)
    np.testing.assert_allclose(fit.log_likelihood, expected, rtol=1e-9)
    rising = log_rising(np.array([2.0, 2.5, 3.0]), 0.7)
    assert rising[1] == pytest.approx((rising[0] + rising[2]) / 2)
    assert rising[2] == pytest.approx(np.log1p(0.7 * np.arange(3)).sum())
    with pytest.raises(ValueError, match="allow_non_integer=True"):
        glm.fit(counts, np.ones((3, 1)), size_factors=np.ones(3))


@pytest.mark.slow
def test_estimated_counts_near_whole_ones_have_their_estimates():
    near = COUNTS + np.where(COUNTS > 0, RNG.uniform(-1e-6, 1e-6, COUNTS.shape), 0)
    for dispersion in ("ml", "cox-reid"):
        words = {"obs": OBS, "size_factors": FACTORS, "dispersion": dispersion}
        fit = glm.fit(sparse.csc_matrix(near), "~ group", allow_non_integer=True, **words)
        whole = glm.fit(COUNTS, "~ group", **words)
        np.testing.assert_allclose(fit.dispersion, whole.dispersion, rtol=1e-3, atol=1e-5)


@pytest.mark.quick
@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"weights": np.ones(3)}, r"weights must have an entry for every row, shape \(8,\)"),
        ({"weights": -np.ones(ROWS)}, "not negative"),
        ({"weights": np.full(ROWS, np.nan)}, "finite"),
        ({"weights": (np.arange(ROWS) < 4) * 1.0}, "do not determine the coefficients"),
        ({"offsets": np.ones(ROWS)}, "offsets must have an entry for every row and gene"),
        ({"offsets": np.full((ROWS, GENES), -np.inf)}, "offsets must be finite"),
    ],
)
def test_one_clear_message(words, message):
    with pytest.raises(ValueError, match=message):
        glm.fit(COUNTS, "~ group", obs=OBS, size_factors=FACTORS, **words)


@pytest.mark.quick
def test_a_prior_of_two_kinds_of_genes():
    genes = 3000
    rng = np.random.default_rng(3)
    wide = rng.random(genes) < 0.05
    center = np.where(wide, 0.0, -2.5) + rng.normal(0, 0.5, genes)
    seen = center + rng.normal(0, 0.3, genes)
    profiles = -((FINE - seen[:, None]) ** 2) / (2 * 0.3**2)
    mean = np.exp(rng.uniform(1, 8, genes))
    prior = learn_prior(profiles, mean, np.ones(genes, bool))
    assert prior.variance == pytest.approx(0.25, rel=0.1)
    assert prior.share == pytest.approx(0.05, abs=0.02)
    assert prior.shift == pytest.approx(2.5, rel=0.2)
    np.testing.assert_allclose(prior.log_trend(mean), -2.5, atol=0.15)
    step = FINE[1] - FINE[0]
    np.testing.assert_allclose(np.exp(prior.log_density(mean[:5])).sum(axis=1) * step, 1, rtol=1e-6)


@pytest.mark.quick
def test_scattered_values_are_those_of_the_genes_with_counts():
    samples = Samples(np.ones((2, 3)), np.zeros((1, 3)), np.ones((2, 3)), np.array([0, 3]), 4)
    np.testing.assert_array_equal(samples.scattered(np.array([5.0, 6.0])), [5, 0, 0, 6])
    assert samples.taken(np.array([1])).total == 1
