"""Counts as Poisson draws at a random rate: every count distribution here has this form.

The rates of each distribution are in its module of `jaxnb.cdf.kernels`.
"""

from collections.abc import Callable, Sequence
from functools import partial
from itertools import zip_longest
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from jaxnb._types import Array, ArrayLike, DTypeLike
from jaxnb.cdf.kernels.deviates import Deviates, Rates
from jaxnb.likelihoods.arguments import Given, Scales, checked, plain
from jaxnb.random import _arguments
from jaxnb.random._bits import ARRIVAL, COMPONENT, Key, fold_key, needs_wide, random_words, uniform
from jaxnb.random._gamma import unit_mean_gamma
from jaxnb.random._poisson import poisson_counts


def draw(
    name: str,
    rate: Callable[..., Rates],
    key: ArrayLike,
    parameters: dict[str, Given],
    shape: Sequence[int] | None,
    dtype: DTypeLike,
) -> Array:
    """Counts by the Poisson distribution at the rates that `rate(deviates, *parameters)` draws.

    The arguments are checked inside the compiled function, so that a repeated call does not check
    them again: for a single draw that would take most of the time.

    Raises:
      ValueError: If the shapes or the dtype do not fit; the message begins with `name`.
      TypeError: If a parameter is missing, given on both scales or no array.
    """
    _, values, scales = checked(name, parameters)
    numbers = tuple(map(plain, values))
    sizes = shape if shape is None else tuple(shape)
    draws: Array = _draw_compiled(name, rate, key, numbers, scales, sizes, dtype)
    return draws


@partial(jax.jit, static_argnums=(0, 1, 4, 5, 6))
def _draw_compiled(
    name: str,
    rate: Callable[..., Rates],
    key: ArrayLike,
    parameters: tuple[ArrayLike, ...],
    scales: Scales,
    shape: tuple[int, ...] | None,
    dtype: DTypeLike,
) -> Array:
    available = _arguments.count_dtype(name, dtype)
    full_shape = _arguments.result_shape(name, shape, *parameters)
    working = _arguments.working_float(available)
    folded = fold_key(key)
    cast = [lax.convert_element_type(jnp.asarray(p), working) for p in parameters]
    logs = [scale == "log" for scale in scales]
    linear = [jnp.exp(p) if log else p for p, log in zip_longest(cast, logs, fillvalue=False)]
    flat = (_arguments.flat(parameter, full_shape, working) for parameter in linear)
    drawn = rate(_Deviates(folded), *map(lax.stop_gradient, flat))
    rates, added = drawn if isinstance(drawn, tuple) else (drawn, None)
    counting = _arguments.working_count(available)
    counts = poisson_counts(folded, jnp.where(rates >= 0, rates, 0.0), counting)
    if added is not None:
        counts = jnp.maximum(counts, counts + added.astype(counts.dtype))  # which may overflow
    marked = jnp.where(rates >= 0, counts, jnp.full_like(counts, -1))
    return lax.reshape(in_dtype(marked, available), full_shape)


def in_dtype(counts: Array, dtype: np.dtype) -> Array:
    """Counts in the dtype asked for, saturating at its maximum.

    A negative or NaN count, which marks an invalid parameter, becomes NaN, -1 in a signed integer
    dtype, 0 in an unsigned one.
    """
    if jnp.issubdtype(dtype, jnp.floating):
        return jnp.where(counts < 0, jnp.nan, counts).astype(dtype)
    largest = np.asarray(np.iinfo(dtype).max, dtype)
    if jnp.issubdtype(counts.dtype, jnp.integer):
        return jnp.minimum(counts, largest.astype(counts.dtype)).astype(dtype)
    too_large = counts >= float(largest)
    mark = -1.0 if jnp.issubdtype(dtype, jnp.signedinteger) else 0.0
    in_range = jnp.where(too_large, 0.0, jnp.where(counts >= 0, counts, mark)).astype(dtype)
    return jnp.where(too_large, largest, in_range)


def poisson_rate(deviates: Deviates, lam: Array) -> Array:
    """The rate itself."""
    del deviates
    return jnp.where(lam >= 0, lam, jnp.nan)


class _Deviates(NamedTuple):
    """Those of one key."""

    key: Key

    def gamma(self, shape: Array) -> Array:
        """As `Deviates.gamma`."""
        return unit_mean_gamma(self.key, shape)

    def decisions(self, log_odds: Array) -> Array:
        """As `Deviates.decisions`."""
        # The rarer answer is decided at the end of the uniform that has full relative precision.
        rarer = self._uniform(COMPONENT, log_odds) < jax.nn.sigmoid(-jnp.abs(log_odds))
        return rarer ^ (log_odds > 0)

    def uniform(self, like: Array) -> Array:
        """As `Deviates.uniform`."""
        return self._uniform(ARRIVAL, like)

    def _uniform(self, purpose: int, like: Array) -> Array:
        index = lax.iota(jnp.uint32, like.size)
        word, _ = random_words(self.key, index, purpose, wide=needs_wide(like.dtype))
        return uniform(word, like.dtype)
