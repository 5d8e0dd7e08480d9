"""The forms in which the mean and the dispersion of a negative binomial can be read."""

from typing import ClassVar

from numpyro.distributions import constraints
from numpyro.distributions.util import lazy_property

from jaxnb._types import Array, ArrayLike
from jaxnb.distributions.base import CountDistribution
from jaxnb.distributions.parameters import (
    extended_real,
    log_ratio,
    normalized,
    success_probability,
)

__all__ = ["MeanDispersion"]


class MeanDispersion(CountDistribution):
    """A distribution with the parameters mu and theta, readable in their other forms."""

    arg_constraints: ClassVar = {
        "mu": constraints.nonnegative,
        "theta": constraints.nonnegative,
        "total_count": constraints.nonnegative,
        "probs": constraints.unit_interval,
        "logits": extended_real,
    }
    pytree_data_fields: tuple[str, ...] = ("mu", "theta", "scale")
    mu: Array
    theta: Array
    scale: ArrayLike | None

    @lazy_property
    def total_count(self) -> Array:
        """The number of failures to wait for, which is theta."""
        return self.theta

    @lazy_property
    def probs(self) -> Array:
        """The success probability mu / (mu + theta)."""
        return success_probability(self.mu, self.theta)

    @lazy_property
    def logits(self) -> Array:
        """log(mu / theta), without cancellation where the two are close."""
        return log_ratio(self.mu, self.theta)

    def get_normalized(self, key: str) -> ArrayLike:
        """The parameter that stands for normalised expression.

        Args:
            key: "mu" for the mean of the negative binomial, "scale" for the `scale` given.

        Raises:
            ValueError: Another key, or "scale" where none was given.
        """
        return normalized(key, self.mu, self.scale)
