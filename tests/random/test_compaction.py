"""Queueing the rejected: bit selection against NumPy, and tries that do not depend on the route."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxnb.random import _compaction
from jaxnb.random._bits import POISSON, fold_key, random_words, uniform
from jaxnb.random._compaction import accept_reject, nth_set_bit, pack_bits


@jax.jit
def positions(flags, ranks):
    """How many flags are set, and the positions of those of these ranks."""
    masks, cumulative = pack_bits(flags)
    return cumulative[-1], nth_set_bit(masks, cumulative, ranks)


@pytest.mark.quick
@pytest.mark.parametrize("size", [1, 31, 32, 33, 1000, 4099])
def test_set_bits_are_found_once_each(size: int) -> None:
    for density in (0.0, 0.05, 0.7, 1.0):
        flags = np.random.default_rng(size).uniform(size=size) < density
        # Ranks beyond the last flag are asked for too: their positions are arbitrary.
        number, found = positions(flags, np.arange(size + 5, dtype=np.int32))
        assert int(number) == flags.sum()
        assert found.dtype == jnp.int32
        np.testing.assert_array_equal(np.sort(found[: flags.sum()]), np.flatnonzero(flags))


@pytest.fixture(scope="module")
def key():
    return fold_key(jax.random.key(0))


def trial_of_acceptance(key, trial, index, reluctance):
    """The number of the first try whose own uniform is above the element's reluctance."""
    word, _ = random_words(key, index, POISSON, trial, wide=False)
    number = jnp.broadcast_to(jnp.asarray(trial, jnp.int32), index.shape)
    return jnp.where(uniform(word, jnp.float32) > reluctance, number, -1)


def test_whole_and_queued_agree(key) -> None:
    size = 5 * _compaction._SMALL
    reluctance = jnp.asarray(np.random.default_rng(1).uniform(0, 0.4, size), jnp.float32)
    start = jnp.full(size, -1, jnp.int32)
    queued = jax.jit(
        lambda start, x: _compaction._retry_queued(start, 0, trial_of_acceptance, key, x)
    )(start, reluctance)
    whole = jax.jit(lambda start, x: _compaction._retry_whole(start, trial_of_acceptance, key, x))(
        start, reluctance
    )
    np.testing.assert_array_equal(queued, whole)
    expected = np.mean(1 / (1 - np.asarray(reluctance)))
    assert abs(float(queued.mean()) + 1 - expected) < 0.02


def test_settled_elements_are_left_alone(key) -> None:
    size = 2 * _compaction._SMALL
    draws = jnp.where(jnp.arange(size) % 7 == 0, -1, 1000).astype(jnp.int32)
    settled = accept_reject(
        lambda: (draws, 1), trial_of_acceptance, jnp.int32, key, jnp.zeros(size, jnp.float32)
    )
    np.testing.assert_array_equal(settled, jnp.where(draws < 0, 1, 1000))


@pytest.mark.parametrize("size", [10, 2 * _compaction._SMALL])
def test_what_is_never_accepted_ends_negative(key, size: int) -> None:
    hopeless = jnp.where(jnp.arange(size) == 3, jnp.nan, 0.2)
    start = jnp.full(size, -1, jnp.int32)
    settled = accept_reject(lambda: (start, 0), trial_of_acceptance, jnp.int32, key, hopeless)
    np.testing.assert_array_equal(np.flatnonzero(np.asarray(settled) < 0), [3])
