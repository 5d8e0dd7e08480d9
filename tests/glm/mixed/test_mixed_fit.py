"""Fits with a random intercept per donor."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from scipy.optimize import minimize

from jaxnb import glm
from jaxnb.fit import CountStatistics
from jaxnb.glm.design import Design
from jaxnb.glm.mixed import restricted as restricted_likelihood
from jaxnb.glm.mixed.donors import donors_of
from jaxnb.glm.mixed.problem import Point

RNG = np.random.default_rng(11)
CELLS, DONORS = 480, 8
DONOR = RNG.integers(0, DONORS, CELLS)
OBS = pd.DataFrame(
    {
        "donor": [f"d{code}" for code in DONOR],
        "condition": np.where(DONOR % 2, "B", "A"),
        "batch": RNG.choice(["x", "y"], CELLS),
    }
)
FACTORS = np.exp(RNG.normal(0, 0.15, CELLS))
SDS = np.array([0.8, 0.5, 0.3, 0.0, 0.5, 0.0])
EFFECTS = RNG.normal(0, 1, (DONORS, SDS.size)) * SDS
MEAN = FACTORS[:, None] * np.array([0.4, 2.0, 30.0, 1.0, 1.0, 0.0]) * np.exp(EFFECTS[DONOR])
COUNTS = pd.DataFrame(RNG.poisson(RNG.gamma(2, 0.5, MEAN.shape) * MEAN), columns=list("abcdez"))
COUNTS.loc[(DONOR % 2 == 1) | (DONOR == 0), "e"] = 0  # no counts in B, nor in one donor of A


def fitted(dispersion="ml", **options):
    arguments = {"obs": OBS, "size_factors": FACTORS, "random": "donor"} | options
    return glm.fit(COUNTS, "~ condition + batch", dispersion=dispersion, **arguments)


@pytest.fixture(scope="module")
def ml():
    return fitted()


@pytest.fixture(scope="module")
def restricted():
    return fitted("cox-reid")


def test_maximum_likelihood(ml):
    assert ml.status.tolist()[4:] == ["separated", "all zeros"]
    assert np.isin(ml.status[:4], ["converged", "no random sd"]).all()
    ((_, problem),) = ml.regression.problems()
    here = problem.evaluate(np.arange(6), ml.estimates.point)
    inside = np.column_stack([np.ones((4, 3)), ml.dispersion[:4] > 0, ml.random_sd[:4] > 0])
    np.testing.assert_allclose(here.gradient[:4] * inside, 0, atol=1e-5)
    hessian = here.hessian[:4] * inside[:, :, None] * inside[:, None, :]
    assert np.linalg.eigvalsh(hessian)[:, -1].max() <= 1e-6
    assert ml.coefficients.loc["e", "condition[T.B]"] == -np.inf
    assert np.isnan(ml.standard_errors.loc["e", "condition[T.B]"])
    assert np.isfinite(ml.standard_errors.loc["e", "batch[T.y]"])
    assert np.isnan(ml.random_sd["z"])
    assert ml.log_likelihood["z"] == 0


def test_without_donors_effects_it_is_the_plain_regression(ml):
    with pytest.warns(UserWarning, match="the rows of one donor are not replicates"):
        full = fitted(random=None)
    ((_, problem),) = ml.regression.problems()
    at = Point(full.alpha, full.beta, np.zeros(6))
    value = problem.evaluate(np.arange(6), at).log_likelihood
    value = value - problem.data.exceedances.log_factorials
    np.testing.assert_allclose(value[:5], full.log_likelihood[:5], rtol=0, atol=1e-8)
    none = (ml.random_sd == 0).to_numpy()
    assert none.any()
    assert (ml.status[none] == "no random sd").all()
    pd.testing.assert_frame_equal(ml.coefficients[none], full.coefficients[none], atol=1e-8)
    np.testing.assert_allclose(ml.log_likelihood[none], full.log_likelihood[none], atol=1e-8)
    assert (ml.log_likelihood[:4] >= full.log_likelihood[:4] - 1e-8).all()


@pytest.mark.slow
def test_restricted_maximum_likelihood(ml, restricted):
    """The adjusted profile, maximized over β and α by another program, is level in σ there."""
    gene = 1
    assert restricted.random_sd.iloc[gene] > ml.random_sd.iloc[gene] > 0
    ((_, problem),) = restricted.regression.problems()
    found = restricted.estimates.point.take(np.array([gene]))
    genes = np.array([gene])

    def adjusted(sigma):
        def negative(p):
            at = Point(np.exp(p[3:]), p[None, :3], np.array([sigma]))
            here = problem.evaluate(genes, at)
            slope = here.gradient[0, :4].copy()
            slope[3] *= at.alpha[0]
            return -here.log_likelihood[0], -slope

        start = np.concatenate([found.beta[0], np.log(found.alpha)])
        best = minimize(negative, start, jac=True, method="BFGS", options={"gtol": 1e-8}).x
        at = Point(np.exp(best[3:]), best[None, :3], np.array([sigma]))
        here = problem.evaluate(genes, at)
        return here.log_likelihood[0] - 0.5 * np.linalg.slogdet(-here.hessian[0, :3, :3])[1]

    sigma, h = found.sigma[0], 0.004
    low, middle, high = (adjusted(sigma + step) for step in (-h, 0, h))
    bend = (low - 2 * middle + high) / h**2
    assert bend < 0
    assert abs((high - low) / (2 * h) / bend) < 1e-3 * sigma


def test_few_counts_of_few_donors(monkeypatch):
    """Three of eight donors without counts; against a search that keeps close to the path."""
    rng = np.random.default_rng(1)
    effects = rng.normal(0, 1.2, (DONORS, 6))
    mean = 0.08 * np.exp(effects[DONOR]) * ~np.isin(DONOR, (0, 2, 3))[:, None]
    counts = pd.DataFrame(rng.poisson(rng.gamma(0.5, 2, mean.shape) * mean))
    options = {"obs": OBS, "size_factors": FACTORS, "random": "donor"}
    found = glm.fit(counts, "~ condition + batch", **options)
    monkeypatch.setattr(restricted_likelihood, "_NEAR_PATH", 1e-3)
    monkeypatch.setattr(restricted_likelihood, "_MAX_ITER", 300)
    careful = glm.fit(counts, "~ condition + batch", **options)
    expected = ["random sd limit", "separated", "poisson", *["converged"] * 3]
    assert found.status.tolist() == careful.status.tolist() == expected
    np.testing.assert_allclose(found.random_sd, careful.random_sd, rtol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize(("size", "rtol"), [(1e6, 1e-5), (1e7, 1e-6), (1e8, 1e-7)])
def test_millions_of_counts_per_row(size, rtol):
    """Donors' totals then are their means, and the test is that of t on their logarithms."""
    rng = np.random.default_rng(0)
    effects = rng.normal(0, 0.8, (12, 60))
    counts = rng.poisson(size * np.exp(np.repeat(effects, 4, axis=0)))
    donors, side = np.repeat(np.arange(12), 4), np.repeat([0, 1], 6)
    obs = pd.DataFrame({"donor": donors, "side": side[donors].astype(str)})
    logs = np.log(counts.reshape(12, 4, 60).sum(axis=1))
    sd = np.sqrt((logs[:6].var(axis=0, ddof=1) + logs[6:].var(axis=0, ddof=1)) / 2)
    options = {"obs": obs, "size_factors": np.ones(48), "random": "donor"}
    fit = glm.fit(counts, "~ side", **options)
    assert fit.status.isin(["converged", "poisson"]).all()
    np.testing.assert_allclose(fit.random_sd, sd, rtol=rtol)
    ml = glm.fit(counts, "~ side", dispersion="ml", **options)
    assert ml.status.isin(["converged", "poisson"]).all()
    np.testing.assert_allclose(ml.random_sd, sd * np.sqrt(10 / 12), rtol=1e-4)
    table = fit.test("side", "1", "0", method="sandwich")
    expected = stats.ttest_ind(logs[6:], logs[:6])
    np.testing.assert_allclose(np.log(table["p_value"]), np.log(expected.pvalue), atol=1e-4)
    ratio = ml.test("side", "1", "0", method="wald")["se"] * np.log(2) / sd
    np.testing.assert_allclose(ratio, np.sqrt(10 / 36), rtol=1e-4)


