"""Exact draws from the gamma, Poisson and negative binomial distributions, with jax.random keys."""

from jaxnb.random import distributions as _distributions
from jaxnb.random.distributions import *
from jaxnb.random.draws import gamma, poisson

__all__ = ["gamma", "poisson"]
__all__ += _distributions.__all__


def __dir__() -> list[str]:
    return sorted(__all__)
