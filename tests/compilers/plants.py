"""Faults that the check must notice, each planted in the log-probability of the NB."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from programs import Program

__all__ = ["PLANTS", "planted"]

Function = Callable[..., jax.Array]


def _conditional(function: Function) -> Function:
    """One of the two branches is taken, by the data."""

    def planted(x: jax.Array, *parameters: jax.Array) -> jax.Array:
        def otherwise(*arguments: jax.Array) -> jax.Array:
            return lax.optimization_barrier(function(*arguments))

        def computed(*arguments: jax.Array) -> jax.Array:
            return lax.optimization_barrier(lax.lgamma(sum(arguments)))

        return lax.cond(jnp.all(x > 0), computed, otherwise, x, *parameters)

    return planted


def _gather(function: Function) -> Function:
    """Elements looked up one by one."""

    def planted(x: jax.Array, *parameters: jax.Array) -> jax.Array:
        at = (jnp.abs(x.ravel()) * 7).astype(jnp.int32) % x.size
        return function(x.ravel()[at].reshape(x.shape), *parameters)

    return planted


def _doubled(function: Function) -> Function:
    """The kernel evaluated twice."""

    def planted(x: jax.Array, mu: jax.Array, theta: jax.Array) -> jax.Array:
        return function(x, mu, theta) + function(x + 1, 2 * mu, theta)

    return planted


def _all_gather(function: Function) -> Function:
    """Every row needs the sums of all rows, which are on other devices."""

    def planted(x: jax.Array, *parameters: jax.Array) -> jax.Array:
        sums = x.sum(1)
        smaller = jnp.minimum(sums[:, None], sums).max(1, keepdims=True)
        return function(x, *parameters) + smaller

    return planted


PLANTS: dict[str, Callable[[Function], Function]] = {
    "conditional": _conditional,
    "gather": _gather,
    "doubled kernel": _doubled,
    "all-gather": _all_gather,
}


def planted(name: str, programs: dict[str, Program]) -> Program:
    """The program of the log-probability with a fault."""
    program = programs["nb_log_prob value"]
    if name == "all-gather":
        program = program.spread()
    function: Any = PLANTS[name](program.function)
    return replace(program, function=function)
