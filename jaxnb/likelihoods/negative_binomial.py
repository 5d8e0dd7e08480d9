"""The negative binomial log-likelihood (textbook form, a placeholder for the stable one)."""

import jax.numpy as jnp
from jax.scipy.special import gammaln, xlogy

from jaxnb._types import Array, ArrayLike


def log_nb_positive(x: ArrayLike, mu: ArrayLike, theta: ArrayLike, eps: ArrayLike = 1e-8) -> Array:
    """Log-probability of counts under NB(mean mu, inverse dispersion theta)."""
    x, mu, theta = jnp.asarray(x), jnp.maximum(jnp.asarray(mu), eps), jnp.asarray(theta)
    return (
        gammaln(x + theta)
        - gammaln(theta)
        - gammaln(x + 1.0)
        - theta * jnp.log1p(mu / theta)
        + xlogy(x, mu / (theta + mu))
    )
