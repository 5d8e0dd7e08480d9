"""The dispersion is the global maximum of the profile, also where there are several."""

from types import SimpleNamespace

import numpy as np
import pytest

from jaxnb.glm.coefficients import fit_coefficients
from jaxnb.glm.dispersion import DispersionFit, _keep_highest, fit_dispersion
from jaxnb.glm.problem import Problem
from jaxnb.glm.pseudo_cells import pseudo_cells
from jaxnb.glm.shrinkage import DispersionPrior

ALL_ALPHAS = np.geomspace(1e-5, 1e5, 201)


def problem_of(counts, design, factors=None):
    factors = np.ones(len(design)) if factors is None else factors
    (part,) = pseudo_cells(counts, design, factors)
    return Problem(part)


def highest_of_profiles(problem, cox_reid):
    """The highest value of every gene's profile on a fine grid, by fits from the one before."""
    genes = np.arange(problem.data.genes)
    beta = np.zeros((genes.size, problem.data.rows.shape[1]))
    highest = np.full(genes.size, -np.inf)
    for alpha in np.append(0, ALL_ALPHAS):
        found = fit_coefficients(
            problem, genes, np.full(genes.size, alpha), beta, cox_reid=cox_reid
        )
        here, beta = found.evaluation, found.beta
        highest = np.maximum(highest, here.log_likelihood + here.decrement + here.adjustment)
    return highest - problem.data.exceedances.log_factorials


@pytest.mark.parametrize("cox_reid", [False, True])
def test_no_point_of_the_profile_is_higher(cox_reid):
    rng = np.random.default_rng(8)
    design = np.column_stack([np.ones(7), [0, 0, 0, 1, 1, 1, 1], [0, 1, 1, 0, 0, 1, 1]])
    factors = np.exp(rng.normal(0, 0.4, 7))
    mean = np.geomspace(0.5, 300, 24)
    theta = rng.choice([0.1, 1.0, 30.0], 24)
    counts = rng.poisson(rng.gamma(theta, 1 / theta, (7, 24)) * mean * factors[:, None])
    counts[:, 0] = [0, 1, 0, 0, 0, 0, 2]
    counts = counts[:, counts.any(axis=0)]
    problem = problem_of(counts, design, factors)
    genes = np.arange(counts.shape[1])
    found = fit_dispersion(problem, genes, cox_reid=cox_reid)
    assert found.converged.all()
    highest = highest_of_profiles(problem, cox_reid)
    lower = found.adjusted < highest - 1e-9 * np.maximum(1, np.abs(highest))
    assert not lower.any(), f"genes {np.flatnonzero(lower)}"


@pytest.mark.slow
def test_two_maxima():
    """Poisson is one maximum of this profile, a dispersion of about 18 the other."""
    design = np.column_stack([np.ones(7), [0, 0, 0, 0, 1, 1, 1.0], [0, 1, 0, 1, 0, 1, 0.0]])
    counts = np.array([[0, 1, 0, 0, 0, 0, 2]]).T
    problem = problem_of(counts, design)
    found = fit_dispersion(problem, np.zeros(1, int), cox_reid=True)
    assert found.adjusted[0] == pytest.approx(highest_of_profiles(problem, True)[0], abs=1e-4)


@pytest.mark.quick
@pytest.mark.parametrize("heights", [(-5.0, -7.0), (-7.0, -5.0)])
def test_of_two_maxima_the_higher_one_is_kept(heights):
    found = SimpleNamespace(
        log_likelihood=np.array(heights), adjustment=np.zeros(2), magnitude=np.ones(2)
    )
    exceedances = SimpleNamespace(log_factorials=np.zeros(1))
    problem = SimpleNamespace(
        evaluate=lambda *_, **__: found, data=SimpleNamespace(exceedances=exceedances)
    )
    two = np.zeros(2, int)
    fit = DispersionFit(
        alpha=np.zeros(1), beta=np.zeros((1, 1)), log_likelihood=np.full(1, -9.0),
        adjusted=np.full(1, -9.0), poisson_derivative=np.ones(1), maxima=np.ones(1, int),
        converged=np.ones(1, bool), at_limit=np.zeros(1, bool),
    )  # fmt: skip
    alpha, beta = np.array([0.3, 4.0]), np.array([[0.3], [4.0]])
    _keep_highest(problem, two, two, alpha, beta, np.ones(2, bool), fit, cox_reid=True)
    assert fit.alpha[0] == fit.beta[0, 0] == alpha[np.argmax(heights)]
    assert fit.adjusted[0] == -5


@pytest.mark.quick
def test_poisson_boundary_is_exact():
    counts = np.full((10, 1), 5) + np.arange(10)[:, None] % 2
    design = np.column_stack([np.ones(10), np.repeat([0.0, 1.0], 5)])
    found = fit_dispersion(problem_of(counts, design), np.zeros(1, int), cox_reid=False)
    assert found.alpha[0] == 0
    assert found.poisson_derivative[0] < 0
    np.testing.assert_allclose(np.exp(found.beta[0, 0]), counts[:5].mean(), rtol=1e-13)


def test_one_dispersion_far_from_the_others():
    counts = np.zeros((50, 1), int)
    counts[7] = 1_000_000
    problem = problem_of(counts, np.ones((50, 1)))
    found = fit_dispersion(problem, np.zeros(1, int), cox_reid=False)
    assert found.converged[0]
    assert found.adjusted[0] >= highest_of_profiles(problem, False)[0] - 1e-9


@pytest.mark.quick
def test_the_trend_of_the_dispersions_is_piecewise_linear_in_the_log_mean():
    prior = DispersionPrior(np.log([1.0, 100.0]), np.log([2.0, 0.02]), 1.0)
    # halfway on both logarithmic scales, and constant beyond the ends
    np.testing.assert_allclose(prior.trend(np.array([0, 1, 10, 100, 1e9])), [2, 2, 0.2, 0.02, 0.02])
