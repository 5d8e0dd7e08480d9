"""The Poisson rate of each draw: every count law of the package is a law of that rate.

A rate is NaN where a parameter is NaN or negative. All arrays are flat.
"""

import jax
import jax.numpy as jnp
from jax import lax

from jaxnb._types import Array
from jaxnb.random._bits import COMPONENT, Key, needs_wide, random_words, uniform
from jaxnb.random._gamma import unit_mean_gamma


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
    """Zero with the log-odds pi, else the negative binomial's."""
    rate = negative_binomial_rate(key, mu, theta)
    kept = jnp.where(_decision(key, pi), 0.0, rate)
    return jnp.where(jnp.isnan(pi) | jnp.isnan(rate), jnp.nan, kept)


def mixture_rate(
    key: Key, mu_1: Array, mu_2: Array, theta_1: Array, theta_2: Array, pi_logits: Array
) -> Array:
    """The rate of component 1 with the log-odds pi_logits, else of component 2."""
    first = _decision(key, pi_logits)
    rate = negative_binomial_rate(
        key, jnp.where(first, mu_1, mu_2), jnp.where(first, theta_1, theta_2)
    )
    valid = (mu_1 >= 0) & (mu_2 >= 0) & (theta_1 >= 0) & (theta_2 >= 0) & ~jnp.isnan(pi_logits)
    return jnp.where(valid, rate, jnp.nan)


def _decision(key: Key, log_odds: Array) -> Array:
    """One yes or no for each element, yes with these log-odds."""
    index = lax.iota(jnp.uint32, log_odds.size)
    word, _ = random_words(key, index, COMPONENT, wide=needs_wide(log_odds.dtype))
    # The rarer answer takes the end of the uniform that is resolved to full relative precision.
    rarer = uniform(word, log_odds.dtype) < jax.nn.sigmoid(-jnp.abs(log_odds))
    return rarer ^ (log_odds > 0)
