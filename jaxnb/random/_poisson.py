"""Poisson counts: inversion for small rates, transformed rejection for large ones."""

import math

import jax.numpy as jnp
import numpy as np
from jax import lax

from jaxnb._types import Array, ArrayLike, DTypeLike
from jaxnb.random._bits import (
    POISSON,
    Key,
    complement,
    needs_wide,
    random_words,
    signed_tail,
    uniform,
)
from jaxnb.random._compaction import accept_reject
from jaxnb.special.gamma import reciprocal_argument, stirling_error
from jaxnb.special.log1p import log1p_minus_x

# Hörmann's constants hold from here on; below, sixteen steps of inversion settle 97 draws in 100.
_LARGE = 10.0
_STEPS = 16
# Nearer than this to 1, the sum of the probabilities in floating point has lost too much of 1 - u.
_TAIL = 2.0**-8
# P(X > 56) < 2⁻⁶⁴ for a rate below 10: no uniform reaches further.
_LAST = 56

_HALF_LOG_2_PI = 0.5 * math.log(2.0 * math.pi)


def poisson_counts(key: Key, lam: Array, dtype: DTypeLike) -> Array:
    """Poisson counts for a flat array of rates 0 ≤ lam ≤ ∞, none of them NaN.

    dtype is signed. Integer counts saturate at its maximum.
    """

    def attempt(key: Key, trial: ArrayLike, index: Array, lam: Array) -> Array:
        inverted = _invert(key, index, _small_rate(lam), settle=True).astype(dtype)
        rejected = _transformed_rejection(key, trial, index, _large_rate(lam), dtype)
        return jnp.where(lam < _LARGE, inverted, rejected)

    def first_pass() -> tuple[Array, Array]:
        index = lax.iota(jnp.uint32, lam.size)
        inverted = _invert(key, index, _small_rate(lam), settle=False).astype(dtype)

        def with_rejection() -> tuple[Array, Array]:
            rejected = _transformed_rejection(key, 0, index, _large_rate(lam), dtype)
            return jnp.where(lam < _LARGE, inverted, rejected), jnp.int32(1)

        def without() -> tuple[Array, Array]:
            return jnp.where(lam < _LARGE, inverted, jnp.full_like(inverted, -1)), jnp.int32(0)

        # Where large rates are few, they have their first try among the leftovers. The draws are
        # the same either way: a large rate has the same tries in both branches, a small one none.
        many_large = jnp.sum(lam >= _LARGE) * 16 > lam.size
        # On GPU and TPU always at once: a conditional there waits for its predicate on the host.
        passed: tuple[Array, Array] = lax.platform_dependent(
            cpu=lambda: lax.cond(many_large, with_rejection, without), default=with_rejection
        )
        return passed

    return accept_reject(first_pass, attempt, dtype, key, lam)


def _small_rate(lam: Array) -> Array:
    return jnp.where(lam < _LARGE, lam, 0.0)


def _large_rate(lam: Array) -> Array:
    return jnp.where(lam < _LARGE, _LARGE, lam)


def _invert(key: Key, index: Array, lam: Array, *, settle: bool) -> Array:
    """The count at which the cdf passes a uniform; -1 where that is left for later.

    Both settings use the same uniform: the quick one leaves some elements, and `settle` gives each
    of them the count that it would have had at once.
    """
    word, _ = random_words(key, index, POISSON, wide=settle or needs_wide(lam.dtype))
    level = uniform(word, lam.dtype)
    upper = uniform(complement(word), lam.dtype)
    probability = cdf = jnp.exp(-lam)
    count = (level > cdf).astype(jnp.int32)
    for k in range(1, _STEPS + 1):
        probability = probability * (lam * (1.0 / k))
        cdf = cdf + probability
        count = count + (level > cdf).astype(jnp.int32)
    left = (count > _STEPS) | (upper < _TAIL)
    return jnp.where(left, _invert_from_above(lam, upper) if settle else -1, count)


