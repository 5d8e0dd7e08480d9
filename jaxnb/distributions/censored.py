"""Censored counts: of some, all that is known is a bound, or two."""

from __future__ import annotations

from typing import Any, ClassVar

import jax.numpy as jnp
import numpy as np
from numpyro.distributions import constraints
from numpyro.util import not_jax_tracer

from jaxnb._names import keywords
from jaxnb._types import Array, ArrayLike
from jaxnb.distributions.base import CountDistribution
from jaxnb.distributions.intervals import Around
from jaxnb.distributions.validation import is_count, or_warn
from jaxnb.likelihoods.arguments import argument, plain

__all__ = ["IntervalCensored", "LeftCensored", "RightCensored"]


class _Censored(Around):
    """Counts some of which are censored on one side."""

    arrays: ClassVar[tuple[str, ...]] = ("censored",)
    arg_constraints: ClassVar[dict[str, Any]] = {"censored": constraints.boolean}
    censored: Array

    @keywords
    def __init__(
        self,
        base_dist: CountDistribution,
        censored: ArrayLike = False,
        *,
        validate_args: bool | None = None,
    ) -> None:
        super().__init__(base_dist, {"censored": _flags(censored)}, (), validate_args)

    @constraints.dependent_property(is_discrete=True, event_dim=0)
    def support(self) -> Any:
        """That of the base distribution."""
        return self.base_dist.support

    def sample(self, key: Array, sample_shape: tuple[int, ...] = ()) -> Array:
        """Counts of the base distribution, none of them censored, as NumPyro's.

        Args:
            key: One key of jax.random, typed or raw.
            sample_shape: Shape of the independent draws, in front.
        """
        return self._uncensored(key, sample_shape)

    def log_prob(self, value: ArrayLike, intermediates: list[Any] | None = None) -> Array:
        """Log-probability of what was recorded.

        Args:
            value: Counts, or the bounds of those that are censored, which are rounded down and may
                be any numbers; broadcast against the batch shape.
            intermediates: Not used.

        Returns:
            Log-probabilities; NaN for a NaN. With `validate_args`, an uncensored value that is not
            a count has -inf, and there is a warning.
        """
        value = plain(argument("value", value))
        bound = self._of_bound(value)
        log_prob = jnp.where(self.censored, bound, self._log_prob_of_counts(value))
        if not self._validate_args:
            return log_prob
        return jnp.where(self._validate_sample(value), log_prob, -jnp.inf)

    def _of_bound(self, value: ArrayLike) -> Array:
        raise NotImplementedError

    def _validate_sample(self, value: ArrayLike) -> Array:
        return or_warn(self.censored | is_count(value, self.base_dist.support.lower_bound))


class LeftCensored(_Censored):
    r"""Counts of which some are known only to be at most the recorded value.

    The log-probability of x is that of the count, and where `censored` it is

    .. math:: \log P(X \le x) = \log F(x),

    computed directly: it and its derivatives are accurate also where F underflows. NumPyro's
    `LeftCensoredDistribution` has the same arguments, and computes the logarithm of a clipped F.

    Args:
        base_dist: A distribution of this package.
        censored: Where the value is an upper bound; booleans, or 0 and 1, that broadcast with the
            batch shape.
        validate_args: Whether to check flags and counts; None for NumPyro's default.

    Raises:
        TypeError: `base_dist` is none of this package.
        ValueError: The shapes do not broadcast.
    """

    def _of_bound(self, value: ArrayLike) -> Array:
        return self.base_dist.log_cdf(value)


class RightCensored(_Censored):
    r"""Counts of which some are known only to exceed the recorded value.

    The log-probability of x is that of the count, and where `censored` it is

    .. math:: \log P(X > x) = \log(1 - F(x)),

    so that "20 or more" is recorded as 19, as with NumPyro's `RightCensoredDistribution`, which has
    the same arguments. That computes log(1 - F) of a clipped F, and loses the tail where F is
    within the resolution of 1; here it is computed directly.

    Args:
        base_dist: A distribution of this package.
        censored: Where the value is exceeded; booleans, or 0 and 1, that broadcast with the batch
            shape.
        validate_args: Whether to check flags and counts; None for NumPyro's default.

    Raises:
        TypeError: `base_dist` is none of this package.
        ValueError: The shapes do not broadcast.
    """

    def _of_bound(self, value: ArrayLike) -> Array:
        return self.base_dist.log_sf(value)


