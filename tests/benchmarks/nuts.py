"""Time of NUTS against NumPyro's own distribution.

    python tests/benchmarks/nuts.py [--markdown FILE]

A negative binomial regression of 20,190 people's doctor visits (statsmodels' randhie) is sampled
with both distributions in one process, turn and turn about. Time per leapfrog step is what counts:
steps differ in number from run to run. Each sampler is one compiled program, which warms up,
draws once to settle, and is then timed; called in its compiled form, it cannot compile again.
"""

import argparse
import pathlib
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
from jax import lax
from numpyro.infer import NUTS
from numpyro.infer.util import initialize_model
from statsmodels.datasets import randhie
from timing import Call, interleaved, machine, seconds

import jaxnb

Model = Callable[[], None]

EVALUATIONS = 100
OURS, THEIRS, REST = "jaxnb", "NumPyro", "model without likelihood"
CLASSES = {
    OURS: lambda mu, theta: jaxnb.NegativeBinomial(mu=mu, theta=theta, eps=0.0),
    THEIRS: dist.NegativeBinomial2,
}


class Data(NamedTuple):
    design: np.ndarray
    visits: np.ndarray


class Chain(NamedTuple):
    """What one sampler did, round by round."""

    milliseconds: np.ndarray  # of a leapfrog step
    steps: np.ndarray  # in a draw
    divergences: int
    step_size: float


def load() -> Data:
    """Visits, and the covariates standardized with a constant in front."""
    data = randhie.load()
    covariates = data.exog.to_numpy()
    standard = (covariates - covariates.mean(0)) / covariates.std(0)
    design = np.column_stack([np.ones(len(standard)), standard])
    return Data(design.astype(np.float32), data.endog.to_numpy(np.float32))


def regression(family: Callable[..., dist.Distribution], data: Data) -> Model:
    """The model closes over its data, which so become constants of the program as in `MCMC`."""

    def model() -> None:
        beta = numpyro.sample("beta", dist.Normal(0, 10).expand([data.design.shape[1]]).to_event())
        theta = numpyro.sample("theta", dist.HalfCauchy(5.0))
        with numpyro.plate("people", len(data.visits)):
            numpyro.sample("visits", family(jnp.exp(data.design @ beta), theta), obs=data.visits)

    return model


class Sampler:
    """NUTS with its state, as one compiled program."""

    def __init__(self, model: Model, warmup: int) -> None:
        kernel = NUTS(model)

        def advance(state, draws):
            def draw(_, carry):
                state, steps, divergences = carry
                state = kernel.sample(state, (), {})
                return state, steps + state.num_steps, divergences + state.diverging

            return lax.fori_loop(0, draws, draw, (state, 0, 0))

        self.state = kernel.init(jax.random.key(0), warmup)
        self.program = jax.jit(advance).lower(self.state, warmup).compile()
        self.advance(warmup)

    def advance(self, draws: int) -> tuple[int, int]:
        """Leapfrog steps and divergences of further draws."""
        self.state, steps, divergences = self.program(self.state, draws)
        return int(steps), int(divergences)


def evaluations(potential: Callable[[Any], jax.Array], at: Any) -> Call:
    """Many values and gradients in one program, each a hair's breadth from the one before.

    In a loop, as NUTS makes them: called one by one, each would pay for its dispatch as well.
    """

    def evaluate(_, carry):
        at, total = carry
        value, gradient = jax.value_and_grad(potential)(at)
        return jax.tree.map(lambda z, g: z - 1e-9 * g, at, gradient), total + value

    loop = jax.jit(lambda at: lax.fori_loop(0, EVALUATIONS, evaluate, (at, 0.0)))
    return partial(loop, at)


def potentials(data: Data) -> dict[str, Callable[[Any], jax.Array]]:
    """What the gradients are of; the last is what precedes any likelihood, the means."""
    found = {
        name: initialize_model(jax.random.key(0), regression(family, data)).potential_fn
        for name, family in CLASSES.items()
    }
    return found | {REST: lambda at: jnp.exp(data.design @ at["beta"]).sum() * at["theta"]}


def chains(samplers: dict[str, Sampler], draws: int, rounds: int) -> dict[str, Chain]:
    """Draws of every sampler in turn, the first of them not timed."""
    steps, taken, divergences = ({name: [] for name in samplers} for _ in range(3))
    for sampler in samplers.values():
        sampler.advance(draws)
    for _ in range(rounds):
        for name, sampler in samplers.items():
            done = []
            taken[name].append(seconds(lambda s=sampler, done=done: done.append(s.advance(draws))))
            steps[name].append(done[0][0])
            divergences[name].append(done[0][1])
    return {
        name: Chain(
            milliseconds=1e3 * np.array(taken[name]) / np.array(steps[name]),
            steps=np.array(steps[name]) / draws,
            divergences=sum(divergences[name]),
            step_size=float(sampler.state.adapt_state.step_size),
        )
        for name, sampler in samplers.items()
    }


def table(gradients: dict[str, np.ndarray], chains: dict[str, Chain]) -> str:
    """Both measurements in Markdown; the ratios are medians of the rounds' own."""
    titles = ["", "gradient, ms", "NUTS, ms per step", "steps per draw", "step size", "divergences"]
    lines = ["| " + " | ".join(titles) + " |", "|---" * len(titles) + "|"]
    gradient = {name: np.median(taken) / EVALUATIONS * 1e3 for name, taken in gradients.items()}
    for name, chain in chains.items():
        cells = [f"{gradient[name]:.3f}", f"{np.median(chain.milliseconds):.3f}"]
        cells += [f"{chain.steps.mean():.1f}", f"{chain.step_size:.2f}", str(chain.divergences)]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    lines.append(f"| {REST} | {gradient[REST]:.3f} | - | - | - | - |")
    of_gradients = np.median(gradients[THEIRS] / gradients[OURS])
    of_steps = chains[THEIRS].milliseconds / chains[OURS].milliseconds
    ratios = f"{np.median(of_steps):.2f} ({of_steps.min():.2f} to {of_steps.max():.2f})"
    lines.append(f"| {THEIRS} divided by {OURS} | {of_gradients:.2f} | {ratios} | - | - | - |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15, help="of the chains")
    parser.add_argument("--draws", type=int, default=100, help="in a round")
    parser.add_argument("--warmup", type=int, default=300)
    parser.add_argument("--gradient-rounds", type=int, default=30)
    parser.add_argument("--markdown", type=pathlib.Path)
    options = parser.parse_args()

    data = load()
    samplers = {
        n: Sampler(regression(family, data), options.warmup) for n, family in CLASSES.items()
    }
    at = samplers[OURS].state.z
    calls = {name: evaluations(potential, at) for name, potential in potentials(data).items()}
    found = table(
        interleaved(calls, rounds=options.gradient_rounds),
        chains(samplers, options.draws, options.rounds),
    )
    heading = f"{machine()}, NumPyro {numpyro.__version__}, float32, medians (range over rounds)."
    print(f"{heading}\n\n{found}")
    if options.markdown:
        options.markdown.write_text(f"{heading}\n\n{found}\n")


if __name__ == "__main__":
    main()
