"""Fits against values known from elsewhere: R, the literature, an independent optimiser."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import sparse

from jaxnb import datasets
from jaxnb.fit import FitResult, FitStatus, fit_nb, fit_poisson

Fitted = Callable[[bool], tuple[FitResult, FitResult]]

# What one float32 rounding of the parameters and terms leaves; see the docstring of `fit_nb`.
IN_FLOAT32 = {"theta": 3e-6, "log_likelihood": 1e-3}
IN_FLOAT64 = {"theta": 1e-8, "log_likelihood": 1e-8}
PRECISIONS = pytest.mark.parametrize(("x64", "within"), [(False, IN_FLOAT32), (True, IN_FLOAT64)])


def column(gene: str) -> int:
    return int(np.flatnonzero(datasets.pbmc68k().genes == gene)[0])


@PRECISIONS
def test_lyz_has_the_validated_fit(fitted: Fitted, x64: bool, within: dict[str, float]) -> None:
    nb, _ = fitted(x64)
    at = column("LYZ")
    assert nb.status[at] == FitStatus.CONVERGED
    assert_allclose(np.log(nb.mean[at]), -5.677306866761855, rtol=within["theta"])
    assert_allclose(1 / nb.theta[at], 4.774657695988784, rtol=within["theta"])
    assert_allclose(nb.log_likelihood[at], -2044.783233, atol=within["log_likelihood"] + 1e-6)


@PRECISIONS
def test_cox7c_is_at_the_poisson_boundary(
    fitted: Fitted, x64: bool, within: dict[str, float]
) -> None:
    nb, zinb = fitted(x64)
    at = column("COX7C")
    assert nb.status[at] == FitStatus.POISSON
    assert zinb.status[at] == FitStatus.POISSON_NO_INFLATION
    assert nb.theta[at] == np.inf
    assert zinb.zi_logits[at] == -np.inf
    assert_allclose(np.log(nb.mean[at]), -7.499668991089449, rtol=within["theta"])
    assert_allclose(nb.log_likelihood[at], -1156.4180859888847, atol=within["log_likelihood"])


@PRECISIONS
def test_bliss_and_fishers_mites(x64: bool, within: dict[str, float]) -> None:
    """European red mites on apple leaves: Bliss & Fisher (1953), Biometrics 9, table 1."""
    mites = np.repeat(np.arange(8), [70, 38, 17, 10, 9, 3, 2, 1])
    with jax.enable_x64(x64):
        fit = fit_nb(mites[:, None], np.ones(150))
    assert fit.status[0] == FitStatus.CONVERGED
    assert_allclose(fit.mean, mites.mean(), rtol=1e-6)
    assert_allclose(fit.theta, 1.024592387, rtol=max(within["theta"], 1e-8))
    assert_allclose(fit.log_likelihood, -222.437153598, atol=within["log_likelihood"])


@pytest.mark.parametrize("x64", [False, True])
def test_every_gene_ends_in_a_status_that_is_a_result(fitted: Fitted, x64: bool) -> None:
    nb, zinb = fitted(x64)
    assert not np.any(nb.status == FitStatus.NOT_CONVERGED)
    assert not np.any(zinb.status == FitStatus.NOT_CONVERGED)
    slack = 0 if x64 else 1e-3
    assert np.all(zinb.log_likelihood >= nb.log_likelihood - slack)
    poisson = np.isin(nb.status, [FitStatus.POISSON])
    assert np.array_equal(poisson, np.isinf(nb.theta))
    assert np.array_equal(
        np.isin(zinb.status, [FitStatus.NO_INFLATION, FitStatus.POISSON_NO_INFLATION]),
        np.isinf(zinb.zi_logits),
    )


def test_float32_agrees_with_float64(fitted: Fitted) -> None:
    for single, double in zip(fitted(False), fitted(True), strict=True):
        assert single.mean.dtype == single.standard_errors.log_theta.dtype == np.float32
        assert double.mean.dtype == double.standard_errors.log_theta.dtype == np.float64
        assert single.log_likelihood.dtype == double.log_likelihood.dtype == np.float64
        assert_allclose(single.log_likelihood, double.log_likelihood, rtol=1e-6, atol=1e-3)
        same = (single.status == double.status) & np.isfinite(double.theta)
        assert same.sum() > 0.97 * np.isfinite(double.theta).sum()
        # In units of the standard error: theta is hardly determined for some genes.
        error = np.log(single.theta[same].astype(np.float64) / double.theta[same])
        assert np.quantile(np.abs(error / double.standard_errors.log_theta[same]), 0.99) < 0.01


def test_standard_errors_are_those_of_the_observed_information() -> None:
    """For the mites, from the second differences of the log-likelihood in float64."""
    mites = np.repeat(np.arange(8), [70, 38, 17, 10, 9, 3, 2, 1])
    with jax.enable_x64(True):
        errors = fit_nb(mites[:, None], np.ones(150)).standard_errors
    # Anscombe (1950): mean and theta are asymptotically uncorrelated, so this one has a formula.
    mean, theta = mites.mean(), 1.024592387
    assert_allclose(errors.log_mean, np.sqrt((1 / mean + 1 / theta) / 150), rtol=1e-6)
    assert_allclose(errors.log_theta, 0.26928493, rtol=1e-6)
    assert np.isnan(errors.zi_logits[0])


def test_matrices_of_every_kind_give_the_same_fit() -> None:
    dense = datasets.pbmc68k().counts[:, :40].toarray()
    expected = fit_nb(dense)
    for counts in (sparse.csr_matrix(dense), sparse.csc_array(dense), jnp.asarray(dense)):
        actual = fit_nb(counts)
        jax.tree.map(np.testing.assert_array_equal, actual, expected)


def test_size_factors_default_to_totals_over_their_mean() -> None:
    counts = datasets.pbmc68k().counts[:, :20]
    totals = np.asarray(counts.sum(axis=1)).ravel()
    jax.tree.map(
        np.testing.assert_array_equal, fit_nb(counts), fit_nb(counts, totals / totals.mean())
    )


def test_the_poisson_fit_is_the_closed_form() -> None:
    data = datasets.pbmc68k()
    fit = fit_poisson(data.counts, data.total_counts)
    expected = np.asarray(data.counts.sum(axis=0)).ravel() / data.total_counts.sum()
    assert_allclose(fit.mean, expected, rtol=3e-6)
    assert np.all(fit.theta == np.inf)
    assert_allclose(fit.log_likelihood[column("COX7C")], -1156.4180859888847, rtol=1e-6)
