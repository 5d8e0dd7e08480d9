"""The logarithm of a mixture of two, from the logarithms of its parts."""

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest

from jaxnb.likelihoods.two_components import log_two_components
from jaxnb.likelihoods.weights import Weights, root_odds


def exact(a, d, q):
    """With log-densities a and a - d, less a, so that its derivatives are those of a function."""
    with mpmath.workdps(60):
        d, q = mpmath.mpf(float(d)), mpmath.mpf(float(q))
        prior = 1 / (1 + mpmath.exp(-q))
        return float(a) + float(mpmath.log(prior + (1 - prior) * mpmath.exp(-d)))


@pytest.fixture(scope="module")
def points():
    """Differences from 1e-7 to 60 of either sign, log-odds from -60 to 60."""
    rng = np.random.default_rng(0)
    d = np.exp(rng.uniform(np.log(1e-7), np.log(60), 300)) * rng.choice([-1, 1], 300)
    q = rng.normal(0, 3, 300)
    q[:20] *= 10
    return d.astype(np.float32), q.astype(np.float32)


@pytest.mark.quick
def test_components_that_are_alike(points):
    """Of 0 the value is the difference of the components alone, which rounding would lose."""
    d, q = points
    a = np.zeros_like(d)
    got = np.asarray(jax.jit(log_two_components)(a, -d, d, q), float)
    expected = np.array([exact(0.0, *p) for p in zip(d, q, strict=True)])
    close = np.abs(d) < 0.01
    error = np.abs(got - expected)
    eps = np.finfo(np.float32).eps
    assert (error[close] <= 4 * eps * np.abs(d[close])).all()
    assert (error <= 4 * eps * np.maximum(np.abs(expected), np.abs(d))).all()


@pytest.mark.quick
def test_derivatives_in_the_log_odds(points):
    """sigma(q + d) - sigma(q), and its derivative in q."""
    d, q = map(np.float64, points)
    first = jax.vmap(jax.grad(log_two_components, 3))
    second = jax.vmap(jax.grad(jax.grad(log_two_components, 3), 3))
    arguments = [np.float32(p) for p in (0 * d, -d, d, q)]

    def weights(z):
        return 1 / (1 + np.exp(-z)), 1 / (1 + np.exp(z))

    (after, not_after), (before, not_before) = weights(q + d), weights(q)
    expected = after * not_before - not_after * before
    np.testing.assert_allclose(first(*arguments), expected, rtol=1e-4, atol=1e-9)
    curvature = after * not_after - before * not_before
    scale = after * not_after + before * not_before
    assert (np.abs(second(*arguments) - curvature) <= 1e-5 * scale + 1e-30).all()


@pytest.mark.quick
@pytest.mark.parametrize(("dtype", "t"), [("float32", 80.0), ("float64", 600.0)])
def test_weights_far_below_one_are_not_cut_off(dtype, t):
    """e**-170 was the smallest weight in float64 too."""
    with jax.enable_x64(dtype == "float64"):
        odds = jnp.asarray([t, -t], dtype)
        weights = Weights(root_odds(odds))
        one, two = weights.times_one(jnp.ones_like(odds)), weights.times_two(jnp.ones_like(odds))
    expected = [1, np.exp(-t)]
    rtol = t * float(np.finfo(dtype).eps)
    np.testing.assert_allclose(one, expected, rtol=rtol)
    np.testing.assert_allclose(two, expected[::-1], rtol=rtol)
