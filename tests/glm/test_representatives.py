"""Representatives of cells with a continuous covariate, and what is found by way of them."""

import numpy as np
import pandas as pd
import pytest

from jaxnb import glm
from jaxnb.glm import all_cells, fold_changes
from jaxnb.glm import problem as of_problem
from jaxnb.glm import pseudo_cells as of_cells
from jaxnb.glm.all_cells import dispersions, representatives
from jaxnb.glm.fold_changes import shrunken_contrast
from jaxnb.glm.problem import Problem
from jaxnb.glm.pseudo_cells import pseudo_cells
from jaxnb.glm.regression import Regression
from jaxnb.glm.representatives import representatives_of

CELLS = 1500


def cells(seed=3):
    """Counts, a design of two groups and an age, and size factors.

    Genes 0 to 3 are of all kinds, 4 has counts in one group only, 5 in none, 6 is underdispersed.
    """
    rng = np.random.default_rng(seed)
    group, age = rng.integers(0, 2, CELLS), rng.normal(50, 15, CELLS)
    size_factors = np.exp(rng.normal(0, 0.4, CELLS))
    design = np.column_stack([np.ones(CELLS), group, (age - 50) / 10])
    mean = np.array([0.3, 2.0, 8.0, 60.0]) * size_factors[:, None]
    mean = mean * np.exp(design[:, 1:] @ rng.normal(0, 0.3, (2, 4)))
    counts = rng.poisson(mean * rng.gamma(2, 0.5, mean.shape))
    one_group = rng.poisson(2 * size_factors) * (group == 1)
    even = np.full(CELLS, 3)
    return np.column_stack([counts, one_group, 0 * even, even]), design, size_factors


@pytest.mark.quick
def test_sums_over_cells_become_sums_over_representatives():
    _, design, size_factors = cells()
    log_factors = np.log(size_factors)
    found = representatives_of(design, log_factors)
    assert found.cells.size <= CELLS // 6
    weights = np.random.default_rng(0).poisson(1, (3, CELLS)).astype(float)
    eta = design @ [0.4, -0.8, 0.2] + log_factors
    terms = np.stack([design[:, 2] ** 2 * log_factors, np.log1p(0.7 * np.exp(eta)), np.exp(eta)])
    expected = np.abs(weights) @ np.abs(terms).T
    error = found.sums(weights) @ terms[:, found.cells].T - weights @ terms.T
    assert np.all(np.abs(error) <= [1e-12, 3e-6, 3e-6] * expected)
    # Representatives of one group stand for that group alone.
    of_group = design[found.cells, 1] == 1
    ones = design[:, 1]
    np.testing.assert_allclose(found.sums(ones)[~of_group], 0, atol=1e-12)
    totals = found.totals(weights)
    assert np.all(totals >= 0)
    np.testing.assert_allclose(totals.sum(axis=1), weights.sum(axis=1))


def test_where_they_would_not_be_fewer_there_are_none():
    _, design, size_factors = cells()
    log_factors = np.log(size_factors)
    assert representatives_of(design[:900], log_factors[:900]) is None
    many_groups = np.column_stack([design, np.eye(7)[np.arange(CELLS) % 7]])
    assert representatives_of(many_groups, log_factors) is None
    # A column that repeats another adds no dimension, nor does one without variation.
    twice = np.column_stack([design, 2 * design[:, 2] + 1])
    assert representatives_of(twice, log_factors).cells.size == pytest.approx(
        representatives_of(design, log_factors).cells.size, abs=4
    )
    assert representatives_of(design, 0 * log_factors).cells.size < 50


