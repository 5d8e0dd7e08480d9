"""The sampler against jax.random's gamma, then Poisson: exact, and by method="approximate"."""

import inspect

import jax
import jax.numpy as jnp
from setting import Lines, Sizes, alternated, counts, on_gpu

import jaxnb


def run(lines: Lines, sizes: Sizes) -> None:
    """Medians of a matrix of draws, and ratios."""
    _, mu, theta = (jnp.asarray(a) for a in counts(sizes))
    key = jax.random.key(0)
    ours = jax.jit(lambda key: jaxnb.random.negative_binomial(key, mu, theta))

    def two_steps(**method: str):
        def draw(key: jax.Array) -> jax.Array:
            first, second = jax.random.split(key)
            shape = jnp.broadcast_to(theta, mu.shape)
            rate = jax.random.gamma(first, shape, **method) * mu / theta
            return jax.random.poisson(second, rate)

        return jax.jit(draw)

    calls = {"jaxnb": lambda: ours(key)}
    exact, approximate = two_steps(), None
    calls["jax.random exact"] = lambda: exact(key)
    if "method" in inspect.signature(jax.random.gamma).parameters:
        approximate = two_steps(method="approximate")
        calls['jax.random method="approximate"'] = lambda: approximate(key)
    else:
        lines.add('jax.random method="approximate"', "not run: this JAX has none")
    times = alternated(calls, sizes._replace(rounds=max(2, sizes.rounds // 4)), lines)
    for name, seconds in times.items():
        lines.add(name, seconds / mu.size * 1e9, "ns a draw")
        if name != "jaxnb" and "jaxnb" in times:
            ratio = seconds / times["jaxnb"]
            passed = ratio >= 5 if on_gpu() and name.endswith("exact") else None
            lines.add(f"{name} over jaxnb", ratio, "x", passed=passed)
