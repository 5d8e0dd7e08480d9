"""Samplers and optimizers that start where the mean underflows: four rules for the floor on a mean.

    python tests/benchmarks/floor.py

40 counts from a negative binomial, a log-normal prior on its mean, and starts at log mean = -19,
-25, -40 and -80. "passed through" floors the mean at 1e-8 and keeps the derivative of the mean
itself; "floor" is the default of `log_nb_positive`; "scVI" has 1e-8 inside its logarithms; "log_mu"
never leaves the log scale. Printed are the chains of HMC, of eight, that end away from the
posterior, and the steps that SGD and Adam take to the maximum.
"""

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import optax
from jax.scipy.special import gammaln

import jaxnb

STARTS = (-19.0, -25.0, -40.0, -80.0)
CHAINS = 8
STEPS = 3000
THETA = 2.0


def passed_through(x, log_mu):
    mu = jnp.exp(log_mu)
    mu = mu + jax.lax.stop_gradient(jnp.maximum(mu, 1e-8) - mu)
    return jaxnb.log_nb_positive(x, mu, THETA)


def floor(x, log_mu):
    return jaxnb.log_nb_positive(x, jnp.exp(log_mu), THETA)


def scvi(x, log_mu, eps=1e-8):
    mu = jnp.exp(log_mu)
    log_theta_mu = jnp.log(THETA + mu + eps)
    return (
        THETA * (jnp.log(THETA + eps) - log_theta_mu)
        + x * (jnp.log(mu + eps) - log_theta_mu)
        + gammaln(x + THETA)
        - gammaln(THETA)
        - gammaln(x + 1)
    )


def log_scale(x, log_mu):
    return jaxnb.log_nb_positive(x, log_mu=log_mu, theta=THETA)


RULES = {"passed through": passed_through, "floor": floor, "scVI": scvi, "log_mu": log_scale}


def wrong_chains(rule, x, start):
    """Chains of HMC whose second half is not where the posterior is."""

    def model():
        log_mu = numpyro.sample("log_mu", dist.Normal(0.0, 20.0))
        numpyro.factor("counts", rule(x, log_mu).sum())

    mcmc = numpyro.infer.MCMC(
        numpyro.infer.HMC(model),
        num_warmup=1000,
        num_samples=300,
        num_chains=CHAINS,
        chain_method="vectorized",
        progress_bar=False,
    )
    starts = start + 0.1 * np.arange(CHAINS)
    mcmc.run(jax.random.key(1), init_params={"log_mu": jnp.asarray(starts)})
    ends = np.asarray(mcmc.get_samples(group_by_chain=True)["log_mu"])[:, 150:].mean(axis=1)
    return int((np.abs(ends - np.log(x.mean())) > 0.5).sum())


def steps_to_maximum(rule, x, start, optimizer):
    """Steps until log mean is within 0.05 of the maximum; None if it never is."""

    @jax.jit
    def run(start):
        def step(carry, _):
            log_mu, state = carry
            gradient = jax.grad(lambda v: -rule(x, v).mean())(log_mu)
            updates, state = optimizer.update(gradient, state)
            return (log_mu + updates, state), log_mu

        return jax.lax.scan(step, (start, optimizer.init(start)), length=STEPS)[1]

    path = np.asarray(run(jnp.asarray(start)))
    near = np.abs(path - np.log(x.mean())) < 0.05
    return int(np.argmax(near)) if near.any() else None


def main() -> None:
    x = np.random.default_rng(3).negative_binomial(THETA, THETA / (THETA + 5.0), 40).astype("f")
    print("| rule | log mean at the start | HMC chains wrong of 8 | SGD 0.1 | Adam 0.1 |")
    print("|---|---|---|---|---|")
    for name, rule in RULES.items():
        for start in STARTS:
            steps = [
                steps_to_maximum(rule, x, start, optimizer)
                for optimizer in (optax.sgd(0.1), optax.adam(0.1))
            ]
            sgd, adam = ("never" if s is None else f"{s} steps" for s in steps)
            print(f"| {name} | {start:g} | {wrong_chains(rule, x, start)} | {sgd} | {adam} |")


if __name__ == "__main__":
    main()
