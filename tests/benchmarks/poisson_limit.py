"""NUTS on counts without overdispersion, against NumPyro's own distribution.

    python tests/benchmarks/poisson_limit.py [--markdown FILE]

Counts drawn at theta = 1e6 show that theta is large, but not how large: the posterior reaches as
far into the Poisson limit as the prior allows. There the derivative in theta is tiny, and in
float32 a difference of large numbers is only rounding error. NumPyro's chains in float64 are the
control: what happens to them too is due to the posterior and not to the arithmetic.

The target acceptance is 0.95, because the posterior of log theta is steep on its lower side: at
0.8, some chains of either library diverge there, in float64 too.
"""

import argparse
import pathlib
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
from numpyro.diagnostics import effective_sample_size
from numpyro.infer import MCMC, NUTS

import jaxnb

CLASSES = {
    "jaxnb": lambda mu, theta: jaxnb.NegativeBinomial(mu=mu, theta=theta, eps=0.0),
    "NumPyro": dist.NegativeBinomial2,
}


def root_dispersion() -> jax.Array:
    """Theta of a half-normal 1 / sqrt(theta), which is nearly flat over the Poisson limit."""
    return numpyro.sample("root_dispersion", dist.HalfNormal(1.0)) ** -2


def log_normal() -> jax.Array:
    """Theta within a few powers of ten of a million."""
    return jnp.exp(numpyro.sample("log_theta", dist.Normal(np.log(1e6), 3.0)))


PRIORS = {
    "1/sqrt(theta) ~ HalfNormal(1)": root_dispersion,
    "theta ~ LogNormal(log 1e6, 3)": log_normal,
}


class Outcome(NamedTuple):
    divergences: int
    step_size: float
    acceptance: float
    steps: float  # in a draw
    effective_draws: float  # of log theta
    theta: tuple[float, float]  # 5 % and 95 % quantile


class Data(NamedTuple):
    design: np.ndarray
    counts: np.ndarray


def draw_data(rows: int, theta: float = 1e6) -> Data:
    """Counts of about 20, with two covariates, drawn in float64."""
    rng = np.random.default_rng(0)
    design = np.column_stack([np.ones(rows), rng.normal(size=(rows, 2))])
    mu = np.exp(design @ [3.0, 0.5, -0.3])
    return Data(design, rng.poisson(mu * rng.gamma(theta, 1 / theta, rows)))


def sample(
    family: Callable[..., dist.Distribution],
    prior: Callable[[], jax.Array],
    data: Data,
    *,
    draws: int,
    seed: int = 0,
    x64: bool = False,
    depth: int = 10,
) -> Outcome:
    """One chain, after as long a warm-up."""
    with jax.enable_x64(x64):
        design, counts = (part.astype(jnp.result_type(float)) for part in data)

        def model() -> None:
            beta = numpyro.sample("beta", dist.Normal(0, 3).expand([design.shape[1]]).to_event())
            theta = numpyro.deterministic("theta", prior())
            with numpyro.plate("rows", len(counts)):
                numpyro.sample("counts", family(jnp.exp(design @ beta), theta), obs=counts)

        kernel = NUTS(model, target_accept_prob=0.95, max_tree_depth=depth)
        mcmc = MCMC(kernel, num_warmup=draws, num_samples=draws, progress_bar=False)
        watched = ("diverging", "adapt_state.step_size", "accept_prob", "num_steps")
        mcmc.run(jax.random.key(seed), extra_fields=watched)
        diverging, step_size, acceptance, steps = map(
            np.asarray, (mcmc.get_extra_fields()[name] for name in watched)
        )
        theta = np.asarray(mcmc.get_samples()["theta"], float)
    return Outcome(
        divergences=int(diverging.sum()),
        step_size=float(step_size[-1]),
        acceptance=float(acceptance.mean()),
        steps=float(steps.mean()),
        effective_draws=_effective(np.log(theta)),
        theta=tuple(np.quantile(theta, [0.05, 0.95])),
    )


def _effective(draws: np.ndarray) -> float:
    """Effective sample size of a chain; 1 where it never moved."""
    return float(effective_sample_size(draws[None])) if np.ptp(draws) else 1.0


HEADER = [
    "prior",
    "library",
    "seed",
    "divergences",
    "step size",
    "acceptance",
    "steps per draw",
    "effective draws",
    "theta, 5% to 95%",
]


def row(prior: str, library: str, seed: int, outcome: Outcome) -> str:
    """One chain as a line of Markdown."""
    cells = [prior, library, str(seed), str(outcome.divergences), f"{outcome.step_size:.1e}"]
    cells += [f"{outcome.acceptance:.2f}", f"{outcome.steps:.1f}", f"{outcome.effective_draws:.0f}"]
    return "| " + " | ".join([*cells, "{:.1e} to {:.1e}".format(*outcome.theta)]) + " |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1000)
    parser.add_argument("--draws", type=int, default=300, help="and as many of warm-up")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--markdown", type=pathlib.Path)
    options = parser.parse_args()
    data = draw_data(options.rows)
    lines = ["| " + " | ".join(HEADER) + " |", "|---" * len(HEADER) + "|"]
    print("\n".join(lines))
    for title, prior in PRIORS.items():
        for library, x64 in [("jaxnb", False), ("NumPyro", False), ("NumPyro", True)]:
            name = f"{library}, float{64 if x64 else 32}"
            for seed in range(options.seeds):
                found = sample(
                    CLASSES[library], prior, data, draws=options.draws, seed=seed, x64=x64
                )
                lines.append(row(title, name, seed, found))
                print(lines[-1], flush=True)
    if options.markdown:
        size = f"{options.rows} counts drawn at theta = 1e6; {options.draws} draws per chain."
        options.markdown.write_text(f"{size}\n\n" + "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
