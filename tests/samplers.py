"""The five samplers, each with parameters to call it with."""

import jax.numpy as jnp

from jaxnb import random

# Each sampler with parameters of shape (3,) to call it with.
GENE = {
    "gamma": (random.gamma, [(0.4, 2.0, 50.0)]),
    "poisson": (random.poisson, [(0.4, 8.0, 300.0)]),
    "negative_binomial": (random.negative_binomial, [(0.4, 8.0, 300.0), (0.5, 2.0, 30.0)]),
    "zero_inflated": (
        random.zero_inflated_negative_binomial,
        [(0.4, 8.0, 300.0), (0.5, 2.0, 30.0), (-1.0, 0.0, 1.0)],
    ),
    "mixture": (
        random.negative_binomial_mixture,
        [(0.4, 8.0, 300.0), (3.0, 1.0, 1.0), (0.5, 2.0, 30.0), (1.0, 1.0, 1.0), (-1.0, 0.0, 1.0)],
    ),
}
COUNTS = [name for name in GENE if name != "gamma"]


def named(name: str):
    function, parameters = GENE[name]
    return function, [jnp.asarray(values) for values in parameters]
