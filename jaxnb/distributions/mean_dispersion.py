"""What the distributions with one mean and one inverse dispersion have in common."""

from __future__ import annotations

from typing import Any, ClassVar

from jax.nn import sigmoid

from jaxnb._types import Array, ArrayLike
from jaxnb.distributions.base import CountDistribution
from jaxnb.distributions.parameters import log_ratio, normalized, success_probability

__all__ = ["MeanDispersion"]


class MeanDispersion(CountDistribution):
    """A distribution with a mean and an inverse dispersion, which can be read in all their forms.

    What was given is returned as it is; the other forms are computed at each use.
    """

    _non_batch_fields: ClassVar[frozenset[str]] = frozenset({"scale"})
    scale: ArrayLike | None

    def __init__(self, *, scale: ArrayLike | None = None, **given: Any) -> None:
        self.scale = scale
        super().__init__(**given)

    @property
    def mu(self) -> Array:
        """The mean of the negative binomial."""
        return self._linear("mu")

    @property
    def theta(self) -> Array:
        """The inverse dispersion."""
        return self._linear("theta")

    @property
    def log_mu(self) -> Array:
        """log(mu)."""
        return self._logarithm("mu")

    @property
    def log_theta(self) -> Array:
        """log(theta)."""
        return self._logarithm("theta")

    @property
    def total_count(self) -> Array:
        """The number of failures to wait for, which is theta."""
        return self._given["total_count"] if "total_count" in self._given else self.theta

    @property
    def probs(self) -> Array:
        """The success probability mu / (mu + theta)."""
        if "probs" in self._given:
            return self._given["probs"]
        if self._has_logarithm():
            return sigmoid(self.logits)
        return success_probability(self.mu, self.theta)

    @property
    def logits(self) -> Array:
        """log(mu / theta), without cancellation where the two are close."""
        if "logits" in self._given:
            return self._given["logits"]
        if self._has_logarithm():
            return self.log_mu - self.log_theta
        return log_ratio(self.mu, self.theta)

    def get_normalized(self, key: str) -> ArrayLike:
        """The parameter that is normalized expression.

        Args:
            key: "mu" for the mean of the negative binomial, "scale" for the `scale` given.

        Raises:
            ValueError: Another key, or "scale" where none was given.
        """
        return normalized(key, self.mu, self.scale)

    def _has_logarithm(self) -> bool:
        return not {"log_mu", "log_theta", "logits"}.isdisjoint(self._given)
