"""Means, variances and modes against exact arithmetic, over the whole range of the parameters."""

import math
from fractions import Fraction

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest

from jaxnb.cdf.kernels import hurdle_nb, nb, zero_truncated_nb, zinb
from jaxnb.cdf.moments import mode_between


@pytest.fixture
def parameters():
    rng = np.random.default_rng(1)
    mu = np.exp(rng.uniform(np.log(1e-25), np.log(1e12), 400)).astype(np.float32)
    theta = np.exp(rng.uniform(np.log(1e-12), np.log(1e12), 400)).astype(np.float32)
    theta[:40] = np.inf
    return mu, theta


def exact_moments(mu, theta):
    """Of the zero-truncated negative binomial."""
    with mpmath.workdps(60):
        mu, theta = mpmath.mpf(float(mu)), mpmath.mpf(float(theta))
        y = mu if theta == mpmath.inf else theta * mpmath.log1p(mu / theta)
        mean = mu / -mpmath.expm1(-y)
        return mean, mean * (mu + mu / theta - (mean - 1))


@pytest.mark.quick
def test_moments_of_the_zero_truncated_distribution_are_right_to_the_last_digits(parameters):
    exact = [exact_moments(*pair) for pair in zip(*parameters, strict=True)]
    for place, function in enumerate((zero_truncated_nb.mean, zero_truncated_nb.variance)):
        got = np.asarray(jax.jit(function)(*parameters), float)
        seen = np.array([values[place] < float(np.finfo(np.float32).max) for values in exact])
        right = np.array([float(values[place]) for values in exact])
        np.testing.assert_allclose(got[seen], right[seen], rtol=8 * 2**-23)
        assert np.isinf(got[~seen]).all()


@pytest.mark.parametrize(
    ("mu", "theta", "mean", "variance", "derivative"),
    [
        (2e8, np.inf, 2e8, 2e8, 1.0),  # mean less mu cancels
        (1e5, 1e6, 1e5, 1.1e5, 1.0),
        (1e-20, 2.0, 1.0, 7.5e-21, 0.75),
        (0.0, 2.0, 1.0, 0.0, 0.75),
        (0.0, np.inf, 1.0, 0.0, 0.5),
    ],
)
def test_ends_of_the_zero_truncated_moments(mu, theta, mean, variance, derivative):
    mu, theta = np.float32(mu), np.float32(theta)
    np.testing.assert_allclose(zero_truncated_nb.mean(mu, theta), mean, rtol=1e-6)
    np.testing.assert_allclose(zero_truncated_nb.variance(mu, theta), variance, rtol=1e-6)
    got = jax.grad(zero_truncated_nb.mean)(mu, theta)
    np.testing.assert_allclose(got, derivative, rtol=1e-6)


def test_variances_of_large_means_have_derivatives():
    """Of Poisson's with a mean of 2**48 without zeros, all but 0.01 of it replaced by zeros."""
    mu, theta, log_odds = jnp.float32(2**48), jnp.float32(np.inf), jnp.float32(4.5)
    np.testing.assert_allclose(jax.grad(zero_truncated_nb.variance)(mu, theta), 1, rtol=1e-6)
    share = 1 / (1 + np.exp(4.5))
    found = jax.grad(hurdle_nb.variance)(mu, theta, log_odds)
    np.testing.assert_allclose(found, share * (1 - share) * 2**49, rtol=1e-5)


@pytest.mark.quick
def test_the_mode_is_the_larger_of_two():
    rng = np.random.default_rng(0)
    mu, theta = rng.integers(0, 5000, 20_000), rng.integers(1, 300, 20_000)
    exact = [
        math.floor(Fraction(int(m)) * (int(t) - 1) / int(t)) for m, t in zip(mu, theta, strict=True)
    ]
    got = nb.mode(jnp.asarray(mu, jnp.float32), jnp.asarray(theta, jnp.float32))
    np.testing.assert_array_equal(got, exact)


@pytest.mark.parametrize(
    ("mu", "theta", "mode"),
    [
        *((5.0, np.inf, 5.0), (5.5, np.inf, 5.0), (5.0, 1e30, 4.0), (np.inf, 2.0, np.inf)),
        *((np.inf, np.inf, np.inf), (3.0, 0.0, 0.0), (3.0, 0.5, 0.0), (0.0, 5.0, 0.0)),
        # means of which no small count can be subtracted
        *((2.0**28, 0.25, 0.0), (np.inf, 0.5, 0.0), (2.0**29, 1 + 2.0**-20, 511.0)),
    ],
)
def test_ends_of_the_mode(mu, theta, mode):
    assert nb.mode(np.float32(mu), np.float32(theta)) == mode


@pytest.mark.quick
@pytest.mark.parametrize("log_odds", [-30.0, -19.75, 0.0, 25.0])
def test_means_have_derivatives_where_a_weight_rounds_to_one(log_odds):
    """Of a mean of 30, whose weight is 1 less exp(log_odds)."""
    expected = -30 / (2 + 2 * np.cosh(log_odds))
    for function in (zinb.mean, hurdle_nb.mean):
        found = jax.grad(function, 2)(jnp.float32(30), jnp.float32(np.inf), jnp.float32(log_odds))
        np.testing.assert_allclose(found, expected, rtol=1e-5)


@pytest.mark.quick
def test_a_mode_between_far_bounds_is_exact():
    """As that of a mixture whose components are wide, and have one mode between theirs."""
    modes = np.array([2.0**50 - 1, 665_119, 3])
    with jax.enable_x64(True):
        found = mode_between(lambda x: -((x - modes) ** 2), np.zeros(3), np.full(3, 2.0**51))
    np.testing.assert_array_equal(found, modes)