@pytest.mark.slow
def test_effects_of_donors(ml):
    effects, sds = ml.donor_effects, ml.donor_effect_sds
    assert effects.columns.tolist() == sorted(OBS["donor"].unique())
    assert (effects.loc["z"] == 0).all()
    assert (sds.loc["z"] == 0).all()
    strong = effects.loc["c"], sds.loc["c"]
    true = EFFECTS[:, 2] - np.where(
        np.arange(8) % 2, EFFECTS[1::2, 2].mean(), EFFECTS[::2, 2].mean()
    )
    assert np.corrcoef(strong[0], true)[0, 1] > 0.9
    assert (strong[1] < ml.random_sd["c"]).all()
    assert (strong[1] > 0).all()


@pytest.mark.slow
def test_the_same_from_statistics_arrays_and_numbers(ml):
    groups = OBS.groupby(["donor", "condition", "batch"], sort=True)
    lines = groups.size().reset_index()
    statistics = CountStatistics.of(COUNTS.to_numpy(), FACTORS, groups.ngroup().to_numpy())
    by_group = glm.fit(
        statistics,
        "~ condition + batch",
        obs=lines,
        genes=COUNTS.columns,
        dispersion="ml",
        random="donor",
    )
    # Numbers are labels of donors too.
    by_code = fitted(random=DONOR)
    for other in (by_group, by_code):
        assert other.status.tolist() == ml.status.tolist()
        np.testing.assert_allclose(other.random_sd, ml.random_sd, atol=1e-6)
        np.testing.assert_allclose(other.log_likelihood, ml.log_likelihood, atol=1e-7)
        np.testing.assert_allclose(other.standard_errors, ml.standard_errors, rtol=1e-5)
    assert by_code.donors.labels.tolist() == list(range(DONORS))


