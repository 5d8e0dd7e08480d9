"""Quantiles: exact in the library's own arithmetic, and SciPy's on typical points."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from jaxnb import cdf

SIZE = 20_000


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


def random_logarithms(n, dtype):
    """Logarithms of probabilities, and parameters."""
    rng = np.random.default_rng(2)
    _, mu, theta = draw(rng, n, dtype)
    return -rng.exponential(30, n).astype(dtype), mu, theta


@pytest.fixture(scope="module")
def quantile():
    """Of (q, mu, theta), the quantile, F there and F at the number before: one program a dtype."""

    @jax.jit
    def compiled(q, mu, theta):
        x = cdf.nb_quantile(q, mu, theta)
        both = jnp.concatenate([x, before(x)])
        return x, *jnp.split(cdf.nb_cdf(both, jnp.tile(mu, 2), jnp.tile(theta, 2)), 2)

    def call(*arguments):
        n = len(arguments[0])
        filled = [np.append(a, np.full(SIZE - n, 0.5, a.dtype)) for a in arguments]
        return [np.asarray(result)[:n] for result in compiled(*filled)]

    return call


def assert_smallest(q, x, reached, missed, parameters):
    wrong = np.flatnonzero(~(reached & ~missed & np.isfinite(x)))
    some = [(x[k], q[k], *(p[k] for p in parameters)) for k in wrong[:3]]
    assert len(wrong) == 0, f"count, level, mu and theta of the first ones: {some}"


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float32", "float64"], indirect=True)
def test_is_the_smallest_count_that_reaches_the_probability(quantile, dtype):
    q, *parameters = draw(np.random.default_rng(1), SIZE, dtype)
    x, at, before_it = quantile(q, *parameters)
    assert_smallest(q, x, at >= q, before_it >= q, parameters)


@pytest.mark.slow
def test_is_the_smallest_count_at_many_more_points(quantile, dtype):
    for seed in range(2, 7):
        q, *parameters = draw(np.random.default_rng(seed), SIZE, dtype)
        x, at, before_it = quantile(q, *parameters)
        assert_smallest(q, x, at >= q, before_it >= q, parameters)


@pytest.mark.slow
def test_from_the_logarithm_of_the_lower_tail(dtype):
    log_q, *parameters = random_logarithms(SIZE, dtype)
    log_q[:3] = -np.inf, 0, 0.1

    @jax.jit
    def found(log_q, mu, theta):
        x = cdf.nb_quantile(log_q=log_q, mu=mu, theta=theta)
        both = jnp.concatenate([x, before(x)])
        return x, *jnp.split(cdf.nb_log_cdf(both, jnp.tile(mu, 2), jnp.tile(theta, 2)), 2)

    x, at, before_it = (np.asarray(a) for a in found(log_q, *parameters))
    np.testing.assert_array_equal(x[:3], [0, np.inf, np.nan])
    log_q, x, at, before_it, *parameters = (a[3:] for a in (log_q, x, at, before_it, *parameters))
    assert_smallest(log_q, x, at >= log_q, before_it >= log_q, parameters)


@jax.jit
def of_logarithms(log_q, log_mu, log_theta):
    """The quantile of the upper tail, log(1 - F) there and at the number before."""
    logs = {"log_mu": log_mu, "log_theta": log_theta}
    twice = {name: jnp.tile(value, 2) for name, value in logs.items()}
    x = cdf.nb_quantile(log_q=log_q, upper=True, **logs)
    return x, *jnp.split(cdf.nb_log_sf(jnp.concatenate([x, before(x)]), **twice), 2)


@pytest.mark.parametrize(
    "dtype", ["float32", pytest.param("float64", marks=pytest.mark.slow)], indirect=True
)
def test_from_logarithms_of_the_upper_tail_and_of_the_parameters(dtype):
    log_q, mu, theta = random_logarithms(SIZE, dtype)
    log_mu, log_theta = np.log(mu), np.log(theta)
    log_q[:4] = 0, -np.inf, 0.1, -1
    log_mu[3] = -np.inf
    x, at, before_it = (np.asarray(a) for a in of_logarithms(log_q, log_mu, log_theta))
    np.testing.assert_array_equal(x[:4], [0, np.inf, np.nan, 0])
    log_q, x, at, before_it, mu, theta = (a[4:] for a in (log_q, x, at, before_it, mu, theta))
    assert_smallest(log_q, x, at <= log_q, before_it <= log_q, (mu, theta))


@pytest.mark.slow
def test_from_the_probability_of_the_upper_tail():
    """Also where a level is met exactly."""
    q, mu, theta = draw(np.random.default_rng(3), 2000, np.dtype("float32"))
    q[:2] = 0, 1

    @jax.jit
    def found(q, mu, theta):
        x = cdf.nb_quantile(q, mu, theta, upper=True)
        probabilities = cdf.nb_sf(
            jnp.concatenate([x, before(x)]), jnp.tile(mu, 2), jnp.tile(theta, 2)
        )
        return x, *jnp.split(probabilities, 2)

    x, at, before_it = (np.asarray(a) for a in found(q, mu, theta))
    np.testing.assert_array_equal(x[:2], [np.inf, 0])
    assert_smallest(q[2:], x[2:], at[2:] <= q[2:], before_it[2:] <= q[2:], (mu[2:], theta[2:]))
    again, *_ = found(at, mu, theta)
    possible = np.isfinite(x) & (at > 0)
    np.testing.assert_array_equal(np.asarray(again)[possible], x[possible])


@pytest.mark.slow
def test_is_scipys_on_typical_points(quantile):
    rng = np.random.default_rng(3)
    mu, theta = np.exp(rng.uniform(np.log(0.05), np.log(1e3), (2, SIZE)))
    q = rng.uniform(1e-6, 1 - 1e-6, SIZE)
    with jax.enable_x64(True):
        got, *_ = quantile(q, mu, theta)
    np.testing.assert_array_equal(got, scipy.stats.nbinom.ppf(q, theta, theta / (theta + mu)))


ENDS = [
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
]


@pytest.mark.slow
@pytest.mark.parametrize(
    "dtype", ["float32", pytest.param("float64", marks=pytest.mark.slow)], indirect=True
)
def test_ends(quantile, dtype):
    q, mu, theta, expected = np.array(ENDS).T
    got, *_ = quantile(q.astype(dtype), mu.astype(dtype), theta.astype(dtype))
    for point, value, end in zip(ENDS, got, expected, strict=True):
        np.testing.assert_array_equal(value, end, f"at {point[:3]}")


@pytest.mark.slow
def test_has_no_derivative_and_maps_and_is_scipys_for_poisson():
    q = np.linspace(0.1, 0.9, 9, dtype=np.float32)

    def product(mu, q):
        return cdf.poisson_quantile(q, mu) * mu

    gradient = jax.jit(jax.vmap(jax.grad(product), (None, 0)))(np.float32(5.3), q)
    np.testing.assert_array_equal(gradient, scipy.stats.poisson.ppf(q, 5.3))


# log(q) of the upper tail, mu, theta, where the counts lie far apart on the scale of its logarithm
FAR = [(-2292.32, 0.00614, np.inf, 239), (-500, 1e-3, np.inf, 56), (-3000, 0.2, 1e4, 460)]


@pytest.mark.quick
def test_in_far_tails_a_count_is_not_taken_for_its_neighbor():
    log_q, mu, theta, _ = np.resize(np.float32(FAR), (SIZE, 4)).T
    x, at, before_it = map(np.asarray, of_logarithms(log_q, np.log(mu), np.log(theta)))
    assert_smallest(log_q, x, at <= log_q, before_it <= log_q, (mu, theta))
    assert x[0] == 239


@pytest.mark.slow
def test_of_a_mixture_with_a_component_next_to_a_point_mass():
    """Also where mu / theta overflows: half of the counts are 0, the others those of NB(100, 1)."""
    q, mu = np.float32([0.7, 0.9, 0.9]), np.float32([1e25, 1e30, 5])
    theta = np.float32([1e-20, 1e-30, 1e-38])
    got = cdf.mixture_nb_quantile(q, mu, 100.0, theta, 1.0, 0.0)
    np.testing.assert_array_equal(got, cdf.nb_quantile(2 * q - 1, 100.0, 1.0))
