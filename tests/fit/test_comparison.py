"""What follows from fits of the same counts: against SciPy, textbooks and simple sums."""

import doctest

import numpy as np
import pandas as pd
import pytest
from scipy import sparse, stats

from jaxnb.fit import (
    CountStatistics,
    FitResult,
    FitStatus,
    StandardErrors,
    bic,
    compare_fits,
    comparison,
    expected_variance,
    expected_zeros,
    likelihood_ratio_test,
    q_values,
)

FACTORS = np.array([0.2, 0.5, 0.5, 1.0, 1.0, 3.0])
COUNTS = np.array([[0, 1, 0], [2, 0, 0], [0, 4, 0], [1, 0, 0], [0, 7, 0], [5, 2, 0]])


def fit(mean, theta=np.inf, zi_logits=-np.inf, log_likelihood=0.0, status=0) -> FitResult:
    """A result with given estimates, for three columns."""
    entries = (
        np.broadcast_to(np.asarray(entry, float), (3,)).copy()
        for entry in (mean, theta, zi_logits, log_likelihood)
    )
    unknown = StandardErrors(*np.full((3, 3), np.nan))
    codes = np.broadcast_to(np.asarray(status, np.int8), (3,))
    return FitResult(*entries, unknown, np.zeros(3, np.int32), codes)


POISSON = fit([1.0, 2.0, 0.0], log_likelihood=[-9, -30, 0], status=[1, 1, 4])
NB = fit([1.0, 2.0, 0.0], [0.5, 3.0, np.inf], log_likelihood=[-8, -12, 0], status=[0, 0, 4])
ZINB = fit([1.5, 2.0, 0.0], [2.0, 3.0, np.inf], [0.3, -np.inf, -np.inf], [-1, -12, 0], [0, 2, 4])
FITS = {"Poisson": POISSON, "NB": NB, "ZINB": ZINB}


@pytest.mark.quick
@pytest.mark.parametrize("name", FITS)
def test_expected_zeros_and_variance_against_scipy(name: str) -> None:
    result = FITS[name]
    zeros, variances = expected_zeros(result, FACTORS), expected_variance(result, FACTORS)
    for column in range(2):
        mu = FACTORS * result.mean[column]
        theta, p = result.theta[column], 1 / (1 + np.exp(-result.zi_logits[column]))
        dist = stats.poisson(mu) if np.isinf(theta) else stats.nbinom(theta, theta / (theta + mu))
        assert zeros[column] == pytest.approx(np.mean(p + (1 - p) * dist.pmf(0)), rel=1e-13)
        means = (1 - p) * mu
        second_moments = (1 - p) * (dist.var() + mu**2)
        variance = np.mean(second_moments) - np.mean(means) ** 2
        assert variances[column] == pytest.approx(variance, rel=1e-12)


@pytest.mark.slow
def test_many_columns_are_evaluated_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = expected_zeros(NB, FACTORS)
    monkeypatch.setattr(comparison, "_ELEMENTS_AT_ONCE", 10)
    np.testing.assert_allclose(expected_zeros(NB, FACTORS), whole, rtol=1e-14)


def test_likelihood_ratio_has_half_a_chi_square() -> None:
    test = likelihood_ratio_test(NB, ZINB)
    np.testing.assert_allclose(test.statistic, [14, 0, 0])
    np.testing.assert_allclose(test.p_value, [0.5 * stats.chi2(1).sf(14), 1, 1], rtol=1e-12)
    np.testing.assert_allclose(test.q_value, [3 * test.p_value[0], 1, 1], rtol=1e-12)


def test_a_lower_likelihood_of_the_larger_model_is_no_evidence() -> None:
    test = likelihood_ratio_test(ZINB, NB)
    np.testing.assert_array_equal(test.statistic, 0)
    np.testing.assert_array_equal(test.p_value, 1)


def test_q_values_are_scipys() -> None:
    p = np.random.default_rng(0).uniform(size=200) ** 3
    np.testing.assert_allclose(q_values(p), stats.false_discovery_control(p), rtol=1e-12)
    assert q_values([]).shape == (0,)


def test_bic_counts_the_free_parameters() -> None:
    np.testing.assert_allclose(bic("Poisson", POISSON, 6), np.log(6) - 2 * POISSON.log_likelihood)
    np.testing.assert_allclose(bic("NB", NB, 6), 2 * np.log(6) - 2 * NB.log_likelihood)
    expected = np.array([3, 3, 2]) * np.log(6) - 2 * ZINB.log_likelihood
    np.testing.assert_allclose(bic("ZINB", ZINB, 6), expected)


