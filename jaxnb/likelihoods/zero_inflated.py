"""The zero-inflated negative binomial log-likelihood (textbook form, a placeholder)."""

import jax
import jax.numpy as jnp

from jaxnb._types import Array, ArrayLike
from jaxnb.likelihoods.negative_binomial import log_nb_positive


def log_zinb_positive(
    x: ArrayLike, mu: ArrayLike, theta: ArrayLike, pi: ArrayLike, eps: ArrayLike = 1e-8
) -> Array:
    """Log-probability under a point mass at zero (logit pi) mixed with the NB."""
    log_nb = log_nb_positive(x, mu, theta, eps)
    at_zero = jnp.logaddexp(jax.nn.log_sigmoid(pi), jax.nn.log_sigmoid(-jnp.asarray(pi)) + log_nb)
    return jnp.where(jnp.asarray(x) == 0, at_zero, log_nb - jax.nn.softplus(pi))
