"""NUTS with one model, compiled once: a regression from a start far below, the Poisson limit.

The slow tests repeat a published regression and compare with NumPyro's own distribution.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest
from benchmarks.poisson_limit import draw_data, log_normal, root_dispersion, sample
from numpyro.diagnostics import summary
from numpyro.infer import MCMC, NUTS
from scipy import optimize, stats
from statsmodels.tools import numdiff

import jaxnb

# of statsmodels' own tests, and to more digits by Newton's method from there
PUBLISHED_ALPHA = 1.292953344
PUBLISHED_LOG_LIKELIHOOD = -43383.662076536

ROWS = 400


def numpyros(log_mu, log_theta):
    return dist.NegativeBinomial2(jnp.exp(log_mu), jnp.exp(log_theta))


def jaxnbs(log_mu, log_theta):
    return jaxnb.NegativeBinomial(log_mu=log_mu, log_theta=log_theta)


def jaxnb_of_means(mu, theta):
    return jaxnb.NegativeBinomial(mu=mu, theta=theta)


class Chains(NamedTuple):
    """Draws of two chains: the coefficients and behind them log theta in the last axis."""

    draws: np.ndarray
    divergences: int
    step_size: float
    steps: float


class Sampler:
    """Two chains of a regression, compiled once for all data and priors of the same shape."""

    def __init__(self, negative_binomial: Callable, warmup: int, draws: int, **options) -> None:
        def model(design, counts, prior):
            wide = dist.Normal(0, 10).expand([design.shape[1]]).to_event()
            beta = numpyro.sample("beta", wide)
            log_theta = numpyro.sample("log_theta", dist.Normal(*prior))
            with numpyro.plate("rows", len(counts)):
                numpyro.sample("x", negative_binomial(design @ beta, log_theta), obs=counts)

        self._mcmc = MCMC(
            NUTS(model, **options),
            num_warmup=warmup,
            num_samples=draws,
            num_chains=2,
            chain_method="vectorized",
            progress_bar=False,
            jit_model_args=True,
        )

    def run(self, design, counts, prior=(0.0, 10.0), start=None) -> Chains:
        dtype = jnp.result_type(float)
        arrays = (jnp.asarray(a, dtype) for a in (design, counts, prior))
        watched = ("diverging", "adapt_state.step_size", "num_steps")
        self._mcmc.run(jax.random.key(0), *arrays, init_params=start, extra_fields=watched)
        fields = self._mcmc.get_extra_fields()
        found = self._mcmc.get_samples(group_by_chain=True)
        return Chains(
            np.concatenate([found["beta"], found["log_theta"][..., None]], -1).astype(float),
            int(fields["diverging"].sum()),
            float(fields["adapt_state.step_size"][-1]),
            float(fields["num_steps"].mean()),
        )


class Estimate(NamedTuple):
    """Coefficients, and behind them the logarithm of theta."""

    at: np.ndarray
    errors: np.ndarray


def assert_recovers(draws: np.ndarray, estimate: Estimate) -> None:
    """Means within a fifth of a standard error, and spreads within an eighth.

    Monte Carlo leaves a few hundredths of them; the rest is room for the posterior's skewness.
    """
    columns = draws.reshape(-1, draws.shape[-1])
    distance = (columns.mean(0) - estimate.at) / estimate.errors
    np.testing.assert_array_less(np.abs(distance), 0.2)
    np.testing.assert_allclose(columns.std(0), estimate.errors, rtol=0.125)


@pytest.fixture(scope="module")
def sampler():
    return Sampler(jaxnbs, warmup=300, draws=500, target_accept_prob=0.95)


@pytest.fixture(scope="module")
def regression():
    """A design, counts drawn at theta = 2, and the likelihood's maximum."""
    rng = np.random.default_rng(5)
    design = np.column_stack([np.ones(ROWS), rng.normal(size=(ROWS, 2))])
    rate = np.exp(design @ [1.0, 0.5, -0.3]) * rng.gamma(2.0, 1 / 2.0, ROWS)
    counts = rng.poisson(rate)

    def minus_log_likelihood(z):
        theta, mu = np.exp(z[-1]), np.exp(design @ z[:-1])
        return -stats.nbinom.logpmf(counts, theta, theta / (theta + mu)).sum()

    found = optimize.minimize(minus_log_likelihood, np.zeros(4), method="BFGS")
    # BFGS's own inverse of the Hessian depends on its path: it can be wrong by a factor 2.
    information = numdiff.approx_hess(found.x, minus_log_likelihood)
    return design, counts, Estimate(found.x, np.sqrt(np.diag(np.linalg.inv(information))))


@pytest.mark.slow
def test_a_regression_recovers_the_maximum_of_the_likelihood(sampler, regression):
    design, counts, maximum = regression
    chains = sampler.run(design, counts)
    assert chains.divergences == 0
    assert_recovers(chains.draws, maximum)


@pytest.mark.slow
def test_chains_that_start_where_exp_underflows_recover_it_too(sampler, regression):
    """At means of e**-120. With `mu`, the derivative is 0 there and the chains do not move."""
    design, counts, maximum = regression
    dtype = jnp.result_type(float)
    start = {
        "beta": jnp.tile(jnp.array([-120.0, 0.0, 0.0], dtype), (2, 1)),
        "log_theta": jnp.zeros(2, dtype),
    }
    chains = sampler.run(design, counts, start=start)
    assert_recovers(chains.draws, maximum)


