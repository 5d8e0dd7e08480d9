"""The random numbers that a distribution is drawn with."""

from typing import Protocol

from jaxnb._types import Array

__all__ = ["Deviates", "Rates"]

Rates = Array | tuple[Array, Array]
"""Poisson rates, and what is to be added to the counts if that is anything."""


class Deviates(Protocol):
    """Random numbers for each element of a flat array, the same whenever they are asked for."""

    def gamma(self, shape: Array) -> Array:
        """Gamma deviates of mean 1 and these shapes."""

    def decisions(self, log_odds: Array) -> Array:
        """True or False, True with these log-odds."""

    def uniform(self, like: Array) -> Array:
        """Numbers between 0 and 1, as many as there are elements and of their dtype."""
