"""Time of the samplers against their peers, as a table: `python tests/benchmarks/sampling.py`.

The peers take turns in one process, after a warm-up; medians of the rounds and ratios to NumPy in
the same run are what counts. Times include the wait for the result. Peers that are not installed
are named and left out.
"""

import argparse
import importlib.util

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
from timing import Call, interleaved, machine, seconds

import jaxnb

CELLS, GENES = 256, 2000


def peers(mu: np.ndarray, theta: np.ndarray, *, slow: bool) -> dict[str, Call]:
    """One draw of every element from each sampler at hand; NumPy's first."""
    key, generator = jax.random.key(0), np.random.default_rng(0)
    mu_on_device, theta_on_device = jnp.asarray(mu), jnp.asarray(theta)
    probability = theta / (theta + mu)
    draws: dict[str, Call] = {
        "numpy negative_binomial": lambda: generator.negative_binomial(theta, probability),
        "jaxnb negative_binomial": lambda: jaxnb.random.negative_binomial(
            key, mu_on_device, theta_on_device
        ),
        "jaxnb gamma": lambda: jaxnb.random.gamma(key, theta_on_device, mu.shape),
        "jaxnb poisson": lambda: jaxnb.random.poisson(key, mu_on_device),
    }
    if not slow:
        return draws

    @jax.jit
    def jax_two_step(key, mu, theta):
        gamma_key, poisson_key = jax.random.split(key)
        factor = jax.random.gamma(gamma_key, jnp.broadcast_to(theta, mu.shape)) / theta
        return jax.random.poisson(poisson_key, mu * factor)

    @jax.jit
    def numpyro_sample(key, mu, theta):
        return dist.NegativeBinomial2(mu, theta).sample(key)

    draws["jax gamma, then poisson"] = lambda: jax_two_step(key, mu_on_device, theta_on_device)
    draws["numpyro NegativeBinomial2"] = lambda: numpyro_sample(key, mu_on_device, theta_on_device)
    if importlib.util.find_spec("torch"):
        torch = importlib.import_module("torch")
        mu_torch, theta_torch = torch.as_tensor(mu), torch.as_tensor(theta)
        # scVI's sampler, gamma then Poisson, without its clamp of the rate.
        draws["torch gamma, then poisson"] = lambda: torch.poisson(
            torch.distributions.Gamma(theta_torch, theta_torch / mu_torch).sample()
        )
    return draws


def compile_seconds(mu: jax.Array, theta: jax.Array) -> tuple[float, float]:
    """First call's time, and temporary memory over the output's."""
    key = jax.random.key(0)
    draw = jax.jit(lambda key, mu, theta: jaxnb.random.negative_binomial(key, mu, theta))
    first = seconds(lambda: draw(key, mu, theta))
    memory = draw.lower(key, mu, theta).compile().memory_analysis()
    return first, memory.temp_size_in_bytes / memory.output_size_in_bytes


def table(title: str, times: dict[str, np.ndarray], draws: int) -> None:
    """Medians, minima and the ratios to the first row."""
    print(f"\n{title}\n{'':28s}{'ns a draw':>12s}{'least':>10s}{'ratio':>9s}{'of least':>10s}")
    reference = next(iter(times.values()))
    for name, taken in times.items():
        median, least = np.median(taken), taken.min()
        ratios = median / np.median(reference), least / reference.min()
        print(
            f"{name:28s}{median / draws * 1e9:12.2f}{least / draws * 1e9:10.2f}"
            f"{ratios[0]:9.3f}{ratios[1]:10.3f}"
        )


def main() -> None:
    """Print all tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--slow-rounds", type=int, default=3, help="of the slow peers")
    options = parser.parse_args()
    print(machine())
    if not importlib.util.find_spec("torch"):
        print("torch is not installed: scVI's sampler is left out")

    generator = np.random.default_rng(0)
    theta = generator.gamma(2.0, size=GENES).astype(np.float32)
    mu = generator.gamma(0.3, size=(CELLS, GENES)).astype(np.float32)
    first, memory = compile_seconds(jnp.asarray(mu), jnp.asarray(theta))
    print(f"first call {first:.2f} s; temporaries {memory:.1f} times the output")
    for scale in (1.0, 50.0):
        scaled = np.float32(scale) * mu
        title = f"{CELLS} x {GENES} draws, mean ~ {scale:g} Gamma(0.3), theta ~ Gamma(2) per gene"
        table(title, interleaved(peers(scaled, theta, slow=False), rounds=options.rounds), mu.size)
        slow = interleaved(peers(scaled, theta, slow=True), rounds=options.slow_rounds)
        table("with the slow peers", slow, mu.size)

    for size in (1, 1000):
        few = interleaved(peers(5.0 * mu[0, :size], theta[:size], slow=True), rounds=200)
        table(f"{size} draws", few, size)

    large = np.full(1_000_000, 2.0, np.float32)
    quiet = jnp.asarray(large)
    key = jax.random.key(0)
    shapes = {"plain": (2.0, 2.0), "theta 1e-6": (2.0, 1e-6), "mean 1e15": (1e15, 2.0)}
    shapes |= {"theta 1e10, mean 1e8": (1e8, 1e10), "NaN": (np.nan, 2.0), "infinite": (np.inf, 1.0)}
    extreme: dict[str, Call] = {}
    for name, (one_mu, one_theta) in shapes.items():
        mus, thetas = quiet.at[77].set(one_mu), quiet.at[77].set(one_theta)
        extreme[name] = lambda m=mus, t=thetas: jaxnb.random.negative_binomial(key, m, t)
    table(
        "one extreme element in a million", interleaved(extreme, rounds=options.rounds), large.size
    )


if __name__ == "__main__":
    main()
