"""Random words: a counter-based generator that numbers every word an element may need.

A word is a function of the key, of the element's flat index and of a stream number that says what
the word is for. Any try of any element can therefore be drawn alone, in any order: this is what
lets the samplers set rejected elements aside without draws depending on their neighbors.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from jaxnb._types import Array, ArrayLike, DTypeLike

# Salmon et al. (2011), "Parallel random numbers: as easy as 1, 2, 3", section 3.3 and Table 2.
_ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))
_SKEIN_PARITY = 0x1BD11BDA

# What a word is for. The tries of one element are numbered; each has streams of its own.
GAMMA, BOOST, POISSON, COMPONENT, ARRIVAL, LEVEL = range(6)
_PURPOSES = 8


class Key(NamedTuple):
    """The two words that key the generator."""

    first: Array
    second: Array


class Word(NamedTuple):
    """32 random bits, and 32 more below them where more are needed."""

    high: Array
    low: Array | None


def threefry(key: Key, first: Array, second: Array) -> tuple[Array, Array]:
    """Encrypt a counter of two words: threefry-2x32 with 20 rounds.

    jax.random.bits takes its words from the same cipher. Written out flat it fuses with what
    consumes the words, which on CPU makes a word several times cheaper.
    """
    schedule = (key.first, key.second, key.first ^ key.second ^ jnp.uint32(_SKEIN_PARITY))
    first, second = first + schedule[0], second + schedule[1]
    for group in range(5):
        for rotation in _ROTATIONS[group % 2]:
            first = first + second
            second = first ^ _rotate_left(second, rotation)
        first = first + schedule[(group + 1) % 3]
        second = second + schedule[(group + 2) % 3] + jnp.uint32(group + 1)
    return first, second


def _rotate_left(word: Array, distance: int) -> Array:
    left = lax.shift_left(word, jnp.uint32(distance))
    return left | lax.shift_right_logical(word, jnp.uint32(32 - distance))


def fold_key(key: ArrayLike) -> Key:
    """Two words from a key of any implementation, typed or raw.

    A two-word key is taken as it is. The words of a longer one (rbg and unsafe_rbg have four) are
    encrypted in pairs under the pairs before them. jax.random.bits is not used for these: under
    vmap it does not give an rbg key the words it gives it alone.

    Raises:
      TypeError: If key is neither a typed key nor an array of 32-bit unsigned words.
      ValueError: If it is an array of several keys.
    """
    data = key if isinstance(key, jax.Array) else jnp.asarray(key)
    batch_rank = data.ndim - 1
    if jnp.issubdtype(data.dtype, jax.dtypes.prng_key):
        batch_rank, data = data.ndim, jax.random.key_data(data).reshape(-1)
    if data.dtype != jnp.uint32 or data.size < 1:
        raise TypeError(f"a key of jax.random is needed, got an array of {data.dtype}")
    if batch_rank != 0:
        raise ValueError("one key is needed, got an array of keys: use jax.vmap, or split the key")
    data = jnp.pad(data, (0, data.size % 2))
    folded = Key(data[0], data[1])
    for i in range(2, data.size, 2):
        folded = Key(*threefry(folded, data[i], data[i + 1]))
    return folded


def random_words(
    key: Key, index: Array, purpose: int, trial: ArrayLike = 0, *, wide: bool
) -> tuple[Word, Word]:
    """Two independent random words for each element; with `wide`, of 64 bits each.

    The high halves do not depend on `wide`: a word that turns out to lie in a tail can be looked
    at again in full.
    """
    stream = 2 * (jnp.uint32(_PURPOSES) * jnp.asarray(trial, jnp.uint32) + jnp.uint32(purpose))
    high = threefry(key, index, stream)
    low = threefry(key, index, stream + jnp.uint32(1)) if wide else (None, None)
    return Word(high[0], low[0]), Word(high[1], low[1])


def needs_wide(dtype: DTypeLike) -> bool:
    """Whether uniforms of this dtype need more than the 31 bits of a narrow word."""
    return bool(np.finfo(dtype).nmant > 31)


def complement(word: Word) -> Word:
    """The word whose uniform is one minus this word's, exactly and not merely after rounding."""
    return Word(~word.high, None if word.low is None else ~word.low)


def uniform(word: Word, dtype: DTypeLike) -> Array:
    """A uniform in (0, 1], at the center of its cell of width 2⁻³¹ (2⁻⁶² for a wide word).

    Small values keep full relative precision, so that u ≤ p has the probability p down to the
    width of a cell; a value at the far end may round to 1. Use the complement to resolve that end.
    The lowest bit is spared because signed integers convert to floats in fewer instructions.
    """
    below = 0.5 if word.low is None else (_top_31(word.low, dtype) + 0.5) * 2.0**-31
    return (_top_31(word.high, dtype) + below) * 2.0**-31


def signed_tail(word: Word, dtype: DTypeLike) -> tuple[Array, Array]:
    """A uniform in (0, ½] from the upper bits and a sign, whether negative, from the lowest."""
    return 0.5 * uniform(word, dtype), (word.high & jnp.uint32(1)) == 1


def _top_31(word: Array, dtype: DTypeLike) -> Array:
    return lax.shift_right_logical(word, jnp.uint32(1)).astype(jnp.int32).astype(dtype)
