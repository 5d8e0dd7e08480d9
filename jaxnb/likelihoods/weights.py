"""The posterior weights of two components, where nothing about them is unusual.

Notation of `two_components`: d = a - b, t = q + d. One array is kept of the weights,
h = exp(-t / 2), and everything follows from it by products. Its exponential is the native one: XLA
never evaluates it twice, whereas what is built from additions would be repeated in every fusion
that uses it.
"""

from typing import Final

import jax.numpy as jnp

from jaxnb._types import Array
from jaxnb.special.elementary import reciprocal

__all__ = ["Weights", "root_odds"]

# e**-85 and e**-700 are normal numbers.
_LARGEST_EXPONENT: Final = {"float32": 85.0, "float64": 700.0}


def root_odds(t: Array) -> Array:
    """exp(-t / 2), bounded so that neither it nor its inverse overflows."""
    largest = _LARGEST_EXPONENT[t.dtype.name]
    return jnp.exp(jnp.clip(-0.5 * t, -largest, largest))


class Weights:
    """sigma(t) and sigma(-t).

    Attributes:
        first: Whether component 1 has the larger weight.
        small: e**-|t|.
        one: sigma(t).
        two: sigma(-t).
        both: Their product.
    """

    def __init__(self, h: Array) -> None:
        self.first = h <= 1
        root = jnp.where(self.first, h, reciprocal(h))
        self.small = root * root
        larger = reciprocal(1 + self.small)
        smaller = larger * root
        self.both = smaller * smaller
        self.one = jnp.where(self.first, larger, smaller * root)
        self.two = jnp.where(self.first, smaller * root, larger)
        self._root, self._larger, self._smaller = root, larger, smaller

    def times_one(self, derivative: Array) -> Array:
        """sigma(t) times a derivative, also where the weight alone underflows."""
        outer = jnp.where(self.first, 1.0, self._root)
        return outer * (jnp.where(self.first, self._larger, self._smaller) * derivative)

    def times_two(self, derivative: Array) -> Array:
        """sigma(-t) times a derivative, in the same way."""
        outer = jnp.where(self.first, self._root, 1.0)
        return outer * (jnp.where(self.first, self._smaller, self._larger) * derivative)
