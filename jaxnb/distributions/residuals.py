"""Residuals of counts, as methods of the distributions."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
import numpy as np

from jaxnb._types import Array, ArrayLike
from jaxnb.cdf.quantile_residual import quantile_residual
from jaxnb.distributions.parameters import aligned
from jaxnb.likelihoods.arguments import argument, plain

__all__ = ["Residuals"]


class Residuals:
    """The methods, for `jaxnb.distributions.base.CountDistribution`."""

    if TYPE_CHECKING:
        _eps: float | None

        @property
        def mean(self) -> Array:
            """The mean."""

        @property
        def variance(self) -> Array:
            """The variance."""

        @property
        def batch_shape(self) -> tuple[int, ...]:
            """The shape of the parameters broadcast together."""

        def _function(self, name: str) -> Callable[..., Array]: ...

        def _arguments(self) -> dict[str, Array | None]: ...

    def pearson_residuals(self, x: ArrayLike) -> Array:
        """(x - mean) / sqrt(variance).

        Args:
            x: Counts, broadcast against the batch shape.

        Returns:
            The residuals; where the distribution is a point mass, 0 for x = 0 and infinity for
            other counts.
        """
        deviation, _, variance = self._deviation_and_moments(x)
        certain = variance == 0
        residual = deviation / jnp.sqrt(jnp.where(certain, 1.0, variance))
        return jnp.where(certain & (deviation != 0), jnp.inf, residual)

    def deviance_residuals(self, x: ArrayLike) -> Array:
        """sign(x - mean) sqrt(unit deviance), also accurate where x is near the mean.

        The unit deviance is twice what the log-probability of x gains if x is the mean of the
        negative binomial, the other parameters held fixed.

        Args:
            x: Counts, broadcast against the batch shape.

        Raises:
            NotImplementedError: For the mixture, which has no unit deviance.
        """
        deviation, mean, variance = self._deviation_and_moments(x)
        deviance = self._function("deviance")(x, **self._arguments())
        vanishes = deviance == 0
        residual = jnp.sign(deviation) * jnp.sqrt(jnp.where(vanishes, 1.0, deviance))
        # The root has no derivative at the mean. With d = x - mean, variance v and dv/dmean =
        # 2 v / mean - 1, the residual is d / sqrt(v) (1 - dv/dmean d / (6 v)) to second order.
        mean, variance = (jnp.where(vanishes & (m > 0), m, 1.0) for m in (mean, variance))
        skew = (2 * variance / mean - 1) * deviation / (6 * variance)
        at_mean = self.pearson_residuals(x) * (1 - skew)
        return jnp.where(vanishes, jnp.where(deviation == 0, at_mean, 0.0), residual)

    def _deviation_and_moments(self, x: ArrayLike) -> tuple[Array, Array, Array]:
        """x - mean, the mean and the variance, all of one rank."""
        counts, mean, variance = jnp.asarray(plain(argument("x", x))), self.mean, self.variance
        if not jnp.issubdtype(counts.dtype, jnp.floating):
            counts = counts.astype(mean.dtype)
        same_rank = aligned({"x": counts, "mean": mean, "variance": variance})
        return same_rank["x"] - same_rank["mean"], same_rank["mean"], same_rank["variance"]

    def quantile_residuals(self, key: Array, x: ArrayLike) -> Array:
        """Randomized quantile residuals (Dunn and Smyth 1996).

        The normal quantile of a point drawn between F(x - 1) and F(x): independent standard normal
        deviates if this is the distribution of the counts.

        Args:
            key: One key of jax.random.
            x: Counts, broadcast against the batch shape.

        Returns:
            The residuals, of which neither tail is cut off; NaN for a count without probability.
        """
        shape = jnp.broadcast_shapes(jnp.shape(x), self.batch_shape)
        dtype = self._working_dtype()
        tiny = float(np.finfo(dtype).tiny)
        return self._quantile_residuals(x, jax.random.uniform(key, shape, dtype, tiny))

    def mid_quantile_residuals(self, x: ArrayLike) -> Array:
        """The normal quantile of F(x - 1) + P(x) / 2: `quantile_residuals` without the draw."""
        return self._quantile_residuals(x, jnp.full((), 0.5, self._working_dtype()))

    def _working_dtype(self) -> jnp.dtype:
        """That of the parameters, but not half precision, in which tails have no digits."""
        dtype = self.mean.dtype
        return dtype if dtype.itemsize >= 4 else jnp.dtype(jnp.float32)

    def _quantile_residuals(self, x: ArrayLike, u: Array) -> Array:
        x = jnp.floor(jnp.asarray(plain(argument("x", x)), u.dtype))
        given = self._arguments().items()
        arguments = {name: None if p is None else p.astype(u.dtype) for name, p in given}
        log_p = self._function("log_prob")(x, eps=self._eps, **arguments)
        log_cdf, log_sf = self._function("log_cdf"), self._function("log_sf")
        residuals = quantile_residual(log_cdf(x - 1, **arguments), log_sf(x, **arguments), log_p, u)
        return residuals.astype(self.mean.dtype)
