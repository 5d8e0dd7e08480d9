"""The zero-truncated negative binomial and the hurdle model: values, derivatives, ends."""

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest
import scipy.optimize
import statsmodels.api as sm
from likelihoods.programs import SIZE, assert_at, at_points, derivatives
from scipy.stats import nbinom
from statsmodels.discrete.truncated_model import TruncatedLFNegativeBinomialP

from jaxnb import log_zero_truncated_nb

DTYPES = ["float32", "float64"]
TRUNCATED, HURDLE = "zero_truncated_negative_binomial", "hurdle_negative_binomial"


def points():
    rng = np.random.default_rng(0)
    mu, theta = np.exp(rng.uniform(np.log([[1e-12], [1e-6]]), np.log([[1e4], [1e8]]), (2, 240)))
    x = np.floor(np.exp(rng.uniform(0, np.log(300), 240)))
    x[:80] = 1
    return [v.astype(np.float32) for v in (x, mu, theta)]


def exact(x, mu, theta):
    """The log-probability and its derivatives in mu and theta, in 160 digits."""
    with mpmath.workdps(160):
        x, mu, theta = (mpmath.mpf(float(v)) for v in (x, mu, theta))

        def value(mu, theta):
            log_p, log_q = mpmath.log(theta / (theta + mu)), mpmath.log(mu / (theta + mu))
            gammas = mpmath.loggamma(x + theta) - mpmath.loggamma(theta) - mpmath.loggamma(x + 1)
            return gammas + theta * log_p + x * log_q - mpmath.log(-mpmath.expm1(theta * log_p))

        step = mpmath.mpf(10) ** -40
        in_mu = (value(mu * (1 + step), theta) - value(mu * (1 - step), theta)) / (2 * step * mu)
        in_theta = value(mu, theta * (1 + step)) - value(mu, theta * (1 - step))
        return float(value(mu, theta)), float(in_mu), float(in_theta / (2 * step * theta))


@pytest.mark.parametrize("dtype", ["float32", pytest.param("float64", marks=pytest.mark.slow)])
def test_values_and_derivatives(dtype):
    arguments = points()
    value, d_mu, d_theta = np.transpose([exact(*point) for point in zip(*arguments, strict=True)])
    got, gradient = (
        a[..., : len(value)]
        for a in derivatives(TRUNCATED, *(np.resize(v.astype(dtype), SIZE) for v in arguments))
    )
    eps = float(np.finfo(dtype).eps)
    units = np.abs(got - value) / np.maximum(1, np.abs(value)) / eps
    assert units.max() < 5.5
    assert np.quantile(units, 0.99) < 3
    for got, expected in zip(gradient, (d_mu, d_theta), strict=True):
        assert np.isfinite(got).all()
        relative = np.abs(got / expected - 1) / eps
        assert np.median(relative) < 1.5
        assert np.quantile(relative, 0.95) < 20


# The hurdle model adds to the truncated distribution what is the same in either dtype.
of_hurdle = pytest.mark.parametrize(
    "dtype", ["float32", pytest.param("float64", marks=pytest.mark.slow)]
)


@of_hurdle
def test_a_point_where_numpyro_is_wrong(dtype):
    points = [(1, 1e-8, 2, np.log(0.3 / 0.7))]
    value, _ = at_points(HURDLE, points, dtype)
    assert_at(points, value, np.log(0.7), rtol=3e-7 if dtype == "float32" else 3e-8)


@pytest.mark.parametrize("dtype", DTYPES)
def test_is_the_truncated_distribution_where_that_does_not_cancel(dtype):
    points = [(x, 3.0, 0.8) for x in range(1, 50)]
    exact_at = nbinom.logpmf(np.arange(1, 50), 0.8, 0.8 / 3.8) - np.log1p(-((0.8 / 3.8) ** 0.8))
    assert_at(points, at_points(TRUNCATED, points, dtype)[0], exact_at, rtol=1e-6)


ENDS = [
    ((0, 3, 1), -np.inf),
    ((-1, 3, 1), -np.inf),
    ((1.5, 3, 1), -np.inf),
    ((np.inf, 3, 1), -np.inf),
    ((1, 0, 1), 0),
    ((2, 0, 1), -np.inf),
    ((1, 3, 0), -np.inf),
    ((2, np.inf, 1), -np.inf),
    ((1, np.nan, 1), np.nan),
    ((np.nan, 1, 1), np.nan),
    ((2, -1, 1), np.nan),
    ((2, 1, -1), np.nan),
    ((3, 2, np.inf), 3 * np.log(2) - np.log(6) - np.log(np.expm1(2))),
    ((1, 1e-30, 1e-35), -np.log(np.log(1e5))),  # (1 - p) / -log(p)
    ((1, 1e35, 2), np.log(2) - 2 * np.log(1e35 / 2)),
]


