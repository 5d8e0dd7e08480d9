"""The numbers next to a whole one, without the bit casts of `jnp.nextafter`."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxnb.cdf.search import _after, _before


@pytest.mark.quick
@pytest.mark.parametrize(("dtype", "low", "high"), [("float32", 20, 126), ("float64", 50, 900)])
def test_neighbors_of_whole_numbers(dtype, low, high):
    some = 2.0 ** np.random.default_rng(0).uniform(low, high, 20_000)
    powers = 2.0 ** np.arange(low, high)
    x = np.floor(np.concatenate([some, powers]).astype(dtype))
    one, infinity = np.ones((), dtype), np.array(np.inf, dtype)
    x = np.concatenate([x, np.nextafter(powers.astype(dtype), -infinity)])
    with jax.enable_x64(True):
        after, before = jax.jit(lambda x: (_after(x), _before(x)))(jnp.asarray(x))
    np.testing.assert_array_equal(after, np.where(x + one > x, x + one, np.nextafter(x, infinity)))
    np.testing.assert_array_equal(
        before, np.where(x - one < x, x - one, np.nextafter(x, -infinity))
    )
