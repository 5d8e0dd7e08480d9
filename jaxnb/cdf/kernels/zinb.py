"""The zero-inflated negative binomial: tails, entropy, moments and draws."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from jaxnb._types import Array
from jaxnb.cdf.entropy import grouped_entropy, zero_and_rest
from jaxnb.cdf.kernels import nb
from jaxnb.cdf.kernels.deviates import Deviates
from jaxnb.cdf.moments import ARRAYS, zero_or
from jaxnb.cdf.two_components import inflated
from jaxnb.likelihoods.original_names import log_zinb_positive
from jaxnb.likelihoods.zero_inflated_kernel import ZERO_INFLATED

__all__ = ["KERNEL", "entropy", "mean", "mode", "rate", "variance"]


KERNEL = inflated(nb.KERNEL, ZERO_INFLATED)


def _zero_and_rest(mu: Array, theta: Array, pi: Array) -> tuple[Array, Array]:
    log_rest = jax.nn.log_sigmoid(-pi) + zero_and_rest(mu, theta)[1]
    # P(0) is one part and the other, or what is missing
    likely = log_rest < -1
    sum_of_two = log_zinb_positive(0.0, mu, theta, pi, 0.0)
    missing = jnp.log1p(-jnp.exp(jnp.where(likely, log_rest, -1.0)))
    return jnp.where(likely, missing, sum_of_two), log_rest


entropy = partial(grouped_entropy, _zero_and_rest)


def mean(mu: Any, theta: Any, zi_logits: Any, *, xp: Any = ARRAYS) -> Any:
    """The mean of the negative binomial times the probability of no additional zero."""
    return xp.sigmoid(-zi_logits) * nb.mean(mu, theta, xp=xp)


def variance(mu: Any, theta: Any, zi_logits: Any, *, xp: Any = ARRAYS) -> Any:
    """(1 - p) (v + p m**2), p = sigmoid(zi_logits), m and v those of the negative binomial."""
    mean, variance = nb.mean(mu, theta, xp=xp), nb.variance(mu, theta, xp=xp)
    inflated, counted = xp.sigmoid(zi_logits), xp.sigmoid(-zi_logits)
    return counted * (variance + mean * (inflated * mean))


def mode(mu: Array, theta: Array, zi_logits: Array) -> Array:
    """0 or the mode of the negative binomial, whichever is more probable; 0 if neither."""

    def log_prob(x: Array) -> Array:
        return log_zinb_positive(x, mu, theta, zi_logits)

    return zero_or(log_prob, nb.mode(mu, theta))


def rate(deviates: Deviates, mu: Array, theta: Array, pi: Array) -> Array:
    """Zero with the log-odds pi, otherwise the rate of the negative binomial."""
    counted = nb.rate(deviates, mu, theta)
    kept = jnp.where(deviates.decisions(pi), 0.0, counted)
    return jnp.where(jnp.isnan(pi) | jnp.isnan(counted), jnp.nan, kept)
