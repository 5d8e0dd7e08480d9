"""Parameters at the ends of their ranges, and beyond."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from samplers import COUNTS, GENE

import jaxnb

RANDOM = jaxnb.random


@pytest.mark.parametrize("name", COUNTS)
def test_nan_and_negative_parameters(name: str) -> None:
    function, parameters = GENE[name]
    key = jax.random.key(0)
    fine = [values[1] for values in parameters]
    for position in range(len(fine)):
        logit = name in ("zero_inflated", "mixture") and position == len(fine) - 1
        for bad in [np.nan] if logit else [np.nan, -1.0, -np.inf]:
            broken = [*fine[:position], bad, *fine[position + 1 :]]
            assert np.isnan(function(key, *broken, dtype="float32"))
            assert int(function(key, *broken, dtype="int32")) == -1
            assert int(function(key, *broken, dtype="uint32")) == 0
            # In a large array too, where a NaN must not keep a loop from ending.
            large = [jnp.full(5000, value) for value in fine]
            large[position] = large[position].at[17].set(bad)
            draws = np.asarray(function(key, *large, dtype="int32"))
            np.testing.assert_array_equal(np.flatnonzero(draws < 0), [17])


def test_zero_mean_or_zero_shape_gives_zero() -> None:
    key = jax.random.key(0)
    for mu, theta in [(0.0, 1.0), (3.0, 0.0), (0.0, 0.0), (jnp.inf, 0.0), (0.0, jnp.inf)]:
        assert np.all(np.asarray(RANDOM.negative_binomial(key, mu, theta, (100,))) == 0)
    assert np.all(np.asarray(RANDOM.poisson(key, 0.0, (100,))) == 0)


def test_infinite_mean() -> None:
    key = jax.random.key(0)
    for theta in (1e-6, 1.0, jnp.inf):
        assert np.all(np.isinf(RANDOM.negative_binomial(key, jnp.inf, theta, (50,), "float32")))
        largest = RANDOM.negative_binomial(key, jnp.inf, theta, (50,), "int32")
        assert np.all(np.asarray(largest) == 2**31 - 1)


def test_extreme_parameters_give_finite_counts() -> None:
    key = jax.random.key(0)
    theta = jnp.asarray([1e-38, 1e-30, 1e-6, 1.0, 1e10, 1e30, jnp.inf])
    mu = jnp.asarray([1e-30, 1e-6, 1.0, 1e15, 1e25])[:, None]
    draws = RANDOM.negative_binomial(key, mu, theta, (200, 5, 7), "float32")
    assert np.all(np.isfinite(draws))
    assert np.all(np.asarray(draws) >= 0)


def test_certain_inflation_and_certain_components() -> None:
    key = jax.random.key(0)
    zeros = RANDOM.zero_inflated_negative_binomial(key, 50.0, 5.0, jnp.inf, (1000,))
    assert np.all(np.asarray(zeros) == 0)
    plain = RANDOM.zero_inflated_negative_binomial(key, 50.0, 5.0, -jnp.inf, (1000,))
    np.testing.assert_array_equal(plain, RANDOM.negative_binomial(key, 50.0, 5.0, (1000,)))
    first = RANDOM.negative_binomial_mixture(key, 50.0, 1e6, 5.0, None, jnp.inf, (1000,))
    np.testing.assert_array_equal(first, plain)
    second = RANDOM.negative_binomial_mixture(key, 1e6, 50.0, 1.0, 5.0, -jnp.inf, (1000,))
    np.testing.assert_array_equal(second, plain)


def test_one_component_per_draw() -> None:
    # A peer draws one component for all 10,000 and has the mean 1 or 1000.
    draws = RANDOM.negative_binomial_mixture(
        jax.random.key(0), 1.0, 1000.0, 10.0, None, 0.0, (10_000,)
    )
    assert abs(float(draws.mean()) - 500.5) < 30


def test_one_inflation_per_draw() -> None:
    # A peer inflates twice and has P(0) = 0.75.
    draws = RANDOM.zero_inflated_negative_binomial(jax.random.key(0), 1e4, 1e4, 0.0, (10_000,))
    assert abs(float((draws == 0).mean()) - 0.5) < 0.02
