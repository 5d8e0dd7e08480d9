"""The negative binomial: entropy, moments and draws; its tails are in `jaxnb.cdf.nb_kernel`."""

from functools import partial
from typing import Any

import jax.numpy as jnp

from jaxnb._types import Array
from jaxnb.cdf.entropy import grouped_entropy, zero_and_rest
from jaxnb.cdf.kernels.deviates import Deviates
from jaxnb.cdf.moments import ARRAYS
from jaxnb.cdf.nb_kernel import NEGATIVE_BINOMIAL

__all__ = ["KERNEL", "entropy", "mean", "mode", "rate", "variance"]

KERNEL = NEGATIVE_BINOMIAL
entropy = partial(grouped_entropy, zero_and_rest)


def mean(mu: Any, theta: Any, *, xp: Any = ARRAYS) -> Any:
    """The mean mu, but 0 at theta = 0, where the distribution is the point mass at zero."""
    return xp.where(theta == 0, 0.0, mu)


def variance(mu: Any, theta: Any, *, xp: Any = ARRAYS) -> Any:
    """The variance mu + mu**2 / theta; mu at theta = inf, 0 at theta = 0."""
    # mu * (mu / theta), since mu**2 overflows first; the inner where is for the gradient at 0
    positive = xp.where(theta == 0, 1.0, theta)
    return xp.where(theta == 0, 0.0, mu + mu * (mu / positive))


def mode(mu: Array, theta: Array) -> Array:
    """floor(mu (theta - 1) / theta) where theta > 1, else 0; the larger one of two modes.

    P(k) >= P(k - 1) where mu <= (mu - k) theta. Close to the rounded formula k is decided by that
    comparison, whose difference is exact for a mean below the largest exact whole numbers, and the
    product where the two sides are equal.
    """
    above_one = jnp.where(theta > 1, theta, 1.0)
    poisson = above_one == jnp.inf
    share = jnp.where(poisson, 1.0, (above_one - 1) / jnp.where(poisson, 1.0, above_one))
    rounded = jnp.floor(mu * share)
    mode = jnp.maximum(rounded - 1, 0.0)
    for k in (rounded, rounded + 1):
        reached = jnp.where(poisson, k <= mu, mu <= (mu - k) * above_one)
        mode = jnp.where(reached, k, mode)
    whole = 2 / float(jnp.finfo(mode.dtype).eps)  # type: ignore[no-untyped-call]
    mode = jnp.where(mu < whole, mode, rounded)
    mode = jnp.where(theta > 1, mode, 0.0)
    return jnp.where(jnp.isnan(mu + theta), jnp.nan, mode)


def rate(deviates: Deviates, mu: Array, theta: Array) -> Array:
    """The mean mu times a gamma deviate of mean 1 and shape theta."""
    valid = (mu >= 0) & (theta >= 0)
    factor = deviates.gamma(jnp.where(valid, theta, 1.0))
    rate = jnp.where(jnp.isinf(mu), mu, mu * factor)
    return jnp.where(valid, jnp.where(theta == 0, 0.0, rate), jnp.nan)
