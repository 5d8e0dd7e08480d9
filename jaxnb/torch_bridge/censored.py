"""Censored and truncated counts on tensors, by the functions of the distributions within them."""

from typing import Any, ClassVar, Self

import torch
from torch import Tensor
from torch.distributions import Distribution, constraints

from jaxnb._names import keywords
from jaxnb._warnings import warn
from jaxnb.torch_bridge import _private
from jaxnb.torch_bridge.arguments import Value, working_dtype
from jaxnb.torch_bridge.counts import Counts
from jaxnb.torch_bridge.functions import truncated
from jaxnb.torch_bridge.pointwise import evaluated

__all__ = ["IntervalCensored", "LeftCensored", "RightCensored", "Truncated"]


class _Around(Distribution):
    """A distribution made of one of the bridge and of tensors that broadcast with it."""

    arg_constraints: ClassVar[dict[str, constraints.Constraint]] = {}
    has_rsample = False
    base_dist: Counts
    _names: ClassVar[tuple[str, ...]]

    def __init__(
        self,
        base_dist: Counts,
        tensors: dict[str, Tensor | None],
        event_shape: tuple[int, ...],
        validate_args: bool | None,
    ) -> None:
        shapes = [t.shape for t in tensors.values() if t is not None]
        shape = torch.broadcast_shapes(base_dist.batch_shape, *shapes)
        self.base_dist = base_dist.expand(shape)
        for name, tensor in tensors.items():
            setattr(self, name, None if tensor is None else tensor.expand(shape))
        super().__init__(shape, torch.Size(event_shape), validate_args=validate_args)

    def expand(self, batch_shape: Any, _instance: Any = None) -> Self:
        """The distribution expanded to a larger batch shape, as views."""
        new: Self = object.__new__(type(self)) if _instance is None else _instance
        shape = torch.Size(batch_shape)
        tensors = {name: getattr(self, name) for name in self._names}
        expanded = {n: None if t is None else t.expand(shape) for n, t in tensors.items()}
        base = self.base_dist.expand(shape)
        _Around.__init__(new, base, expanded, tuple(self.event_shape), False)
        _private.copy_validation(self, new)
        return new

    def _log_prob_of_counts(self, value: Tensor) -> Tensor:
        base = self.base_dist
        return type(base)._function(value, eps=base._eps, **base._arguments())

    def _or_minus_infinity(self, valid: Tensor, value: Tensor, log_prob: Tensor) -> Tensor:
        """The log-probabilities; if asked to validate, -inf where the value is none."""
        if not _private.validates(self) or valid.all():
            return log_prob
        warn(
            "The value argument must be within the support of the distribution: values that are"
            " not have the log-probability -inf",
        )
        return torch.where(valid | value.isnan(), log_prob, -torch.inf)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.base_dist!r})"


class _Censored(_Around):
    """Counts some of which are censored on one side."""

    _names: ClassVar[tuple[str, ...]] = ("censored",)
    censored: Tensor

    @keywords
    def __init__(
        self,
        base_dist: Counts,
        censored: Tensor | bool = False,
        validate_args: bool | None = False,
    ) -> None:
        super().__init__(base_dist, {"censored": _flags(base_dist, censored)}, (), validate_args)

    @property
    def support(self) -> constraints.Constraint:
        """That of the base distribution."""
        support: constraints.Constraint = self.base_dist.support
        return support

    def sample(
        self, sample_shape: Any = None, *, generator: torch.Generator | None = None
    ) -> Tensor:
        """Counts of the base distribution, none of them censored."""
        return self.base_dist.sample(sample_shape, generator=generator)

    def log_prob(self, value: Tensor) -> Tensor:
        """Log-probability of counts and, where they are censored, of what is beyond the bound."""
        bound = self._of_bound(value)
        log_prob = torch.where(self.censored, bound, self._log_prob_of_counts(value))
        valid = self.censored | self.support.check(value)
        return self._or_minus_infinity(valid, value, log_prob)

    def _of_bound(self, value: Tensor) -> Tensor:
        raise NotImplementedError


class LeftCensored(_Censored):
    """Counts of which some are known only to be at most the recorded value.

    As `jaxnb.LeftCensored`, on tensors: where `censored`, the log-probability is log P(X <= x).

    Args:
        base_dist: A distribution of the bridge.
        censored: Where the value is an upper bound; booleans that broadcast with the batch shape.
        validate_args: Whether to check counts.

    Raises:
        TypeError: `base_dist` is none of the bridge.
        RuntimeError: The shapes do not broadcast.
    """

    def _of_bound(self, value: Tensor) -> Tensor:
        return self.base_dist.log_cdf(value)


