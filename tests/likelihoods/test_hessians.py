"""Second derivatives of every distribution: symmetric, and those of mpmath.

Each distribution is one program, the Hessian at 96 points, which all tests share.
"""

from functools import cache

import jax
import mpmath
import numpy as np
import pytest
from nightly import nightly_but
from registry import CASES, DISTRIBUTIONS

import jaxnb

EPS = float(np.finfo(np.float32).eps)
POINTS = 96


def nb(x, mu, theta):
    gammas = mpmath.loggamma(x + theta) - mpmath.loggamma(theta) - mpmath.loggamma(x + 1)
    m = theta + mu
    return gammas + theta * mpmath.log(theta / m) + x * mpmath.log(mu / m)


def softplus(z):
    return mpmath.log1p(mpmath.exp(z))


def truncated(x, mu, theta):
    at_zero = -theta * mpmath.log1p(mu / theta)
    return nb(x, mu, theta) - mpmath.log(-mpmath.expm1(at_zero))


def inflated(x, mu, theta, pi):
    l = nb(x, mu, theta)  # noqa: E741
    return l - softplus(pi) if x else mpmath.log1p(mpmath.exp(l - pi)) - softplus(-pi)


def hurdle(x, mu, theta, pi):
    return truncated(x, mu, theta) - softplus(pi) if x else -softplus(-pi)


def mixture(x, mu_1, mu_2, theta_1, theta_2, q):
    a, b = nb(x, mu_1, theta_1) + q, nb(x, mu_2, theta_2)
    return mpmath.log(mpmath.exp(a) + mpmath.exp(b)) - softplus(q)


EXACT = {
    "negative_binomial": nb,
    "zero_inflated_negative_binomial": inflated,
    "negative_binomial_mixture": mixture,
    "zero_truncated_negative_binomial": truncated,
    "hurdle_negative_binomial": hurdle,
}
OFTEN = {"negative_binomial", "zero_inflated_negative_binomial"}  # one built on the other


def exact_hessian(function, x, parameters):
    """By central differences in 110 digits, with steps relative to the parameters."""
    n = len(parameters)
    hessian = np.empty((n, n))
    with mpmath.workdps(110):
        x = int(x) if x == int(x) else mpmath.mpf(float(x))
        p = [mpmath.mpf(float(v)) for v in parameters]
        steps = [mpmath.mpf(10) ** -18 * abs(v) for v in p]

        def at(i, di, j, dj):
            q = list(p)
            q[i] += di * steps[i]
            q[j] += dj * steps[j]
            return function(x, *q)

        for i in range(n):
            for j in range(i + 1):
                corners = at(i, 1, j, 1) - at(i, 1, j, -1) - at(i, -1, j, 1) + at(i, -1, j, -1)
                hessian[i, j] = hessian[j, i] = corners / (4 * steps[i] * steps[j])
    return hessian


@cache
def program(case):
    return jax.jit(jax.vmap(jax.hessian(case.log_prob, case.positions)))


def hessians(case, x, parameters):
    """An array of (points, parameters, parameters)."""
    filled = (np.resize(np.float32(values), POINTS) for values in (x, *parameters))
    hessian = program(case)(*filled)
    return np.moveaxis(np.array(hessian, float), -1, 0)[: len(x)]


def points(case, count):
    rng = np.random.default_rng(3)
    x = rng.choice([0, 1, 2, 5, 30], count).astype(np.float32)
    if case.family.name.startswith("zero_truncated"):
        x = np.maximum(x, 1)
    parameters = [
        np.exp(rng.uniform(-4, 4, count))
        if p.constraint == "nonnegative"
        else rng.normal(0, 3, count)
        for p in case.family.parameters
    ]
    return x, [p.astype(np.float32) for p in parameters]


