"""Boundaries, degenerate columns and bad input."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse, stats

from jaxnb.fit import FitResult, FitStatus, fit_nb, fit_poisson, fit_zinb

ROWS = 60
ONES = np.ones(ROWS)


def columns() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(20)
    inflated = np.where(rng.random(ROWS) < 0.5, 0, 6)
    return {
        "all zeros": np.zeros(ROWS),
        "constant": np.full(ROWS, 4),
        "zeros and sixes": inflated,
        "a single one": np.eye(ROWS)[3],
        "a single thousand": 1000 * np.eye(ROWS)[3],
        "dispersed": rng.negative_binomial(0.5, 0.1, ROWS),
        "ones and zeros": rng.integers(0, 2, ROWS),
        "large": rng.poisson(rng.gamma(3, 2e2, ROWS)),
    }


NAMES = list(columns())
COUNTS = np.stack(list(columns().values()), axis=1)


@pytest.fixture(scope="module")
def nb() -> FitResult:
    return fit_nb(COUNTS, ONES)


@pytest.fixture(scope="module")
def zinb(nb: FitResult) -> FitResult:
    return fit_zinb(COUNTS, ONES, nb=nb)


@pytest.mark.quick
def test_nb_statuses(nb: FitResult) -> None:
    status = dict(zip(NAMES, map(FitStatus, nb.status.tolist()), strict=True))
    assert status == {
        "all zeros": FitStatus.ALL_ZEROS,
        "constant": FitStatus.POISSON,
        "zeros and sixes": FitStatus.CONVERGED,
        "a single one": FitStatus.POISSON,
        "a single thousand": FitStatus.CONVERGED,
        "dispersed": FitStatus.CONVERGED,
        "ones and zeros": FitStatus.POISSON,
        "large": FitStatus.CONVERGED,
    }
    # Without differing size factors the estimated mean is the sample's, whatever theta.
    assert_allclose(nb.mean, COUNTS.mean(axis=0), rtol=1e-5)
    assert np.all(nb.zi_logits == -np.inf)


@pytest.mark.slow
def test_zinb_statuses(zinb: FitResult) -> None:
    status = dict(zip(NAMES, map(FitStatus, zinb.status.tolist()), strict=True))
    assert status["all zeros"] == FitStatus.ALL_ZEROS
    assert status["constant"] == FitStatus.POISSON_NO_INFLATION
    assert status["zeros and sixes"] == FitStatus.POISSON
    assert status["a single one"] == FitStatus.POISSON_NO_INFLATION
    assert status["ones and zeros"] == FitStatus.POISSON_NO_INFLATION
    assert status["large"] == FitStatus.NO_INFLATION
    assert FitStatus.NOT_CONVERGED not in status.values()
    sixes = NAMES.index("zeros and sixes")
    inflation = 1 / (1 + np.exp(-zinb.zi_logits[sixes]))
    assert_allclose((1 - inflation) * zinb.mean[sixes], COUNTS[:, sixes].mean(), rtol=1e-5)


def test_a_column_of_zeros_has_mean_zero_and_no_standard_errors(
    nb: FitResult, zinb: FitResult
) -> None:
    for fit in (fit_poisson(COUNTS, ONES), nb, zinb):
        assert fit.mean[0] == 0
        assert fit.theta[0] == np.inf
        assert fit.zi_logits[0] == -np.inf
        assert fit.log_likelihood[0] == 0
        assert all(np.isnan(errors[0]) for errors in fit.standard_errors)


def test_parameters_on_a_boundary_have_no_standard_error(zinb: FitResult) -> None:
    errors = zinb.standard_errors
    constant = NAMES.index("constant")
    # The information on log(mean) of a Poisson distribution is the total.
    assert_allclose(errors.log_mean[constant], 1 / np.sqrt(4 * ROWS), rtol=1e-5)
    assert np.isnan(errors.log_theta[constant])
    assert np.isnan(errors.zi_logits[constant])
    sixes = NAMES.index("zeros and sixes")
    assert np.isnan(errors.log_theta[sixes])
    assert errors.zi_logits[sixes] > 0


def test_rows_without_counts_are_left_out() -> None:
    counts = np.concatenate([COUNTS, np.zeros((5, COUNTS.shape[1]))])
    factors = np.linspace(0.5, 2, ROWS)
    padded = fit_nb(counts, np.append(factors, np.zeros(5)))
    plain = fit_nb(COUNTS, factors)
    for with_rows, without in zip(padded[:4], plain[:4], strict=True):
        assert_allclose(with_rows, without, rtol=1e-5)


def test_nothing_but_zeros() -> None:
    empty = sparse.csr_array((ROWS, 2), dtype=int)
    for fit in (fit_nb(np.zeros((ROWS, 2))), fit_zinb(empty), fit_zinb(empty, "ones")):
        assert_array_equal(fit.status, FitStatus.ALL_ZEROS)


def test_a_single_cell_is_poisson() -> None:
    fit = fit_zinb(np.array([[0, 1, 7]]))
    assert_array_equal(
        fit.status,
        [FitStatus.ALL_ZEROS, FitStatus.POISSON_NO_INFLATION, FitStatus.POISSON_NO_INFLATION],
    )


def test_too_few_steps_are_reported_and_not_hidden() -> None:
    fit = fit_nb(COUNTS, ONES, max_iter=1)
    assert fit.status[NAMES.index("dispersed")] == FitStatus.NOT_CONVERGED
    assert fit.status[NAMES.index("constant")] == FitStatus.POISSON


def test_the_higher_of_two_maxima_is_found_though_a_coarse_scan_prefers_the_other() -> None:
    counts = np.array([[0, 1, 0, 0, 1, 14], [1, 0, 1, 0, 2, 0]]).T
    factors = np.array([3.816, 0.014, 14.896, 81.67, 200.583, 584.194])
    fit = fit_nb(counts, factors)
    log_mean, log_theta = np.linspace(-9, 3, 241)[:, None, None], np.linspace(-6, 6, 121)[:, None]
    mean, theta = np.exp(log_mean) * factors, np.exp(log_theta)
    for column, found in zip(counts.T, fit.log_likelihood, strict=True):
        heights = stats.nbinom.logpmf(column, theta, theta / (theta + mean)).sum(axis=-1)
        assert found > heights.max() - 1e-9


def test_a_maximum_that_is_not_reached_is_not_called_poisson() -> None:
    # The Poisson boundary is a local maximum: the largest cell is as a Poisson distribution has it.
    counts, factors = np.array([[10_000]] + [[2], [0]] * 10), np.array([1e4] + [0.01] * 20)
    assert fit_nb(counts, factors).status == [FitStatus.CONVERGED]
    assert fit_nb(counts, factors, max_iter=1).status == [FitStatus.NOT_CONVERGED]


def test_every_status_has_a_sentence() -> None:
    assert [int(status) for status in FitStatus] == list(range(6))
    assert all(FitStatus(code).message for code in range(6))
    assert "Poisson boundary" in FitStatus.POISSON.message


@pytest.mark.parametrize(
    ("counts", "size_factors", "says"),
    [
        (np.ones(3), None, "matrix"),
        (np.ones((0, 3)), None, "rows .cells or samples. and columns"),
        (-np.ones((2, 2)), None, "negative"),
        (np.full((2, 2), np.nan), None, "NaN"),
        (sparse.csr_array([[np.inf, 1]]), None, "finite"),
        (np.array([["a", "b"]]), None, "numbers"),
        (np.ones((2, 2)), np.ones(3), "one entry per row"),
        (np.ones((2, 2)), [1, -1], "not negative"),
        (np.ones((2, 2)), [1, np.nan], "finite"),
        (np.ones((2, 2)), [1, 0], "row 1 is 0"),
    ],
)
def test_bad_input_is_named(counts, size_factors, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        fit_nb(counts, size_factors)


def test_an_nb_fit_of_other_counts_is_refused(nb: FitResult) -> None:
    with pytest.raises(ValueError, match="nb has 8 columns"):
        fit_zinb(COUNTS[:, :2], ONES, nb=nb)
