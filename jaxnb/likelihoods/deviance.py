"""Unit deviances: twice the log-probability that a count loses by not having its own mean.

Notation of `nb_kernel`: c = (x - mu) / m, s = -theta c / x, phi(u) = log(1 + u) - u. With theta
held fixed, the log-probability as a function of the mean is largest at mu = x, and what is lost is

    d = 2 [x log(x / mu) - (x + theta) log((x + theta) / (mu + theta))]
      = -2 [x phi(s) + theta phi(c)],

where the parts linear in x - mu have canceled, so that d is right to its last digits near mu = x.
At x = 0 it is -2 theta log(1 + c).
"""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from jaxnb._types import Array, ArrayLike
from jaxnb.likelihoods.arguments import (
    Scales,
    largest,
    on_scales,
    promote,
    refuse_tables,
    required,
)
from jaxnb.likelihoods.zero_inflated import log_zinb_positive
from jaxnb.special.elementary import reciprocal, two_sum
from jaxnb.special.log1p import log1p_minus_x

__all__ = ["nb_deviance", "zinb_deviance"]


def nb_deviance(
    x: ArrayLike,
    mu: ArrayLike | None = None,
    theta: ArrayLike | None = None,
    *,
    log_mu: ArrayLike | None = None,
    log_theta: ArrayLike | None = None,
) -> Array:
    r"""The unit deviance of counts under a negative binomial with mean mu, theta held fixed.

    .. math::

        2 \left[x \log\frac{x}{\mu} - (x + \theta) \log\frac{x + \theta}{\mu + \theta}\right]

    Args:
        x: Counts, x >= 0.
        mu: Mean, mu >= 0.
        theta: Inverse dispersion, theta >= 0. Infinity is Poisson's distribution.
        log_mu: log(mu), instead of `mu`.
        log_theta: log(theta), instead of `theta`.

    Returns:
        The deviance, 0 at mu = x and positive elsewhere, in the dtype that the floating arguments
        promote to. Infinity where mu or theta is 0 and x is not, or where mu is infinite; NaN for
        x < 0, where an argument is NaN or a parameter negative. It has derivatives in the
        parameters and in x.

    Raises:
        TypeError: A parameter is given on no scale or on both; an argument is complex, or a sparse
            matrix, a table or a tensor.
        ValueError: The shapes do not broadcast.

    References:
        McCullagh and Nelder (1989), Generalized linear models, section 2.3 and exercise 11.3.
    """
    refuse_tables(x=x)
    parameters, scales = on_scales("nb_deviance", mu=(mu, log_mu), theta=(theta, log_theta))
    deviance: Array = _nb_deviance(scales, x, *parameters)
    return deviance


def zinb_deviance(
    x: ArrayLike,
    mu: ArrayLike | None = None,
    theta: ArrayLike | None = None,
    pi: ArrayLike | None = None,
    *,
    log_mu: ArrayLike | None = None,
    log_theta: ArrayLike | None = None,
) -> Array:
    """The unit deviance under a zero-inflated negative binomial, theta and pi held fixed.

    The log-probability of a positive count is largest at mu = x, that of a zero at mu = 0, where
    it is 0. So the deviance is that of `nb_deviance` for positive counts and -2 log P(0) for zeros.

    Args:
        x: Counts, x >= 0.
        mu: Mean of the negative binomial part, mu >= 0.
        theta: Inverse dispersion, theta >= 0.
        pi: Log-odds of an extra zero.
        log_mu: log(mu), instead of `mu`.
        log_theta: log(theta), instead of `theta`.

    Returns:
        The deviance, as `nb_deviance`.

    Raises:
        TypeError: `pi` is missing; and as `nb_deviance`.
        ValueError: The shapes do not broadcast.
    """
    pi = required("zinb_deviance", pi=pi)
    logs = {"log_mu": log_mu, "log_theta": log_theta}
    positive = nb_deviance(x, mu, theta, **logs)
    at_zero = -2 * log_zinb_positive(jnp.zeros_like(positive), mu, theta, pi, 0.0, **logs)
    return jnp.where(jnp.asarray(x) == 0, at_zero, positive + 0 * jnp.asarray(pi))


@partial(jax.jit, static_argnums=0)
def _nb_deviance(scales: Scales, x: ArrayLike, mu: ArrayLike, theta: ArrayLike) -> Array:
    result_type, (x, mu, theta) = promote(x=x, mu=mu, theta=theta)
    mu = jnp.exp(mu) if scales[0] == "log" else mu
    theta = jnp.exp(theta) if scales[1] == "log" else theta
    tiny, huge = float(np.finfo(mu.dtype).tiny), largest(mu.dtype)
    deviance = _deviance(
        jnp.clip(x, 0.0, huge), jnp.clip(mu, tiny, huge), jnp.clip(theta, tiny, huge)
    )
    impossible = ((x > 0) & (jnp.minimum(mu, theta) == 0)) | ((mu == jnp.inf) & (theta > 0))
    deviance = jnp.where(impossible, jnp.inf, deviance)
    invalid = ~((x >= 0) & (mu >= 0) & (theta >= 0))
    return jnp.where(invalid, jnp.nan, deviance).astype(result_type)


def _deviance(x: Array, mu: Array, theta: Array) -> Array:
    positive = x > 0
    count = jnp.where(positive, x, 1.0)
    mean = jnp.where(positive, mu, 1.0)
    difference, error = two_sum(x, -mu)
    inverse_m, inverse_x = reciprocal(theta + mu), reciprocal(count)
    c = (difference + error) * inverse_m
    one_plus_c = (theta + x) * inverse_m
    phi_c = log1p_minus_x(c, one_plus_c)
    s = jnp.where(positive, -theta * c * inverse_x, 0.0)
    one_plus_s = jnp.where(positive, mean * one_plus_c * inverse_x, 1.0)
    lost = jnp.where(positive, count * log1p_minus_x(s, one_plus_s), theta * c)
    return -2 * (lost + theta * phi_c)