@pytest.mark.parametrize("cox_reid", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_dispersions_are_those_of_all_cells(cox_reid):
    problem = Problem(next(pseudo_cells(*cells())))
    chosen = representatives(problem)
    assert chosen is not None
    fit = dispersions(problem, chosen, cox_reid=cox_reid)
    expected = dispersions(problem, None, cox_reid=cox_reid)
    assert fit.converged.all()
    np.testing.assert_array_equal(fit.alpha > 0, expected.alpha > 0)
    np.testing.assert_allclose(fit.alpha, expected.alpha, rtol=1e-8)
    np.testing.assert_allclose(fit.beta, expected.beta, rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(fit.log_likelihood, expected.log_likelihood, rtol=1e-12, atol=1e-8)


def test_genes_whose_search_fails_on_representatives_are_searched_for_on_all_cells(monkeypatch):
    """As it does for all where size factors differ by factors of 1e5."""
    problem = Problem(next(pseudo_cells(*cells())))
    chosen, search = representatives(problem), all_cells.fit_dispersion

    def fails_on_representatives(given, genes, **how):
        fit = search(given, genes, **how)
        fit.converged &= given is problem
        return fit

    monkeypatch.setattr(all_cells, "fit_dispersion", fails_on_representatives)
    fit = dispersions(problem, chosen, cox_reid=False)
    expected = dispersions(problem, None, cox_reid=False)
    for name, values in vars(expected).items():
        np.testing.assert_array_equal(getattr(fit, name), values, err_msg=name)


def test_at_given_dispersions_they_are_those_of_all_cells(monkeypatch):
    """Coefficients, log-likelihoods and shrunken contrasts; also where the start does not help."""
    regression = Regression.of(*cells())
    alpha = np.array([0.5, 0.0, 2.0, 0.3, 1.0, 0.0, 1e-3])
    contrast = np.array([0.0, 1.0, 0.0])

    def found(regression):
        beta, *values = regression.fit_at(alpha)
        return beta, *values, shrunken_contrast(regression, alpha, beta, contrast)

    near = found(regression)
    monkeypatch.setattr(fold_changes, "_MOVED", 0.0)
    failed = found(regression)
    monkeypatch.setattr(all_cells, "representatives_of", lambda *_: None)
    monkeypatch.setattr(fold_changes, "_TOLERANCE", 1e-12)
    for got, again, expected in zip(near, failed, found(Regression.of(*cells())), strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-12, atol=1e-8)
        np.testing.assert_allclose(again, expected, rtol=1e-12, atol=1e-8)


@pytest.mark.parametrize("columns", [[0, 2], [1, 2]])
def test_a_smaller_design_takes_over_what_the_larger_one_has(monkeypatch, columns):
    """Without the intercept, gene 4 is no longer separated."""
    counts, design, size_factors = cells()
    alpha = np.array([0.5, 0.0, 2.0, 0.3, 1.0, 0.0, 1e-3])
    larger, smaller = (Regression.of(counts, x, size_factors) for x in (design, design[:, columns]))
    expected = smaller.fit_at(alpha)
    larger.fit_at(alpha)
    nested = Regression.of(counts, design[:, columns], size_factors).within(larger)
    monkeypatch.setattr(nested, "_parts", None)
    for got, values in zip(nested.fit_at(alpha), expected, strict=True):
        np.testing.assert_allclose(got, values, rtol=1e-12, atol=1e-8)
    np.testing.assert_array_equal(nested.limits()[0], smaller.limits()[0])


@pytest.mark.parametrize("cox_reid", [False, True])
def test_cells_are_added_up_some_at_a_time(monkeypatch, cox_reid):
    problem = Problem(next(pseudo_cells(*cells())))
    arguments = np.arange(7), np.array([0.5, 0.0, 2.0, 0.3, 1.0, 0.0, 1e-3]), np.full((7, 3), 0.1)
    expected = problem.evaluate(*arguments, cox_reid=cox_reid)
    monkeypatch.setattr(of_problem, "_CELLS_AT_ONCE", 128)
    found = problem.evaluate(*arguments, cox_reid=cox_reid)
    plain = problem.evaluate(*arguments, cox_reid=False, profile=False)
    for name, values in expected._asdict().items():
        size = np.abs(values).max()
        np.testing.assert_allclose(getattr(found, name), values, atol=1e-11 * size, err_msg=name)
        if name in {"log_likelihood", "magnitude", "decrement", "score", "step"}:
            np.testing.assert_allclose(getattr(plain, name), values, atol=1e-11 * size)


@pytest.mark.quick
@pytest.mark.parametrize("covariates", [4, 30])
def test_many_covariates_have_no_representatives(covariates):
    """A polynomial of low degree says nothing about them, and one of 30 covariates is endless."""
    design = np.random.default_rng(0).normal(size=(CELLS, covariates))
    assert representatives_of(design, np.zeros(CELLS)) is None


def table_and_errors(counts, obs, size_factors):
    fit = glm.fit(counts, "~ group + age + depth", obs=obs, size_factors=size_factors)
    return fit.test("group", "1.0", "0.0", shrink=True), fit.standard_errors


@pytest.mark.slow
def test_tables_are_those_of_all_cells_where_representatives_are_bad(monkeypatch):
    """Two covariates, one of them steep: standard errors of representatives would be 2% off."""
    rng = np.random.default_rng(0)
    design = np.column_stack([rng.integers(0, 2, CELLS), rng.normal(size=(CELLS, 2))])
    size_factors = np.exp(rng.normal(0, 0.5, CELLS))
    mean = np.array([0.5, 3.0, 20.0]) * (size_factors * np.exp(design @ [0.5, 1.5, -0.4]))[:, None]
    counts = rng.poisson(rng.gamma(2, 0.5, mean.shape) * mean)
    obs = pd.DataFrame(design, columns=["group", "age", "depth"]).astype({"group": str})
    given = counts, obs, size_factors
    found = table_and_errors(*given)
    assert representatives_of(design, np.log(size_factors)) is not None
    monkeypatch.setattr(all_cells, "representatives_of", lambda *_: None)
    for table, expected in zip(found, table_and_errors(*given), strict=True):
        pd.testing.assert_frame_equal(table, expected, rtol=1e-8, atol=1e-10)


@pytest.mark.slow
def test_in_parts(monkeypatch):
    counts, design, size_factors = cells()
    obs = pd.DataFrame({"group": design[:, 1].astype(str), "age": design[:, 2]})

    def tables():
        fit = glm.fit(counts, "~ group + age", obs=obs, size_factors=size_factors)
        return fit, fit.test("group", "1.0", "0.0", shrink=True)

    _, whole = tables()
    monkeypatch.setattr(of_cells, "_DENSE_ENTRIES", 3 * CELLS)
    fit, parts = tables()
    pd.testing.assert_frame_equal(whole, parts, rtol=1e-6, atol=1e-9)
    assert np.isneginf(fit.test("group", "0.0", "1.0", method="wald")["log2_fold_change"].iloc[4])
    assert fit.standard_errors.notna().all(axis=1).tolist() == [True] * 4 + [False, False, True]
    monkeypatch.setattr(fit.regression, "_parts", None)  # limits need no other pass
    fit.regression.limits()
