"""Counts truncated to an interval."""

from __future__ import annotations

from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from numpyro.distributions import constraints
from numpyro.util import not_jax_tracer

from jaxnb._names import keywords
from jaxnb._types import Array, ArrayLike
from jaxnb.cdf.truncation import truncated_log_tail, truncated_mean, truncated_quantile
from jaxnb.distributions.base import CountDistribution
from jaxnb.distributions.intervals import Around
from jaxnb.distributions.parameters import extended_real
from jaxnb.distributions.validation import is_count, or_warn
from jaxnb.likelihoods.arguments import argument, plain
from jaxnb.random._counts import in_dtype
from jaxnb.random._levels import draw_levels

__all__ = ["Truncated"]


class Truncated(Around):
    r"""Counts given that they are in an interval, both ends included.

    .. math::

        P(x \mid a \le X \le b) = \frac{P(x)}{P(a \le X \le b)}, \quad
            a = \lceil \mathrm{low} \rceil, \; b = \lfloor \mathrm{high} \rfloor

    The probability of the interval is formed without cancellation, however far out it is
    (`jaxnb.cdf.nb_log_interval`). `Truncated(NegativeBinomial(...), low=1)` is
    `ZeroTruncatedNegativeBinomial`, which is exact also as the mean tends to 0.

    Args:
        base_dist: A distribution of this package.
        low: The smallest count, broadcast with the batch shape; rounded up. None for no bound.
        high: The largest count, as above; rounded down, may be infinite. None for no bound.
        validate_args: Whether to check counts; None for NumPyro's default.

    Raises:
        TypeError: `base_dist` is none of this package; a bound is complex.
        ValueError: The shapes do not broadcast; a bound is NaN, or an interval has no count, as far
            as the bounds have values. Of bounds that are being traced, such an interval has the
            log-probability -inf everywhere, and NaN for mean, quantiles and tails.

    The error of a log-probability is that of P(x) and of the probability of the interval, a few
    units in the last place of each: far out in a tail both are large, and their difference is not.
    Tails, quantiles, draws and the mean consist of such differences. With mu = 5 and theta = 2 the
    counts from 300 on have the mean 302.5288, and those from 10,000 on 10,002.5; in float32 they
    are 302.5284 and 10,001.7. So it is in a narrow interval of large counts. Those from 999,000
    to 999,100 of Poisson's distribution with the mean 1e6 have the mean 999,050.81, whose
    derivative is 8.49e-4; in float32 these are 999,051.1 and 7.56e-4. Compute in float64 there.
    """

    arrays: ClassVar[tuple[str, ...]] = ("low", "high")
    arg_constraints: ClassVar[dict[str, Any]] = dict.fromkeys(arrays, extended_real)
    low: Array | None
    high: Array | None

    @keywords
    def __init__(
        self,
        base_dist: CountDistribution,
        low: ArrayLike | None = None,
        high: ArrayLike | None = None,
        *,
        validate_args: bool | None = None,
    ) -> None:
        bounds = {"low": _bound("low", low), "high": _bound("high", high)}
        super().__init__(base_dist, bounds, (), validate_args)
        with jax.ensure_compile_time_eval():
            first, last = self._ends()
            some = first <= last
            if not_jax_tracer(some) and not np.all(some):
                raise ValueError(
                    f"Truncated: no count of {type(base_dist).__name__} is between low={low} and"
                    f" high={high}"
                )

    @constraints.dependent_property(is_discrete=True, event_dim=0)
    def support(self) -> Any:
        """The whole numbers of the interval."""
        first, last = self._ends()
        if self.high is None:
            return constraints.integer_greater_than(first)
        return constraints.integer_interval(first, last)

    def log_prob(self, value: ArrayLike, intermediates: list[Any] | None = None) -> Array:
        """Log-probability of counts.

        Args:
            value: Counts of any real or integer dtype, broadcast against the batch shape.
            intermediates: Not used.

        Returns:
            Log-probabilities, -inf outside the interval, NaN where the interval has the probability
            0. With `validate_args`, values that are not counts of the interval cause a warning, and
            have -inf.
        """
        value = plain(argument("value", value))
        first, last = self._ends()
        total = self.base_dist.log_interval(first, last)
        log_prob = (self._log_prob_of_counts(value) - total).astype(self._parameter_dtype)
        array = jnp.asarray(value)
        log_prob = jnp.where((array < first) | (array > last), -jnp.inf, log_prob)
        if not self._validate_args:
            return log_prob
        return jnp.where(self._validate_sample(value), log_prob, -jnp.inf)

    def sample(self, key: Array, sample_shape: tuple[int, ...] = ()) -> Array:
        """Integer counts of shape `sample_shape + batch_shape`, by inversion of the upper tail.

        A count x is drawn where P(X > x) first falls below a uniform number, in the arithmetic of
        `log_sf`, so that the probabilities of the draws are those of the distribution to the
        resolution of the dtype, in the upper tail down to 2**-31 (2**-62 in float64).

        Args:
            key: One key of jax.random, typed or raw.
            sample_shape: Shape of the independent draws, in front.

        Returns:
            Counts; those beyond the largest integer are that one, and -1 stands for no number.
        """
        shape = (*sample_shape, *self.batch_shape)
        counts = self._quantile(draw_levels(key, shape, self._dtype), upper=True)
        return in_dtype(counts, jnp.result_type(int))

    @property
    def mean(self) -> Array:
        """The mean, with derivatives in the parameters."""
        return self._of_kernel(truncated_mean)

    def log_cdf(self, value: ArrayLike) -> Array:
        """The logarithm of P(X <= value), from the smaller tail.

        Args:
            value: Numbers, broadcast against the batch shape; those that are not whole are rounded
                down.
        """
        return self._of_kernel(truncated_log_tail, value, upper=False)

    def log_sf(self, value: ArrayLike) -> Array:
        """The logarithm of P(X > value), as `log_cdf`."""
        return self._of_kernel(truncated_log_tail, value, upper=True)

    def cdf(self, value: ArrayLike) -> Array:
        """P(X <= value), as `log_cdf`."""
        return jnp.exp(self.log_cdf(value))

    def icdf(self, q: ArrayLike) -> Array:
        """The smallest count x with P(X <= x) >= q.

        Args:
            q: Probabilities in [0, 1], broadcast against the batch shape.
        """
        return self._quantile(q, upper=False)

    def _quantile(self, q: ArrayLike, *, upper: bool) -> Array:
        return self._of_kernel(truncated_quantile, q, upper=upper)

    def _of_kernel(self, function: Any, *arguments: ArrayLike, **options: bool) -> Array:
        """A function of `jaxnb.cdf.truncation`, of this base distribution and interval."""
        base = self.base_dist
        kernel, owner = base.family.kernel, type(self).__name__
        if kernel is None:
            raise NotImplementedError(f"{type(base).__name__} has no distribution function")
        given = base.family.on_scales(base._arguments())
        result: Array = function(kernel, owner, *arguments, *self._ends(), **options, **given)
        return result.astype(self._parameter_dtype)

    def _ends(self) -> tuple[Array, Array]:
        """The first and the last count, infinity for no last one."""
        dtype = self._dtype
        lowest = jnp.asarray(self.base_dist.support.lower_bound, dtype)
        first, last = lowest, jnp.asarray(jnp.inf, dtype)
        if self.low is not None:
            first = jnp.maximum(jnp.ceil(self.low.astype(dtype)), lowest)
        if self.high is not None:
            last = jnp.floor(self.high.astype(dtype))
        return first, last

    def _validate_sample(self, value: ArrayLike) -> Array:
        first, last = self._ends()
        array = jnp.asarray(value)
        return or_warn(is_count(value, 0) & (array >= first) & (array <= last))


def _bound(name: str, value: ArrayLike | None) -> Array | None:
    if value is None:
        return None
    array = jnp.asarray(plain(argument(name, value)))
    if jnp.iscomplexobj(array):
        raise TypeError(f"{name} must be real, got {array.dtype}")
    return array
