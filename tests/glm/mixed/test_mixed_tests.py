"""Tests of contrasts with donors."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from jaxnb import glm
from jaxnb.glm.mixed.moderation import Variances, moderated
from jaxnb.glm.mixed.problem import Point
from jaxnb.glm.mixed.scores import Scales, fit_at_scales
from jaxnb.glm.mixed.testing import f_statistic

RNG = np.random.default_rng(5)
CELLS, DONORS, GENES = 320, 8, 64
DONOR = np.arange(CELLS) % DONORS
OBS = pd.DataFrame(
    {
        "donor": DONOR,
        "condition": np.where(DONOR < 4, "A", "B"),
        "time": np.where(np.arange(CELLS) // DONORS % 2, "late", "early"),
    }
)
SD = 0.5
ETA = np.log(RNG.uniform(1, 4, GENES)) + SD * RNG.normal(0, 1, (DONORS, GENES))[DONOR]
ETA[:, 0] += 4 * (DONOR >= 4)
ETA[:, 1] -= 1.5 * (OBS["time"] == "late")
COUNTS = RNG.poisson(RNG.gamma(2, 0.5, ETA.shape) * np.exp(ETA))
COUNTS[DONOR < 4, 2] = 0


@pytest.fixture(scope="module")
def fit():
    ones = np.ones(CELLS)
    return glm.fit(
        COUNTS, "~ condition + time", obs=OBS, random="donor", size_factors=ones, dispersion="ml"
    )


@pytest.fixture(scope="module")
def between(fit):
    return fit.test("condition", "B", "A")


def test_between_donors(between):
    assert between.attrs["method"] == "moderated"
    assert 0.35 < between.attrs["sigma"] < 0.75
    assert between.attrs["tau"] == 0
    assert between["p_value"].idxmin() == 0
    assert between["log2_fold_change"][0] == pytest.approx(4 / np.log(2), abs=2)
    np.testing.assert_allclose(between["log2_fold_change"] / between["se"], between["statistic"])
    assert between["log2_fold_change"][2] == np.inf
    assert between.loc[2, ["se", "statistic", "p_value"]].isna().all()
    others = between.drop(index=[0, 2])["p_value"]
    assert stats.kstest(others, "uniform").pvalue > 1e-3


def test_within_donors(fit):
    table = fit.test("time", "late", "early")
    assert table.attrs["method"] == "moderated"
    assert table.attrs["tau"] < 0.3
    assert table["p_value"].idxmin() == 1
    assert table["log2_fold_change"][1] == pytest.approx(-1.5 / np.log(2), abs=0.6)
    # A condition without counts does not matter for the other contrast.
    assert np.isfinite(table["p_value"][2])
    alone = fit.test("time", "late", "early", method="sandwich")
    np.testing.assert_allclose(alone["log2_fold_change"], table["log2_fold_change"])
    assert not np.allclose(alone["se"], table["se"])
    with pytest.raises(ValueError, match="'lr-f' is for contrasts that are constant within"):
        fit.test("time", "late", "early", method="lr-f")


def test_unit_and_zero_of_a_covariate_within_donors_do_not_matter():
    late, ones = OBS["time"] == "late", np.ones(CELLS)
    own = 0.5 * RNG.normal(0, 1, (DONORS, GENES))[DONOR] * late.to_numpy()[:, None]
    counts = RNG.poisson(RNG.gamma(2, 0.5, ETA.shape) * np.exp(ETA + own))
    tables = []
    for time in (late.astype(float), 2024 + 1e-3 * late):
        fit = glm.fit(
            counts, "~ condition + time", obs=OBS.assign(time=time), random="donor",
            size_factors=ones, dispersion="ml",
        )  # fmt: skip
        tables.append(fit.test("time"))
    expected, table = tables
    assert expected.attrs["tau"] > 0.2
    assert table.attrs["tau"] * 1e-3 == pytest.approx(expected.attrs["tau"], rel=1e-4)
    np.testing.assert_allclose(table["se"] * 1e-3, expected["se"], rtol=1e-4)
    np.testing.assert_allclose(table["p_value"], expected["p_value"], rtol=1e-4)


@pytest.mark.quick
def test_the_f_of_a_likelihood_ratio_is_that_of_a_linear_regression():
    response, groups = RNG.normal(size=12), np.repeat([0, 1, 2], 4)
    expected = stats.f_oneway(*(response[groups == group] for group in range(3))).statistic
    within = sum(np.var(response[groups == group]) * 4 for group in range(3))
    ratio = 12 * np.log(np.var(response) * 12 / within)
    assert f_statistic(ratio, donors=12, degrees=2, rest=9) == pytest.approx(expected)


@pytest.mark.slow
def test_likelihood_ratios(fit):
    chi = fit.test("condition", "B", "A", method="lr")
    f = fit.test(reduced="~ time")
    assert f.attrs["method"] == "lr-f"
    assert "log2_fold_change" not in f
    # 8 donors, 2 coefficients among them
    expected = 6 * np.expm1(chi["statistic"] / 8)
    np.testing.assert_allclose(f["statistic"], expected)
    np.testing.assert_allclose(f["p_value"], stats.f.sf(expected, 1, 6))
    assert f["p_value"][2] < 0.05  # infinite, and tested nevertheless
    wald = fit.test("condition", "B", "A", method="wald")
    few = wald.drop(index=2)
    z = fit.coefficients["condition[T.B]"] / fit.standard_errors["condition[T.B]"]
    np.testing.assert_allclose(few["statistic"], z.drop(2))


@pytest.mark.quick
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"method": "ql", "name": "time[T.late]"}, "is none of 'auto', 'moderated'"),
        ({"reduced": "~ time", "method": "wald"}, "is for one contrast"),
        ({"reduced": "~ condition + time"}, "nothing to test"),
        ({"name": "age"}, "age"),
    ],
)
def test_bad_tests(fit, arguments, message):
    with pytest.raises(ValueError, match=message):
        fit.test(**arguments)


@pytest.mark.slow
def test_few_genes_are_not_moderated():
    fit = glm.fit(
        COUNTS[:, 3:7], "~ condition", obs=OBS, random="donor", size_factors=np.ones(CELLS)
    )
    with pytest.warns(UserWarning, match="4 genes are too few to moderate.*'lr-f' is used"):
        table = fit.test("condition", "B", "A")
    assert table.attrs["method"] == "lr-f"


def test_scores_are_those_of_the_marginal_likelihood(fit):
    """Without a slope those of `evaluate`; with one, derivatives of the value."""
    ((_, problem),) = fit.regression.problems()
    genes = np.array([3, 4, 5])
    at = fit.estimates.point.take(genes)
    at = Point(at.alpha, at.beta, np.full(3, 0.3))
    slope = np.where(problem.data.design[..., 2] > 0, 0.5, -0.5)
    alone = fit_at_scales(problem, genes, at.alpha, at.beta, Scales(0.3, 0.0, slope))
    here = problem.evaluate(genes, Point(at.alpha, alone.beta, at.sigma))
    np.testing.assert_allclose(here.gradient[:, :3], 0, atol=1e-4)
    np.testing.assert_allclose(alone.information, -here.hessian[:, :3, :3], rtol=1e-4, atol=1e-3)
    both = fit_at_scales(problem, genes, at.alpha, at.beta, Scales(0.3, 0.4, slope))
    np.testing.assert_allclose(both.score[..., :3].sum(axis=1), 0, atol=1e-2)
    np.testing.assert_allclose(both.score[..., 0], both.score[..., 3], atol=1e-9)
    low, high = both.information.diagonal(0, 1, 2), alone.information.diagonal(0, 1, 2)
    # Slopes of their own leave less to learn of the common one.
    assert (low[:, 2] < 0.9 * high[:, 2]).all()


@pytest.mark.quick
def test_moderation_finds_the_prior():
    genes, degrees, prior = 3000, 4.0, 6.0
    mean = RNG.uniform(0.1, 10, genes)
    scale = np.where(mean > 5, 2.0, 1.0)
    ratio = scale * stats.f.rvs(degrees, prior, size=genes, random_state=RNG)
    found = moderated(Variances(np.ones(genes), ratio, np.full(genes, degrees)), mean)
    assert found.prior_degrees == pytest.approx(prior, rel=0.25)
    expected = (prior * scale + degrees * ratio) / (prior + degrees)
    assert np.median(np.abs(found.ratio / expected - 1)) < 0.1
    np.testing.assert_allclose(found.degrees, degrees + found.prior_degrees)
