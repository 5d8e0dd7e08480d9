"""Value and gradients, summed, against the traffic of memory and against torch.compile.

Theta is one number per gene. JAX and torch take turns in one process.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import peers
import torch
from setting import Lines, Sizes, alternated, counts, on_gpu, torch_device

import jaxnb

# Passes over memory: read the counts and each matrix of
# parameters, write the derivative of each.
FAMILIES = {
    "nb": (jaxnb.log_nb_positive, peers.log_nb, 3),
    "zinb": (jaxnb.log_zinb_positive, peers.log_zinb, 5),
    "mixture": (jaxnb.log_mixture_nb, peers.log_mixture, 7),
}


def arguments(family: str, sizes: Sizes) -> tuple[np.ndarray, ...]:
    """Matrices of counts, means and logits; thetas of the genes."""
    x, mu, theta = counts(sizes)
    logits = np.random.default_rng(1).normal(size=mu.shape).astype(np.float32)
    return {
        "nb": (x, mu, theta),
        "zinb": (x, mu, theta, logits),
        "mixture": (x, mu, 2 * mu, theta, 0.5 * theta, logits),
    }[family]


def by_jax(function: Callable, given: tuple[np.ndarray, ...]) -> Callable[[], Any]:
    """One jitted program of the value and all derivatives but that of the counts."""
    total = jax.value_and_grad(lambda *a: function(*a).sum(), tuple(range(1, len(given))))
    compiled, arrays = jax.jit(total), [jnp.asarray(a) for a in given]
    return lambda: compiled(*arrays)


def by_torch(function: Callable, given: tuple[np.ndarray, ...]) -> Callable[[], Any]:
    """The same by torch's autograd."""
    x, *rest = (torch.as_tensor(a, device=torch_device()) for a in given)
    parameters = [p.clone().requires_grad_() for p in rest]

    def call() -> Any:
        value = function(x, *parameters).sum()
        return value, torch.autograd.grad(value, parameters)

    return call


def run(lines: Lines, sizes: Sizes) -> None:
    """Medians, and ratios to an addition of matrices with the same traffic."""
    wanted = {"nb": 2.0, "zinb": 2.0, "mixture": 2.5}
    for family, (ours, theirs, passes) in FAMILIES.items():
        given = arguments(family, sizes)
        matrix, other = jnp.asarray(given[1]), jnp.asarray(given[0])
        add = jax.jit(lambda a, b: a + b)
        calls = {
            "jax add": lambda: add(matrix, other),  # noqa: B023
            f"{family} jaxnb": by_jax(ours, given),
            f"{family} torch eager": by_torch(theirs, given),
            f"{family} torch.compile": by_torch(torch.compile(theirs, dynamic=False), given),
        }
        times = alternated(calls, sizes, lines)
        for name, seconds in times.items():
            lines.add(f"{name}, {sizes.cells} x {sizes.genes}", seconds * 1e6, "us")
        mine = times.get(f"{family} jaxnb")
        if mine is None:
            continue
        roofline = times["jax add"] * passes / 3
        bandwidth = 3 * matrix.nbytes / times["jax add"]
        lines.add("traffic of an addition", bandwidth / 1e12, "TB/s")
        lines.add(f"{family} against the traffic of memory", mine / roofline, "x")
        for peer, goal in (("torch eager", None), ("torch.compile", wanted[family])):
            if (theirs_time := times.get(f"{family} {peer}")) is not None:
                ratio = theirs_time / mine
                passed = ratio >= goal if on_gpu() and goal else None
                lines.add(f"{family}: {peer} over jaxnb", ratio, "x", passed=passed)