@pytest.mark.slow
def test_the_poisson_limit_is_sampled_with_a_step_size_to_move_with(sampler):
    """Data drawn at theta = 1e6, which tell only that theta is large."""
    chains = sampler.run(*draw_data(ROWS), prior=(np.log(1e6), 3.0))
    # One among 1000 is the posterior's wall at small theta: in float64 some keys have it too.
    assert chains.divergences <= 5
    assert chains.step_size > 0.05
    assert chains.steps < 50
    # into the Poisson limit and out of it: a chain that does not move covers nothing
    low, high = np.quantile(chains.draws[..., -1], [0.05, 0.95])
    assert high - low > np.log(20)


@pytest.mark.slow
def test_the_gradient_that_moves_chains_is_there_where_exp_underflows():
    """And that of `mu` is not, which is why the samplers here are given logarithms."""

    def log_prob(log_mu):
        return jaxnbs(log_mu, 0.0).log_prob(3.0)

    assert jax.grad(log_prob)(-1000.0) == 3
    assert jax.grad(lambda log_mu: jaxnb_of_means(jnp.exp(log_mu), 1.0).log_prob(3.0))(-1000.0) == 0


@pytest.mark.slow
def test_the_poisson_limit_under_a_prior_that_is_flat_there():
    found = sample(jaxnb_of_means, root_dispersion, draw_data(500), draws=200)
    assert found.divergences == 0
    assert found.step_size > 0.05
    assert found.steps < 50
    assert found.theta[1] > 20 * found.theta[0]


@pytest.mark.slow
def test_numpyros_own_is_halted_by_noise_in_float32():
    """Its float64 chain shows that it is noise, and not the shape of the posterior."""
    data = draw_data(500)
    found = sample(dist.NegativeBinomial2, log_normal, data, draws=200, depth=6)
    assert found.divergences > 0 or found.step_size < 1e-3
    control = sample(dist.NegativeBinomial2, log_normal, data, draws=200, x64=True)
    assert control.step_size > 0.05
    assert control.theta[1] > 20 * control.theta[0]


class Survey(NamedTuple):
    """The RAND health insurance experiment: 20,190 people's visits to the doctor."""

    visits: np.ndarray
    covariates: np.ndarray  # with a constant last, as in statsmodels' tests
    maximum: Estimate
    alpha: float


@pytest.fixture(scope="module")
def survey() -> Survey:
    statsmodels = pytest.importorskip("statsmodels.api")
    data = statsmodels.datasets.randhie.load()
    visits = data.endog.to_numpy(float)
    covariates = statsmodels.add_constant(data.exog, prepend=False).to_numpy(float)
    model = statsmodels.NegativeBinomial(visits, covariates)
    near = model.fit(disp=0, method="bfgs", maxiter=500)
    fitted = model.fit(disp=0, method="newton", start_params=near.params)
    np.testing.assert_allclose(fitted.params[-1], PUBLISHED_ALPHA, rtol=1e-8)
    np.testing.assert_allclose(fitted.llf, PUBLISHED_LOG_LIKELIHOOD, rtol=1e-12)
    alpha = fitted.params[-1]
    maximum = Estimate(
        np.append(fitted.params[:-1], -np.log(alpha)),
        np.append(fitted.bse[:-1], fitted.bse[-1] / alpha),
    )
    return Survey(visits, covariates, maximum, alpha)


@pytest.mark.slow
@pytest.mark.parametrize(("x64", "within"), [(False, 1e-7), (True, 1e-13)])
def test_published_log_likelihood(survey, x64, within):
    with jax.enable_x64(x64):
        dtype = jnp.result_type(float)
        mu = np.exp(survey.covariates @ survey.maximum.at[:-1])
        values = jaxnb.log_nb_positive(
            survey.visits.astype(dtype), mu.astype(dtype), jnp.asarray(1 / survey.alpha, dtype)
        )
        # summed in float64, so that this is about the values and not about the sum
        total = np.asarray(values, float).sum()
    np.testing.assert_allclose(total, PUBLISHED_LOG_LIKELIHOOD, rtol=within)


@pytest.mark.slow
def test_survey_posterior_recovers_the_published_coefficients(survey):
    predictors = survey.covariates[:, :-1]
    center, scale = predictors.mean(0), predictors.std(0)
    standard = np.column_stack([(predictors - center) / scale, np.ones(len(predictors))])
    found = {}
    for name, negative_binomial in {"jaxnb": jaxnbs, "NumPyro": numpyros}.items():
        chains = Sampler(negative_binomial, warmup=500, draws=1000).run(standard, survey.visits)
        assert chains.divergences == 0
        found[name] = chains.draws
    for site in summary({"all": found["jaxnb"]}).values():
        assert (np.asarray(site["r_hat"]) < 1.01).all()
    for draws in found.values():
        draws[..., :-2] /= scale
        draws[..., -2] -= draws[..., :-2] @ center
    ours, theirs = (draws.reshape(-1, draws.shape[-1]) for draws in found.values())
    assert_recovers(ours, survey.maximum)
    assert_recovers(ours, Estimate(theirs.mean(0), theirs.std(0)))
