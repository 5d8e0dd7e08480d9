"""The two-component negative binomial mixture (textbook form, a placeholder)."""

import jax
import jax.numpy as jnp

from jaxnb._types import Array, ArrayLike
from jaxnb.likelihoods.negative_binomial import log_nb_positive


def log_mixture_nb(
    x: ArrayLike,
    mu_1: ArrayLike,
    mu_2: ArrayLike,
    theta_1: ArrayLike,
    theta_2: ArrayLike | None,
    pi_logits: ArrayLike,
    eps: ArrayLike = 1e-8,
) -> Array:
    """Log-probability under two NB components; pi_logits is the log-odds of the first."""
    log_nb_1 = log_nb_positive(x, mu_1, theta_1, eps)
    log_nb_2 = log_nb_positive(x, mu_2, theta_1 if theta_2 is None else theta_2, eps)
    log_odds = jnp.asarray(pi_logits)
    return jnp.logaddexp(
        jax.nn.log_sigmoid(log_odds) + log_nb_1, jax.nn.log_sigmoid(-log_odds) + log_nb_2
    )
