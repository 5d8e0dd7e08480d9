"""The Kullback-Leibler divergences E log(P_1(X) / P_2(X)), in nats."""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp

from jaxnb._names import keywords
from jaxnb._types import Array, ArrayLike
from jaxnb.cdf.divergence_sums import between_thetas
from jaxnb.likelihoods.arguments import Scales, on_scales, promote
from jaxnb.likelihoods.deviance import nb_deviance
from jaxnb.likelihoods.original_names import log_nb_positive

__all__ = ["nb_kl_divergence"]


@keywords
def nb_kl_divergence(
    mu_1: ArrayLike | None = None,
    theta_1: ArrayLike | None = None,
    mu_2: ArrayLike | None = None,
    theta_2: ArrayLike | None = None,
    *,
    log_mu_1: ArrayLike | None = None,
    log_theta_1: ArrayLike | None = None,
    log_mu_2: ArrayLike | None = None,
    log_theta_2: ArrayLike | None = None,
) -> Array:
    """E log(P_1(X) / P_2(X)) over the first of two negative binomials."""
    parameters, scales = on_scales(
        "nb_kl_divergence",
        mu_1=(mu_1, log_mu_1),
        theta_1=(theta_1, log_theta_1),
        mu_2=(mu_2, log_mu_2),
        theta_2=(theta_2, log_theta_2),
    )
    divergence: Array = _kl_divergence(scales, *parameters)
    return divergence


@partial(jax.jit, static_argnums=0)
def _kl_divergence(scales: Scales, *parameters: ArrayLike) -> Array:
    names = ("mu_1", "theta_1", "mu_2", "theta_2")
    named = dict(zip(names, parameters, strict=True))
    result_type, arguments = promote(x=named.pop("mu_1"), **named)
    given = jnp.broadcast_arrays(*arguments)
    mu_1, theta_1, mu_2, theta_2 = (
        jnp.exp(a) if scale == "log" else a for a, scale in zip(given, scales, strict=True)
    )
    inside = (mu_1 > 0) & (mu_1 < jnp.inf) & (theta_1 > 0) & (theta_2 > 0)
    safe = (jnp.where(inside, value, 1.0) for value in (mu_1, theta_1, theta_2))
    of_thetas = jnp.where(inside, between_thetas(*safe), 0.0)
    divergence = of_thetas + nb_deviance(mu_1, mu_2, theta_2) / 2
    from_zero = 0.0 - log_nb_positive(0.0, mu_2, theta_2, 0.0)
    divergence = jnp.where((mu_1 == 0) | (theta_1 == 0), from_zero, divergence)
    infinite = (mu_1 == jnp.inf) & (theta_1 > 0)
    divergence = jnp.where(infinite, jnp.where(mu_2 < jnp.inf, jnp.inf, jnp.nan), divergence)
    invalid = ~((mu_1 >= 0) & (theta_1 >= 0) & (mu_2 >= 0) & (theta_2 >= 0))
    return jnp.where(invalid, jnp.nan, divergence).astype(result_type)
