"""Unit deviances: twice the log-probability that a count loses by not having its own mean."""

from __future__ import annotations

from functools import partial
from typing import Unpack

import jax
import jax.numpy as jnp

from jaxnb._names import ZeroInflationName, keywords
from jaxnb._types import Array, ArrayLike
from jaxnb.likelihoods.arguments import Scales, argument, on_scales, plain, promote, required
from jaxnb.likelihoods.deviance_kernel import deviance
from jaxnb.likelihoods.original_names import log_zinb_positive

__all__ = ["nb_deviance", "zinb_deviance"]


@keywords
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
        x < 0, where an argument is NaN or a parameter negative. For means and thetas from 1e-15
        to 1e15 the relative error is below 4 ulp (2.8 seen), that of the derivatives in the
        parameters, too; on the log scale, beyond the effect of rounding the logarithms
        (`tests/likelihoods/test_deviance.py`). It has derivatives in the parameters and in x; that
        in theta is 0 in the Poisson limit, theta >= 2^99 in float32.

    Raises:
        TypeError: A parameter is given on no scale or on both; an argument is complex, or a sparse
            matrix, a table or a tensor.
        ValueError: The shapes do not broadcast.

    References:
        McCullagh and Nelder (1989), Generalized linear models, section 2.3 and exercise 11.3.
    """
    x = argument("x", x)
    parameters, scales = on_scales("nb_deviance", mu=(mu, log_mu), theta=(theta, log_theta))
    value: Array = _nb_deviance(scales, x, *parameters)
    return value


@keywords
def zinb_deviance(
    x: ArrayLike,
    mu: ArrayLike | None = None,
    theta: ArrayLike | None = None,
    pi: ArrayLike | None = None,
    *,
    log_mu: ArrayLike | None = None,
    log_theta: ArrayLike | None = None,
    **other: Unpack[ZeroInflationName[ArrayLike]],
) -> Array:
    """The unit deviance under a zero-inflated negative binomial, theta and pi held fixed.

    The log-probability of a positive count is largest at mu = x, that of a zero at mu = 0, where
    it is 0. So the deviance is that of `nb_deviance` for positive counts and -2 log P(0) for zeros.

    Args:
        x: Counts, x >= 0.
        mu: Mean of the negative binomial part, mu >= 0.
        theta: Inverse dispersion, theta >= 0.
        pi: Log-odds of an extra zero, also as `zi_logits`.
        log_mu: log(mu), instead of `mu`.
        log_theta: log(theta), instead of `theta`.

    Returns:
        The deviance, as `nb_deviance`.

    Raises:
        TypeError: `pi` is missing; and as `nb_deviance`.
        ValueError: The shapes do not broadcast.
    """
    x, pi = argument("x", x), plain(required("zinb_deviance", pi=pi))
    logs = {"log_mu": log_mu, "log_theta": log_theta}
    positive = nb_deviance(x, mu, theta, **logs)
    at_zero = -2 * log_zinb_positive(jnp.zeros_like(positive), mu, theta, pi, 0.0, **logs)
    zero, missing, positive = (
        jnp.broadcast_to(part, at_zero.shape)
        for part in (jnp.asarray(plain(x)) == 0, jnp.isnan(jnp.asarray(pi)), positive)
    )
    return jnp.where(zero | missing, at_zero, positive.astype(at_zero.dtype))


@partial(jax.jit, static_argnums=0)
def _nb_deviance(scales: Scales, x: ArrayLike, mu: ArrayLike, theta: ArrayLike) -> Array:
    result_type, (x, mu, theta) = promote(x=x, mu=mu, theta=theta)
    x, mu, theta = jnp.broadcast_arrays(x, mu, theta)
    value = deviance(scales, x, mu, theta)
    zero, none = (-jnp.inf if scale == "log" else 0.0 for scale in scales)
    certain = (x == 0) & (theta == none)
    impossible = ((x > 0) & ((mu == zero) | (theta == none))) | ((mu == jnp.inf) & (theta != none))
    value = jnp.where(certain, 0.0, jnp.where(impossible, jnp.inf, value))
    invalid = ~((x >= 0) & (mu >= zero) & (theta >= none))
    return jnp.where(invalid, jnp.nan, value).astype(result_type)
