"""Rejection sampling over whole arrays: the rejected few are queued and tried again in a buffer.

One vectorised try settles nine elements in ten. Going over the whole array again for the rest would
cost as much for every further try; instead they pass through a buffer a sixty-fourth of the size,
each leaving its slot to the next in the queue once it is accepted. A try depends on the element and
on the try's number alone: when it happens, and beside which others, does not change its outcome.
"""

from collections.abc import Callable

import jax.numpy as jnp
from jax import lax

from jaxnb._types import Array

# (trial, index, *parameters) -> draws, negative where the trial is rejected.
Attempt = Callable[..., Array]

_SHRINK = 64
# Up to this size the whole array is tried again: queueing would cost more than it saves.
_SMALL = 4096
# No sampler here rejects more than a third of its tries, so 3⁻¹⁰⁰ bounds what is left. The bound
# stands so that no input, whatever it is, can make a loop run for ever.
_MAX_TRIALS = 100
_BITS = 32


def settle_rejected(
    draws: Array, trial: Array | int, attempt: Attempt, *parameters: Array
) -> Array:
    """Try the elements with negative draws until each is accepted.

    Args:
      draws: A flat array, negative where an element is still to be settled.
      trial: The number of the next try, the same for all of them.
      attempt: Called as `attempt(trial, index, *parameters)` with flat arrays of one size.
      parameters: Flat arrays of the size of draws.

    Returns:
      The draws. Still negative where no try was accepted, which no valid parameter causes.
    """
    if draws.size <= _SMALL:
        return _retry_whole(draws, trial, attempt, *parameters)
    return _retry_queued(draws, trial, attempt, *parameters)


def _retry_whole(draws: Array, trial: Array | int, attempt: Attempt, *parameters: Array) -> Array:
    index = lax.iota(jnp.uint32, draws.size)

    def retry(state: tuple[Array, Array]) -> tuple[Array, Array]:
        trial, draws = state
        return trial + 1, jnp.where(draws < 0, attempt(trial, index, *parameters), draws)

    def some_left(state: tuple[Array, Array]) -> Array:
        trial, draws = state
        return jnp.any(draws < 0) & (trial < _MAX_TRIALS)

    return lax.while_loop(some_left, retry, (jnp.asarray(trial, jnp.int32), draws))[1]


def _retry_queued(draws: Array, trial: Array | int, attempt: Attempt, *parameters: Array) -> Array:
    masks, cumulative = pack_bits(draws < 0)
    queued = cumulative[-1]
    empty = draws.size
    first_trial = jnp.asarray(trial, jnp.int32)

    def retry(state: tuple[Array, Array, Array, Array]) -> tuple[Array, Array, Array, Array]:
        taken, slots, trials, draws = state
        index = jnp.minimum(slots, empty - 1)
        tried = attempt(trials, index.astype(jnp.uint32), *(x[index] for x in parameters))
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
    slots = jnp.full(draws.size // _SHRINK, empty, jnp.int32)
    start = (jnp.int32(0), slots, jnp.broadcast_to(first_trial, slots.shape), draws)
    return lax.while_loop(some_left, retry, start)[3]


def pack_bits(flags: Array) -> tuple[Array, Array]:
    """Flags as 32-bit masks, and how many are set up to and including each mask.

    Bit b of mask m is flag b·M + m, M the number of masks: neighbouring flags go to neighbouring
    masks, so that the packing vectorises.
    """
    count = -(-flags.size // _BITS)
    rows = jnp.pad(flags, (0, count * _BITS - flags.size)).reshape(_BITS, count)
    bit = lax.broadcasted_iota(jnp.uint32, rows.shape, 0)
    masks = jnp.sum(rows.astype(jnp.uint32) << bit, axis=0, dtype=jnp.uint32)
    return masks, jnp.cumsum(lax.population_count(masks).astype(jnp.int32))


def nth_set_bit(masks: Array, cumulative: Array, ranks: Array) -> Array:
    """The positions, in the order of `pack_bits`, of the set flags of these ranks (from 0).

    A rank beyond the last set flag gets some position or other.
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