class RightCensored(_Censored):
    """Counts of which some are known only to exceed the recorded value.

    As `jaxnb.RightCensored`, on tensors: where `censored`, the log-probability is log P(X > x), so
    that "20 or more" is recorded as 19.

    Args:
        base_dist: A distribution of the bridge.
        censored: Where the value is exceeded; booleans that broadcast with the batch shape.
        validate_args: Whether to check counts.

    Raises:
        TypeError: `base_dist` is none of the bridge.
        RuntimeError: The shapes do not broadcast.
    """

    def _of_bound(self, value: Tensor) -> Tensor:
        return self.base_dist.log_sf(value)


class IntervalCensored(_Around):
    """Counts known to be in an interval, below a bound, above one, or outside of an interval.

    As `jaxnb.IntervalCensored`, on tensors: a value is a pair (lower, upper) along the last axis,
    for lower < X <= upper, X <= upper where `left_censored`, X > lower where `right_censored`, and
    X <= lower or X > upper where both; equal bounds stand for that count.

    Args:
        base_dist: A distribution of the bridge.
        left_censored: Where there is no lower bound; booleans that broadcast with the batch shape.
        right_censored: Where there is no upper bound, as above.
        validate_args: Whether to check counts.

    Raises:
        TypeError: `base_dist` is none of the bridge.
        RuntimeError: The shapes do not broadcast.
    """

    _names: ClassVar[tuple[str, ...]] = ("left_censored", "right_censored")
    left_censored: Tensor
    right_censored: Tensor

    @keywords
    def __init__(
        self,
        base_dist: Counts,
        left_censored: Tensor | bool,
        right_censored: Tensor | bool,
        validate_args: bool | None = False,
    ) -> None:
        flags: dict[str, Tensor | None] = {
            "left_censored": _flags(base_dist, left_censored),
            "right_censored": _flags(base_dist, right_censored),
        }
        super().__init__(base_dist, flags, (2,), validate_args)

    @property
    def support(self) -> constraints.Constraint:
        """That of the base distribution, of each bound."""
        return constraints.independent(self.base_dist.support, 1)

    def sample(
        self, sample_shape: Any = None, *, generator: torch.Generator | None = None
    ) -> Tensor:
        """Counts of the base distribution, none of them censored: pairs of equal bounds."""
        counts = self.base_dist.sample(sample_shape, generator=generator)
        return torch.stack([counts, counts], -1)

    def log_prob(self, value: Tensor) -> Tensor:
        """Log-probability of pairs of bounds along the last axis.

        Raises:
            ValueError: The last axis has not the length 2.
        """
        if value.shape[-1:] != (2,):
            raise ValueError(f"values are pairs (lower, upper), got {tuple(value.shape)}")
        lower, upper = value.to(_parameter(self.base_dist).dtype).unbind(-1)
        left, right = self.left_censored, self.right_censored
        outside, point = left & right, ~left & ~right & (lower == upper)
        first = torch.where(left, -torch.inf, torch.where(point, lower, lower.floor() + 1))
        last = torch.where(right & ~left, torch.inf, torch.where(outside, lower, upper))
        within = self.base_dist.log_interval(first, last)
        log_prob = torch.where(point, self._log_prob_of_counts(lower), within)
        if outside.any():
            either = torch.logaddexp(within, self.base_dist.log_sf(upper))
            either = torch.where(upper < lower, 0.0, either)
            log_prob = torch.where(outside, either, log_prob)
        unknown = torch.where(left & ~right, upper, lower).isnan()
        unknown = unknown | torch.where(right & ~left, lower, upper).isnan()
        log_prob = torch.where(unknown, torch.nan, log_prob)
        valid = ~point | self.base_dist.support.check(lower)
        return self._or_minus_infinity(valid, lower, log_prob)