@pytest.mark.parametrize("name", nightly_but(OFTEN, EXACT))
def test_hessians_are_those_of_mpmath(name):
    case = DISTRIBUTIONS[name]
    x, parameters = points(case, 12)
    got = hessians(case, x, parameters)
    for k, (count, point) in enumerate(zip(x, np.transpose(parameters), strict=True)):
        expected = exact_hessian(EXACT[case.name], count, point)
        # what one rounding of each argument may do to it is granted
        size = np.abs(expected) * np.abs(np.outer(point, point))
        slack = 20 * EPS * size.max() / np.abs(np.outer(point, point))
        error = np.abs(got[k] - expected)
        assert (error <= 100 * EPS * np.abs(expected) + slack).all(), (count, point, error)


@pytest.mark.parametrize(
    "names",
    nightly_but(
        [("log_mu", "log_theta"), ("log_mu", "theta")],
        [("log_mu", "log_theta"), ("log_mu", "theta"), ("mu", "log_theta")],
    ),
    ids="-".join,
)
def test_hessians_in_logarithms_are_those_of_mpmath(names):
    x, parameters = points(DISTRIBUTIONS["negative_binomial"], 12)
    pairs = list(zip(names, parameters, strict=True))
    given = [np.log(p) if name.startswith("log_") else p for name, p in pairs]
    both = names == ("log_mu", "log_theta")
    if both:  # mu / (mu + theta) underflows, its product with the count does not
        x, *given = np.append([x, *given], np.float32([[5.853e28], [-72.07], [16.17]]), axis=1)

    def log_prob(p, x):
        return jaxnb.nb_log_prob(x, **dict(zip(names, p, strict=True)))

    def exact(x, *p):
        pairs = zip(names, p, strict=True)
        return nb(x, *(mpmath.exp(v) if name.startswith("log_") else v for name, v in pairs))

    got = jax.jit(jax.vmap(jax.hessian(log_prob)))(np.stack(given, 1), x)
    for k, (count, point) in enumerate(zip(x, np.transpose(given), strict=True)):
        expected = exact_hessian(exact, count, point)
        scale = np.abs(expected).max()
        np.testing.assert_allclose(got[k], expected, rtol=2e-4, atol=1e-5 * scale)
    if both:
        np.testing.assert_allclose(got[-1][0], expected[0], rtol=2e-4)


@pytest.mark.parametrize("name", nightly_but(OFTEN, CASES))
def test_hessians_are_symmetric(name):
    """To rounding: each pair is one formula, but for the weights of components."""
    case = CASES[name]
    rng = np.random.default_rng(5)
    x, parameters = points(case, 64)
    # and where arguments are moved into the range
    parameters[0][:8] = np.float32(10.0) ** rng.uniform(-37, 37, 8)
    parameters[-1][8:12] = 40 if case.family.parameters[-1].constraint != "nonnegative" else 1e-20
    got = hessians(case, x, parameters)
    assert not np.isnan(got).any()
    np.testing.assert_allclose(got, np.swapaxes(got, 1, 2), rtol=1e-4, atol=1e-30)


def extremes():
    rng = np.random.default_rng(0)
    low, high = np.log([[1e-12], [1e-6]]), np.log([[1e4], [1e8]])
    mu, theta = np.exp(rng.uniform(low, high, (2, 90))).astype(np.float32)
    x = np.floor(np.exp(rng.uniform(0, np.log(300), 90))).astype(np.float32)
    x[:30] = 1
    return x, mu, theta


@pytest.mark.slow
@pytest.mark.parametrize("name", ["zero_truncated_negative_binomial", "hurdle_negative_binomial"])
def test_second_derivatives_of_truncated_distributions_over_many_magnitudes(name):
    """As the mean tends to 0 both parts of the log-probability diverge."""
    case, (x, mu, theta) = DISTRIBUTIONS[name], extremes()
    pi = [np.full_like(mu, 0.4)] if name.startswith("hurdle") else []
    got = hessians(case, x, [mu, theta, *pi])[:, :2, :2]
    expected = np.array(
        [exact_hessian(truncated, *p[:1], p[1:]) for p in zip(x, mu, theta, strict=True)]
    )
    relative = np.abs(got / expected - 1) / EPS
    assert np.median(relative) < 1
    assert np.quantile(relative, 0.95) < 10


