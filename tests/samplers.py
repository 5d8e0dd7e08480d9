"""Every sampler, each with parameters to call it with."""

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
from registry import DISTRIBUTIONS

from jaxnb import random
from jaxnb.families import Family

# Values of a parameter by its place among those of its kind: each in a range of its own.
_NONNEGATIVE = [(0.4, 8.0, 300.0), (0.5, 2.0, 30.0), (3.0, 1.0, 1.0), (1.0, 1.0, 1.0)]
_EXTENDED_REAL = [(-1.0, 0.0, 1.0)]


def _parameters(family: Family) -> list[tuple[float, ...]]:
    values = {"nonnegative": iter(_NONNEGATIVE), "extended real": iter(_EXTENDED_REAL)}
    return [next(values[parameter.constraint]) for parameter in family.parameters]


# Each sampler with parameters of shape (3,) to call it with.
GENE: dict[str, tuple[Callable[..., Any], list[tuple[float, ...]]]] = {
    "gamma": (random.gamma, [(0.4, 2.0, 50.0)]),
    "poisson": (random.poisson, [(0.4, 8.0, 300.0)]),
} | {name: (case.family.sampler, _parameters(case.family)) for name, case in DISTRIBUTIONS.items()}
COUNTS = [name for name in GENE if name != "gamma"]


def named(name: str):
    function, parameters = GENE[name]
    return function, [jnp.asarray(values) for values in parameters]