def _invert_from_above(lam: Array, upper: Array) -> Array:
    """The least k with P(X > k) ≤ upper, by upper tails of full relative precision.

    P(X > k) = p(k)·r(k) with the probability p(k) and r(k) = (1 + r(k+1))·lam/(k+1), a recurrence
    of positive terms, stable downwards. Where p(k) underflows it is below every uniform anyway.
    """
    probabilities = [jnp.exp(-lam)]
    for k in range(1, _LAST):
        probabilities.append(probabilities[-1] * (lam * (1.0 / k)))
    count = jnp.zeros(lam.shape, jnp.int32)
    ratio = jnp.zeros_like(lam)
    for k in reversed(range(_LAST)):
        ratio = (1.0 + ratio) * (lam * (1.0 / (k + 1)))
        count = count + (probabilities[k] * ratio > upper).astype(jnp.int32)
    return count


def _transformed_rejection(
    key: Key, trial: ArrayLike, index: Array, lam: Array, dtype: DTypeLike
) -> Array:
    """One try at a count for lam ≥ 10, negative where rejected.

    Hörmann (1993), "The transformed rejection method for generating Poisson random variables",
    algorithm PTRS without its two squeezes, which save a scalar program the logarithms and decide
    nothing else. The count is ⌊lam⌋ + j: the offset j is small enough to be exact where the count
    itself is not.
    """
    position_word, level_word = random_words(key, index, POISSON, trial, wide=needs_wide(lam.dtype))
    spread = 0.931 + 2.53 * jnp.sqrt(lam)
    skew = -0.059 + 0.02483 * spread
    inverse_alpha = 1.1239 + 1.1328 / (spread - 3.4)
    # The distance of U from the nearer end ±½: Hörmann's ½ - |U|, to full relative precision.
    distance, negative = signed_tail(position_word, lam.dtype)
    u = jnp.where(negative, distance - 0.5, 0.5 - distance)
    whole = jnp.floor(lam)
    fraction = lam - whole
    offset = jnp.floor((2.0 * skew / distance + spread) * u + fraction + 0.43)
    count = whole + offset
    k = jnp.maximum(count, 1.0)
    hat = inverse_alpha / (skew / (distance * distance) + spread)
    level = uniform(level_word, lam.dtype) * hat * jnp.sqrt(k)
    log_probability = -_half_deviance(count, lam, offset - fraction) - _log_factorial_rest(count)
    accepted = (count >= 0.0) & (jnp.log(level) <= log_probability)
    # Past this the standard deviation is lost in the rounding of the rate itself.
    beyond = lam > 2.0 ** (2 * (np.finfo(lam.dtype).nmant + 7))
    offset = jnp.where(beyond, 0.0, offset)
    return jnp.where(accepted | beyond, _sum(whole, offset, dtype), -1)


def _half_deviance(k: Array, lam: Array, excess: Array) -> Array:
    """K log(k/lam) + lam - k for an integer k ≥ 0, where excess = k - lam is given exactly.

    In u = -excess/k, and with φ(u) = log(1 + u) - u, it is -k φ(u); Loader (2000), "Fast and
    accurate computation of binomial probabilities", section 3.
    """
    positive = jnp.maximum(k, 1.0)
    return jnp.where(k < 1.0, lam, -positive * log1p_minus_x(-excess / positive, lam / positive))


def _log_factorial_rest(k: Array) -> Array:
    """Log k! - k log k + k - ½ log(max(k, 1)) for an integer k ≥ 0: 0, 1, then Stirling's error."""
    from_two = stirling_error(reciprocal_argument(jnp.maximum(k, 2.0))) + _HALF_LOG_2_PI
    return jnp.where(k < 2.0, k, from_two)


def _sum(whole: Array, offset: Array, dtype: DTypeLike) -> Array:
    """The count whole + offset ≥ 0: exact in an integer dtype, saturating at its maximum."""
    total = whole + offset
    if jnp.issubdtype(dtype, jnp.floating):
        return total
    largest = np.iinfo(dtype).max
    too_large = total >= float(largest)
    exact = jnp.where(too_large, 0.0, whole).astype(dtype) + offset.astype(dtype)
    return jnp.where(too_large, largest, exact)