@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_array, sparse.csc_matrix])
def test_the_table(kind) -> None:
    result = compare_fits(kind(COUNTS.astype(np.float32)), FACTORS, FITS, ["A", "B", "C"])
    table = pd.DataFrame(result.table)
    assert result.rows == 6
    assert list(table["gene"]) == ["A", "B", "C"]
    np.testing.assert_allclose(table["mean_observed"], COUNTS.mean(axis=0), rtol=1e-15)
    np.testing.assert_allclose(table["variance_observed"], COUNTS.var(axis=0, ddof=1), rtol=1e-14)
    np.testing.assert_allclose(table["zeros_observed"], np.mean(COUNTS == 0, axis=0))
    np.testing.assert_array_equal(table["zinb_theta"], ZINB.theta)
    np.testing.assert_array_equal(table["nb_zeros"], result.zeros["NB"])
    assert list(table["zinb_status"]) == ["converged", "no_inflation", "all_zeros"]
    assert list(table["bic_choice"]) == ["ZINB", "NB", "-"]
    assert table["zinb_zero_inflation"][0] == pytest.approx(1 / (1 + np.exp(-0.3)))


@pytest.mark.parametrize("inflated", [False, True])
def test_statistics_give_the_same_table(inflated: bool) -> None:
    rng = np.random.default_rng(2)
    # Means from 0.003 to 300, so that shares of zeros are from 1 to nearly none.
    counts = rng.poisson(FACTORS.repeat(50)[:, None] * np.array([0.003, 1.0, 300.0]))
    factors = FACTORS.repeat(50)
    result = fit([0.003, 1.0, 300.0], [0.1, 2.0, np.inf], [-3.0, 0.0, -np.inf])
    fits = {"Poisson": result._replace(theta=np.full(3, np.inf)), "ZINB": result}
    by_cells = compare_fits(sparse.csr_array(counts), factors, fits, ["A", "B", "C"])
    statistics = CountStatistics.of(counts, factors, zero_inflation=inflated)
    statistics.names = np.array(["A", "B", "C"])
    by_sums = compare_fits(statistics, None, fits)
    assert by_sums.rows == by_cells.rows
    assert list(by_sums.table) == list(by_cells.table)
    for title, column in by_cells.table.items():
        if column.dtype.kind == "f":
            np.testing.assert_allclose(by_sums.table[title], column, rtol=1e-12, atol=1e-12)
        else:
            np.testing.assert_array_equal(by_sums.table[title], column)
    for name, variance in by_cells.variances.items():
        np.testing.assert_allclose(by_sums.variances[name], variance, rtol=1e-12)
    with pytest.raises(ValueError, match="hold their size factors"):
        compare_fits(statistics, factors, fits)
    with pytest.raises(ValueError, match="give those of the fits"):
        compare_fits(counts, None, fits)


def test_as_a_data_frame() -> None:
    table = compare_fits(COUNTS, FACTORS, FITS, ["A", "B", "C"])
    frame = table.to_frame()
    assert list(frame.index) == ["A", "B", "C"]
    assert list(frame["bic_choice"]) == ["ZINB", "NB", "-"]
    named = {name: one._replace(genes=np.array(["A", "B", "C"])) for name, one in FITS.items()}
    assert list(compare_fits(COUNTS, FACTORS, named).table["gene"]) == ["A", "B", "C"]


def test_stored_zeros_are_zeros() -> None:
    counts = sparse.csr_array(([0, 3], ([0, 1], [0, 0])), shape=(6, 1))
    one = {"NB": FitResult(*(np.ones(1),) * 4, StandardErrors(*np.ones((3, 1))), *np.ones((2, 1)))}
    assert compare_fits(counts, FACTORS, one).table["zeros_observed"] == pytest.approx([5 / 6])


def test_the_choice_where_fits_have_failed_or_have_no_dispersion() -> None:
    failed = NB._replace(status=np.array([FitStatus.NOT_CONVERGED, 0, 4]))
    zip_ = ZINB._replace(theta=np.full(3, np.inf))
    choice = compare_fits(COUNTS, FACTORS, {"NB": failed, "ZINB": ZINB}).table["bic_choice"]
    assert list(choice) == ["?", "NB", "-"]
    choice = compare_fits(COUNTS, FACTORS, {"NB": NB, "ZINB": zip_}).table["bic_choice"]
    assert list(choice) == ["ZIP", "NB", "-"]


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"fits": {}}, "not empty"),
        ({"fits": {"gamma": NB}}, "Poisson, NB, ZINB, not gamma"),
        ({"size_factors": FACTORS[:5]}, "size_factors must have shape"),
        ({"names": ["A"]}, "names: 1 entries for 3 columns"),
        ({"counts": COUNTS[:, :2]}, "Poisson: 3 entries for 2 columns"),
    ],
)
def test_what_does_not_fit_together(changes: dict, says: str) -> None:
    arguments = {"counts": COUNTS, "size_factors": FACTORS, "fits": FITS} | changes
    with pytest.raises(ValueError, match=says):
        compare_fits(**arguments)


@pytest.mark.slow
def test_the_example() -> None:
    assert doctest.testmod(comparison).failed == 0