class Truncated(_Around):
    """Counts given that they are in an interval, both ends included: `jaxnb.Truncated` on tensors.

    Args:
        base_dist: A distribution of the bridge.
        low: The smallest count, broadcast with the batch shape; rounded up. None for no bound.
        high: The largest count, as above; rounded down, may be infinite. None for no bound.
        validate_args: Whether to check counts.

    Raises:
        TypeError: `base_dist` is none of the bridge.
        ValueError: An interval has no count, or a bound is NaN.
        RuntimeError: The shapes do not broadcast.
    """

    _names: ClassVar[tuple[str, ...]] = ("low", "high")
    low: Tensor | None
    high: Tensor | None

    @keywords
    def __init__(
        self,
        base_dist: Counts,
        low: Value | None = None,
        high: Value | None = None,
        validate_args: bool | None = False,
    ) -> None:
        bounds = {name: _bound(base_dist, b) for name, b in (("low", low), ("high", high))}
        super().__init__(base_dist, bounds, (), validate_args)
        first, last = self._ends()
        some = first <= last
        if not _private.has_no_values(some) and not some.all():
            raise ValueError(
                f"Truncated: no count of {type(base_dist).__name__} is between low={low} and"
                f" high={high}"
            )

    @property
    def support(self) -> constraints.Constraint:
        """The whole numbers of the interval."""
        first, last = self._ends()
        if self.high is None:
            return constraints.greater_than_eq(first)
        return constraints.integer_interval(first, last)

    @property
    def mean(self) -> Tensor:
        """The mean, with derivatives in the parameters."""
        return self._of_truncated("mean")

    def log_prob(self, value: Tensor) -> Tensor:
        """Log-probability of counts, -inf outside the interval."""
        first, last = self._ends()
        total = self.base_dist.log_interval(first, last)
        log_prob = self._log_prob_of_counts(value) - total
        log_prob = torch.where((value < first) | (value > last), -torch.inf, log_prob)
        valid = (value >= first) & (value <= last) & (value == value.floor())
        return self._or_minus_infinity(valid, value, log_prob)

    def log_cdf(self, value: Value) -> Tensor:
        """The logarithm of P(X <= value), from the smaller tail."""
        return self._of_truncated("log_cdf", x=value)

    def log_sf(self, value: Value) -> Tensor:
        """The logarithm of P(X > value), as `log_cdf`."""
        return self._of_truncated("log_sf", x=value)

    def cdf(self, value: Value) -> Tensor:
        """P(X <= value), as `log_cdf`."""
        return torch.exp(self.log_cdf(value))

    def icdf(self, value: Value) -> Tensor:
        """The smallest count x with P(X <= x) >= value; its derivatives are 0."""
        return self._of_truncated("quantile", q=value)

    def sample(
        self, sample_shape: Any = None, *, generator: torch.Generator | None = None
    ) -> Tensor:
        """Counts of shape `sample_shape + batch_shape`, by inversion of the upper tail.

        Args:
            sample_shape: Shape of the independent draws, in front.
            generator: Where the levels come from; None for torch's default one.
        """
        shape = torch.Size(sample_shape or ()) + self.batch_shape
        parameter = _parameter(self.base_dist)
        where = parameter.device if generator is None else generator.device
        # multiples of 2**-53, moved off 0
        levels = torch.rand(shape, generator=generator, dtype=torch.float64, device=where) + 2**-54
        q = levels.to(parameter.device, working_dtype(parameter.dtype))
        with torch.no_grad():
            return self._of_truncated("upper_quantile", q=q)

    def _of_truncated(self, function: str, **first: Value) -> Tensor:
        base = self.base_dist
        low, high = self._ends()
        arguments = first | {"low": low, "high": high} | base._arguments()
        result = evaluated(truncated(base._family, function), arguments)
        return result.to(_parameter(base).dtype)

    def _ends(self) -> tuple[Tensor, Tensor]:
        """The first and the last count, infinity for no last one."""
        parameter = _parameter(self.base_dist)
        dtype, lowest = working_dtype(parameter.dtype), float(self.base_dist._family.lowest)
        first = torch.full(self.batch_shape, lowest, dtype=dtype, device=parameter.device)
        last = torch.full_like(first, torch.inf)
        if self.low is not None:
            first = torch.maximum(self.low.to(dtype).ceil(), first)
        if self.high is not None:
            last = self.high.to(dtype).floor()
        return first, last


def _parameter(base: Counts) -> Tensor:
    """One of the parameters, all of which are of one dtype and on one device.

    Raises:
        TypeError: `base` is not a distribution of the bridge.
    """
    if not isinstance(base, Counts):
        raise TypeError(
            f"a distribution of jaxnb.torch_bridge is needed, got a {type(base).__name__}"
        )
    return next(iter(base._kept.values()))


def _flags(base: Counts, censored: Tensor | bool) -> Tensor:
    return torch.as_tensor(censored, device=_parameter(base).device).bool()


def _bound(base: Counts, value: Value | None) -> Tensor | None:
    device = _parameter(base).device
    return None if value is None else torch.as_tensor(value, device=device)
