"""The profile's value and derivatives, and the linear algebra under them."""

import jax
import mpmath
import numpy as np
import pytest
from scipy import stats

from jaxnb.glm.coefficients import fit_coefficients
from jaxnb.glm.likelihood import _h
from jaxnb.glm.linear_algebra import (
    inverse_and_log_determinant,
    packed_products,
    unpacked,
)
from jaxnb.glm.problem import Problem
from jaxnb.glm.pseudo_cells import pseudo_cells

RNG = np.random.default_rng(3)
DESIGN = np.column_stack([np.ones(12), np.repeat([0.0, 1.0], 6), RNG.normal(size=12)])
FACTORS = np.exp(RNG.normal(0, 0.3, 12))
COUNTS = RNG.negative_binomial(2, 0.05, size=(12, 3))
ONE = np.zeros(1, np.int64)


@pytest.fixture(scope="module")
def problem():
    (part,) = pseudo_cells(COUNTS, DESIGN, FACTORS)
    return Problem(part)


def profile(problem, gene, alpha, cox_reid):
    found = fit_coefficients(
        problem, ONE + gene, np.array([alpha]), np.array([[3.0, 0, 0]]), cox_reid=cox_reid
    )
    beta = found.beta + found.evaluation.step
    return problem.evaluate(ONE + gene, np.array([alpha]), beta, cox_reid=cox_reid)


@pytest.mark.quick
@pytest.mark.parametrize("alpha", [1e-5, 1e-3, 0.4, 30.0, 1e4])
def test_value_is_that_of_scipy(problem, alpha):
    beta = np.array([[3.0, 0.4, -0.1]] * 3)
    got = problem.evaluate(np.arange(3), np.full(3, alpha), beta, cox_reid=False)
    mu = FACTORS * np.exp(DESIGN @ beta[0])
    expected = stats.nbinom.logpmf(COUNTS, 1 / alpha, 1 / (1 + alpha * mu[:, None])).sum(axis=0)
    np.testing.assert_allclose(
        got.log_likelihood - problem.data.exceedances.log_factorials,
        expected,
        rtol=1e-9,
    )


@pytest.mark.quick
def test_what_cancels_at_small_alpha_keeps_its_digits():
    t = np.append(0, np.geomspace(1e-12, 100, 60))
    with jax.enable_x64(True):
        got = _h(t, 1 / (1 + t), np.log1p(t))
    with mpmath.workdps(50):
        exact = lambda s: (mpmath.log1p(s) - s / (1 + s)) / s**2  # noqa: E731
        values = [0.5, *(float(exact(mpmath.mpf(v))) for v in t[1:])]
        derivatives = [-2 / 3, *(float(mpmath.diff(exact, mpmath.mpf(v))) for v in t[1:])]
    np.testing.assert_allclose(got[0], values, rtol=1e-13)
    np.testing.assert_allclose(got[1], derivatives, rtol=1e-11)


def test_value_at_alpha_0_is_poisson(problem):
    beta = np.array([[3.0, 0.4, -0.1]] * 3)
    got = problem.evaluate(np.arange(3), np.zeros(3), beta, cox_reid=False)
    mu = FACTORS * np.exp(DESIGN @ beta[0])
    np.testing.assert_allclose(
        got.log_likelihood - problem.data.exceedances.log_factorials,
        stats.poisson.logpmf(COUNTS, mu[:, None]).sum(axis=0),
        rtol=1e-12,
    )


@pytest.mark.parametrize("cox_reid", [False, True])
@pytest.mark.parametrize("alpha", [0.01, 0.5, 20.0])
def test_derivatives_along_the_profile(problem, alpha, cox_reid):
    h = 1e-3 * alpha
    below, here, above = (profile(problem, 1, alpha + k * h, cox_reid) for k in (-1, 0, 1))
    values = [float(p.log_likelihood[0] + p.adjustment[0]) for p in (below, above)]
    assert here.derivative[0] == pytest.approx((values[1] - values[0]) / (2 * h), rel=2e-5)
    slopes = [float(p.derivative[0]) for p in (below, above)]
    assert here.curvature[0] == pytest.approx((slopes[1] - slopes[0]) / (2 * h), rel=2e-5)


@pytest.mark.parametrize("cox_reid", [False, True])
def test_derivatives_at_alpha_0_are_the_limits(problem, cox_reid):
    at_zero = profile(problem, 1, 0.0, cox_reid)
    near = profile(problem, 1, 1e-9, cox_reid)
    assert near.derivative[0] == pytest.approx(at_zero.derivative[0], rel=1e-5)
    assert near.curvature[0] == pytest.approx(at_zero.curvature[0], rel=1e-5)


def test_derivative_is_corrected_for_a_point_beside_the_path(problem):
    there = profile(problem, 1, 0.5, False)
    found = fit_coefficients(problem, ONE + 1, np.array([0.5]), np.array([[3.0, 0, 0]]))
    beside = found.beta + found.evaluation.step + 1e-4
    got = problem.evaluate(ONE + 1, np.array([0.5]), beside, cox_reid=False)
    assert got.derivative[0] == pytest.approx(there.derivative[0], rel=1e-5)


@pytest.mark.parametrize("size", [1, 4, 9, 20])
def test_inverse_and_log_determinant(size):
    root = RNG.normal(size=(5, size, size + 2)) * 10.0 ** RNG.uniform(-4, 4, (5, size, 1))
    matrices = root @ np.swapaxes(root, 1, 2)
    with jax.enable_x64(True):
        inverse, log_determinant = jax.jit(inverse_and_log_determinant)(matrices)
    np.testing.assert_allclose(log_determinant, np.linalg.slogdet(matrices)[1], rtol=1e-9)
    product = np.asarray(inverse) @ matrices
    scale = np.sqrt(np.diagonal(matrices, axis1=1, axis2=2))
    scaled = product * scale[:, :, None] / scale[:, None, :]
    np.testing.assert_allclose(scaled, np.broadcast_to(np.eye(size), product.shape), atol=1e-7)


def test_packed_products_unpack_to_outer_products():
    with jax.enable_x64(True):
        full = jax.jit(unpacked, static_argnums=1)(packed_products(DESIGN), 3)
    np.testing.assert_array_equal(full, DESIGN[:, :, None] * DESIGN[:, None, :])
