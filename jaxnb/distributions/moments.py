"""Mean, variance and mode of a negative binomial, at the edges of its parameters too."""

import jax.numpy as jnp

from jaxnb._types import Array

__all__ = ["nb_mean", "nb_mode", "nb_variance"]


def nb_mean(mu: Array, theta: Array) -> Array:
    """The mean mu, but 0 at theta = 0, where the law is the point mass at zero."""
    return jnp.where(theta == 0, 0.0, mu)


def nb_variance(mu: Array, theta: Array) -> Array:
    """The variance mu + mu**2 / theta; mu at theta = inf, 0 at theta = 0."""
    # mu * (mu / theta), since mu**2 overflows first; the inner where is for the gradient at 0
    positive = jnp.where(theta == 0, 1.0, theta)
    return jnp.where(theta == 0, 0.0, mu + mu * (mu / positive))


def nb_mode(mu: Array, theta: Array) -> Array:
    """floor(mu (theta - 1) / theta) where theta > 1, else 0; the larger one of two modes."""
    above_one = jnp.where(theta > 1, theta, 1.0)
    return jnp.where(jnp.isnan(mu + theta), jnp.nan, jnp.floor(mu * (1 - 1 / above_one)))
