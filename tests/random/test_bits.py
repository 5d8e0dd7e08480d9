"""The counter-based generator: published vectors, keys of all kinds, uniforms to the last bit."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxnb.random._bits import (
    ARRIVAL,
    BOOST,
    COMPONENT,
    GAMMA,
    POISSON,
    Key,
    Word,
    complement,
    fold_key,
    random_words,
    signed_tail,
    threefry,
    uniform,
)

# Known-answer vectors of the Random123 distribution, threefry2x32 with 20 rounds:
# counter, key, output.
KNOWN_ANSWERS = [
    ((0x00000000, 0x00000000), (0x00000000, 0x00000000), (0x6B200159, 0x99BA4EFE)),
    ((0xFFFFFFFF, 0xFFFFFFFF), (0xFFFFFFFF, 0xFFFFFFFF), (0x1CB996FC, 0xBB002BE7)),
    ((0x243F6A88, 0x85A308D3), (0x13198A2E, 0x03707344), (0xC4923A9C, 0x483DF7A0)),
]
IMPLEMENTATIONS = ["threefry2x32", "rbg", "unsafe_rbg"]


def words(*values: int) -> jax.Array:
    return jnp.asarray(np.array(values, np.uint32))


@pytest.mark.quick
@pytest.mark.parametrize(("counter", "key", "answer"), KNOWN_ANSWERS)
def test_threefry_known_answers(counter, key, answer) -> None:
    found = threefry(Key(*words(*key)), *words(*counter))
    assert tuple(int(word) for word in found) == answer


@pytest.mark.parametrize("impl", IMPLEMENTATIONS)
def test_typed_and_raw_keys_agree(impl: str) -> None:
    typed = jax.random.key(7, impl=impl)
    assert [int(w) for w in fold_key(typed)] == [
        int(w) for w in fold_key(jax.random.key_data(typed))
    ]


@pytest.mark.slow
@pytest.mark.parametrize("impl", IMPLEMENTATIONS)
def test_split_keys_stay_apart(impl: str) -> None:
    key = jax.random.key(3, impl=impl)
    split = jax.jit(jax.vmap(fold_key))(jax.random.split(key, 500))
    folded = {tuple(map(int, words)) for words in zip(*split, strict=True)}
    folded.add(tuple(int(word) for word in fold_key(key)))
    assert len(folded) == 501


def test_every_word_of_a_long_key_counts() -> None:
    key = words(1, 2, 3, 4)
    changed = [key.at[i].add(jnp.uint32(1)) for i in range(4)]
    folded = {tuple(int(word) for word in fold_key(k)) for k in [key, *changed]}
    assert len(folded) == 5


def test_key_errors() -> None:
    with pytest.raises(ValueError, match="vmap"):
        fold_key(jax.random.split(jax.random.key(0), 3))
    with pytest.raises(ValueError, match="vmap"):
        fold_key(jax.random.key_data(jax.random.split(jax.random.key(0), 3)))
    with pytest.raises(TypeError, match="is needed"):
        fold_key(jnp.zeros(2))


@pytest.mark.slow
def test_streams_do_not_overlap() -> None:
    purposes = (GAMMA, BOOST, POISSON, COMPONENT, ARRIVAL)

    @jax.jit
    def all_words(key, index):
        return [
            random_words(key, index, purpose, trial, wide=True)
            for purpose in purposes
            for trial in range(5)
        ]

    words = all_words(fold_key(jax.random.key(0)), jnp.arange(100, dtype=jnp.uint32))
    values = np.concatenate(jax.tree.leaves(words))
    assert values.size == len(purposes) * 5 * 4 * 100
    # 10,000 words of 32 bits: 0.01 coincidences expected.
    assert np.unique(values).size == values.size


def test_wide_words_refine_narrow_ones() -> None:
    index = jnp.arange(10, dtype=jnp.uint32)
    key = fold_key(jax.random.key(0))
    narrow = random_words(key, index, POISSON, wide=False)
    wide = random_words(key, index, POISSON, wide=True)
    for one, other in zip(narrow, wide, strict=True):
        np.testing.assert_array_equal(one.high, other.high)
        assert one.low is None
        assert other.low is not None


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.float64])
def test_uniform(dtype) -> None:
    if dtype == jnp.float64 and not jax.config.jax_enable_x64:
        pytest.skip("float64 needs x64")
    highs = [0, 1, 2, 3, 2**31, 2**32 - 2, 2**32 - 1]
    high = words(*highs)
    expected = [(h // 2 + 0.5) * 2.0**-31 for h in highs]
    np.testing.assert_allclose(uniform(Word(high, None), dtype), expected, rtol=1e-7)
    reversed_ends = [1 - e for e in expected]
    np.testing.assert_allclose(
        uniform(complement(Word(high, None)), dtype), reversed_ends, rtol=1e-7
    )
    # The smallest wide uniform is 2⁻⁶³, and both ends are that fine.
    smallest = uniform(Word(words(0), words(0)), dtype)
    largest = uniform(complement(Word(words(2**32 - 1), words(2**32 - 1))), dtype)
    assert float(smallest[0]) == float(largest[0]) == 2.0**-63


def test_uniform_has_53_bits_in_float64() -> None:
    if not jax.config.jax_enable_x64:
        pytest.skip("float64 needs x64")
    word, _ = random_words(
        fold_key(jax.random.key(0)), jnp.arange(1000, dtype=jnp.uint32), GAMMA, wide=True
    )
    scaled = np.asarray(uniform(word, jnp.float64)) * 2.0**53
    assert np.unique(scaled % 8).size > 4


def test_signed_tail() -> None:
    tail, negative = signed_tail(Word(words(0, 1, 2**32 - 1), None), jnp.float32)
    np.testing.assert_allclose(tail, [2.0**-33, 2.0**-33, 0.5], rtol=1e-7)
    np.testing.assert_array_equal(negative, [False, True, True])
