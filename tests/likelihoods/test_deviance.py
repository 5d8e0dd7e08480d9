"""The unit deviance and its derivatives against digits of mpmath, and at the ends of its range."""

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest
from fuzz import likelihoods
from fuzz.points import REGIONS

from jaxnb.likelihoods import nb_deviance


def exact(x, mu, theta):
    """The deviance, and its derivatives in mu and theta."""
    with mpmath.workdps(100):
        x, mu, theta = map(mpmath.mpf, map(float, (x, mu, theta)))
        m, n = mu + theta, x + theta
        of_x = x * mpmath.log(x / mu) if x else mpmath.mpf(0)
        c = (x - mu) / m
        values = (
            2 * (of_x - n * mpmath.log(n / m)),
            2 * theta * (mu - x) / (mu * m),
            -2 * (mpmath.log1p(c) - c),
        )
    return [float(value) for value in values]


@pytest.fixture(scope="module", params=["float32", "float64"])
def points(request):
    """Counts near the mean, at it, and small; means and thetas from 1e-15 to 1e15."""
    dtype = np.dtype(request.param)
    rng = np.random.default_rng(0)
    mu, theta = np.exp(rng.uniform(np.log(1e-15), np.log(1e15), (2, 600))).astype(dtype)
    x = rng.poisson(np.maximum(mu, 1e-3) * np.exp(rng.normal(0, 0.5, 600))).astype(dtype)
    x[::5], x[1::9] = np.round(mu[::5]), rng.integers(0, 5, len(x[1::9]))
    return dtype, x, mu, theta, np.array([exact(*p) for p in zip(x, mu, theta, strict=True)]).T


@pytest.mark.quick
def test_value_and_derivatives_are_right_to_the_last_digits(points):
    dtype, *arguments, right = points
    with jax.enable_x64(dtype == np.float64):
        at_points = jax.jit(jax.vmap(jax.value_and_grad(nb_deviance, (1, 2))))
        value, derivatives = at_points(*arguments)
    for got, expected in zip((value, *derivatives), right, strict=True):
        normal = np.abs(expected) > 4 * float(np.finfo(dtype).tiny)
        relative = np.abs(np.asarray(got, float) - expected)[normal] / np.abs(expected[normal])
        assert relative.max() < 4 * np.finfo(dtype).eps


@pytest.mark.quick
def test_derivatives_in_logarithms_are_those_in_the_parameters_times_them():
    """Each scale has forms of its own."""
    x = np.array([0, 1, 3, 7, 40, 1000], np.float32)
    mu = np.array([0.5, 2, 3.1, 20, 1e-3, 700], np.float32)
    theta = np.array([0.3, 2, 50, 1e-3, 7, 1e4], np.float32)

    def on_scale(linear, *parameters):
        names = ("mu", "theta") if linear else ("log_mu", "log_theta")
        return nb_deviance(x, **dict(zip(names, parameters, strict=True))).sum()

    linear = jax.grad(on_scale, (1, 2))(True, mu, theta)
    logarithmic = jax.grad(on_scale, (1, 2))(False, np.log(mu), np.log(theta))
    for along, along_log, parameter in zip(linear, logarithmic, (mu, theta), strict=True):
        np.testing.assert_allclose(along_log, along * parameter, rtol=1e-4, atol=1e-6)


def test_the_usual_form_loses_the_derivative_in_theta():
    x, mu, theta = np.float32(7), np.float32(5), np.float32(1e6)

    def usual(theta):
        return 2 * (x * jnp.log(x / mu) - (x + theta) * jnp.log((x + theta) / (mu + theta)))

    *_, right = exact(x, mu, theta)
    assert abs(jax.grad(usual)(theta) - right) > 1e-2 * right
    np.testing.assert_allclose(jax.grad(nb_deviance, 2)(x, mu, theta), right, rtol=1e-6)


# the last ones far from each other: a product of two shares of theta would underflow
SECOND = np.array(
    [
        *((7, 5, 2), (5, 0.15214701, 1e3), (5, 0.15214701, 38115.066), (5, 0.15214701, 1e9)),
        *((3, 1e30, 2), (4, 1e25, 1e-3), (1e6, 1e-3, 5), (2, 1e-15, 1e15), (1e20, 3, 1e-12)),
    ],
    np.float32,
)


