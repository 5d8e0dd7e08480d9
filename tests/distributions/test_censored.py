"""Distribution functions of the classes, alone and inside NumPyro's censored distributions."""

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest
from distributions.cases import COUNTS, MU, NB, ONE_OF_EACH, SHAPE, THETA, made
from numpyro.infer.util import log_density
from scipy import optimize, stats

import jaxnb

P = THETA / (THETA + np.float64(MU))
CENSORED = np.array([[True, False], [True, True], [False, False]])


def test_cdf_and_its_logarithms_are_scipys():
    nb = made("nb")
    np.testing.assert_allclose(nb.cdf(COUNTS), stats.nbinom.cdf(COUNTS, THETA, P), rtol=1e-6)
    np.testing.assert_allclose(nb.log_cdf(COUNTS), stats.nbinom.logcdf(COUNTS, THETA, P), rtol=2e-6)
    np.testing.assert_allclose(nb.log_sf(COUNTS), stats.nbinom.logsf(COUNTS, THETA, P), rtol=2e-6)
    assert (nb.cdf(COUNTS + np.float32(0.5)) == nb.cdf(COUNTS)).all()
    assert (nb.cdf(-1.0) == 0).all()


@pytest.mark.parametrize("name", ONE_OF_EACH)
def test_cdf_is_the_sum_of_the_probabilities(name):
    distribution = made(name)
    x = np.arange(40.0, dtype=np.float32).reshape(-1, 1, 1)
    p = np.exp(np.asarray(distribution.log_prob(x), float))
    cdf = distribution.cdf(x)
    np.testing.assert_allclose(cdf, p.cumsum(0), rtol=1e-5)
    np.testing.assert_allclose(np.exp(distribution.log_cdf(x)), cdf, rtol=1e-5)
    np.testing.assert_allclose(np.exp(distribution.log_sf(x)), 1 - p.cumsum(0), atol=1e-6)


@pytest.mark.parametrize("name", [*ONE_OF_EACH, "nb-logits"])
def test_icdf_is_the_smallest_count_that_reaches_the_probability(name):
    distribution = made(name)
    for q in (0.0, 0.1, 0.5, 0.99):
        x = distribution.icdf(q)
        assert x.shape == SHAPE
        assert (distribution.cdf(x) >= q).all()
        assert (distribution.cdf(x - 1) < q)[np.asarray(x) > 0].all()


@pytest.mark.parametrize("name", ONE_OF_EACH)
def test_entropy(name):
    distribution = made(name)
    x = np.arange(600.0, dtype=np.float32).reshape(-1, 1, 1)
    log_p = np.asarray(distribution.log_prob(x), float)
    np.testing.assert_allclose(distribution.entropy(), -(np.exp(log_p) * log_p).sum(0), rtol=1e-5)


def test_left_and_right_censored():
    nb = made("nb")
    left = dist.LeftCensoredDistribution(nb, CENSORED).log_prob(COUNTS)
    observed = stats.nbinom.logpmf(COUNTS, THETA, P)
    expected = np.where(CENSORED, stats.nbinom.logcdf(COUNTS, THETA, P), observed)
    np.testing.assert_allclose(left, expected, rtol=1e-5)
    right = dist.RightCensoredDistribution(nb, CENSORED).log_prob(COUNTS)
    expected = np.where(CENSORED, stats.nbinom.logsf(COUNTS, THETA, P), observed)
    np.testing.assert_allclose(right, expected, rtol=1e-5)


def test_interval_censored():
    bounds = np.stack([COUNTS, COUNTS + np.float32(3)], -1)
    never = np.zeros(SHAPE, bool)
    censored = dist.IntervalCensoredDistribution(made("nb"), never, never, validate_args=True)
    below, above = (stats.nbinom.cdf(bounds[..., k], THETA, P) for k in range(2))
    np.testing.assert_allclose(censored.log_prob(bounds), np.log(above - below), rtol=2e-5)


def test_cdf_of_numpyros_mixture_is_that_of_ours():
    components = NB(mu=jnp.array([1.0, 9.0]), theta=2.0)
    mixture = dist.MixtureSameFamily(dist.Categorical(jnp.array([0.3, 0.7])), components)
    ours = jaxnb.NegativeBinomialMixture(1.0, 9.0, 2.0, np.log(0.3 / 0.7))
    x = np.arange(12.0)
    np.testing.assert_allclose(mixture.cdf(x), ours.cdf(x), rtol=1e-5)


class TestCensoredRegression:
    """Counts of 8 and more are recorded as 8; their likelihood is P(X > 7)."""

    LIMIT = 8.0
    TRUE = np.array([1.5, 0.8, -0.5])

    @pytest.fixture(scope="class")
    def data(self):
        rng = np.random.default_rng(3)
        design = np.column_stack([np.ones(2000), rng.normal(size=(2000, 2))])
        rate = np.exp(design @ self.TRUE) * rng.gamma(2.0, 1 / 2.0, 2000)
        counts = rng.poisson(rate)
        assert 0.2 < (counts >= self.LIMIT).mean() < 0.5
        return design, np.minimum(counts, self.LIMIT)

    def estimate(self, data, use):
        design, counts = data
        censored = counts >= self.LIMIT
        if use == "drop":
            design, counts = design[~censored], counts[~censored]

        def model():
            beta = numpyro.sample("beta", dist.Normal(0, 10).expand([3]).to_event())
            log_theta = numpyro.sample("log_theta", dist.Normal(0, 10))
            nb = NB(log_mu=design @ beta, log_theta=log_theta)
            with numpyro.plate("rows", len(counts)):
                if use == "censor":
                    reported = np.where(censored, counts - 1, counts)
                    right = dist.RightCensoredDistribution(nb, censored)
                    numpyro.sample("x", right, obs=reported)
                else:
                    numpyro.sample("x", nb, obs=counts)

        @jax.jit
        @jax.value_and_grad
        def loss(z):
            values = {"beta": z[:3], "log_theta": z[3]}
            return -log_density(model, (), {}, values)[0]

        found = optimize.minimize(loss, np.zeros(4), jac=True, method="BFGS")
        return found.x, np.sqrt(np.diag(found.hess_inv))

    @pytest.mark.parametrize("use", ["censor", "drop", "clip"])
    def test_only_the_censored_likelihood_recovers_the_coefficients(self, data, use):
        with jax.enable_x64(True):
            at, errors = self.estimate(data, use)
        distance = np.abs(at[:3] - self.TRUE) / errors[:3]
        assert (distance.max() < 3) == (use == "censor")
