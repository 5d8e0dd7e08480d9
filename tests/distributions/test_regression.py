"""Negative binomial regression by NUTS: the posterior sits where maximum likelihood does."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest
from numpyro.diagnostics import summary
from numpyro.infer import MCMC, NUTS
from scipy import optimize, stats

import jaxnb

# of statsmodels' own tests, and to more digits by Newton's method from there
PUBLISHED_ALPHA = 1.292953344
PUBLISHED_LOG_LIKELIHOOD = -43383.662076536

# Exact, without the floor on the mean: chains start where means are far below it (see
# `test_slope_is_that_of_the_value_only_without_the_floor`).
LAWS = {
    "jaxnb": lambda mu, theta: jaxnb.NegativeBinomial(mu=mu, theta=theta, eps=0.0),
    "numpyro": dist.NegativeBinomial2,
}
SAMPLED = {"chain_method": "vectorized", "num_chains": 2, "progress_bar": False}


class Estimate(NamedTuple):
    """Coefficients, and behind them the logarithm of theta."""

    at: np.ndarray
    errors: np.ndarray


def posterior(law: Callable, design: np.ndarray, counts: np.ndarray, draws: int) -> dict:
    """Draws of a regression with hardly any prior: by chain, and the divergences among them."""

    def model():
        wide = dist.Normal(0, 10).expand([design.shape[1]]).to_event()
        beta = numpyro.sample("beta", wide)
        log_theta = numpyro.sample("log_theta", dist.Normal(0, 10))
        with numpyro.plate("people", len(counts)):
            numpyro.sample("x", law(jnp.exp(design @ beta), jnp.exp(log_theta)), obs=counts)

    mcmc = MCMC(NUTS(model), num_warmup=500, num_samples=draws, **SAMPLED)
    mcmc.run(jax.random.key(0), extra_fields=("diverging",))
    assert mcmc.get_extra_fields()["diverging"].sum() == 0
    return mcmc.get_samples(group_by_chain=True)


def together(draws: dict) -> np.ndarray:
    """Coefficients and log theta in the columns of one array, chains joined."""
    columns = np.concatenate([draws["beta"], draws["log_theta"][..., None]], -1)
    return columns.reshape(-1, columns.shape[-1]).astype(float)


def assert_recovers(draws: np.ndarray, estimate: Estimate) -> None:
    """Means within a fifth of a standard error, and spreads within an eighth.

    Monte Carlo leaves a few hundredths of them; the rest is room for the posterior's skewness.
    """
    distance = (draws.mean(0) - estimate.at) / estimate.errors
    np.testing.assert_array_less(np.abs(distance), 0.2)
    np.testing.assert_allclose(draws.std(0), estimate.errors, rtol=0.125)


def test_synthetic_regression_recovers_the_likelihoods_maximum():
    rng = np.random.default_rng(5)
    design = np.column_stack([np.ones(400), rng.normal(size=(400, 2))])
    rate = np.exp(design @ [1.0, 0.5, -0.3]) * rng.gamma(2.0, 1 / 2.0, 400)
    counts = rng.poisson(rate)

    def minus_log_likelihood(z):
        theta, mu = np.exp(z[-1]), np.exp(design @ z[:-1])
        return -stats.nbinom.logpmf(counts, theta, theta / (theta + mu)).sum()

    found = optimize.minimize(minus_log_likelihood, np.zeros(4), method="BFGS")
    estimate = Estimate(found.x, np.sqrt(np.diag(found.hess_inv)))
    dtype = jnp.result_type(float)
    draws = posterior(LAWS["jaxnb"], design.astype(dtype), counts.astype(dtype), 1000)
    assert_recovers(together(draws), estimate)


@pytest.mark.parametrize(("eps", "agrees"), [(0.0, True), (1e-8, False)])
def test_slope_is_that_of_the_value_only_without_the_floor(eps, agrees):
    """Under the floor the value is flat and the slope passed through: no force of that energy.

    A chain that begins with means below the default floor may stay there.
    """
    log_mu = np.log(np.array([1e-9, 3e-11, 0.5], np.float32))
    counts = np.array([2.0, 5.0, 1.0], np.float32)

    def log_prob(log_mu):
        return jaxnb.NegativeBinomial(mu=jnp.exp(log_mu), theta=2.0, eps=eps).log_prob(counts)

    slope = jax.jacrev(log_prob)(log_mu).diagonal()
    difference = (log_prob(log_mu + 0.125) - log_prob(log_mu - 0.125)) / 0.25
    same = np.isclose(slope, difference, rtol=1e-2, atol=1e-4)
    np.testing.assert_array_equal(same, [agrees, agrees, True])


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
    dtype = jnp.result_type(float)
    slopes = survey.covariates[:, :-1]
    centre, scale = slopes.mean(0), slopes.std(0)
    standard = np.column_stack([(slopes - centre) / scale, np.ones(len(slopes))])
    found = {
        name: posterior(law, standard.astype(dtype), survey.visits.astype(dtype), 1000)
        for name, law in LAWS.items()
    }
    for site in summary(found["jaxnb"]).values():
        assert (np.asarray(site["r_hat"]) < 1.01).all()
    ours, theirs = (together(draws) for draws in found.values())
    for draws in (ours, theirs):
        draws[:, :-2] /= scale
        draws[:, -2] -= draws[:, :-2] @ centre
    assert_recovers(ours, survey.maximum)
    assert_recovers(ours, Estimate(theirs.mean(0), theirs.std(0)))
