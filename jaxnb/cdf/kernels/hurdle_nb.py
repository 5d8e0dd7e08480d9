"""The hurdle model, a mixture of zeros with the zero-truncated negative binomial."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from jaxnb._types import Array
from jaxnb.cdf.entropy import grouped_entropy
from jaxnb.cdf.kernels import zero_truncated_nb as truncated
from jaxnb.cdf.kernels.deviates import Deviates
from jaxnb.cdf.moments import ARRAYS, zero_or
from jaxnb.cdf.two_components import inflated
from jaxnb.likelihoods.hurdle import HURDLE
from jaxnb.likelihoods.original_names import log_hurdle_nb

__all__ = ["KERNEL", "entropy", "mean", "mode", "rate", "variance"]


KERNEL = inflated(truncated.KERNEL, HURDLE)


def _zero_and_rest(mu: Array, theta: Array, pi: Array) -> tuple[Array, Array]:
    return jax.nn.log_sigmoid(pi), jax.nn.log_sigmoid(-pi)


entropy = partial(grouped_entropy, _zero_and_rest)


def mean(mu: Any, theta: Any, pi: Any, *, xp: Any = ARRAYS) -> Any:
    """The mean of the zero-truncated negative binomial times the probability of no zero."""
    return xp.sigmoid(-pi) * truncated.mean(mu, theta, xp=xp)


def variance(mu: Any, theta: Any, pi: Any, *, xp: Any = ARRAYS) -> Any:
    """(1 - p) (v + p m**2), p = sigmoid(pi), m and v those of the truncated distribution."""
    m = truncated.mean(mu, theta, xp=xp)
    v = truncated.variance(mu, theta, xp=xp)
    return xp.sigmoid(-pi) * (v + m * (xp.sigmoid(pi) * m))


def mode(mu: Array, theta: Array, pi: Array) -> Array:
    """0 or the mode of the truncated distribution, whichever is more probable; 0 if neither."""

    def log_prob(x: Array) -> Array:
        return log_hurdle_nb(x, mu, theta, pi)

    found = zero_or(log_prob, truncated.mode(mu, theta))
    return jnp.where(jnp.isnan(pi), jnp.nan, found)


def rate(deviates: Deviates, mu: Array, theta: Array, pi: Array) -> tuple[Array, Array]:
    """Zero with the log-odds pi, otherwise as for the zero-truncated negative binomial."""
    counted, added = truncated.rate(deviates, mu, theta)
    zero = deviates.decisions(pi)
    kept = jnp.where(jnp.isnan(pi) | jnp.isnan(counted), jnp.nan, jnp.where(zero, 0.0, counted))
    return kept, jnp.where(zero, 0.0, added)