class IntervalCensored(Around):
    r"""Counts known to be in an interval, below a bound, above one, or outside of an interval.

    A value is a pair (lower, upper) along the last axis. Its log-probability is

    ==============  ==============  =========================================================
    left_censored   right_censored
    ==============  ==============  =========================================================
    no              no              log P(lower < X <= upper); that of the count if they are
                                    equal
    yes             no              log P(X <= upper)
    no              yes             log P(X > lower)
    yes             yes             log P(X <= lower or X > upper)
    ==============  ==============  =========================================================

    as with NumPyro's `IntervalCensoredDistribution`, which has the same arguments and takes
    differences of F; here there is no cancellation. The interval of the counts from 21 to 25 is
    (20, 25). A count of 3 is (3, 3); NumPyro takes all bounds that are close for equal ones, such
    as 100,000 and 100,001. The bound that a censored value does not use may be anything but NaN.

    Args:
        base_dist: A distribution of this package.
        left_censored: Where there is no lower bound; booleans, or 0 and 1, that broadcast with the
            batch shape.
        right_censored: Where there is no upper bound, as above.
        validate_args: Whether to check flags and counts; None for NumPyro's default.

    Raises:
        TypeError: `base_dist` is none of this package.
        ValueError: The shapes do not broadcast.
    """

    arrays: ClassVar[tuple[str, ...]] = ("left_censored", "right_censored")
    arg_constraints: ClassVar[dict[str, Any]] = dict.fromkeys(arrays, constraints.boolean)
    left_censored: Array
    right_censored: Array

    @keywords
    def __init__(
        self,
        base_dist: CountDistribution,
        left_censored: ArrayLike,
        right_censored: ArrayLike,
        *,
        validate_args: bool | None = None,
    ) -> None:
        flags: dict[str, Array | None] = {
            "left_censored": _flags(left_censored),
            "right_censored": _flags(right_censored),
        }
        super().__init__(base_dist, flags, (2,), validate_args)

    @constraints.dependent_property(is_discrete=True, event_dim=1)
    def support(self) -> Any:
        """That of the base distribution, of each bound."""
        return constraints.independent(self.base_dist.support, 1)

    def sample(self, key: Array, sample_shape: tuple[int, ...] = ()) -> Array:
        """Counts of the base distribution, none of them censored: pairs of equal bounds.

        NumPyro's returns the counts themselves, which are not values of the distribution.

        Args:
            key: One key of jax.random, typed or raw.
            sample_shape: Shape of the independent draws, in front.
        """
        counts = self._uncensored(key, sample_shape)
        return jnp.stack([counts, counts], -1)

    def log_prob(self, value: ArrayLike, intermediates: list[Any] | None = None) -> Array:
        """Log-probability of what was recorded.

        Args:
            value: Pairs of bounds along the last axis, which are rounded down and may be infinite;
                the other axes broadcast against the batch shape.
            intermediates: Not used.

        Returns:
            Log-probabilities; -inf where upper < lower, NaN for a NaN. With `validate_args`, two
            equal bounds that are not a count have -inf, and there is a warning.

        Raises:
            ValueError: The last axis has not the length 2.
        """
        lower, upper = _bounds(value, self._dtype)
        left, right = self.left_censored, self.right_censored
        point, outside = ~left & ~right & (lower == upper), left & right
        below, above = left & ~right, right & ~left
        base = self.base_dist
        # lower < X <= upper, or X <= lower where all but an interval is allowed
        first = jnp.where(left, -jnp.inf, jnp.where(point, lower, jnp.floor(lower) + 1))
        last = jnp.where(above, jnp.inf, jnp.where(outside, lower, upper))
        unknown = jnp.isnan(jnp.where(below, upper, lower)) | jnp.isnan(
            jnp.where(above, lower, upper)
        )
        log_prob = jnp.where(point, self._log_prob_of_counts(lower), base.log_interval(first, last))
        if not (not_jax_tracer(outside) and not np.any(outside)):
            log_prob = jnp.where(outside, jnp.logaddexp(log_prob, base.log_sf(upper)), log_prob)
            log_prob = jnp.where(outside & (upper < lower), 0.0, log_prob)
        log_prob = jnp.where(unknown, jnp.nan, log_prob)
        if not self._validate_args:
            return log_prob
        return jnp.where(self._validate_sample(value), log_prob, -jnp.inf)

    def _validate_sample(self, value: ArrayLike) -> Array:
        lower, upper = _bounds(value, self._dtype)
        point = ~self.left_censored & ~self.right_censored & (lower == upper)
        return or_warn(~point | is_count(lower, self.base_dist.support.lower_bound))


def _flags(censored: ArrayLike) -> Array:
    return jnp.asarray(plain(argument("censored", censored))).astype(bool)


def _bounds(value: ArrayLike, dtype: jnp.dtype) -> tuple[Array, Array]:
    array = jnp.asarray(plain(argument("value", value)))
    if not jnp.issubdtype(array.dtype, jnp.floating):
        array = array.astype(dtype)  # which has infinities
    if array.shape[-1:] != (2,):
        raise ValueError(f"values are pairs (lower, upper) along the last axis, got {array.shape}")
    return array[..., 0], array[..., 1]
