"""Fits against values known from elsewhere: R, the literature, an independent optimiser."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from scipy.special import gammaln, xlogy

from jaxnb import datasets, log_zinb_positive
from jaxnb.fit import CountStatistics, FitResult, FitStatus, fit_nb, fit_poisson, fit_zinb
from jaxnb.fit.columns import Columns
from jaxnb.fit.negative_binomial import nb_of_columns
from jaxnb.fit.zero_inflated import zinb_of_columns

Fitted = tuple[FitResult, FitResult]


def column(gene: str) -> int:
    return int(np.flatnonzero(datasets.pbmc68k().genes == gene)[0])


def test_lyz_has_the_validated_fit(fitted: Fitted) -> None:
    nb, _ = fitted
    at = column("LYZ")
    assert nb.status[at] == FitStatus.CONVERGED
    assert_allclose(np.log(nb.mean[at]), -5.677306866761855, rtol=1e-8)
    assert_allclose(1 / nb.theta[at], 4.774657695988784, rtol=1e-8)
    assert_allclose(nb.log_likelihood[at], -2044.783233, atol=1e-6)


def test_cox7c_is_at_the_poisson_boundary(fitted: Fitted) -> None:
    nb, zinb = fitted
    at = column("COX7C")
    assert nb.status[at] == FitStatus.POISSON
    assert zinb.status[at] == FitStatus.POISSON_NO_INFLATION
    assert nb.theta[at] == np.inf
    assert zinb.zi_logits[at] == -np.inf
    assert_allclose(np.log(nb.mean[at]), -7.499668991089449, rtol=1e-8)
    assert_allclose(nb.log_likelihood[at], -1156.4180859888847, atol=1e-8)


@pytest.mark.quick
def test_bliss_and_fishers_mites() -> None:
    """European red mites on apple leaves: Bliss & Fisher (1953), Biometrics 9, table 1."""
    mites = np.repeat(np.arange(8), [70, 38, 17, 10, 9, 3, 2, 1])
    fit = fit_nb(mites[:, None], np.ones(150))
    assert fit.status[0] == FitStatus.CONVERGED
    assert_allclose(fit.mean, mites.mean(), rtol=1e-6)
    assert_allclose(fit.theta, 1.024592387, rtol=1e-8)
    assert_allclose(fit.log_likelihood, -222.437153598, atol=1e-8)


@pytest.mark.slow
def test_every_gene_ends_in_a_status_that_is_a_result(fitted: Fitted) -> None:
    nb, zinb = fitted
    assert not np.any(nb.status == FitStatus.NOT_CONVERGED)
    assert not np.any(zinb.status == FitStatus.NOT_CONVERGED)
    assert np.all(zinb.log_likelihood >= nb.log_likelihood)
    poisson = np.isin(nb.status, [FitStatus.POISSON])
    assert np.array_equal(poisson, np.isinf(nb.theta))
    assert np.array_equal(
        np.isin(zinb.status, [FitStatus.NO_INFLATION, FitStatus.POISSON_NO_INFLATION]),
        np.isinf(zinb.zi_logits),
    )


@pytest.mark.parametrize("x64", [False, True])
def test_everything_is_float64_whatever_the_flag_says(x64: bool) -> None:
    data = datasets.pbmc68k()
    with jax.enable_x64(x64):
        fit = fit_zinb(data.counts[:, :60], data.total_counts)  # the program of all genes
        assert jnp.ones(1).dtype == (jnp.float64 if x64 else jnp.float32)
    assert fit.mean.dtype == fit.standard_errors.log_theta.dtype == np.float64
    assert fit.theta.dtype == fit.zi_logits.dtype == fit.log_likelihood.dtype == np.float64


@pytest.mark.slow
def test_single_cells_give_the_same_nb_as_statistics(fitted: Fitted) -> None:
    alike(nb_of_columns(by_cells(), max_iter=100, progress=False), fitted[0])


@pytest.mark.slow
def test_single_cells_give_the_same_zinb_as_statistics(fitted: Fitted) -> None:
    nb = jax.tree.map(lambda entry: entry[EVERY_THIRTIETH], fitted[0])
    alike(zinb_of_columns(by_cells(), nb, max_iter=100, progress=False), fitted[1])


EVERY_THIRTIETH = np.arange(0, 765, 30)


def by_cells() -> Columns:
    """Some genes, for the sums that fractional counts take."""
    data = datasets.pbmc68k()
    columns = Columns(data.counts[:, EVERY_THIRTIETH], data.total_counts.astype(np.float64))
    columns.whole, columns.fractional = columns.fractional, columns.whole
    columns.statistics = None
    return columns


def alike(actual: FitResult, whole: FitResult) -> None:
    expected = jax.tree.map(lambda entry: entry[EVERY_THIRTIETH], whole)
    assert_array_equal(actual.status, expected.status)
    assert_allclose(actual.log_likelihood, expected.log_likelihood, rtol=0, atol=1e-9)
    for name in ("mean", "theta", "zi_logits"):
        change = np.log if name != "zi_logits" else np.asarray
        error = getattr(expected.standard_errors, name if name == "zi_logits" else f"log_{name}")
        inside = np.isfinite(error)
        distance = change(getattr(actual, name)[inside]) - change(getattr(expected, name)[inside])
        assert np.all(np.abs(distance) < 1e-7 * error[inside])


def test_a_column_of_half_counts_among_whole_numbers(fitted: Fitted) -> None:
    """It is fitted cell by cell, the others are not."""
    data = datasets.pbmc68k()
    half = data.counts[:, [column("LYZ")]].toarray() / 2
    matrix = np.insert(data.counts[:, :60].toarray().astype(np.float64), [20], half, axis=1)
    with pytest.warns(UserWarning, match="1 of 61 columns hold numbers that are not whole"):
        fit = fit_nb(matrix, data.total_counts)
    assert fit.status[20] == FitStatus.CONVERGED
    others = jax.tree.map(lambda entry: np.delete(entry, 20), fit)
    jax.tree.map(assert_array_equal, others, jax.tree.map(lambda entry: entry[:60], fitted[0]))

    def log_likelihood(mean: float, theta: float) -> float:
        mu = mean * data.total_counts.astype(np.float64)
        x = half[:, 0]
        # SciPy's binomial coefficient takes whole numbers only.
        rising = gammaln(x + theta) - gammaln(theta) - gammaln(x + 1)
        return float(np.sum(rising + xlogy(x, mu / (mu + theta)) - theta * np.log1p(mu / theta)))

    mean, theta, highest = fit.mean[20], fit.theta[20], fit.log_likelihood[20]
    assert_allclose(log_likelihood(mean, theta), highest, rtol=0, atol=1e-9)
    for change in (0.999, 1.001):
        assert log_likelihood(mean * change, theta) < highest
        assert log_likelihood(mean, theta * change) < highest


def test_standard_errors_of_a_zero_inflated_fit_are_those_of_the_information(
    fitted: Fitted,
) -> None:
    data, fit = datasets.pbmc68k(), fitted[1]
    (inside,) = np.nonzero(fit.status == FitStatus.CONVERGED)
    at = inside[np.argmin(np.abs(fit.zi_logits[inside]))]
    x, totals = data.counts[:, [at]].toarray()[:, 0].astype(float), data.total_counts.astype(float)

    @jax.jit
    @jax.hessian
    def curvature(point):
        log_mean, log_theta, zi_logits = point
        mu = totals * jnp.exp(log_mean)
        return log_zinb_positive(x, mu, jnp.exp(log_theta), zi_logits, 0.0).sum()

    point = np.array([np.log(fit.mean[at]), np.log(fit.theta[at]), fit.zi_logits[at]])
    with jax.enable_x64(True):
        covariance = np.linalg.inv(-np.asarray(curvature(point)))
    errors = [column[at] for column in fit.standard_errors]
    assert_allclose(errors, np.sqrt(np.diagonal(covariance)), rtol=1e-4)


def test_standard_errors_are_those_of_the_observed_information() -> None:
    """For the mites, from the second differences of the log-likelihood in float64."""
    mites = np.repeat(np.arange(8), [70, 38, 17, 10, 9, 3, 2, 1])
    errors = fit_nb(mites[:, None], np.ones(150)).standard_errors
    # Anscombe (1950): mean and theta are asymptotically uncorrelated, so this one has a formula.
    mean, theta = mites.mean(), 1.024592387
    assert_allclose(errors.log_mean, np.sqrt((1 / mean + 1 / theta) / 150), rtol=1e-6)
    assert_allclose(errors.log_theta, 0.26928493, rtol=1e-6)
    assert np.isnan(errors.zi_logits[0])


def test_matrices_of_every_kind_give_the_same_fit() -> None:
    data = datasets.pbmc68k()
    dense, totals = data.counts[:, :60].toarray(), data.total_counts
    expected = fit_nb(dense, totals)
    for counts in (sparse.csr_matrix(dense), sparse.csc_array(dense), jnp.asarray(dense)):
        jax.tree.map(np.testing.assert_array_equal, fit_nb(counts, totals), expected)
    statistics = CountStatistics.of(dense, totals)
    jax.tree.map(np.testing.assert_array_equal, fit_nb(statistics), expected)


def test_size_factors_default_to_totals_over_their_mean() -> None:
    counts = datasets.pbmc68k().counts[:, :60]
    totals = np.asarray(counts.sum(axis=1)).ravel()
    with pytest.warns(UserWarning, match="column 55 is 17% of all counts"):
        fit = fit_nb(counts)
    jax.tree.map(np.testing.assert_array_equal, fit, fit_nb(counts, totals / totals.mean()))


def test_the_poisson_fit_is_the_closed_form() -> None:
    data = datasets.pbmc68k()
    fit = fit_poisson(data.counts, data.total_counts)
    expected = np.asarray(data.counts.sum(axis=0)).ravel() / data.total_counts.sum()
    assert_allclose(fit.mean, expected, rtol=3e-6)
    assert np.all(fit.theta == np.inf)
    assert_allclose(fit.log_likelihood[column("COX7C")], -1156.4180859888847, rtol=1e-6)
