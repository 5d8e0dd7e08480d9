"""Sampling from the posterior of censored counts: where the tail is lost, chains do not move."""

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest

import jaxnb

LIMIT = 20


def recorded(mean, number=200):
    """Counts, "20 or more" as 19, and which are so."""
    counts = np.asarray(jaxnb.random.negative_binomial(jax.random.key(7), mean, 5.0, (number,)))
    censored = counts >= LIMIT
    return np.where(censored, LIMIT - 1, counts), censored


def model(values, censored):
    log_mu = numpyro.sample("log_mu", dist.Normal(0.0, 3.0))
    log_theta = numpyro.sample("log_theta", dist.Normal(0.0, 2.0))
    base = jaxnb.NegativeBinomial(log_mu=log_mu, log_theta=log_theta)
    with numpyro.plate("rows", len(values)):
        numpyro.sample("x", jaxnb.RightCensored(base, censored), obs=values)


def chains(mean, seeds, warmup, draws):
    """Draws of log_mu from each seed, which starts where NumPyro's initialization says."""
    kernel = numpyro.infer.NUTS(model)
    mcmc = numpyro.infer.MCMC(
        kernel,
        num_warmup=warmup,
        num_samples=draws,
        num_chains=len(seeds),
        chain_method="vectorized",
        progress_bar=False,
    )
    mcmc.run(jnp.stack([jax.random.key(seed) for seed in seeds]), *recorded(mean))
    return np.asarray(mcmc.get_samples(group_by_chain=True)["log_mu"])


def check(log_mu, mean):
    spread = log_mu.std(1)
    assert (spread > 0.02).all()
    assert (spread < 0.5).all()
    within = np.sqrt((log_mu.std(1) ** 2).mean())
    assert log_mu.mean(1).std() < within  # chains agree
    assert abs(log_mu.mean() - np.log(mean)) < 5 * within


@pytest.mark.slow
def test_the_gradient_points_from_afar_to_the_censored_counts():
    """At a mean of 0.01, where P(X > 19) is 1e-50, below all of float32."""
    censored = jaxnb.RightCensored(jaxnb.NegativeBinomial(mu=0.01, theta=5.0), True)
    assert censored.log_prob(19) < -100

    def log_prob(log_mu):
        base = jaxnb.NegativeBinomial(log_mu=log_mu, log_theta=np.log(5.0))
        return jaxnb.RightCensored(base, True).log_prob(19)

    np.testing.assert_allclose(jax.jit(jax.grad(log_prob))(np.float32(np.log(0.01))), 20, rtol=0.02)


@pytest.mark.slow
@pytest.mark.parametrize("mean", [8.0, 40.0])
def test_no_chain_of_ten_is_frozen(mean):
    check(chains(mean, range(10), 300, 300), mean)
