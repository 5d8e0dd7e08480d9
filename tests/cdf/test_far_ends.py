"""Counts, means and thetas at every magnitude of the dtype, apart and next to one another."""

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest
from fuzz import exact_tails

from jaxnb import cdf

SIZE = 1024
EPS, HIGHEST = float(np.finfo(np.float32).eps), float(np.finfo(np.float32).max)
# derivatives in theta are 0 from the stand-in for infinity on
POISSON = 2.0**99


def draws(n, seed):
    """Counts far from and next to the mean, of all exponents."""
    rng = np.random.default_rng(seed)
    log_x, log_mu, log_theta = rng.uniform(0, 126, n), *rng.uniform(-126, 126, (2, n))
    kind = rng.integers(0, 6, n)
    log_x = np.select(
        [kind == 0, kind == 1], [log_mu + rng.normal(0, 1, n), rng.uniform(0, 4, n)], log_x
    )
    log_mu = np.where(kind == 2, np.clip(log_theta + rng.normal(0, 5, n), -126, 126), log_mu)
    log_mu = np.where(kind == 3, rng.uniform(10, 126, n), log_mu)
    x, mu, theta = (np.float32(2.0**power) for power in (np.maximum(log_x, 0), log_mu, log_theta))
    deviation = np.sqrt(2.0**-log_mu + 2.0**-log_theta)
    near = mu * np.clip(1 + rng.normal(0, 3, n) * deviation, 0, 1.9)
    x = np.where(kind == 3, near, x)
    theta = np.where(rng.random(n) < 0.15, np.inf, theta)
    return [np.float32(np.floor(x)), mu, np.float32(theta)]


@pytest.fixture(scope="module")
def values_and_derivatives():
    @jax.jit
    def run(*point):
        def both(x, mu, theta):
            return cdf.nb_log_cdf(x, mu, theta), cdf.nb_log_sf(x, mu, theta)

        def weighted(place, mu, theta):
            return jnp.sum(both(point[0], mu, theta)[place])

        return both(*point), [jax.grad(weighted, (1, 2))(k, *point[1:]) for k in range(2)]

    def filled(points):
        n = points[0].size
        found = run(*(np.append(a, np.ones(SIZE - n, "f")) for a in points))
        return jax.tree.map(lambda a: np.asarray(a, float)[:n], found)

    return filled


def exact(point):
    """Both logarithms, and their derivatives in the logarithms of mean and theta."""
    x, mu, theta = map(mpmath.mpf, map(float, point))
    t = exact_tails.TAILS["negative_binomial"](x, mu, theta)
    small = min(t.cdf, t.sf)
    logs = mpmath.log(small), mpmath.log1p(-small)
    logs = logs if t.cdf == small else logs[::-1]
    along = mu * t.d_cdf[0], 0 if theta == mpmath.inf else theta * t.d_cdf[1]
    return logs, ([d / t.cdf for d in along], [-d / t.sf for d in along])


def check(points, found):
    values, derivatives = found
    for i, point in enumerate(zip(*map(np.float64, points), strict=True)):
        logs, along = exact(point)
        _, mu, theta = point
        for k, name in enumerate(("log_cdf", "log_sf")):
            got, expected = values[k][i], logs[k]
            if abs(expected) < HIGHEST:
                assert abs(got - expected) < 4.5 * EPS * max(1, abs(expected)), (name, point)
            else:
                assert got == -np.inf, (name, point)
            d_mu, d_theta = (d[i] for d in derivatives[k])
            floor = 1e4 * float(np.finfo(np.float32).tiny)
            expected = along[k][0]
            if abs(expected) < min(mu, 1) * HIGHEST / 2 and abs(expected / mu) < HIGHEST / 2:
                error = min(abs(d_mu * mu - expected), abs(d_mu - expected / mu))
                assert error < 1e-4 * abs(expected) + floor, (name, "mu", point)
            assert np.isfinite(d_theta), (name, "theta", point)
            expected = along[k][1]
            if theta < POISSON and abs(expected / theta) < HIGHEST / 2:
                error = min(abs(d_theta * theta - expected), abs(d_theta - expected / theta))
                scale = abs(expected) + min(0.5, theta)
                assert error < 1e-4 * scale + floor, (name, "theta", point)


NAMED = np.float32(
    [
        (2.0**61, np.nextafter(np.float32(2.0**61), np.float32(np.inf)), np.inf),
        (2.0**126, 2.0**126, np.inf),
        (2.0**126, 2.0**126, 2.0**110),
        (31, np.exp(60.73), np.exp(-2.254)),
        (2.0**100, 3.0, 2.0**-90),
        (0, 2.0**100, np.inf),
        (3, 1e-30, 1e-37),
        (2.0**117, 2.0**-45, 2.0**83),
    ]
).T


@pytest.mark.slow
def test_named_points(values_and_derivatives):
    check(NAMED, values_and_derivatives(NAMED))


@pytest.mark.slow
@pytest.mark.parametrize("n", [40, SIZE])
def test_all_magnitudes(n, values_and_derivatives):
    points = draws(n, seed=n)
    with mpmath.workdps(60):
        check(points, values_and_derivatives(points))


@pytest.mark.slow
def test_subnormal_parameters():
    """Powers of the mean, multiples of theta: 1 - F is mu for small means, or theta log(1 / p) ."""
    small = np.float32([1e-39, 1e-42])
    of_mean = jax.jit(lambda mu: cdf.nb_log_sf(0.0, mu, 2.0))(small)
    np.testing.assert_allclose(of_mean, np.log(small.astype(float)), rtol=4 * EPS)
    of_theta = jax.jit(lambda theta: cdf.nb_log_sf(0.0, 1.0, theta))(small)
    expected = np.log(small * -np.log(small.astype(float)))
    np.testing.assert_allclose(of_theta, expected, rtol=4 * EPS)


@pytest.mark.slow
@pytest.mark.parametrize("upper", [False, True])
def test_second_derivatives_are_numbers_for_means_far_above_every_count(upper):
    rng = np.random.default_rng(0)
    mu, theta = (
        np.ldexp(rng.uniform(1, 2, 4096), rng.integers(*powers, 4096)).astype("f")
        for powers in ((60, 127), (-60, 60))
    )
    x = np.floor(np.exp(rng.uniform(0, 80, 4096))).astype("f")
    function = cdf.nb_log_sf if upper else cdf.nb_log_cdf

    def gradient(mu):
        value, pull = jax.vjp(lambda *p: function(x, *p), mu, theta)
        return pull(jnp.ones_like(value))

    along_mu = jax.jit(lambda mu: jax.jvp(gradient, (mu,), (jnp.ones_like(mu),))[1])(mu)
    assert np.isfinite(along_mu).all()
