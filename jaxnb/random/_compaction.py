"""Rejection sampling over whole arrays: the rejected few are queued and tried again in a buffer.

One vectorized try settles nine elements in ten. Going over the whole array again for the rest would
cost as much for every further try; instead they pass through a buffer of a 128th of the size, where
an accepted element gives its slot to the next in the queue. A try depends only on the element and
on the number of the try, not on when it happens or which other elements are in the buffer.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import lax

from jaxnb._types import Array, DTypeLike
from jaxnb.random._bits import Key

# (key, trial, index, *parameters) -> draws, negative where the trial is rejected.
Attempt = Callable[..., Array]
# () -> the draws of a first pass over the whole array, and the number of the next trial.
FirstPass = Callable[[], tuple[Array, Array | int]]

_SHRINK = 128
# Up to this size the whole array is tried again: queueing would cost more than it saves.
_SMALL = 4096
# No sampler here rejects more than a third of its tries, so 3⁻¹⁰⁰ bounds what is left. The limit
# makes every loop end, whatever the input.
_MAX_TRIALS = 100
_BITS = 32


def accept_reject(
    first_pass: FirstPass, attempt: Attempt, dtype: DTypeLike, key: Key, *parameters: Array
) -> Array:
    """Draws for all elements, each tried until accepted.

    Args:
      first_pass: Trial 0 of all elements of a large array. It may be cheaper than `attempt` and
        leave elements for later that `attempt` then settles from the same random words.
      attempt: Any trial of any elements, called as `attempt(key, trial, index, *parameters)` with
        flat arrays of one size.
      dtype: The dtype of the draws, signed.
      key: Passed on.
      parameters: Flat arrays, one value for each element.

    Returns:
      The draws, a flat array: negative where no trial was accepted, which happens only for invalid
      parameters.
    """
    size = parameters[0].size
    # A size that is a symbol, of a program for export, may be any: the draws are the same.
    if not isinstance(size, int) or size <= _SMALL:
        return _retry_whole(_unsettled(size, dtype, key, *parameters), attempt, key, *parameters)
    draws, trial = first_pass()
    return _retry_queued(draws, trial, attempt, key, *parameters)


def _unsettled(size: int, dtype: DTypeLike, *varying: Array | Key) -> Array:
    """-1 for each element, with the sharding type of the arrays that the draws will depend on.

    Under shard_map the initial values of a loop must have the type of its later values.
    """
    nothing = [(x != x).astype(dtype) * 0 for x in jax.tree.leaves(varying)]
    return sum(nothing, start=jnp.full(size, -1, dtype))


def _retry_whole(draws: Array, attempt: Attempt, key: Key, *parameters: Array) -> Array:
    index = lax.iota(jnp.uint32, draws.size)

    def retry(state: tuple[Array, Array]) -> tuple[Array, Array]:
        trial, draws = state
        return trial + 1, jnp.where(draws < 0, attempt(key, trial, index, *parameters), draws)

    def some_left(state: tuple[Array, Array]) -> Array:
        trial, draws = state
        return jnp.any(draws < 0) & (trial < _MAX_TRIALS)

    return lax.while_loop(some_left, retry, (jnp.int32(0), draws))[1]


def _retry_queued(
    draws: Array, trial: Array | int, attempt: Attempt, key: Key, *parameters: Array
) -> Array:
    """Settle the negative draws, whose next trial has this number."""
    masks, cumulative = pack_bits(draws < 0)
    queued = cumulative[-1]
    empty = draws.size
    # Adding this zero gives the constants the type of the queue under shard_map.
    nothing = queued * 0
    first_trial = jnp.asarray(trial, jnp.int32) + nothing

    def retry(state: tuple[Array, Array, Array, Array]) -> tuple[Array, Array, Array, Array]:
        taken, slots, trials, draws = state
        index = jnp.minimum(slots, empty - 1)
        tried = attempt(key, trials, index.astype(jnp.uint32), *(x[index] for x in parameters))
        free = (tried >= 0) | (slots == empty) | (trials >= _MAX_TRIALS)
        draws = draws.at[jnp.where(free, slots, empty)].set(tried, mode="drop")
        rank = taken + jnp.cumsum(free.astype(jnp.int32))
        successor = jnp.where(rank <= queued, nth_set_bit(masks, cumulative, rank - 1), empty)
        slots = jnp.where(free, successor, slots)
        return rank[-1], slots, jnp.where(free, first_trial, trials + 1), draws

    def some_left(state: tuple[Array, Array, Array, Array]) -> Array:
        taken, slots, _, _ = state
        return (taken < queued) | jnp.any(slots < empty)

    # The slots start empty and are filled at the end of a round, never just before they are used:
    # XLA would search for a slot's element again in each of the attempt's kernels.
    slots = jnp.full(draws.size // _SHRINK, empty, jnp.int32) + nothing
    start = (nothing, slots, jnp.broadcast_to(first_trial, slots.shape), draws)
    return lax.while_loop(some_left, retry, start)[3]


def pack_bits(flags: Array) -> tuple[Array, Array]:
    """Flags as 32-bit masks, and how many are set up to and including each mask.

    Bit b of mask m is flag b·M + m, M the number of masks: neighboring flags go to neighboring
    masks, so that the packing vectorizes.
    """
    count = -(-flags.size // _BITS)
    rows = jnp.pad(flags, (0, count * _BITS - flags.size)).reshape(_BITS, count)
    bit = lax.broadcasted_iota(jnp.uint32, rows.shape, 0)
    masks = jnp.sum(rows.astype(jnp.uint32) << bit, axis=0, dtype=jnp.uint32)
    return masks, jnp.cumsum(lax.population_count(masks).astype(jnp.int32))


def nth_set_bit(masks: Array, cumulative: Array, ranks: Array) -> Array:
    """The positions, in the order of `pack_bits`, of the set flags of these ranks (from 0).

    For a rank beyond the last set flag the position is arbitrary.
    """
    mask = jnp.searchsorted(cumulative, ranks, side="right", method="scan_unrolled")
    mask = jnp.minimum(mask, masks.size - 1)
    word = masks[mask]
    rank = ranks - (cumulative[mask] - lax.population_count(word).astype(jnp.int32))
    bit = jnp.zeros_like(ranks)
    for width in (16, 8, 4, 2, 1):
        below = (word >> bit.astype(jnp.uint32)) & jnp.uint32((1 << width) - 1)
        passed = lax.population_count(below).astype(jnp.int32)
        skip = rank >= passed
        rank = jnp.where(skip, rank - passed, rank)
        bit = jnp.where(skip, bit + width, bit)
    return bit * masks.size + mask