@pytest.mark.quick
@pytest.mark.parametrize(
    ("random", "error", "message"),
    [
        ("who", ValueError, "'who' is not a column of obs"),
        ("(1 | donor)", TypeError, "one random intercept is fitted, random='donor'"),
        ("donor + batch", TypeError, "one random intercept"),
        (["donor", "batch"], TypeError, "one random intercept"),
        (np.zeros(CELLS), ValueError, "all rows are from one donor"),
        (np.arange(CELLS), ValueError, "every row has a donor of its own"),
        (FACTORS, ValueError, "fractions such as .*labels of donors"),
        (DONOR[:-1], ValueError, r"shape \(480,\), not \(479,\)"),
        (np.where(DONOR == 3, None, DONOR), ValueError, "rows have no donor: leave them out"),
        (np.where(DONOR == 3, " ", OBS["donor"]), ValueError, "rows have no donor: leave them out"),
        ("donor,batch", TypeError, "one random intercept"),
        (DONOR % 2, ValueError, "cannot be told apart from those of the donor"),
    ],
)
def test_one_clear_message(random, error, message):
    with pytest.raises(error, match=message):
        fitted(random=random)


@pytest.mark.quick
def test_donors_that_are_doubtful():
    ones = Design(np.ones((CELLS, 1)), ["Intercept"], OBS)
    spelled = OBS.assign(donor=np.where(np.arange(CELLS) == 3, "D1", OBS["donor"]))
    with pytest.warns(UserWarning, match="differ in blanks or capitals alone"):
        donors_of("donor", spelled, ones, CELLS)
    alone = OBS.assign(donor=np.maximum(np.arange(CELLS), 1))
    with pytest.warns(UserWarning, match="480 rows of 479 values of donor: with fewer than two"):
        donors_of("donor", alone, ones, CELLS)


@pytest.mark.slow
def test_other_bad_input():
    with pytest.raises(ValueError, match="'shrunken' is not for a random effect"):
        fitted("shrunken")
    with pytest.raises(ValueError, match="cannot be told apart"):
        glm.fit(COUNTS, "~ donor", obs=OBS, size_factors=FACTORS, random="donor")
    few = OBS["donor"].isin(["d0", "d1", "d2"]).to_numpy()
    with pytest.warns(UserWarning, match="leave 1 degree of freedom"):
        glm.fit(COUNTS[few], "~ condition", obs=OBS[few], size_factors=FACTORS[few], random="donor")


@pytest.mark.slow
def test_where_a_covariate_is_zero_and_its_unit_do_not_matter(ml):
    day = 20240115 + 30 * (OBS["batch"] == "y")
    fit = fitted(obs=OBS.assign(batch=day))
    assert fit.status.tolist() == ml.status.tolist()
    np.testing.assert_allclose(fit.log_likelihood, ml.log_likelihood, rtol=1e-9)
    for got, expected in (
        (fit.coefficients, ml.coefficients),
        (fit.standard_errors, ml.standard_errors),
    ):
        np.testing.assert_allclose(got["batch"] * 30, expected["batch[T.y]"], rtol=1e-6)
        name = "condition[T.B]"
        np.testing.assert_allclose(got[name], expected[name], rtol=1e-6)
    np.testing.assert_allclose(fit.donor_effects, ml.donor_effects, atol=1e-7)
    table = fit.test("batch", method="wald")
    expected = ml.test("batch", "y", "x", method="wald")
    np.testing.assert_allclose(table["p_value"], expected["p_value"], rtol=1e-6)