@pytest.mark.parametrize("dtype", DTYPES)
def test_ends(dtype):
    points, expected = [point for point, _ in ENDS], np.array([value for _, value in ENDS])
    value, gradient = at_points(TRUNCATED, points, dtype, eps=0.0)
    assert_at(points, value, expected, rtol=6e-6, atol=1e-6)
    assert_at(points, np.isfinite(gradient) | np.isnan(expected), True)


@of_hurdle
def test_ends_of_the_hurdle_model(dtype):
    points = [(*point, 0.0) for point, _ in ENDS]
    of_zeros = np.array([0.0 if point[0] == 0 else value for point, value in ENDS])
    value, _ = at_points(HURDLE, points, dtype, eps=0.0)
    assert_at(points, value, of_zeros - np.log(2), rtol=6e-6, atol=1e-6)


def test_derivative_at_a_mean_of_zero():
    points = [(1.0, 0.0, 4.0)]
    _, gradient = at_points(TRUNCATED, points, eps=0.0)
    assert_at(points, gradient[0], -(1 + 1 / 4) / 2, rtol=1e-6)


@pytest.mark.quick
@pytest.mark.parametrize("dtype", DTYPES)
def test_on_the_log_scale_beyond_the_dtype(dtype):
    x, log_mu, log_theta, expected, rtol = np.transpose(
        [
            (2, 100, -100, -np.log(2 * 200), 1e-6),
            (3, -200, 0, -400, 1e-6),
            (2, -800, -800, np.log(1 / 8 / np.log(2)), 1e-5),
            (2, 300, 0, -300, 1e-6),
            (1, -1000, 3, 0, 1e-6),
        ]
    )
    with jax.enable_x64(dtype == "float64"):
        logs = {"log_mu": log_mu.astype(dtype), "log_theta": log_theta.astype(dtype)}
        got = np.array(log_zero_truncated_nb(x.astype(dtype), **logs))
    assert (np.abs(got - expected) <= rtol * np.maximum(np.abs(expected), 1)).all(), got


def test_hurdle_logits():
    points = [(x, 2.0, 1.5, pi) for x in (0, 3) for pi in (-np.inf, -2.0, 0.0, 0.4, 5.0, np.inf)]
    pi = np.array([point[-1] for point in points])
    is_zero = np.arange(12) < 6
    truncated, _ = at_points(TRUNCATED, [(3.0, 2.0, 1.5)])
    expected = np.where(is_zero, -np.logaddexp(0, -pi), 0)
    expected = expected + np.where(is_zero, 0, -np.logaddexp(0, pi) + truncated)
    value, gradient = at_points(HURDLE, points)
    assert_at(points, value, expected, rtol=1e-6, atol=1e-7)
    with np.errstate(over="ignore"):
        of_pi = np.where(is_zero, 1 / (1 + np.exp(pi)), -1 / (1 + np.exp(-pi)))
    finite = np.isfinite(pi)
    chosen = [point for point, ok in zip(points, finite, strict=True) if ok]
    assert_at(chosen, gradient[2][:, finite], of_pi[finite], rtol=1e-6)


@pytest.mark.slow
def test_second_derivatives_also_where_rules_are_dropped():
    def plain(mu):
        return log_zero_truncated_nb(3.0, mu, 1.5)

    def in_scan(mu):
        step = lambda total, x: (total + log_zero_truncated_nb(x, mu, 1.5), None)  # noqa: E731
        return jax.lax.scan(step, 0.0, jnp.array([3.0]))[0]

    with jax.enable_x64(True):
        step = 1e-4
        difference = (plain(2 + step) - 2 * plain(2.0) + plain(2 - step)) / step**2
    for function in (plain, in_scan):
        np.testing.assert_allclose(jax.hessian(function)(2.0), difference, rtol=2e-5)


@pytest.mark.slow
def test_regression_on_doctor_visits_against_statsmodels():
    """RAND health insurance experiment: the first 2,000 patients with an outpatient visit.

    The two agree on the log-likelihood, and statsmodels' score is 0 at our maximum. (Its own
    search, from its own start, ends 148 below.)
    """
    data = sm.datasets.randhie.load_pandas().data
    data = data[data.mdvis > 0].iloc[:2000]
    design, y = sm.add_constant(data[["lncoins", "lpi", "disea"]].to_numpy()), data.mdvis.to_numpy()
    model = TruncatedLFNegativeBinomialP(y, design, truncation=0)

    @jax.jit
    @jax.value_and_grad
    def loss(z):
        return -log_zero_truncated_nb(y, log_mu=design @ z[:-1], log_theta=-z[-1]).sum()

    with jax.enable_x64(True):
        options = {"gtol": 1e-4}
        found = scipy.optimize.minimize(loss, np.zeros(5), jac=True, method="BFGS", options=options)
    at = np.append(found.x[:-1], np.exp(found.x[-1]))
    np.testing.assert_allclose(model.loglike(at), -found.fun, rtol=1e-12)
    assert np.abs(model.score(at)).max() < 1e-2
    np.testing.assert_allclose(
        at, [0.734036, -0.0716596, 0.0117180, 0.0298771, 1.854306], rtol=1e-4
    )
