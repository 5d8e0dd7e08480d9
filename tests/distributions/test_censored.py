"""Distribution functions of the classes, alone and for censored counts."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest
from distributions.cases import COUNTS, MU, NB, ONE_OF_EACH, SHAPE, THETA
from numpyro.infer.util import log_density
from scipy import optimize, stats

import jaxnb

P = THETA / (THETA + np.float64(MU))
CENSORED = np.array([[True, False], [True, True], [False, False]])


def test_censored_counts():
    """From the left and from the right, of a flag for each count."""
    nb = NB(mu=MU, theta=THETA)
    got = (
        jaxnb.LeftCensored(nb, CENSORED).log_prob(COUNTS),
        jaxnb.RightCensored(nb, CENSORED).log_prob(COUNTS),
    )
    observed = stats.nbinom.logpmf(COUNTS, THETA, P)
    left = np.where(CENSORED, stats.nbinom.logcdf(COUNTS, THETA, P), observed)
    right = np.where(CENSORED, stats.nbinom.logsf(COUNTS, THETA, P), observed)
    for value, expected in zip(got, (left, right), strict=True):
        np.testing.assert_allclose(value, expected, rtol=2e-6)


@pytest.mark.quick
def test_an_interval_leaves_out_its_lower_bound(monkeypatch):
    """What is summed; that the sums are right is in tests/cdf/test_interval.py."""
    asked = []

    def log_interval(_, first, last):
        asked.extend((first, last))
        return jnp.zeros(SHAPE)

    monkeypatch.setattr(NB, "log_interval", log_interval)
    bounds = np.stack([COUNTS, COUNTS + 2.5], axis=-1)
    interval = jaxnb.IntervalCensored(NB(mu=MU, theta=THETA), CENSORED, False)
    interval.log_prob(bounds)
    np.testing.assert_array_equal(asked[0], np.where(CENSORED, -np.inf, COUNTS + 1))
    np.testing.assert_array_equal(asked[1], COUNTS + 2.5)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["LeftCensored", "RightCensored"])
def test_numpyros_own_are_warned_of(name):
    censored = getattr(dist, f"{name}Distribution")(NB(mu=1.0, theta=50.0), True)
    with pytest.warns(UserWarning, match=f"jaxnb.*{name}"):
        censored.log_prob(19.0)


@pytest.mark.slow
def test_cdf_and_its_logarithms_are_scipys():
    nb = NB(mu=MU, theta=THETA)
    np.testing.assert_allclose(nb.cdf(COUNTS), stats.nbinom.cdf(COUNTS, THETA, P), rtol=1e-6)
    np.testing.assert_allclose(nb.log_cdf(COUNTS), stats.nbinom.logcdf(COUNTS, THETA, P), rtol=2e-6)
    np.testing.assert_allclose(nb.log_sf(COUNTS), stats.nbinom.logsf(COUNTS, THETA, P), rtol=2e-6)
    assert (nb.cdf(COUNTS + np.float32(0.5)) == nb.cdf(COUNTS)).all()
    assert (nb.cdf(-1.0) == 0).all()


@pytest.mark.slow
@pytest.mark.parametrize("name", ONE_OF_EACH)
def test_cdf_is_the_sum_of_the_probabilities(name):
    distribution = ONE_OF_EACH[name].made()
    x = np.arange(40.0, dtype=np.float32).reshape(-1, 1, 1)
    p = np.exp(np.asarray(jax.jit(distribution.log_prob)(x), float)).cumsum(0)
    cdf = distribution.cdf(x)
    np.testing.assert_allclose(cdf, p, rtol=1e-5)
    np.testing.assert_allclose(np.exp(distribution.log_cdf(x)), cdf, rtol=1e-5)
    np.testing.assert_allclose(np.exp(distribution.log_sf(x)), 1 - p, atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("name", ONE_OF_EACH)
def test_icdf_is_the_smallest_count_that_reaches_the_probability(name):
    distribution = ONE_OF_EACH[name].made()
    for q in (0.0, 0.1, 0.5, 0.99):
        x = distribution.icdf(q)
        assert x.shape == SHAPE
        assert (distribution.cdf(x) >= q).all()
        lowest = int(distribution.support.lower_bound)
        assert (distribution.cdf(x - 1) < q)[np.asarray(x) > lowest].all()


@pytest.mark.slow
@pytest.mark.parametrize("name", ONE_OF_EACH)
def test_entropy(name):
    distribution = ONE_OF_EACH[name].made()
    x = np.arange(600.0, dtype=np.float32).reshape(-1, 1, 1)
    log_p = np.asarray(jax.jit(distribution.log_prob)(x), float)
    p = np.exp(log_p)
    expected = -(p * np.where(p > 0, log_p, 0)).sum(0)
    np.testing.assert_allclose(distribution.entropy(), expected, rtol=1e-5)


@pytest.mark.slow
def test_cdf_of_numpyros_mixture():
    components = NB(mu=jnp.array([1.0, 9.0]), theta=2.0)
    mixture = dist.MixtureSameFamily(dist.Categorical(jnp.array([0.3, 0.7])), components)
    x = np.arange(12.0)
    first, second = (stats.nbinom.cdf(x, 2, 2 / (2 + mu)) for mu in (1, 9))
    np.testing.assert_allclose(mixture.cdf(x), 0.3 * first + 0.7 * second, rtol=1e-6)


@pytest.mark.quick
def test_a_distribution_without_a_function_says_so():
    class Bare(NB):
        family = replace(NB.family, cdf=None)

    with pytest.raises(NotImplementedError, match="Bare has no cdf"):
        Bare(mu=1.0, theta=1.0).cdf(1)


LIMIT = 8.0
TRUE = np.array([1.5, 0.8, -0.5])


def regression_data():
    """A design and counts, of which those of 8 and more are recorded as 8."""
    rng = np.random.default_rng(3)
    design = np.column_stack([np.ones(2000), rng.normal(size=(2000, 2))])
    counts = rng.poisson(np.exp(design @ TRUE) * rng.gamma(2.0, 1 / 2.0, 2000))
    return design, np.minimum(counts, LIMIT)


def maximum(model):
    """The coefficients of the greatest posterior density, and their standard errors."""

    @jax.jit
    @jax.value_and_grad
    def loss(z):
        return -log_density(model, (), {}, {"beta": z[:3], "log_theta": z[3]})[0]

    found = optimize.minimize(loss, np.zeros(4), jac=True, method="BFGS")
    return found.x[:3], np.sqrt(np.diag(found.hess_inv))[:3]


@pytest.mark.slow
@pytest.mark.parametrize("use", ["censor", "drop", "clip"])
def test_only_the_censored_likelihood_recovers_the_coefficients(use):
    """A recorded 8 is censored, with the likelihood P(X > 7), or dropped, or taken for an 8."""
    design, counts = regression_data()
    censored = counts >= LIMIT
    if use == "drop":
        design, counts = design[~censored], counts[~censored]

    def model():
        beta = numpyro.sample("beta", dist.Normal(0, 10).expand([3]).to_event())
        log_theta = numpyro.sample("log_theta", dist.Normal(0, 10))
        nb = NB(log_mu=design @ beta, log_theta=log_theta)
        with numpyro.plate("rows", len(counts)):
            if use == "censor":
                right = jaxnb.RightCensored(nb, censored)
                numpyro.sample("x", right, obs=np.where(censored, LIMIT - 1, counts))
            else:
                numpyro.sample("x", nb, obs=counts)

    with jax.enable_x64(True):
        at, errors = maximum(model)
    farthest = (np.abs(at - TRUE) / errors).max()
    assert farthest < 3 if use == "censor" else farthest > 10
