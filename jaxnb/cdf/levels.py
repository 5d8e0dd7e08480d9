"""The level that a distribution function is to reach, given as a probability or its logarithm."""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from jaxnb._types import Array
from jaxnb.cdf.tails import Tails

__all__ = ["Level", "level", "log_level"]


class Level(NamedTuple):
    """What is to be reached.

    Attributes:
        value: A probability or its logarithm.
        upper: Whether it is that of the upper tail.
        logarithm: Whether it is a logarithm.
        log_lower: The logarithm of the lower tail's probability, -inf to 0.
        log_upper: That of the upper tail's.
    """

    value: Array
    upper: bool
    logarithm: bool
    log_lower: Array
    log_upper: Array

    @property
    def inside(self) -> Array:
        """Whether it is a probability, and neither 0 nor 1."""
        lowest, highest = (-jnp.inf, 0.0) if self.logarithm else (0.0, 1.0)
        return (self.value > lowest) & (self.value < highest)

    def reached(self, t: Tails) -> Array:
        """Whether a count with these tails reaches it."""
        own = t.log_sf if self.upper else t.log_cdf
        own = own if self.logarithm else jnp.exp(own)
        return own <= self.value if self.upper else own >= self.value


def level(probability: Array, upper: bool) -> Level:
    """The level of a probability."""
    small = jnp.clip(probability, 0.0, 1.0)
    logs = jnp.log(small), jnp.log1p(-small)
    return Level(probability, upper, False, *(reversed(logs) if upper else logs))


def log_level(log_probability: Array, upper: bool) -> Level:
    """The level of a log-probability."""
    tiny = float(np.finfo(log_probability.dtype).tiny)
    log_p = jnp.clip(log_probability, -float(np.finfo(log_probability.dtype).max), -tiny)
    near = log_p > -0.5
    other = jnp.where(
        near, jnp.log(-jnp.expm1(jnp.where(near, log_p, -1.0))), jnp.log1p(-jnp.exp(log_p))
    )
    logs = log_p, other
    return Level(log_probability, upper, True, *(reversed(logs) if upper else logs))
