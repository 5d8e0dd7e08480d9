"""Tests of contrasts and reduced designs, against likelihoods and formulas computed apart."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from scipy import linalg, stats

from jaxnb import glm
from jaxnb.fit import q_values
from jaxnb.glm import testing
from jaxnb.glm.contrasts import reduced_matrix
from jaxnb.glm.fold_changes import prior_scale
from jaxnb.glm.quasi_likelihood import learn_quasi_prior, quasi_dispersions
from jaxnb.glm.regression import Regression

RNG = np.random.default_rng(4)
OBS = pd.DataFrame(
    {
        "condition": list("AABBCC") * 4,
        "batch": list("xy") * 12,
        "age": RNG.normal(40, 10, 24),
    }
)
EFFECT = np.where(OBS["condition"] == "B", 1.0, 0.0)
FACTORS = np.exp(RNG.normal(0, 0.2, 24))
COUNTS = RNG.poisson(RNG.gamma(4, 1 / 4, (24, 12)) * (FACTORS * np.exp(3 + EFFECT))[:, None])
COUNTS[OBS["condition"] == "C", 1] = 0
COUNTS[:, 2] = 0


@pytest.fixture(scope="module")
def fit():
    return glm.fit(COUNTS, "~ batch + condition + age", obs=OBS, size_factors=FACTORS)


@pytest.fixture(scope="module")
def ml():
    return glm.fit(COUNTS, "~ batch + condition", obs=OBS, size_factors=FACTORS, dispersion="ml")


@pytest.mark.quick
def test_columns_and_direction(fit):
    table = fit.test("condition", "B", "A")
    assert table.columns.tolist() == [
        "mean", "log2_fold_change", "se", "statistic", "p_value", "p_adjusted", "dispersion",
        "status",
    ]  # fmt: skip
    assert table["log2_fold_change"].drop([1, 2]).mean() == pytest.approx(1 / np.log(2), rel=0.2)
    assert table.attrs["tested"] == "condition: B over A"
    backward = fit.test("condition", "A", "B")
    np.testing.assert_allclose(table["log2_fold_change"], -backward["log2_fold_change"])
    np.testing.assert_allclose(table["p_value"], backward["p_value"], atol=1e-9)
    np.testing.assert_allclose(table["mean"], (COUNTS / FACTORS[:, None]).mean(axis=0))


@pytest.mark.parametrize("method", ["wald", "lr", "ql"])
def test_one_contrast_in_many_words(fit, method):
    expected = fit.test("condition", "B", "C", method=method)
    for contrast in (
        "condition[T.B] - condition[T.C]",
        {"condition[T.B]": 1, "condition[T.C]": -1},
        [0, 0, 1, -1, 0],
    ):
        got = fit.test(contrast=contrast, method=method)
        pd.testing.assert_frame_equal(got, expected, check_exact=False, rtol=1e-9)
    same = fit.test("condition", "B", "A", method=method)
    pd.testing.assert_frame_equal(fit.test("condition[T.B]", method=method), same)


@pytest.mark.quick
@pytest.mark.parametrize("contrast", [[0, 1, -2], [3, 1, 1], [-1, 1, 0], [0, 0, 2]])
def test_the_smaller_design_has_the_means_for_which_the_contrast_is_zero(contrast):
    design = SimpleNamespace(matrix=RNG.normal(size=(9, 3)))
    smaller = reduced_matrix(design, np.array(contrast, float))
    means = design.matrix @ linalg.null_space(np.array([contrast], float))
    assert smaller.shape == (9, 2)
    assert np.linalg.matrix_rank(np.hstack([smaller, means])) == 2


@pytest.mark.quick
def test_quasi_dispersions_are_moderated_between_the_gene_and_all_genes():
    scale, prior, genes = 2.0, 8.0, 20_000
    degrees = np.full(genes, 5.0)
    rng = np.random.default_rng(6)
    estimate = scale * rng.f(5, prior, genes)
    # with alpha = phi - 1 at a mean of 1 and a trend of 0
    phi = quasi_dispersions(estimate - 1, np.zeros(genes), np.ones(genes))
    found = learn_quasi_prior(phi, degrees, np.ones(genes, bool))
    assert found.share < 0.02
    assert found.degrees == pytest.approx(prior, rel=0.2)
    weight = 5 / (5 + found.degrees)
    expected = weight * estimate + (1 - weight) * found.scale
    usual = estimate < np.quantile(estimate, 0.9)
    np.testing.assert_allclose(found.moderated(phi, degrees)[usual], expected[usual], rtol=0.05)


@pytest.mark.quick
def test_genes_that_vary_more_have_a_prior_of_their_own():
    genes, degrees = 20_000, np.full(20_000, 6.0)
    rng = np.random.default_rng(7)
    wide = rng.random(genes) < 0.04
    phi = np.where(wide, 10 * rng.f(6, 4, genes), rng.f(6, 30, genes))
    found = learn_quasi_prior(phi, degrees, np.ones(genes, bool))
    assert found.share == pytest.approx(0.04, abs=0.02)
    assert found.degrees == pytest.approx(30, rel=0.4)
    second = found.second_probability(phi, degrees)
    assert second[wide].mean() > 0.5 > 0.05 > second[~wide].mean()
    # of genes without differences, p-values are uniform among both kinds
    ratio = rng.chisquare(1, genes) * np.where(wide, 10 * 4 / rng.chisquare(4, genes), 1.0)
    p = found.p_values(ratio, 1, phi, degrees)
    assert 0.03 < np.mean(p[wide] < 0.05) < 0.2
    assert 0.03 < np.mean(p[~wide] < 0.05) < 0.06


def test_quasi_dispersions_have_the_degrees_of_freedom_that_coefficients_leave(fit, monkeypatch):
    taken = []

    def spied(phi, degrees, usable):
        taken.append(degrees)
        return learn_quasi_prior(phi, degrees, usable)

    monkeypatch.setattr(testing, "learn_quasi_prior", spied)
    fit.test("condition", "B", "A", method="ql")
    np.testing.assert_array_equal(taken, [[24 - 5] * 12])


def test_wald(fit):
    table = fit.test("age", method="wald")
    z = fit.coefficients["age"] / fit.standard_errors["age"]
    kept = fit.status != "all zeros"
    np.testing.assert_allclose(table["statistic"][kept], z[kept], rtol=1e-12)
    np.testing.assert_allclose(table["p_value"][kept], 2 * stats.norm.sf(abs(z[kept])), rtol=1e-12)
    np.testing.assert_allclose(table["se"][kept], fit.standard_errors["age"][kept] / np.log(2))


def test_likelihood_ratio_is_that_of_two_fits(ml):
    small = glm.fit(COUNTS, "~ batch", obs=OBS, size_factors=FACTORS, dispersion="ml")
    expected = 2 * (ml.log_likelihood - small.log_likelihood)
    table = ml.test(reduced="~ batch")
    kept = ml.status != "all zeros"
    np.testing.assert_allclose(table["statistic"][kept], expected[kept], atol=1e-8)
    np.testing.assert_allclose(table["p_value"][kept], stats.chi2.sf(expected[kept], 2), rtol=1e-6)
    assert "log2_fold_change" not in table


def test_separated_and_empty_genes_have_a_status(fit):
    table = fit.test("condition", "C", "A", method="lr")
    assert table.loc[1, "log2_fold_change"] == -np.inf
    assert table.loc[1, "p_value"] < 1e-4
    assert table.loc[1, "status"] == "separated"
    assert table.loc[2].drop("status").drop("mean").isna().all()
    assert table.loc[2, "status"] == "all zeros"
    wald = fit.test("condition", "C", "A", method="wald")
    explained = wald["status"].isin(["separated", "all zeros"])
    assert not wald[~explained].isna().any(axis=None)
    # what separates C says nothing about B over A
    other = fit.test("condition", "B", "A", method="wald")
    assert np.isfinite(other.loc[1, "p_value"])


def test_shrunken_fold_changes_are_smaller_and_change_nothing_else(fit):
    plain = fit.test("condition", "B", "A")
    table = fit.test("condition", "B", "A", shrink=True)
    pd.testing.assert_frame_equal(table.drop(columns="log2_fold_change_shrunken"), plain)
    kept = fit.status != "all zeros"
    shrunken = table["log2_fold_change_shrunken"][kept]
    assert (shrunken.abs() <= plain["log2_fold_change"][kept].abs() + 1e-9).all()
    assert (shrunken * plain["log2_fold_change"][kept] >= 0).all()
    infinite = fit.test("condition", "C", "A", shrink=True).loc[1]
    assert -20 < infinite["log2_fold_change_shrunken"] < -3


def test_shrunken_fold_change_is_the_mode(fit):
    vector = np.array([0.0, 0, 1, 0, 0])
    table = fit.test(contrast=vector, shrink=True)
    delta = table.loc[0, "log2_fold_change_shrunken"] * np.log(2)
    variances = fit.regression.variances(fit.alpha, fit.beta, vector[None])[:, 0]
    scale = prior_scale(fit.beta @ vector, variances)
    design = fit.design.matrix
    others = np.delete(design, 2, axis=1)
    alpha = fit.dispersion[0]

    def posterior(value):
        shifted = Regression.of(COUNTS[:, [0]], others, FACTORS * np.exp(design[:, 2] * value))
        return shifted.fit_at(np.array([alpha]))[1][0] - np.log1p((value / scale) ** 2)

    assert posterior(delta) > max(posterior(delta - 1e-3), posterior(delta + 1e-3))


def test_prior_scale_of_normal_effects():
    variances = RNG.uniform(0.1, 0.5, 20_000)
    estimates = RNG.normal(0, np.sqrt(0.8**2 + variances))
    assert prior_scale(estimates, variances) == pytest.approx(0.8, rel=0.03)
    assert prior_scale(np.zeros(5), np.ones(5)) == 0.01


def test_q_values():
    p = RNG.uniform(0, 1, 200) ** 2
    expected = stats.false_discovery_control(p)
    np.testing.assert_allclose(q_values(p), expected)
    with_holes = np.append(p, np.nan)
    np.testing.assert_allclose(q_values(with_holes), np.append(expected, np.nan))
    assert q_values(np.array([])).shape == (0,)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "say what to test"),
        ({"name": "age", "contrast": [0, 0, 0, 0, 1]}, "say what to test"),
        ({"name": "sex"}, "no 'sex': the coefficients are Intercept"),
        ({"name": "condition"}, "levels A, B, C: say which"),
        ({"name": "condition", "level": "B"}, "needs both levels"),
        ({"name": "condition", "level": "D", "base": "A"}, "no 'D', only A, B, C"),
        ({"name": "condition", "level": "B", "base": "B"}, "same mean"),
        ({"contrast": [0, 1]}, "must have 5 entries"),
        ({"contrast": np.zeros(5)}, "not all zeros"),
        ({"contrast": {"nothing": 1}}, "no coefficient nothing"),
        ({"contrast": "age - nothing"}, "cannot be read"),
        ({"reduced": "~ sex"}, "uses sex"),
        ({"reduced": "~ batch + batch:age"}, "not nested"),
        ({"reduced": "~ batch + condition + age"}, "nothing to test"),
        ({"reduced": "~ batch", "method": "wald"}, "for one contrast"),
        ({"name": "age", "method": "t"}, "none of 'auto', 'wald'"),
    ],
)
def test_one_clear_message(fit, arguments, message):
    with pytest.raises(ValueError, match=message):
        fit.test(**arguments)


@pytest.mark.slow
def test_an_interaction_has_no_single_effect():
    fit = glm.fit(COUNTS, "~ batch * condition", obs=OBS, size_factors=FACTORS)
    with pytest.raises(ValueError, match="depends on another variable"):
        fit.test("condition", "B", "A")
    assert fit.test("batch[T.y]:condition[T.B]")["p_value"].notna().sum() == 11
