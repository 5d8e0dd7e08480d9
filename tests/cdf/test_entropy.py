"""Entropies and the divergence against sums over all counts."""

import jax
import numpy as np
import numpyro.distributions as dist
import pytest
import scipy.stats
from registry import DISTRIBUTIONS

import jaxnb
from jaxnb import cdf

MU = np.array([1e-3, 0.4, 3, 20, 55, 150, 4e3, 20, 54.3, 300], np.float32)
THETA = np.array([2, 0.7, 50, 0.3, 1e3, 8, 40, 0.05, np.inf, np.inf], np.float32)
OTHER_MU = MU * np.float32(1.2)
OTHER_THETA = np.where(np.isfinite(THETA), THETA * np.float32(0.7), np.float32(900))
X = np.arange(60_000.0)[:, None]
LOG_ODDS = 0.7
# ten at once as MU, so that the calls share a program
ENDS = [(0, 1, 0), (3, 0, 0), (np.inf, 1, np.inf), (-1, 1, np.nan), (1, np.nan, np.nan)] * 2


def log_nb(mu, theta):
    mu, theta = mu.astype(float), theta.astype(float)
    poisson = np.isinf(theta)
    theta = np.where(poisson, 1.0, theta)
    log_p = scipy.stats.nbinom.logpmf(X, theta, theta / (theta + mu))
    return np.where(poisson, scipy.stats.poisson.logpmf(X, mu), log_p)


def inflated(log_p):
    return np.logaddexp(
        np.where(X == 0, -np.logaddexp(0, -LOG_ODDS), -np.inf), log_p - np.logaddexp(0, LOG_ODDS)
    )


def truncated(log_p):
    return np.where(X == 0, -np.inf, log_p - np.log(-np.expm1(log_p[0])))


def mixed(first, second):
    return np.logaddexp(first - np.logaddexp(0, -LOG_ODDS), second - np.logaddexp(0, LOG_ODDS))


# of the log-probabilities of the negative binomial and of a second one
LOG_PROBABILITIES = {
    "negative_binomial": lambda first, second: first,
    "zero_inflated_negative_binomial": lambda first, second: inflated(first),
    "negative_binomial_mixture": mixed,
    "zero_truncated_negative_binomial": lambda first, second: truncated(first),
    "hurdle_negative_binomial": lambda first, second: inflated(truncated(first)),
}


@pytest.fixture(scope="module")
def log_p():
    return log_nb(MU, THETA), log_nb(OTHER_MU * 4, OTHER_THETA)


def in_float64(name):
    """In the default run the two that sum in ways of their own."""
    kept = name in ("negative_binomial", "negative_binomial_mixture")
    return pytest.param(name, "float64", marks=() if kept else pytest.mark.slow)


@pytest.mark.parametrize(
    ("name", "dtype"),
    [*((name, "float32") for name in DISTRIBUTIONS), *map(in_float64, DISTRIBUTIONS)],
    indirect=["dtype"],
)
def test_entropy_is_the_sum(name, dtype, log_p):
    values = {
        "mu": MU,
        "theta": THETA,
        "pi": LOG_ODDS,
        "mu_1": MU,
        "mu_2": OTHER_MU * 4,
        "theta_1": THETA,
        "theta_2": OTHER_THETA,
        "pi_logits": LOG_ODDS,
    }
    family = DISTRIBUTIONS[name].family
    got = family.entropy(*(np.asarray(values[p.name], dtype) for p in family.parameters))
    assert got.dtype == dtype
    log_p = LOG_PROBABILITIES[name](*log_p)
    terms = np.exp(log_p) * np.where(log_p > -np.inf, log_p, 0)
    expected = -terms.sum(0)
    np.testing.assert_allclose(got, expected, rtol=1e-6 if dtype == np.float64 else 1e-5)


@pytest.mark.quick
def test_entropy_of_poisson_is_scipys():
    mu = np.geomspace(0.1, 500, len(MU)).astype(np.float32)
    got = cdf.nb_entropy(mu, np.full_like(mu, np.inf))
    np.testing.assert_allclose(got, scipy.stats.poisson.entropy(mu.astype(float)), rtol=1e-5)


def test_ends_of_the_entropy():
    mu, theta, expected = np.array(ENDS, np.float32).T
    for point, value, end in zip(ENDS, cdf.nb_entropy(mu, theta), expected, strict=True):
        np.testing.assert_allclose(value, end, atol=1e-25, err_msg=f"at {point[:2]}")
    assert cdf.nb_entropy(np.ones((0, 3)), 1.0).shape == (0, 3)


@pytest.mark.slow
def test_derivatives():
    with jax.enable_x64(True):
        for function, point in (
            (cdf.nb_entropy, (3.0, 0.7)),
            (cdf.nb_kl_divergence, (3.0, 0.7, 4.0, 0.9)),
        ):
            for place in range(len(point)):

                def along(value, function=function, point=point, place=place):
                    return function(*point[:place], value, *point[place + 1 :])

                difference = (along(point[place] + 1e-5) - along(point[place] - 1e-5)) / 2e-5
                np.testing.assert_allclose(jax.grad(along)(point[place]), difference, rtol=1e-5)


@pytest.mark.parametrize("equal", [False, True])
def test_divergence_is_the_sum(equal, dtype):
    other_theta = THETA if equal else OTHER_THETA
    got = cdf.nb_kl_divergence(*(v.astype(dtype) for v in (MU, THETA, OTHER_MU, other_theta)))
    first = log_nb(MU, THETA)
    difference = first - log_nb(OTHER_MU, other_theta)
    expected = np.where(first > -700, np.exp(first) * difference, 0).sum(0)
    atol = 1e-13 if dtype == np.float64 else 1e-6
    np.testing.assert_allclose(got, expected, rtol=1e-5, atol=atol)


def test_ends_of_the_divergence():
    ends = [(2, 1, 2, 1, 0), (2, 1, 0, 3, np.inf), (0, 1, 2, 3, 3 * np.log(5 / 3))]
    ends = [*ends, (1, 1, -1, 3, np.nan), (2, 1, 2, 1, 0)] * 2
    *parameters, expected = np.array(ends, np.float32).T
    got = cdf.nb_kl_divergence(*parameters)
    for point, value, end in zip(ends, got, expected, strict=True):
        np.testing.assert_allclose(value, end, rtol=1e-6, err_msg=f"at {point[:4]}")


def test_numpyro_has_them():
    first = jaxnb.NegativeBinomial(mu=MU, theta=THETA)
    second = jaxnb.NegativeBinomial(log_mu=np.zeros_like(MU), theta=OTHER_THETA)
    expected = cdf.nb_kl_divergence(MU, THETA, np.ones_like(MU), OTHER_THETA)
    np.testing.assert_allclose(dist.kl_divergence(first, second), expected, rtol=1e-6)
    np.testing.assert_allclose(first.entropy(), cdf.nb_entropy(MU, THETA), rtol=1e-6)
