"""log cdf, log sf and their derivatives against exact values, in float32 and float64."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from jaxnb import cdf, log_nb_positive

NAMES = ("log_cdf", "log_sf")


def arguments(exact, dtype):
    return [exact[name].astype(dtype) for name in ("x", "mu", "theta")]


def units(got, exact, name):
    """Errors in units of max(1, |exact|) eps."""
    eps = float(np.finfo(got.dtype).eps)
    error = np.abs((np.asarray(got, float) - exact[name]) - exact[f"{name}_lo"])
    return error / (np.maximum(1, np.abs(exact[name])) * eps)


@pytest.mark.quick
def test_values(exact, tails, dtype):
    for name, got in zip(NAMES, tails(*arguments(exact, dtype)), strict=True):
        assert got.dtype == dtype
        error = units(got, exact, name)
        assert error.max() < 4.5, f"{name} at point {error.argmax()}"
        assert np.quantile(error, 0.99) < 2.2, name


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float32", "float64"], indirect=True)
def test_values_from_the_logarithms_of_the_parameters(exact, tails, tails_of_logarithms, dtype):
    """Where the logarithms are small, they lose nothing that the parameters have."""
    x, mu, theta = arguments(exact, dtype)
    near_one = (np.abs(np.log(mu)) < 3) & (np.abs(np.log(theta)) < 3)
    x, mu, theta = x[near_one], mu[near_one], theta[near_one]
    rounding = 8 * float(np.finfo(dtype).eps) * (1 + x)
    of_logarithms = tails_of_logarithms(x, np.log(mu), np.log(theta))
    for name, got, expected in zip(NAMES, of_logarithms, tails(x, mu, theta), strict=True):
        bound = rounding * (1 + np.abs(expected))
        np.testing.assert_array_less(np.abs(got - expected), bound, name)


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float32", "float64"], indirect=True)
def test_derivatives(exact, derivatives, d_theta_of_log_probability, dtype):
    eps, tiny = float(np.finfo(dtype).eps), float(np.finfo(dtype).tiny)
    finite = np.isfinite(exact["theta"])
    found = derivatives(*arguments(exact, dtype))
    for name, (d_mu, d_theta) in found.items():
        seen = np.abs(exact[f"{name}_mu"]) > 1e3 * tiny
        relative = np.abs(d_mu[seen] / exact[f"{name}_mu"][seen] - 1) / eps
        # the derivative of the tail near 1 has the relative error of the other one, eps times its
        # log
        assert np.quantile(relative, 0.99) < (25 if dtype == np.float32 else 300), name
        # theta moves the tail and the probability of x in opposite directions
        scale = np.abs(exact[f"{name}_theta"]) + np.abs(d_theta_of_log_probability)
        error = np.abs(d_theta.astype(float) - exact[f"{name}_theta"])[finite] / scale[finite]
        largest = np.quantile(error[np.isfinite(error)] / eps, 0.99)
        assert largest < (8 if dtype == np.float32 else 80), name
        assert np.all(d_theta[~finite] == 0), name
        assert np.isfinite(d_mu).all(), name
        assert np.isfinite(d_theta).all(), name


@pytest.fixture(scope="module")
def d_theta_of_log_probability(exact):
    with jax.enable_x64(True):
        derivative = jax.jit(jax.vmap(jax.grad(log_nb_positive, 2)))
        return np.asarray(derivative(*arguments(exact, np.float64)))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("dtype", "dropped"),
    [("float32", False), ("float64", False), ("float32", True), ("float64", True)],
    indirect=["dtype"],
)
def test_second_derivatives(dropped, exact, dtype):
    """Also where JAX drops the rules for derivatives, as under partial evaluation in a scan."""
    some = np.flatnonzero(exact["region"] == "typical")[:40]
    # of the derivatives in mu and in theta: first all along mu, then all along theta
    x, mu, theta = (np.tile(a[some], 2) for a in arguments(exact, dtype))
    along_mu = np.repeat(np.array([1, 0], dtype), len(some))

    @jax.jit
    def second(x, mu, theta, along_mu):
        def summed(mu, theta):
            def step(total, x):
                return total + cdf.nb_log_cdf(x, mu, theta), None

            if dropped:
                return jnp.sum(jax.lax.scan(step, jnp.zeros_like(mu), x[None])[0])
            return jnp.sum(cdf.nb_log_cdf(x, mu, theta))

        return jax.jvp(jax.grad(summed, (0, 1)), (mu, theta), (along_mu, 1 - along_mu))[1]

    of_mu, of_theta = (np.asarray(d).reshape(2, -1) for d in second(x, mu, theta, along_mu))
    largest, median = (4.5e-5, 1.1e-6) if dtype == np.float32 else (6e-14, 1.3e-15)
    names = ("mu_mu", "mu_theta", "mu_theta", "theta_theta")
    for got, name in zip((*of_mu, *of_theta), names, strict=True):
        expected = exact[f"log_cdf_{name}"][some]
        scale = np.abs(expected) + np.abs(expected).mean() * 1e-3
        assert np.median(np.abs(got - expected) / scale) < median, name
        assert np.max(np.abs(got - expected) / scale) < largest, name


@pytest.mark.slow
def test_second_derivatives_of_the_probability_of_zero_in_either_order():
    """-theta log(1 + mu / theta), with p or q small, and a point beyond the range or none."""
    mu = np.float32([1e-4, 3, 40, 1e-8, 7215.9326, 66772.266, 0.0338, 1e-30])
    theta = np.float32([1e8, 1e7, 1e9, 1e3, 2.554e-4, 0.01506, 4.245e7, 1])
    t, m = theta.astype(float), theta.astype(float) + mu

    @jax.jit
    def in_orders(mu, theta):
        def log_cdf(mu, theta):
            return cdf.nb_log_cdf(jnp.zeros_like(mu), mu, theta).sum()

        one = jnp.ones_like(mu)
        of_mu = jax.jvp(lambda theta: jax.grad(log_cdf)(mu, theta), (theta,), (one,))[1]
        of_theta = jax.jvp(lambda mu: jax.grad(log_cdf, 1)(mu, theta), (mu,), (one,))[1]
        return of_mu, of_theta, jax.jvp(lambda mu: jax.grad(log_cdf)(mu, theta), (mu,), (one,))[1]

    for some in (slice(0, 7), slice(1, 8)):
        *mixed, twice = in_orders(mu[some], theta[some])
        inside = mu[some] > 1e-20
        for got in mixed:
            np.testing.assert_allclose(got, (-mu / m**2)[some], rtol=3e-6)
        np.testing.assert_allclose(twice[inside], (t / m**2)[some][inside], rtol=3e-6)


def test_a_point_where_r_is_wrong(tails, dtype):
    got, _ = tails(*np.array([32, 22266.8, 147206], dtype))
    np.testing.assert_allclose(got, -20501.0731423, rtol=1e-7)


def test_points_where_numpyro_is_wrong(tails, dtype):
    x, mu, theta = np.array([[7, 1e6], [5, 1e6], [1e6, 1e6]], dtype)
    log_cdf, _ = tails(x, mu, theta)
    np.testing.assert_allclose(np.exp(log_cdf), [0.866628, 0.5002820948], rtol=1e-5)


def test_agrees_with_scipy_where_that_holds(tails):
    rng = np.random.default_rng(0)
    mu, theta = np.exp(rng.uniform(np.log([[0.05], [0.1]]), np.log([[500], [100]]), (2, 2000)))
    x = rng.poisson(rng.gamma(theta) / theta * mu).astype(float)
    reference = scipy.stats.nbinom(theta, theta / (theta + mu))
    with jax.enable_x64(True):
        log_cdf, log_sf = tails(x, mu, theta)
    np.testing.assert_allclose(np.exp(log_cdf), reference.cdf(x), rtol=1e-10)
    np.testing.assert_allclose(np.exp(log_sf), reference.sf(x), rtol=1e-10)


def test_the_two_tails_and_the_probabilities_add_up(tails, dtype):
    x = np.arange(3000, dtype=dtype)
    mu, theta = dtype.type(40), dtype.type(0.7)
    log_cdf, log_sf = tails(x, mu, theta)
    np.testing.assert_allclose(np.exp(log_cdf) + np.exp(log_sf), 1, rtol=4e-7)
    summed = np.cumsum(np.exp(np.asarray(log_nb_positive(x, mu, theta), float)))
    np.testing.assert_allclose(np.exp(log_cdf), summed, rtol=1e-6)


def test_of_one_next_to_certainty(tails, dtype):
    """1 - F(1) where F(1) is near 1 beside theta: its digits are those of log F."""
    mu, theta = np.exp(np.random.default_rng(3).uniform(np.log(1e-4), np.log(0.1), (2, 500)))
    mu, theta = mu.astype(dtype), theta.astype(dtype)
    _, log_sf = tails(np.ones_like(mu), mu, theta)
    t, m = theta.astype(float), mu.astype(float)
    # theta (log(1 - q) + q) + log(1 + theta q) - theta q
    q = m / (t + m)
    log_cdf = t * sum(-(q**k) / k for k in range(2, 400)) + sum(
        -((-t * q) ** k) / k for k in range(2, 40)
    )
    kept = q < 0.9
    exact = np.log(-np.expm1(log_cdf))
    bound = 5 * max(float(np.finfo(dtype).eps), 1e-15) * np.maximum(1, -exact)
    np.testing.assert_array_less(np.abs(log_sf - exact)[kept], bound[kept])
