"""The dispersion is the global maximum of the profile, also where there are several."""

import numpy as np
import pytest

from jaxnb.glm.coefficients import fit_coefficients
from jaxnb.glm.dispersion import fit_dispersion
from jaxnb.glm.problem import Problem
from jaxnb.glm.pseudo_cells import pseudo_cells

ALL_ALPHAS = np.geomspace(1e-5, 1e5, 201)


def problem_of(counts, design, factors=None):
    factors = np.ones(len(design)) if factors is None else factors
    (part,) = pseudo_cells(counts, design, factors)
    return Problem(part)


def profile_values(problem, gene, cox_reid):
    """The profile on a fine grid, by fits from the one before."""
    values = []
    beta = np.zeros((1, problem.data.rows.shape[1]))
    genes = np.array([gene])
    for alpha in np.append(0, ALL_ALPHAS):
        found = fit_coefficients(problem, genes, np.array([alpha]), beta, cox_reid=cox_reid)
        here, beta = found.evaluation, found.beta
        values.append(float(here.log_likelihood[0] + here.decrement[0] + here.adjustment[0]))
    return np.array(values) - problem.data.histogram.log_factorials[gene]


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
    for gene in genes:
        highest = profile_values(problem, gene, cox_reid).max()
        assert found.adjusted[gene] >= highest - 1e-9 * max(1, abs(highest))


def test_two_maxima():
    """Poisson is one maximum of this profile, a dispersion of about 18 the other."""
    design = np.column_stack([np.ones(7), [0, 0, 0, 0, 1, 1, 1.0], [0, 1, 0, 1, 0, 1, 0.0]])
    counts = np.array([[0, 1, 0, 0, 0, 0, 2]]).T
    found = fit_dispersion(problem_of(counts, design), np.zeros(1, int), cox_reid=True)
    values = profile_values(problem_of(counts, design), 0, True)
    assert found.adjusted[0] == pytest.approx(values.max(), abs=1e-4)


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
    found = fit_dispersion(problem_of(counts, np.ones((50, 1))), np.zeros(1, int), cox_reid=False)
    assert found.converged[0]
    highest = profile_values(problem_of(counts, np.ones((50, 1))), 0, False).max()
    assert found.adjusted[0] >= highest - 1e-9
