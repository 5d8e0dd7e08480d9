"""The level that a distribution function is to reach, given as a probability or its logarithm."""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from jaxnb._types import Array
from jaxnb.cdf.tails import Tails

__all__ = ["Level", "LevelKind"]


class LevelKind(NamedTuple):
    """How a level is given.

    Attributes:
        logarithm: By logarithms of probabilities, not by a probability.
        upper: By that of the upper tail, not of the lower one; None for both, of which the smaller
            one counts.
    """

    logarithm: bool
    upper: bool | None

    @property
    def numbers(self) -> int:
        """By how many numbers."""
        return 2 if self.upper is None else 1

    def level(self, *numbers: Array) -> "Level":
        """The level that the numbers are."""
        if self.upper is None:
            log_lower, log_upper = numbers
            use_upper, value = log_upper < log_lower, jnp.minimum(log_lower, log_upper)
            smaller, other = _logarithms(value)
            logs = jnp.where(use_upper, other, smaller), jnp.where(use_upper, smaller, other)
            return Level(value, self, *logs)
        (number,) = numbers
        logs = _logarithms(number) if self.logarithm else _of_probability(number)
        return Level(number, self, *(reversed(logs) if self.upper else logs))


class Level(NamedTuple):
    """What is to be reached.

    Attributes:
        value: A probability or its logarithm, of the smaller tail if both are given.
        kind: How it is given.
        log_lower: The logarithm of the lower tail's probability, -inf to 0.
        log_upper: That of the upper tail's.
    """

    value: Array
    kind: LevelKind
    log_lower: Array
    log_upper: Array

    @property
    def inside(self) -> Array:
        """Whether it is a probability, and neither 0 nor 1."""
        lowest, highest = self._range
        return (self.value > lowest) & (self.value < highest)

    @property
    def possible(self) -> Array:
        """Whether it is a probability."""
        lowest, highest = self._range
        return (self.value >= lowest) & (self.value <= highest)

    @property
    def everything(self) -> Array:
        """Whether it is all of the probability."""
        if self.kind.upper is None:
            return (self.value == -jnp.inf) & (self.log_upper < self.log_lower)
        return self.value == self._range[0 if self.kind.upper else 1]

    @property
    def _range(self) -> tuple[float, float]:
        return (-jnp.inf, 0.0) if self.kind.logarithm else (0.0, 1.0)

    def reached(self, t: Tails) -> Array:
        """Whether a count with these tails reaches it."""
        if self.kind.upper is None:
            use_upper = self.log_upper < self.log_lower
            return jnp.where(use_upper, t.log_sf <= self.value, t.log_cdf >= self.value)
        own = t.log_sf if self.kind.upper else t.log_cdf
        own = own if self.kind.logarithm else jnp.exp(own)
        return own <= self.value if self.kind.upper else own >= self.value


def _of_probability(probability: Array) -> tuple[Array, Array]:
    """The logarithms of a probability and of its complement."""
    small = jnp.clip(probability, 0.0, 1.0)
    return jnp.log(small), jnp.log1p(-small)


def _logarithms(log_probability: Array) -> tuple[Array, Array]:
    """The same, if its logarithm is given."""
    tiny = float(np.finfo(log_probability.dtype).tiny)
    log_p = jnp.clip(log_probability, -float(np.finfo(log_probability.dtype).max), -tiny)
    near = log_p > -0.5
    other = jnp.where(
        near, jnp.log(-jnp.expm1(jnp.where(near, log_p, -1.0))), jnp.log1p(-jnp.exp(log_p))
    )
    return log_p, other