def exact_curvature(x, log_mu, log_theta):
    """d2 / dlog(theta)2 of the negative binomial, in closed form."""
    with mpmath.workdps(120):
        x, mu, theta = mpmath.mpf(float(x)), *(mpmath.exp(float(v)) for v in (log_mu, log_theta))
        m = theta + mu
        first = mpmath.psi(0, x + theta) - mpmath.psi(0, theta) + mpmath.log(theta / m)
        first += (mu - x) / m
        second = mpmath.psi(1, x + theta) - mpmath.psi(1, theta) + 1 / theta - 1 / m
        return float(theta * first + theta**2 * (second - (mu - x) / m**2))


CURVATURES = {
    "large thetas": ([3, 5, 100], (-30, 3), (28, 40), 8),
    "fractions": ([0.08, 0.5, 1.5, 1.8, 1.97], (-80, 20), (-30, 30), 64),
    "far counts": ([2.0**96, 1e30, 1e35], (20, 50), (-80, -20), 64),
}


@pytest.mark.parametrize("kind", CURVATURES)
def test_curvature_in_log_theta(kind):
    """Where its parts cancel, or a factor of it is below the smallest normal number."""
    counts, log_mu, log_theta, bound = CURVATURES[kind]
    rng = np.random.default_rng(0)
    points = [rng.choice(counts, POINTS), *(rng.uniform(*at, POINTS) for at in (log_mu, log_theta))]
    points = [np.float32(point) for point in points]

    def value(x, log_mu, log_theta):
        return jaxnb.nb_log_prob(x, log_mu=log_mu, log_theta=log_theta, eps=0)

    found = np.array(jax.jit(jax.vmap(jax.grad(jax.grad(value, 2), 2)))(*points), float)
    expected = np.array([exact_curvature(*point) for point in zip(*points, strict=True)])
    normal = np.abs(expected) > 1e-30
    errors = np.abs(found / expected - 1)[normal] / EPS
    assert np.percentile(errors, 90) < bound
    assert errors.max() < 40 * bound


@pytest.mark.parametrize(
    "name",
    nightly_but(
        ["zero_inflated_negative_binomial"],
        ["zero_inflated_negative_binomial", "hurdle_negative_binomial"],
    ),
)
def test_curvature_in_the_log_odds(name):
    """Where sigma(pi) rounds to 1 the curvature does not vanish."""
    x, pi = np.array([0.0, 3.0] * 6), np.repeat([-30.0, -3.0, 0.5, 12.0, 17.0, 40.0], 2)
    got = hessians(DISTRIBUTIONS[name], x, [np.full(12, 2.0), np.full(12, 1.5), pi])
    expected = [
        exact_hessian(EXACT[name], count, (2.0, 1.5, log_odds))[2, 2]
        for count, log_odds in zip(x, pi, strict=True)
    ]
    np.testing.assert_allclose(got[:, 2, 2], expected, rtol=3e-6)


@pytest.mark.slow
def test_derivatives_in_x():
    """Of the extension by the gamma function, at counts that are whole and that are not."""
    x = np.array([0.0, 0.3, 1.0, 1.7, 4.0, 30.0], np.float32)
    mu, theta = np.float32(2.5), np.float32(0.7)
    mixed = jax.jit(jax.vmap(jax.hessian(jaxnb.log_nb_positive, (0, 1, 2)), (0, None, None)))
    got = np.moveaxis(np.array(mixed(x, mu, theta), float), -1, 0)
    for k, count in enumerate(x):
        with mpmath.workdps(40):
            c, m, t = (mpmath.mpf(float(v)) for v in (count, mu, theta))
            expected = [
                float(mpmath.psi(1, c + t) - mpmath.psi(1, c + 1)),
                float(t / (m * (t + m))),
                float(mpmath.psi(1, c + t) - 1 / (t + m)),
            ]
        np.testing.assert_allclose(got[k, 0], expected, rtol=2e-6)
