"""log P(a <= X <= b) of any kernel, without the cancellation of a difference of two tails.

Of two components it is the weighted sum of theirs: additional zeros, or a component below the
interval or above it, hide in both tails what the interval holds. Of one distribution, with the
counts a and b whole, F the distribution function, S = 1 - F, and r the ratio behind it,
three forms are one number:

    log F(b) + log(1 - r),      r = F(a - 1) / F(b),
    log S(a - 1) + log(1 - r),  r = S(b) / S(a - 1),
    the sum of the probabilities of the counts.

The first two lose the factor r / (1 - r) of the accuracy of the tails, so that the smaller ratio is
taken. Where both ratios are near 1 the interval holds a small part of either tail, over which the
probability is smooth, and the sum takes a few values of it (`summation`).

The derivatives are those of the forms. That of the first is d log F(b) + (d log F(b) - d log
F(a - 1)) r / (1 - r), that of the sum is the mean of d log P(X) under the probabilities: both are
the mean of d log P(X) given that X is in the interval, with the accuracy of the value.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import jax.numpy as jnp
from jax import lax

from jaxnb._blockwise import blockwise
from jaxnb._elementwise import filled_like
from jaxnb._materialize import if_any
from jaxnb._types import Array
from jaxnb.cdf.calls import Kernel
from jaxnb.cdf.summation import Rule, nodes, rule
from jaxnb.cdf.tails import Tails
from jaxnb.likelihoods.arguments import Scales
from jaxnb.special.complements import log1m_exp_of_any

__all__ = ["log_probability_of_interval", "log_tails_at_both", "whole_ends"]

# Values of -log(r), r the smaller ratio, below which probabilities are summed. If the numbers are
# few, the sum costs no accuracy, and an r / (1 - r) of 0.16 is not worth it. If they are many but
# within a factor over which the rule is exact even for powers, r = 1/2 costs nothing. Beyond, an r
# of 3/4 costs a factor of 3, and up to the second factor the rule has for 1 / x, the probabilities
# with small thetas, an error below that of the difference. Over wider intervals it loses its digits
# (3e-3 off over a factor of 3e4), and a difference is left with most of them: wherever r is close
# to 1 there, it is so by a power of a / b.
_FALL_OF_FEW: Final = 2.0
_FALL_OF_MANY: Final = 0.7
_FALL_OF_ANY: Final = 0.3
_FACTORS: Final = {"float32": (64.0, 256.0), "float64": (16.0, 32.0)}


def whole_ends(kernel: Kernel, low: Array, high: Array) -> tuple[Array, Array]:
    """The first and the last count between two numbers, no first one below the lowest count."""
    a = jnp.maximum(jnp.ceil(lax.stop_gradient(low)), float(kernel.lowest))
    return a, jnp.floor(lax.stop_gradient(high))


def log_probability_of_interval(
    kernel: Kernel, scales: Scales, low: Array, high: Array, *parameters: Array
) -> Array:
    """log P(low <= X <= high), of arguments that are cast to one dtype and aligned.

    -inf where there is no count in between, NaN for a NaN.
    """
    if kernel.log_interval is not None:
        return kernel.log_interval(scales, low, high, *parameters)
    return blockwise(_OfOne(kernel, scales), low, high, *parameters)


@dataclass(frozen=True)
class _OfOne:
    """The same of a distribution that has one mode, from its own tails and probabilities."""

    kernel: Kernel
    scales: Scales

    def __call__(self, low: Array, high: Array, *parameters: Array) -> Array:
        return _of_one(self.kernel, self.scales, low, high, *parameters)


def _of_one(kernel: Kernel, scales: Scales, low: Array, high: Array, *parameters: Array) -> Array:
    a, b = whole_ends(kernel, low, high)
    lowest = float(kernel.lowest)
    empty = (a > b) | (a == jnp.inf)
    from_start, to_end = (a <= lowest) & ~empty, (b == jnp.inf) & ~empty
    # An end without a tail of its own takes that of the other one, and the first count serves where
    # there is none, so that no derivative that is not used is a NaN.
    neither = empty | (from_start & to_end)
    last = jnp.where(neither, lowest, jnp.where(to_end, a - 1, b))
    before = jnp.where(neither, lowest, jnp.where(from_start, b, a - 1))
    at_last, at_before = log_tails_at_both(kernel, scales, last, before, parameters)

    within = ~(empty | from_start | to_end)
    impossible = (at_last.log_cdf == -jnp.inf) | (at_before.log_sf == -jnp.inf)
    usable = within & ~impossible
    falls = [
        lax.stop_gradient(jnp.where(usable, larger - smaller, 0.0))
        for larger, smaller in (
            (at_last.log_cdf, at_before.log_cdf),
            (at_before.log_sf, at_last.log_sf),
        )
    ]
    fall = jnp.maximum(*falls)
    close, wider = (b < a * factor for factor in _FACTORS[a.dtype.name])
    bound = jnp.where(close, _FALL_OF_MANY, jnp.where(wider, _FALL_OF_ANY, 0.0))
    bound = jnp.where(b - a < nodes(a.dtype), _FALL_OF_FEW, bound)
    summed = within & (fall < bound)

    use_lower = falls[0] >= falls[1]
    larger = jnp.where(use_lower, at_last.log_cdf, at_before.log_sf)
    smaller = jnp.where(use_lower, at_before.log_cdf, at_last.log_sf)
    differs = usable & ~summed
    difference = jnp.where(differs, smaller, -1.0) - jnp.where(differs, larger, 0.0)
    value = jnp.where(differs, larger + log1m_exp_of_any(difference), 0.0)

    first, final = (jnp.where(summed, end, lowest + 1) for end in (a, b))

    def with_sums(summed: Array, value: Array, *arguments: Array) -> Array:
        return jnp.where(summed, _log_sum(kernel, scales, *arguments), value)

    value = if_any(
        summed, with_sums, lambda _, value, *__: value, summed, value, first, final, *parameters
    )

    value = jnp.where(from_start, at_last.log_cdf, jnp.where(to_end, at_before.log_sf, value))
    value = jnp.where(from_start & to_end, 0.0, jnp.where(empty, -jnp.inf, value))
    invalid = jnp.isnan(low) | jnp.isnan(high) | jnp.isnan(at_last.log_cdf)
    return jnp.where(invalid, jnp.nan, value)


def log_tails_at_both(
    kernel: Kernel, scales: Scales, x: Array, y: Array, parameters: Sequence[Array]
) -> tuple[Tails, Tails]:
    """The tails at two counts, by one program."""
    both = kernel.log_tails(
        scales, jnp.stack(jnp.broadcast_arrays(x, y)), *(p[None] for p in parameters)
    )
    return Tails(*(tail[0] for tail in both)), Tails(*(tail[1] for tail in both))


def _log_sum(kernel: Kernel, scales: Scales, a: Array, b: Array, *parameters: Array) -> Array:
    """The logarithm of the sum of the probabilities from a to b, by `summation`."""

    def add(sums: tuple[Array, Array], node: Rule) -> tuple[tuple[Array, Array], None]:
        """A term more, relative to the largest one so far, whose choice has no derivative."""
        reference, total = sums
        used = node.weight > 0
        log_p = kernel.continued(scales, node.x, *parameters)
        top = jnp.maximum(reference, lax.stop_gradient(jnp.where(used, log_p, -jnp.inf)))
        finite = jnp.where(top > -jnp.inf, top, 0.0)
        term = node.weight * jnp.exp(jnp.where(used, log_p - finite, 0.0))
        return (top, total * jnp.exp(reference - finite) + term), None

    start = filled_like(-jnp.inf, a, *parameters), filled_like(0.0, a, *parameters)
    (top, total), _ = lax.scan(add, start, rule(a, b))
    some = top > -jnp.inf
    return jnp.where(some, jnp.log(jnp.where(some, total, 1.0)) + top, -jnp.inf)
