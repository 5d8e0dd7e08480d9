"""Zero inflation and the mixture against sums over their components."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from jaxnb import cdf

X = np.arange(-1.0, 60.0)


def nbinom(mu, theta):
    return scipy.stats.nbinom(theta, theta / (theta + mu))


def sigmoid(q):
    return 1 / (1 + np.exp(-q))


@pytest.mark.parametrize("q", [-3.0, 0.5, 40.0, -np.inf, np.inf])
def test_are_the_weighted_sums(q, dtype):
    x, q = X.astype(dtype), dtype.type(q)
    rtol = 8 * float(np.finfo(dtype).eps)
    first, second = nbinom(4, 0.7), nbinom(20, 3)
    zinb = np.where(X < 0, 0, sigmoid(q) + sigmoid(-q) * first.cdf(X))
    np.testing.assert_allclose(cdf.zinb_cdf(x, 4.0, 0.7, q), zinb, rtol=4 * rtol)
    zinb = np.where(X < 0, 1, sigmoid(-q) * first.sf(X))
    np.testing.assert_allclose(cdf.zinb_sf(x, 4.0, 0.7, q), zinb, rtol=8 * rtol)
    parameters = (4.0, 20.0, 0.7, 3.0, q)
    mixture = sigmoid(q) * first.cdf(X) + sigmoid(-q) * second.cdf(X)
    np.testing.assert_allclose(cdf.mixture_nb_cdf(x, *parameters), mixture, rtol=8 * rtol)
    mixture = sigmoid(q) * first.sf(X) + sigmoid(-q) * second.sf(X)
    np.testing.assert_allclose(cdf.mixture_nb_sf(x, *parameters), mixture, rtol=8 * rtol)


def test_shared_theta():
    expected = cdf.mixture_nb_log_cdf(X, 4.0, 20.0, 0.7, 0.7, 0.3)
    np.testing.assert_array_equal(
        cdf.mixture_nb_log_cdf(X, 4.0, 20.0, 0.7, pi_logits=0.3), expected
    )


@pytest.mark.parametrize("name", ["zinb_log_cdf", "zinb_log_sf", "mixture_nb_log_cdf"])
def test_derivatives_are_those_of_differences(name):
    function = getattr(cdf, name)
    parameters = (4.0, 0.7, -1.0) if name.startswith("zinb") else (4.0, 20.0, 0.7, 3.0, -1.0)
    with jax.enable_x64(True):
        values = [jnp.asarray(v) for v in parameters]
        for position, value in enumerate(values):

            def along(parameter, position=position):
                return function(X, *values[:position], parameter, *values[position + 1 :])

            step = 1e-6 * (1 + abs(value))
            difference = (along(value + step) - along(value - step)) / (2 * step)
            derivative = jax.jacfwd(along)(value)
            seen = X >= 0
            np.testing.assert_allclose(derivative[seen], difference[seen], rtol=1e-6, atol=1e-9)
            assert (derivative[~seen] == 0).all()


@pytest.mark.parametrize("name", ["zinb", pytest.param("mixture_nb", marks=pytest.mark.slow)])
def test_quantiles(name, dtype):
    rng = np.random.default_rng(4)
    n = 5000
    values = np.exp(rng.uniform(np.log(0.01), np.log(1e3), (4, n))).astype(dtype)
    parameters = (*(values[:2] if name == "zinb" else values), 3 * rng.normal(size=n).astype(dtype))
    quantile, function = getattr(cdf, f"{name}_quantile"), getattr(cdf, f"{name}_cdf")

    @jax.jit
    def misses(q, *parameters):
        x = quantile(q, *parameters)
        right = (function(x, *parameters) >= q) & (function(x - 1, *parameters) < q)
        return jnp.sum(~right | ~jnp.isfinite(x))

    assert misses(rng.uniform(size=n).astype(dtype), *parameters) == 0


def test_ends_of_the_quantiles():
    assert cdf.zinb_quantile(0.4, 5.0, 2.0, 0.0) == 0  # sigmoid(0) is enough
    assert cdf.zinb_quantile(1.0, 5.0, 2.0, np.inf) == 0
    assert cdf.zinb_quantile(1.0, 5.0, 2.0, 0.0) == np.inf
    assert np.isnan(cdf.zinb_quantile(0.5, 5.0, 2.0, np.nan))
    assert cdf.mixture_nb_quantile(1.0, 0.0, 0.0, 1.0, 1.0, 0.0) == 0
