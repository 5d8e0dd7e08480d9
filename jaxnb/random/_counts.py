"""Counts as Poisson draws at a random rate: every count distribution here has this form.

A rate is NaN where a parameter is NaN or negative. The arrays of the rate functions are flat. The
counts of some distributions are a Poisson count plus 1; their functions return the rate and what
is to be added.
"""

from collections.abc import Callable, Sequence
from functools import partial
from itertools import zip_longest

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from jaxnb._types import Array, ArrayLike, DTypeLike
from jaxnb.likelihoods.arguments import Given, Scales, checked, plain
from jaxnb.random import _arguments
from jaxnb.random._bits import ARRIVAL, COMPONENT, Key, fold_key, needs_wide, random_words, uniform
from jaxnb.random._gamma import unit_mean_gamma
from jaxnb.random._poisson import poisson_counts

Rates = Array | tuple[Array, Array]
"""Poisson rates, and what is to be added to the counts if that is anything."""


def draw(
    name: str,
    rate: Callable[..., Rates],
    key: ArrayLike,
    parameters: dict[str, Given],
    shape: Sequence[int] | None,
    dtype: DTypeLike,
) -> Array:
    """Counts by the Poisson distribution at the rates that `rate(key, *parameters)` draws.

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
    drawn = rate(folded, *map(lax.stop_gradient, flat))
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


def poisson_rate(key: Key, lam: Array) -> Array:
    """The rate itself."""
    del key
    return jnp.where(lam >= 0, lam, jnp.nan)


def negative_binomial_rate(key: Key, mu: Array, theta: Array) -> Array:
    """The mean mu times a gamma deviate of mean 1 and shape theta."""
    valid = (mu >= 0) & (theta >= 0)
    factor = unit_mean_gamma(key, jnp.where(valid, theta, 1.0))
    rate = jnp.where(jnp.isinf(mu), mu, mu * factor)
    return jnp.where(valid, jnp.where(theta == 0, 0.0, rate), jnp.nan)


def zero_inflated_rate(key: Key, mu: Array, theta: Array, pi: Array) -> Array:
    """Zero with the log-odds pi, otherwise the rate of the negative binomial."""
    rate = negative_binomial_rate(key, mu, theta)
    kept = jnp.where(_decision(key, pi), 0.0, rate)
    return jnp.where(jnp.isnan(pi) | jnp.isnan(rate), jnp.nan, kept)


def mixture_rate(
    key: Key, mu_1: Array, mu_2: Array, theta_1: Array, theta_2: Array, pi_logits: Array
) -> Array:
    """The rate of component 1 with the log-odds pi_logits, otherwise of component 2."""
    first = _decision(key, pi_logits)
    rate = negative_binomial_rate(
        key, jnp.where(first, mu_1, mu_2), jnp.where(first, theta_1, theta_2)
    )
    valid = (mu_1 >= 0) & (mu_2 >= 0) & (theta_1 >= 0) & (theta_2 >= 0) & ~jnp.isnan(pi_logits)
    return jnp.where(valid, rate, jnp.nan)


def zero_truncated_rate(key: Key, mu: Array, theta: Array) -> tuple[Array, Array]:
    """The rate of the counts after the first one, and that one.

    A negative binomial count is the number of arrivals in [0, 1] of a Poisson process whose rate is
    a gamma variable of shape theta and mean mu. The first arrival is at s / mu, where with
    v = log(1 + s / theta) the probability of an earlier one is 1 - exp(-theta v). Once it has come,
    the rate has the shape theta + 1 and the mean (theta + 1) mu / (theta + s), so that what follows
    it is a negative binomial count of mean (1 + 1 / theta) (mu - s) exp(-v). No count is rejected,
    however small mu is.
    """
    valid = (mu >= 0) & (theta > 0)
    finite = valid & jnp.isfinite(mu)
    m, t = jnp.where(finite, mu, 1.0), jnp.where(valid, theta, 1.0)
    inverse = 1 / t
    is_poisson = t == jnp.inf
    t = jnp.where(is_poisson, 1.0, t)
    exponent = jnp.where(is_poisson, m, t * jnp.log1p(m / t))
    word, _ = random_words(key, lax.iota(jnp.uint32, mu.size), ARRIVAL, wide=needs_wide(mu.dtype))
    earlier = -uniform(word, mu.dtype) * jnp.expm1(-exponent)
    at = jnp.minimum(-jnp.log1p(-earlier), exponent)
    v = at * inverse
    s = jnp.where(is_poisson, at, t * jnp.expm1(v))
    mean = (jnp.maximum(m - s, 0.0) * jnp.exp(-v)) * (1 + inverse)
    rate = negative_binomial_rate(key, mean, jnp.where(valid, theta, 1.0) + 1)
    rate = jnp.where(finite, rate, jnp.where(valid, jnp.inf, jnp.nan))
    return rate, jnp.ones_like(rate)


def hurdle_rate(key: Key, mu: Array, theta: Array, pi: Array) -> tuple[Array, Array]:
    """Zero with the log-odds pi, otherwise as for the zero-truncated negative binomial."""
    rate, added = zero_truncated_rate(key, mu, theta)
    zero = _decision(key, pi)
    kept = jnp.where(jnp.isnan(pi) | jnp.isnan(rate), jnp.nan, jnp.where(zero, 0.0, rate))
    return kept, jnp.where(zero, 0.0, added)


def _decision(key: Key, log_odds: Array) -> Array:
    """True or False for each element, True with these log-odds."""
    index = lax.iota(jnp.uint32, log_odds.size)
    word, _ = random_words(key, index, COMPONENT, wide=needs_wide(log_odds.dtype))
    # The rarer answer is decided at the end of the uniform that has full relative precision.
    rarer = uniform(word, log_odds.dtype) < jax.nn.sigmoid(-jnp.abs(log_odds))
    return rarer ^ (log_odds > 0)