def test_hessians_are_symmetric_and_those_of_the_closed_form():
    hessian = jax.vmap(jax.hessian(nb_deviance, (0, 1, 2)))(*SECOND.T)
    x, mu, theta = SECOND.T.astype(float)
    m, n = mu + theta, x + theta
    c = (x - mu) / m
    expected = {
        (0, 0): 2 * theta / (x * n),
        (0, 1): -2 * theta / (mu * m),
        (0, 2): 2 * c / n,
        (1, 1): 2 * theta * (2 * x / mu + x * theta / mu**2 - 1) / m**2,
        (1, 2): -2 * c / m,
        (2, 2): -2 * c * c / n,
    }
    for (i, j), exact in expected.items():
        for got in (hessian[i][j], hessian[j][i]):
            np.testing.assert_allclose(got, exact, rtol=2e-6, atol=1e-37, err_msg=f"{i}, {j}")


@pytest.mark.slow
@pytest.mark.parametrize("log_scale", [False, True])
def test_two_derivatives_over_many_magnitudes(log_scale):
    for region in REGIONS[:2]:
        report = likelihoods.deviances(
            "negative_binomial", "float32", 768, 3, region=region, log_scale=log_scale,
            orders=("jvp of vjp",),
        )  # fmt: skip
        assert not report.findings, report.summary()


@pytest.mark.parametrize(
    ("x", "logarithms", "value", "along_log_mu"),
    [
        (3.0, (-100.0, 0.0), 595.5013, -6.0),
        (3.0, (100.0, 0.0), 195.5013, 2.0),
        # the mean and theta with the mean's factor are numbers
        (10108.0, (96.42095184326172, 69.07755279541016), 5.46868e31, 2e30),
        # the ratio of the mean and theta is none
        (2.04919e22, (10.01309, -86.439), 5.2966e-20, -5.2966e-20),
    ],
)
def test_means_whose_logarithm_alone_is_a_number(x, logarithms, value, along_log_mu):
    def of(log_mu):
        return nb_deviance(x, log_mu=log_mu, log_theta=logarithms[1])

    got, derivative = jax.value_and_grad(of)(logarithms[0])
    np.testing.assert_allclose(got, value, rtol=1e-5, atol=1e-18)
    np.testing.assert_allclose(derivative, along_log_mu, rtol=1e-5)


@pytest.mark.parametrize(
    ("arguments", "value"),
    [
        ((4.0, 3.318779373349757e302, 6.137716331141176e296), 1.6204377271474333e298),
        ((1.0, 2.0070003383731594e278, 3.2765672108365375e306), 4.0140006767463189e278),
        ((0.0, 1e300, np.inf), 2e300),
    ],
)
def test_means_next_to_the_largest_number_of_float64(arguments, value):
    with jax.enable_x64(True):
        np.testing.assert_allclose(nb_deviance(*arguments), value, rtol=1e-14)


@pytest.mark.parametrize(
    ("arguments", "value"),
    [
        *(((0, 0, 1), 0.0), ((0, 1, 0), 0.0), ((0, 0, np.inf), 0.0), ((5, 5, np.inf), 0.0)),
        *(((3, 0, 1), np.inf), ((3, 1, 0), np.inf), ((0, np.inf, 1), np.inf)),
        *(((3, 1e34, 1), 152.07712), ((0, 2, np.inf), 4.0)),
        *(((-1, 2, 1), np.nan), ((3, np.nan, 1), np.nan), ((3, -1, 1), np.nan)),
        ((0.0, 1e-20, 1e18), 2e-20),  # mean over theta underflows
    ],
)
def test_ends_of_the_range(arguments, value):
    np.testing.assert_allclose(nb_deviance(*map(np.float32, arguments)), value, rtol=1e-6)


def test_derivatives_at_the_ends():
    np.testing.assert_allclose(jax.grad(nb_deviance, 1)(1e6, 100.0, np.inf), -19998.0, rtol=1e-6)
    assert jax.grad(nb_deviance, 1)(0.0, 0.0, 1.0) == 2
    assert jax.grad(nb_deviance, 2)(3.0, 2.0, np.inf) == 0
    # of a count far below mean and theta: log(1 + theta / x) alone
    np.testing.assert_allclose(jax.grad(nb_deviance, 0)(1.0, 1e8, 1e6), -27.61112224, rtol=1e-6)
