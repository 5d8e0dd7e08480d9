"""Entropies and the divergence against sums over all counts."""

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import pytest
import scipy.stats

import jaxnb
from jaxnb import cdf

MU = np.array([1e-3, 0.4, 3, 20, 55, 150, 4e3, 20, 54.3, 300], np.float32)
THETA = np.array([2, 0.7, 50, 0.3, 1e3, 8, 40, 0.05, np.inf, np.inf], np.float32)
OTHER_MU = MU * np.float32(1.2)
OTHER_THETA = np.where(np.isfinite(THETA), THETA * np.float32(0.7), np.float32(900))
X = np.arange(60_000.0)[:, None]
ENTROPIES = {
    "nb": (cdf.nb_entropy, jaxnb.log_nb_positive, ()),
    "zinb": (cdf.zinb_entropy, jaxnb.log_zinb_positive, (-0.5,)),
    "zero_truncated": (cdf.zero_truncated_nb_entropy, jaxnb.log_zero_truncated_nb, ()),
    "hurdle": (cdf.hurdle_nb_entropy, jaxnb.log_hurdle_nb, (0.2,)),
}


def summed(log_p):
    return -np.where(log_p > -np.inf, np.exp(log_p) * log_p, 0).sum(0)


@pytest.mark.parametrize("name", ENTROPIES)
def test_entropy_is_the_sum(name, dtype):
    entropy, log_prob, more = ENTROPIES[name]
    got = entropy(MU.astype(dtype), THETA.astype(dtype), *more)
    assert got.dtype == dtype
    with jax.enable_x64(True):
        with np.errstate(invalid="ignore"):
            expected = summed(np.asarray(log_prob(X, MU.astype(float), THETA.astype(float), *more)))
    rtol = 1e-6 if dtype == np.float64 else 1e-5
    np.testing.assert_allclose(got, expected, rtol=rtol)


def test_entropy_of_the_mixture(dtype):
    parameters = [v.astype(dtype) for v in (MU, OTHER_MU * 4, THETA, OTHER_THETA)]
    got = cdf.mixture_nb_entropy(*parameters, dtype.type(0.7))
    with jax.enable_x64(True):
        exact = [v.astype(float) for v in parameters]
        expected = summed(np.asarray(jaxnb.log_mixture_nb(X, *exact, 0.7)))
    np.testing.assert_allclose(got, expected, rtol=1e-6 if dtype == np.float64 else 1e-5)


def test_entropy_of_poisson_is_scipys():
    got = cdf.nb_entropy(np.float32([0.1, 2, 30, 500]), np.float32(np.inf))
    np.testing.assert_allclose(got, scipy.stats.poisson.entropy([0.1, 2, 30, 500]), rtol=1e-5)


def test_ends_of_the_entropy():
    assert cdf.nb_entropy(0.0, 1.0) < 1e-25
    assert cdf.nb_entropy(3.0, 0.0) == 0
    assert cdf.nb_entropy(np.inf, 1.0) == np.inf
    assert np.isnan(cdf.nb_entropy(-1.0, 1.0))
    assert np.isnan(cdf.nb_entropy(1.0, np.nan))
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
    second = (OTHER_MU, THETA if equal else OTHER_THETA)
    parameters = [v.astype(dtype) for v in (MU, THETA, *second)]
    got = cdf.nb_kl_divergence(*parameters)
    with jax.enable_x64(True):
        mu_1, theta_1, mu_2, theta_2 = (v.astype(float) for v in parameters)
        first = np.asarray(jaxnb.log_nb_positive(X, mu_1, theta_1))
        difference = first - np.asarray(jaxnb.log_nb_positive(X, mu_2, theta_2))
        expected = np.where(first > -700, np.exp(first) * difference, 0).sum(0)
    if dtype == np.float64:
        np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-13)
    else:
        np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-6)


def test_ends_of_the_divergence():
    assert cdf.nb_kl_divergence(2.0, 1.0, 2.0, 1.0) == 0
    assert cdf.nb_kl_divergence(2.0, 1.0, 0.0, 3.0) == np.inf
    np.testing.assert_allclose(
        cdf.nb_kl_divergence(0.0, 1.0, 2.0, 3.0), 3 * np.log(5 / 3), rtol=1e-6
    )
    assert np.isnan(cdf.nb_kl_divergence(1.0, 1.0, -1.0, 3.0))


def test_numpyro_has_them():
    first = jaxnb.NegativeBinomial(mu=jnp.array([2.0, 3.0]), theta=1.5)
    second = jaxnb.NegativeBinomial(log_mu=0.5, theta=4.0)
    expected = cdf.nb_kl_divergence(np.float32([2, 3]), 1.5, np.exp(np.float32(0.5)), 4.0)
    np.testing.assert_allclose(dist.kl_divergence(first, second), expected, rtol=1e-6)
    np.testing.assert_allclose(first.entropy(), cdf.nb_entropy(np.float32([2, 3]), 1.5), rtol=1e-6)
