"""Representatives of cells with a continuous covariate, and corrections by exact derivatives."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from jaxnb import glm
from jaxnb.glm import pseudo_cells as of_cells
from jaxnb.glm.correction import coefficients_at, dispersions
from jaxnb.glm.dispersion import fit_dispersion
from jaxnb.glm.fold_changes import _modes
from jaxnb.glm.problem import Problem
from jaxnb.glm.pseudo_cells import pseudo_cells
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


def test_the_maximum_is_that_of_all_cells():
    counts, design, size_factors = cells()
    problem = Problem(next(pseudo_cells(counts, design, size_factors)))
    fit = dispersions(problem, cox_reid=False)
    assert fit.converged.all()
    everyone = np.arange(counts.shape[1])
    at = problem.first_derivatives(everyone, fit.alpha, fit.beta)
    # A sum of the absolute terms of the score, which rounding is relative to.
    size = np.maximum(np.abs(counts).T @ np.abs(design), 1)
    assert np.all(np.abs(at.by_beta) < 1e-9 * size)
    inside = fit.alpha > 0
    assert inside.tolist() == [True, True, True, True, True, False, False]
    assert np.all(np.abs(at.by_alpha * fit.alpha)[inside] < 1e-6 * size[inside, 0])
    assert np.all(at.by_alpha[~inside] <= 0)
    value = at.value - problem.data.histogram.log_factorials
    np.testing.assert_allclose(fit.log_likelihood, value, rtol=1e-12, atol=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize("cox_reid", [False, True])
def test_the_same_as_without_them(cox_reid):
    counts, design, size_factors = cells()
    part = next(pseudo_cells(counts, design, size_factors))
    problem, exact = Problem(part), Problem(replace(part, representatives=None))
    everyone = np.arange(counts.shape[1])
    fit, expected = (
        dispersions(problem, cox_reid=cox_reid),
        fit_dispersion(exact, everyone, cox_reid=cox_reid),
    )
    np.testing.assert_allclose(fit.alpha, expected.alpha, rtol=1e-6)
    np.testing.assert_allclose(fit.beta, expected.beta, rtol=1e-8, atol=1e-8)
    np.testing.assert_allclose(fit.log_likelihood, expected.log_likelihood, rtol=1e-10, atol=1e-6)
    alpha = np.full(everyone.size, 0.4)
    for one, other in zip(
        coefficients_at(problem, alpha, None), coefficients_at(exact, alpha, None), strict=True
    ):
        np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-9)
    # What is not corrected
    light, covariance = (
        part.covariance(everyone, fit.alpha, fit.beta) for part in (problem.light, exact)
    )
    np.testing.assert_allclose(light, covariance, rtol=1e-4, atol=1e-8)
    age = np.array([0.0, 0.0, 1.0])
    light, modes = (_modes(part, fit.alpha, fit.beta, age, 0.3) for part in (problem.light, exact))
    np.testing.assert_allclose(light, modes, atol=1e-5)


@pytest.mark.slow
def test_in_parts_and_only_one_dense_pass_for_each_design(monkeypatch):
    counts, design, size_factors = cells()
    obs = pd.DataFrame({"group": design[:, 1].astype(str), "age": design[:, 2]})

    def tables():
        fit = glm.fit(counts, "~ group + age", obs=obs, size_factors=size_factors)
        return fit, fit.test("group", "1.0", "0.0", shrink=True)

    _, whole = tables()
    monkeypatch.setattr(of_cells, "_DENSE_ENTRIES", 3 * CELLS)
    fit, parts = tables()
    pd.testing.assert_frame_equal(whole, parts, rtol=1e-6, atol=1e-9)
    monkeypatch.setattr(fit.regression, "_parts", None)
    assert np.isneginf(fit.test("group", "0.0", "1.0", method="wald")["log2_fold_change"].iloc[4])
    assert fit.standard_errors.notna().all(axis=1).tolist() == [True] * 4 + [False, False, True]
