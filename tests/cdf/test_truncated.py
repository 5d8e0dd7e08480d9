"""Truncated distributions: their functions, quantiles, samplers, moments and classes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

import jaxnb
from jaxnb import cdf, moments, random

PARAMETERS = [(3, 0.7), (1e-6, 2), (200, 30), (40, np.inf)]


@pytest.mark.parametrize(("mu", "theta"), PARAMETERS)
def test_are_sums_of_the_probabilities(mu, theta, dtype):
    x, mu, theta = np.arange(-1, 2500).astype(dtype), dtype.type(mu), dtype.type(theta)
    with jax.enable_x64(True):
        p = np.exp(jaxnb.log_zero_truncated_nb(x.astype(float), float(mu), float(theta)))
    summed, rtol = np.cumsum(p), 100 * float(np.finfo(dtype).eps)
    seen = summed > 1e-12
    log_cdf = cdf.zero_truncated_nb_log_cdf(x, mu, theta)
    np.testing.assert_allclose(np.exp(log_cdf[seen]), summed[seen], rtol=rtol)
    both = np.exp(log_cdf) + np.exp(cdf.zero_truncated_nb_log_sf(x, mu, theta))
    np.testing.assert_allclose(both, 1, rtol=rtol)
    assert (log_cdf[:2] == -np.inf).all()
    hurdle = np.where(x < 0, 0, 0.3 + 0.7 * summed)
    logits = dtype.type(np.log(0.3 / 0.7))
    np.testing.assert_allclose(cdf.hurdle_nb_cdf(x, mu, theta, logits), hurdle, rtol=rtol)
    sf = cdf.hurdle_nb_log_sf(dtype.type(0), mu, theta, logits)
    np.testing.assert_allclose(sf, np.log(0.7), rtol=rtol)


def test_upper_tail_keeps_its_digits_as_the_mean_tends_to_zero(dtype):
    """P(X > 1 | X > 0) tends to mu (1 + 1 / theta) / 2."""
    mu, theta = dtype.type(1e-8), dtype.type(4)
    got = cdf.zero_truncated_nb_log_sf(dtype.type(1), mu, theta)
    np.testing.assert_allclose(got, np.log(float(mu) * 1.25 / 2), rtol=3e-7)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["zero_truncated_nb", "hurdle_nb"])
def test_quantiles(name):
    rng = np.random.default_rng(4)
    n = 3000
    mu, theta = np.exp(rng.uniform(np.log(0.01), np.log(1e3), (2, n))).astype(np.float32)
    more = (3 * rng.normal(size=n).astype(np.float32),) if name == "hurdle_nb" else ()
    quantile, function = getattr(cdf, f"{name}_quantile"), getattr(cdf, f"{name}_cdf")

    @jax.jit
    def misses(q, *parameters):
        x = quantile(q, *parameters)
        right = (function(x, *parameters) >= q) & (function(x - 1, *parameters) < q)
        return jnp.sum(~right | ~jnp.isfinite(x))

    assert misses(rng.uniform(size=n).astype(np.float32), mu, theta, *more) == 0
    assert quantile(0.0, 3.0, 2.0, *([0.4] if more else [])) == (0 if more else 1)
    assert quantile(1.0, 3.0, 2.0, *([0.4] if more else [])) == np.inf


@pytest.mark.parametrize(("mu", "theta"), [(3, 0.7), (1e-6, 2), (21, 5), (2, 1e-3), (4, np.inf)])
def test_draws_and_moments(mu, theta):
    mu, theta, n = np.float32(mu), np.float32(theta), 100_000
    x = np.arange(100_000.0 if theta < 0.01 else 3000.0)
    with jax.enable_x64(True):
        p = np.exp(np.asarray(jaxnb.log_zero_truncated_nb(x, float(mu), float(theta))))
    mean = (p * x).sum()
    np.testing.assert_allclose(moments.zero_truncated_mean(mu, theta), mean, rtol=1e-6)
    variance = (p * (x - mean) ** 2).sum()
    np.testing.assert_allclose(moments.zero_truncated_variance(mu, theta), variance, rtol=1e-5)
    assert moments.zero_truncated_mode(mu, theta) == p.argmax()
    draws = np.asarray(random.zero_truncated_negative_binomial(jax.random.key(1), mu, theta, (n,)))
    edges = np.unique(np.quantile(draws, np.linspace(0, 0.98, 12), method="nearest"))
    expected = n * np.append(np.diff([p[: int(e)].sum() for e in edges]), p[int(edges[-1]) :].sum())
    expected[-1] += n * (1 - p.sum())
    observed = np.histogram(draws, np.append(edges, np.inf))[0]
    assert draws.min() >= 1
    assert len(edges) == 1 or scipy.stats.chisquare(observed, expected).pvalue > 1e-3


def test_ends_of_draws_and_moments():
    mu, theta = jnp.array([0, jnp.inf, 1, 1, jnp.nan]), jnp.array([1.0, 1, 0, -1, 1])
    key = jax.random.key(0)
    draws = random.zero_truncated_negative_binomial(key, mu, theta, dtype=jnp.float32)
    np.testing.assert_array_equal(draws, [1, np.inf, np.nan, np.nan, np.nan])
    np.testing.assert_array_equal(
        moments.zero_truncated_mean(mu[:3], theta[:3]), [1, np.inf, np.nan]
    )
    assert moments.zero_truncated_variance(0.0, 1.0) == 0
    np.testing.assert_allclose(jax.grad(moments.zero_truncated_mean)(0.0, 4.0), 5 / 8)
    hurdle = random.hurdle_negative_binomial(key, 3.0, 2.0, jnp.array([-jnp.inf, jnp.inf]), (9, 2))
    assert (hurdle[:, 0] >= 1).all()
    assert (hurdle[:, 1] == 0).all()


def test_classes():
    truncated = jaxnb.ZeroTruncatedNegativeBinomial(mu=jnp.array([0.5, 3.0]), theta=2.0)
    hurdle = jaxnb.HurdleNegativeBinomial(mu=3.0, theta=2.0, zi_probs=0.3)
    assert truncated.batch_shape == (2,)
    assert truncated.support.lower_bound == 1
    draws = truncated.sample(jax.random.key(0), (1000,))
    assert draws.shape == (1000, 2)
    assert draws.min() == 1
    np.testing.assert_allclose(draws.mean(0), truncated.mean, rtol=0.1)
    x = np.arange(1.0, 200.0).reshape(-1, 1)
    np.testing.assert_allclose(np.exp(truncated.log_prob(x)).sum(0), 1, rtol=1e-5)
    np.testing.assert_allclose(truncated.cdf(x)[4], np.exp(truncated.log_prob(x))[:5].sum(0), 1e-5)
    assert (truncated.icdf(0.0) == 1).all()
    np.testing.assert_allclose(hurdle.log_prob(0), np.log(0.3), rtol=1e-6)
    np.testing.assert_allclose(hurdle.zi_logits, np.log(0.3 / 0.7), rtol=1e-5)
    checked = jaxnb.ZeroTruncatedNegativeBinomial(mu=3.0, theta=2.0, validate_args=True)
    with pytest.warns(UserWarning, match="Out-of-support"):
        outside = checked.log_prob(0)
    assert outside == -np.inf
    leaves, tree = jax.tree.flatten(hurdle)
    assert len(leaves) == 3
    assert jax.tree.unflatten(tree, leaves).zi_probs == hurdle.zi_probs
