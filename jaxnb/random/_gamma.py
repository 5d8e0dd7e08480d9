"""Gamma deviates by the rejection method of Marsaglia and Tsang, with normal ones by inversion."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from jaxnb._types import Array, ArrayLike, DTypeLike
from jaxnb.random import _arguments
from jaxnb.random._bits import (
    BOOST,
    GAMMA,
    Key,
    Word,
    complement,
    fold_key,
    needs_wide,
    random_words,
    signed_tail,
    uniform,
)
from jaxnb.random._compaction import accept_reject
from jaxnb.special.polynomial import horner

# Giles (2010), "Approximating the erfinv function", Table 5: erfinv(x)/x in w - 2.5 for w < 5.
_ERFINV_CENTER = (
    2.81022636e-08,
    3.43273939e-07,
    -3.5233877e-06,
    -4.39150654e-06,
    0.00021858087,
    -0.00125372503,
    -0.00417768164,
    0.246640727,
    1.50140941,
)
# The same in sqrt(w) - 3.5 for w >= 5. His polynomial ends at p = 2^-24; this one interpolates at
# Chebyshev nodes down to p = 2^-33, with a relative error of 1.6e-7.
_ERFINV_TAIL = (
    3.6551981e-05,
    1.7399389e-05,
    -0.00029675424,
    0.00051087729,
    -0.00062714074,
    0.0010513219,
    -0.0020786093,
    0.0032846595,
    1.00737,
    3.3354855,
)


@partial(jax.jit, static_argnums=(2, 3))
def draw_gamma(
    key: ArrayLike, a: ArrayLike, shape: tuple[int, ...] | None, dtype: DTypeLike
) -> Array:
    """Gamma(a, 1) deviates of the shape asked for: the arguments checked, invalid ones marked."""
    available = _arguments.float_dtype("gamma", dtype)
    full_shape = _arguments.result_shape("gamma", shape, a)
    flat = _arguments.flat(a, full_shape, _arguments.working_float(available))
    # Where a is invalid, 1 takes its place: the sampler then has no NaN to deal with.
    draws = standard_gamma(fold_key(key), jnp.where(flat >= 0, flat, 1.0))
    marked = jnp.where(flat >= 0, draws, jnp.nan)
    return lax.reshape(marked.astype(available), full_shape)


@jax.custom_jvp
def standard_gamma(key: Key, a: Array) -> Array:
    """Gamma(a, 1) deviates for a flat array of shapes 0 ≤ a ≤ ∞, none of them NaN."""
    return a * unit_mean_gamma(key, a)


@standard_gamma.defjvp
def _standard_gamma_jvp(
    primals: tuple[Key, Array], tangents: tuple[Key, Array]
) -> tuple[Array, Array]:
    """The implicit derivative at a fixed level of the cdf F: dw/da = -(∂F/∂a)/(∂F/∂w)."""
    key, a = primals
    draws = standard_gamma(key, a)
    # A deviate that has underflowed stays at zero; a and the deviate go to infinity together.
    regular = (draws > 0) & jnp.isfinite(draws)
    derivative = lax.random_gamma_grad(jnp.where(regular, a, 1.0), jnp.where(regular, draws, 1.0))
    derivative = jnp.where(regular, derivative, jnp.isinf(a).astype(a.dtype))
    return draws, derivative * tangents[1]


def unit_mean_gamma(key: Key, a: Array) -> Array:
    """Gamma(a, a) deviates, the mixing factors of a negative binomial: 1 at a = ∞."""
    index = lax.iota(jnp.uint32, a.size)
    boosted = a < 1.0
    s = jnp.where(boosted, a + 1.0, a)

    def first_pass() -> tuple[Array, int]:
        return _attempt(key, 0, index, s), 1

    draws = accept_reject(first_pass, _attempt, s.dtype, key, s)
    return jnp.where(boosted, draws * _boost(key, index, a), draws)


def _attempt(key: Key, trial: ArrayLike, index: Array, s: Array) -> Array:
    """One try at Gamma(s, s) for s ≥ 1, negative where rejected.

    Marsaglia and Tsang (2000), "A simple method for generating gamma variables", section 4: with
    d = s - 1/3 and c = 1/√(9d), the value d(1 + cx)³ of a normal x is accepted with the probability
    exp(x²/2 + d - dv + d log v), v = (1 + cx)³. That is 95 tries in 100, or more.
    """
    normal_word, level_word = random_words(key, index, GAMMA, trial, wide=needs_wide(s.dtype))
    third = (1.0 / 3.0) / s
    x = normal(normal_word, s.dtype)
    t = jnp.sqrt(third / (3.0 - 3.0 * third)) * x
    root = 1.0 + t
    level = uniform(level_word, s.dtype)
    accepted = (root > 0.0) & (level <= jnp.exp(_log_acceptance(x * x, t)))
    return jnp.where(accepted, (1.0 - third) * root * root * root, -1.0)


def _log_acceptance(x_squared: Array, t: Array) -> Array:
    """x²/2 + d - dv + d log v where t = cx and v = (1 + t)³, never positive.

    At large d the terms cancel. As d = x²/(9t²), they are x² [log(1+t) - t + t²/2 - t³/3] / (3t²),
    and by the series of the bracket, -x²t²/12 · (1 - 4t/5 + 4t²/6 - …).
    """
    # Left of the limit eight terms leave 1e-6 (1e-14 in float64) of an exponent; right of it the
    # cancellation leaves no more than x²/t units in the last place.
    limit = 0.25 if t.dtype == jnp.float32 else 0.02
    series = jnp.zeros_like(t)
    for power in range(8, -1, -1):
        series = 4.0 / (4.0 + power) - t * series
    near_zero = x_squared * t * t * (-1.0 / 12.0) * series
    far = jnp.where(jnp.abs(t) < limit, 1.0, t)
    bracket = jnp.log(1.0 + far) - far + far * far * (0.5 - far * (1.0 / 3.0))
    return jnp.where(jnp.abs(t) < limit, near_zero, x_squared * bracket / (3.0 * far * far))


def _boost(key: Key, index: Array, a: Array) -> Array:
    """The factor U^(1/a)·(a + 1)/a, U uniform, from Gamma(a + 1, a + 1) to Gamma(a, a) for a < 1.

    Marsaglia and Tsang (2000), section 6, with the power as exp(log(U)/a). A tiny a needs U at full
    precision near 1, a moderate one near 0.
    """
    word, _ = random_words(key, index, BOOST, wide=needs_wide(a.dtype))
    rounded = uniform(word, a.dtype)
    lost_in_rounding = (rounded - 1.0) + uniform(complement(word), a.dtype)
    # For a shape this small every deviate is zero.
    reciprocal = 1.0 / jnp.maximum(a, np.finfo(a.dtype).tiny)
    return jnp.exp((jnp.log(rounded) - lost_in_rounding) * reciprocal) * (1.0 + reciprocal)


def normal(word: Word, dtype: DTypeLike) -> Array:
    """A standard normal deviate whose tails are as fine as the word's 31 bits (63 if wide).

    The upper bits are the probability p of a tail beyond the deviate, so that precision is relative
    to p and not to 1 - p; the lowest bit is the sign.
    """
    p, negative = signed_tail(word, dtype)
    deviate = np.sqrt(2.0).astype(dtype) * _erfinv_one_minus_twice(p)
    return jnp.where(negative, -deviate, deviate)


def _erfinv_one_minus_twice(p: Array) -> Array:
    """erfinv(1 - 2p) for 0 < p <= 1/2."""
    if p.dtype == jnp.float64:
        # 1 - 2p resolves p to 1e-16 here, which is 8.2 standard deviations.
        return lax.erf_inv(1.0 - 2.0 * p)
    w = -jnp.log(4.0 * p * (1.0 - p))
    center = horner(_ERFINV_CENTER, w - 2.5)
    tail = horner(_ERFINV_TAIL, jnp.sqrt(w) - 3.5)
    return jnp.where(w < 5.0, center, tail) * (1.0 - 2.0 * p)
