"""Time of NUTS against NumPyro's own distribution: `python tests/benchmarks/nuts.py`.

A negative binomial regression of 20,190 people's doctor visits (statsmodels' randhie) is sampled
with both distributions in one process, turn and turn about. Time per leapfrog step is what counts:
steps differ in number from run to run. Compilation and warm-up are left out.
"""

import argparse
import platform
import time
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
from numpyro.infer import MCMC, NUTS
from numpyro.infer.util import initialize_model
from statsmodels.datasets import randhie

import jaxnb

CONSTRUCTORS = {
    "jaxnb NegativeBinomial": lambda mu, theta: jaxnb.NegativeBinomial(mu=mu, theta=theta),
    "numpyro NegativeBinomial2": dist.NegativeBinomial2,
}


class Data(NamedTuple):
    design: np.ndarray
    visits: np.ndarray


def load() -> Data:
    """Visits, and the covariates standardised with a constant in front."""
    data = randhie.load()
    covariates = data.exog.to_numpy()
    standard = (covariates - covariates.mean(0)) / covariates.std(0)
    design = np.column_stack([np.ones(len(standard)), standard])
    return Data(design.astype(np.float32), data.endog.to_numpy(np.float32))


def regression(constructor, data: Data):
    def model():
        beta = numpyro.sample("beta", dist.Normal(0, 10).expand([data.design.shape[1]]).to_event())
        theta = numpyro.sample("theta", dist.HalfCauchy(5.0))
        with numpyro.plate("people", len(data.visits)):
            numpyro.sample(
                "visits", constructor(jnp.exp(data.design @ beta), theta), obs=data.visits
            )

    return model


def gradients(data: Data, rounds: int) -> dict[str, np.ndarray]:
    """Seconds of one value and gradient of the potential energy, which is one leapfrog step."""
    evaluations = {}
    for name, constructor in CONSTRUCTORS.items():
        setup = initialize_model(jax.random.key(0), regression(constructor, data))
        evaluate = jax.jit(jax.value_and_grad(setup.potential_fn))
        at = setup.param_info.z
        jax.block_until_ready(evaluate(at))
        evaluations[name] = lambda evaluate=evaluate, at=at: evaluate(at)
    times = {name: [] for name in evaluations}
    for _ in range(rounds):
        for name, evaluate in evaluations.items():
            start = time.perf_counter()
            jax.block_until_ready(evaluate())
            times[name].append(time.perf_counter() - start)
    return {name: np.array(taken) for name, taken in times.items()}


def chains(data: Data, draws: int, rounds: int) -> dict[str, np.ndarray]:
    """Steps and seconds of each round's draws, after a warm-up of twice as many."""
    samplers = {}
    for name, constructor in CONSTRUCTORS.items():
        kernel = NUTS(regression(constructor, data))
        sampler = MCMC(kernel, num_warmup=2 * draws, num_samples=draws, progress_bar=False)
        sampler.warmup(jax.random.key(0))
        continued(sampler, 0)  # compiles
        samplers[name] = sampler
    results = {name: [] for name in samplers}
    for seed in range(1, rounds + 1):
        for name, sampler in samplers.items():
            results[name].append(continued(sampler, seed))
    return {name: np.array(rows).T for name, rows in results.items()}


def continued(sampler: MCMC, seed: int) -> tuple[float, float]:
    """Leapfrog steps and seconds of further draws from an adapted sampler."""
    sampler.post_warmup_state = sampler.last_state
    start = time.perf_counter()
    sampler.run(jax.random.key(seed), extra_fields=("num_steps",))
    steps = jax.block_until_ready(sampler.get_extra_fields()["num_steps"])
    return float(steps.sum()), time.perf_counter() - start


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=200, help="of the gradients")
    parser.add_argument("--chain-rounds", type=int, default=5)
    parser.add_argument("--draws", type=int, default=100, help="of a chain, and of its warm-up")
    options = parser.parse_args()
    print(f"{platform.processor() or platform.machine()}, {jax.devices()}, jax {jax.__version__}")
    data = load()

    print("\nvalue and gradient of the potential energy, ms: median, least")
    for name, taken in gradients(data, options.rounds).items():
        print(f"{name:28s}{np.median(taken) * 1e3:10.2f}{taken.min() * 1e3:10.2f}")
    print("\nNUTS: steps a draw, ms a step: median, least")
    for name, (steps, taken) in chains(data, options.draws, options.chain_rounds).items():
        each = taken / steps * 1e3
        length = steps.mean() / options.draws
        print(f"{name:28s}{length:10.1f}{np.median(each):10.2f}{each.min():10.2f}")


if __name__ == "__main__":
    main()
