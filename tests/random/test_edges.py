"""Parameters at the ends of their ranges, and beyond."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from nightly import nightly_but
from registry import DISTRIBUTIONS
from samplers import COUNTS, GENE

import jaxnb

RANDOM = jaxnb.random
MANY = 2000  # draws at each parameter; an array of these is tried again whole


def invalid(name: str) -> np.ndarray:
    """A column for each parameter: a row without fault, then one for each invalid value."""
    _, parameters = GENE[name]
    fine = [values[1] for values in parameters]
    constraints = ["nonnegative"]  # of the Poisson sampler
    if name in DISTRIBUTIONS:
        constraints = [p.constraint for p in DISTRIBUTIONS[name].family.parameters]
    rows = [fine]
    for place, constraint in enumerate(constraints):
        for bad in [np.nan] if constraint == "extended real" else [np.nan, -1.0, -np.inf]:
            rows.append([*fine[:place], bad, *fine[place + 1 :]])
    return np.array(rows, np.float32)


# What all samplers share is tried on one that draws all that there is to draw.
@pytest.mark.parametrize("name", nightly_but(["hurdle_negative_binomial"], COUNTS))
def test_invalid_parameters_are_marked(name: str) -> None:
    function, _ = GENE[name]
    rows = invalid(name)
    draws = np.asarray(function(jax.random.key(0), *rows.T, dtype="float32"))
    assert draws[0] >= 0
    assert np.isnan(draws[1:]).all(), rows[1:][~np.isnan(draws[1:])]


@pytest.mark.quick
@pytest.mark.parametrize(("dtype", "mark"), [("int32", -1), ("uint32", 0)])
def test_the_mark_in_integer_dtypes(dtype: str, mark: int) -> None:
    draws = RANDOM.poisson(jax.random.key(0), np.float32([30, -1, np.nan, -np.inf]), dtype=dtype)
    assert draws[0] > 0
    np.testing.assert_array_equal(draws[1:], mark)


@pytest.mark.slow
@pytest.mark.parametrize("name", COUNTS)
def test_invalid_parameters_in_a_large_array_are_marked_alone(name: str) -> None:
    """A NaN must not keep a loop from ending."""
    function, _ = GENE[name]
    fine, *bad = invalid(name)
    rows = np.tile(fine, (5000, 1))
    at = 17 + 3 * np.arange(len(bad))
    rows[at] = bad
    draws = np.asarray(function(jax.random.key(0), *rows.T, dtype="int32"))
    np.testing.assert_array_equal(np.flatnonzero(draws < 0), at)


@jax.jit
def negative_binomials(mu, theta):
    """40 draws at each pair, as floats and as integers."""
    shape = (40, *jnp.broadcast_shapes(jnp.shape(mu), jnp.shape(theta)))
    return [
        RANDOM.negative_binomial(jax.random.key(0), mu, theta, shape, dtype)
        for dtype in ("float32", "int32")
    ]


@pytest.mark.slow
def test_every_pair_of_extremes_has_a_count() -> None:
    mu = np.float32([0.0, 1e-30, 1e-6, 1.0, 3.0, 1e15, 1e25, np.inf])[:, None]
    theta = np.float32([0.0, 1e-38, 1e-30, 1e-6, 1.0, 1e10, 1e30, np.inf])
    draws, integers = (np.asarray(found) for found in negative_binomials(mu, theta))
    assert (draws[:, 0] == 0).all()
    assert (draws[..., 0] == 0).all()
    # 1e-38 is subnormal: compilers may take it for 0.
    assert (draws[:, -1, 2:] == np.inf).all()
    assert (integers[:, -1, 2:] == 2**31 - 1).all()
    assert np.isfinite(draws[:, :-1]).all()
    assert (draws >= 0).all()
    assert (integers >= 0).all()


@pytest.mark.slow
def test_a_rate_of_zero_gives_zero() -> None:
    assert RANDOM.poisson(jax.random.key(0), np.float32([0.0]))[0] == 0


@pytest.mark.slow
def test_certain_inflation_and_certain_components() -> None:
    key = jax.random.key(0)
    mu, theta = np.float32(50), np.float32(5)
    never = np.repeat(np.float32([np.inf, -np.inf]), MANY)
    draws = np.asarray(RANDOM.zero_inflated_negative_binomial(key, mu, theta, never))
    plain = np.asarray(RANDOM.negative_binomial(key, mu, theta, never.shape))
    np.testing.assert_array_equal(draws[:MANY], 0)
    np.testing.assert_array_equal(draws[MANY:], plain[MANY:])
    # A second theta that is left out is the first.
    mus = np.repeat(np.float32([50.0, 1e6]), MANY)
    draws = RANDOM.negative_binomial_mixture(key, mus, mus[::-1], theta, None, never)
    np.testing.assert_array_equal(draws, plain)
