"""log cdf, log sf and their derivatives against exact values, in float32 and float64."""

import jax
import numpy as np
import pytest
import scipy.stats

from jaxnb import cdf, log_nb_positive

FUNCTIONS = {"log_cdf": cdf.nb_log_cdf, "log_sf": cdf.nb_log_sf}


def arguments(exact, dtype):
    return [exact[name].astype(dtype) for name in ("x", "mu", "theta")]


def units(got, exact, name):
    """Errors in units of max(1, |exact|) eps."""
    eps = float(np.finfo(got.dtype).eps)
    error = np.abs((np.asarray(got, float) - exact[name]) - exact[f"{name}_lo"])
    return error / (np.maximum(1, np.abs(exact[name])) * eps)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_values(name, exact, dtype):
    got = FUNCTIONS[name](*arguments(exact, dtype))
    assert got.dtype == dtype
    error = units(np.asarray(got), exact, name)
    assert error.max() < 4.5
    assert np.quantile(error, 0.99) < 2.2


@pytest.mark.parametrize("name", FUNCTIONS)
def test_values_from_the_logarithms_of_the_parameters(name, exact, dtype):
    """Where the logarithms are small, they lose nothing that the parameters have."""
    x, mu, theta = arguments(exact, dtype)
    near_one = (np.abs(np.log(mu)) < 3) & (np.abs(np.log(theta)) < 3)
    x, mu, theta = x[near_one], mu[near_one], theta[near_one]
    got = FUNCTIONS[name](x, log_mu=np.log(mu), log_theta=np.log(theta))
    expected = FUNCTIONS[name](x, mu, theta)
    rounding = 8 * float(np.finfo(dtype).eps) * (1 + x)
    np.testing.assert_array_less(np.abs(got - expected), rounding * (1 + np.abs(expected)))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_derivatives(name, exact, dtype):
    function = jax.vmap(jax.grad(FUNCTIONS[name], (1, 2)))
    d_mu, d_theta = jax.jit(function)(*arguments(exact, dtype))
    eps, tiny = float(np.finfo(dtype).eps), float(np.finfo(dtype).tiny)
    seen = np.abs(exact[f"{name}_mu"]) > 1e3 * tiny
    relative = np.abs(d_mu[seen] / exact[f"{name}_mu"][seen] - 1) / eps
    # the derivative of the tail near 1 has the relative error of the other one, eps times its log
    assert np.quantile(relative, 0.99) < (25 if dtype == np.float32 else 300)
    # theta moves the tail and the probability of x in opposite directions
    x, mu, theta = arguments(exact, np.float64)
    finite = np.isfinite(theta)
    scale = np.abs(exact[f"{name}_theta"]) + np.abs(_d_theta_of_log_probability(x, mu, theta))
    error = np.abs(np.asarray(d_theta, float) - exact[f"{name}_theta"])[finite] / scale[finite]
    assert np.quantile(error[np.isfinite(error)] / eps, 0.99) < (8 if dtype == np.float32 else 80)
    assert np.all(d_theta[~finite] == 0)
    assert np.isfinite(d_mu).all()
    assert np.isfinite(d_theta).all()


def _d_theta_of_log_probability(x, mu, theta):
    with jax.enable_x64(True):
        return np.asarray(jax.jit(jax.vmap(jax.grad(log_nb_positive, 2)))(x, mu, theta))


@pytest.mark.parametrize("dropped", [False, True])
def test_second_derivatives(dropped, exact, dtype):
    """Also where JAX drops the rules for derivatives, as under partial evaluation in a scan."""
    some = np.flatnonzero(exact["region"] == "typical")[:40]
    x, mu, theta = (a[some] for a in arguments(exact, dtype))

    def in_scan(parameters, x):
        def step(total, x):
            return total + cdf.nb_log_cdf(x, *parameters), None

        return jax.lax.scan(step, np.zeros((), dtype), x[None])[0]

    def plain(parameters, x):
        return cdf.nb_log_cdf(x, *parameters)

    hessian = jax.jit(jax.vmap(jax.hessian(in_scan if dropped else plain)))
    (mu_mu, mu_theta), (theta_mu, theta_theta) = hessian((mu, theta), x)
    largest, median = (4.5e-5, 1.1e-6) if dtype == np.float32 else (6e-14, 1.3e-15)
    names = ("mu_mu", "mu_theta", "mu_theta", "theta_theta")
    for got, name in zip((mu_mu, mu_theta, theta_mu, theta_theta), names, strict=True):
        expected = exact[f"log_cdf_{name}"][some]
        scale = np.abs(expected) + np.abs(expected).mean() * 1e-3
        assert np.median(np.abs(got - expected) / scale) < median
        assert np.max(np.abs(got - expected) / scale) < largest


def test_a_point_where_r_is_wrong(dtype):
    got = cdf.nb_log_cdf(*np.array([32, 22266.8, 147206], dtype))
    np.testing.assert_allclose(got, -20501.0731423, rtol=1e-7)


def test_points_where_numpyro_is_wrong(dtype):
    x, mu, theta = np.array([[7, 1e6], [5, 1e6], [1e6, 1e6]], dtype)
    np.testing.assert_allclose(cdf.nb_cdf(x, mu, theta), [0.866628, 0.5002820948], rtol=1e-5)


def test_agrees_with_scipy_where_that_holds():
    rng = np.random.default_rng(0)
    mu, theta = np.exp(rng.uniform(np.log([[0.05], [0.1]]), np.log([[500], [100]]), (2, 2000)))
    x = rng.poisson(rng.gamma(theta) / theta * mu)
    reference = scipy.stats.nbinom(theta, theta / (theta + mu))
    with jax.enable_x64(True):
        np.testing.assert_allclose(cdf.nb_cdf(x, mu, theta), reference.cdf(x), rtol=1e-10)
        np.testing.assert_allclose(cdf.nb_sf(x, mu, theta), reference.sf(x), rtol=1e-10)


def test_the_two_tails_and_the_probabilities_add_up(dtype):
    x = np.arange(3000, dtype=dtype)
    mu, theta = dtype.type(40), dtype.type(0.7)
    np.testing.assert_allclose(cdf.nb_cdf(x, mu, theta) + cdf.nb_sf(x, mu, theta), 1, rtol=4e-7)
    summed = np.cumsum(np.exp(np.asarray(log_nb_positive(x, mu, theta), float)))
    np.testing.assert_allclose(cdf.nb_cdf(x, mu, theta), summed, rtol=1e-6)
