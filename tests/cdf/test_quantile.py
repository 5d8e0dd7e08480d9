"""Quantiles: exact in the library's own arithmetic, and SciPy's on typical points."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from jaxnb import cdf


def draw(rng, n, dtype):
    """Probabilities of either tail down to the smallest, and parameters of all sizes."""
    mu, theta = np.exp(rng.uniform(np.log([[1e-3], [1e-3]]), np.log([[1e4], [1e6]]), (2, n)))
    q = rng.uniform(size=n)
    q = np.where(rng.random(n) < 0.3, np.exp(-rng.exponential(15, n)), q)
    q = np.where(rng.random(n) < 0.1, 1 - q, q)
    q = np.clip(q, float(np.finfo(dtype).tiny), 1 - float(np.finfo(dtype).epsneg))
    return [v.astype(dtype) for v in (q, mu, theta)]


def before(x):
    """The next smaller whole number of the dtype."""
    return jnp.minimum(x - 1, jnp.nextafter(x, -jnp.inf))


def test_is_the_smallest_count_that_reaches_the_probability(dtype):
    @jax.jit
    def misses(q, mu, theta):
        x = cdf.nb_quantile(q, mu, theta)
        right = (cdf.nb_cdf(x, mu, theta) >= q) & (cdf.nb_cdf(before(x), mu, theta) < q)
        return jnp.sum(~right | ~jnp.isfinite(x))

    assert misses(*draw(np.random.default_rng(1), 100_000, dtype)) == 0


@pytest.mark.parametrize("upper", [False, True])
def test_from_the_logarithm_of_either_tail(upper, dtype):
    rng = np.random.default_rng(2)
    _, mu, theta = draw(rng, 20_000, dtype)
    log_q = -rng.exponential(30, 20_000).astype(dtype)

    @jax.jit
    def misses(log_q, mu, theta):
        x = cdf.nb_quantile(log_q=log_q, mu=mu, theta=theta, upper=upper)
        if upper:
            reached = cdf.nb_log_sf(x, mu, theta) <= log_q
            before_it = cdf.nb_log_sf(before(x), mu, theta) <= log_q
        else:
            reached = cdf.nb_log_cdf(x, mu, theta) >= log_q
            before_it = cdf.nb_log_cdf(before(x), mu, theta) >= log_q
        return jnp.sum(~reached | before_it | ~jnp.isfinite(x))

    assert misses(log_q, mu, theta) == 0


def test_is_scipys_on_typical_points():
    rng = np.random.default_rng(3)
    mu, theta = np.exp(rng.uniform(np.log(0.05), np.log(1e3), (2, 20_000)))
    q = rng.uniform(1e-6, 1 - 1e-6, 20_000)
    with jax.enable_x64(True):
        got = cdf.nb_quantile(q, mu, theta)
        rate = cdf.poisson_quantile(q, mu)
    np.testing.assert_array_equal(got, scipy.stats.nbinom.ppf(q, theta, theta / (theta + mu)))
    np.testing.assert_array_equal(rate, scipy.stats.poisson.ppf(q, mu))


@pytest.mark.parametrize(
    ("q", "mu", "theta", "expected"),
    [
        (0, 2, 3, 0),
        (1, 2, 3, np.inf),
        (1, 0, 3, 0),
        (0.5, 0, 3, 0),
        (0.5, 2, 0, 0),
        (0.5, np.inf, 2, np.inf),
        (0.5, 1e25, 2, np.inf),
        (0.5, 1, np.inf, 1),
        (0.999999, 1, 1e-30, 0),
        (np.nan, 1, 1, np.nan),
        (0.5, np.nan, 1, np.nan),
        (0.5, -1, 1, np.nan),
        (1.5, 1, 1, np.nan),
        (-0.5, 1, 1, np.nan),
    ],
)
def test_ends(q, mu, theta, expected, dtype):
    arguments = [dtype.type(v) for v in (q, mu, theta)]
    np.testing.assert_array_equal(cdf.nb_quantile(*arguments), expected)


def test_upper_tail_ends():
    assert cdf.nb_quantile(0.0, 2.0, 3.0, upper=True) == np.inf
    assert cdf.nb_quantile(1.0, 2.0, 3.0, upper=True) == 0
    assert cdf.nb_quantile(log_q=-np.inf, mu=2.0, theta=3.0) == 0
    assert cdf.nb_quantile(log_q=0.0, mu=2.0, theta=3.0) == np.inf
    assert np.isnan(cdf.nb_quantile(log_q=0.1, mu=2.0, theta=3.0))


def test_parameters_on_the_log_scale():
    q = np.linspace(0.01, 0.99, 50, dtype=np.float32)
    logs = {"log_mu": np.float32(np.log(20)), "log_theta": np.float32(0.5)}
    expected = cdf.nb_quantile(q, 20.0, np.exp(np.float32(0.5)))
    np.testing.assert_array_equal(cdf.nb_quantile(q, **logs), expected)


def test_has_no_derivative_and_maps():
    gradient = jax.grad(lambda mu: cdf.nb_quantile(0.7, mu, 2.0) * mu)(5.0)
    assert gradient == cdf.nb_quantile(0.7, 5.0, 2.0)
    q = np.linspace(0.1, 0.9, 9, dtype=np.float32)
    mapped = jax.vmap(cdf.nb_quantile, (0, None, None))(q, 5.0, 2.0)
    np.testing.assert_array_equal(mapped, cdf.nb_quantile(q, 5.0, 2.0))
