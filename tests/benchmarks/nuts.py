"""Time of NUTS against NumPyro's own distribution: `python tests/benchmarks/nuts.py`.

A negative binomial regression of 20,190 people's doctor visits (statsmodels' randhie) is sampled
with both distributions in one process, turn and turn about. Time per leapfrog step is what counts:
steps differ in number from run to run. Compilation is left out, warm-up left in.
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
            numpyro.sample("visits", constructor(jnp.exp(data.design @ beta), theta), obs=data.visits)

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


def chains(data: Data, draws: int, rounds: int) -> dict[str, tuple[float, float]]:
    """Steps and seconds per step of whole chains, the least of the rounds."""
    samplers = {}
    for name, constructor in CONSTRUCTORS.items():
        kernel = NUTS(regression(constructor, data))
        samplers[name] = MCMC(kernel, num_warmup=draws, num_samples=draws, progress_bar=False)
        samplers[name].run(jax.random.key(0), extra_fields=("num_steps",))  # compiles
    results = {name: (0.0, np.inf) for name in samplers}
    for seed in range(1, rounds + 1):
        for name, sampler in samplers.items():
            sampler.warmup(jax.random.key(seed), collect_warmup=True, extra_fields=("num_steps",))
            # the chain proper alone, whose steps are counted
            start = time.perf_counter()
            sampler.run(jax.random.key(seed), extra_fields=("num_steps",))
            jax.block_until_ready(sampler.get_samples())
            taken = time.perf_counter() - start
            steps = float(sampler.get_extra_fields()["num_steps"].sum())
            results[name] = min(results[name], (steps, taken / steps), key=lambda r: r[1])
    return results


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=200, help="of the gradients")
    parser.add_argument("--chain-rounds", type=int, default=2)
    parser.add_argument("--draws", type=int, default=100, help="of a chain, and of its warm-up")
    options = parser.parse_args()
    print(f"{platform.processor() or platform.machine()}, {jax.devices()}, jax {jax.__version__}")
    data = load()

    print("\nvalue and gradient of the potential energy, ms: median, least")
    for name, taken in gradients(data, options.rounds).items():
        print(f"{name:28s}{np.median(taken) * 1e3:10.2f}{taken.min() * 1e3:10.2f}")
    print("\nNUTS: leapfrog steps, ms a step")
    for name, (steps, taken) in chains(data, options.draws, options.chain_rounds).items():
        print(f"{name:28s}{steps:10.0f}{taken * 1e3:10.2f}")


if __name__ == "__main__":
    main()
