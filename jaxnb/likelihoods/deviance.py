"""Unit deviances: twice the log-probability that a count loses by not having its own mean.

Notation of `nb_kernel`: c = (x - mu) / m with m = mu + theta, s = -theta c / x,
phi(u) = log(1 + u) - u. With theta held fixed, the log-probability as a function of the mean is
largest at mu = x, and what is lost is

    d = 2 [x log(x / mu) - (x + theta) log((x + theta) / m)]
      = -2 [x phi(s) + theta phi(c)]                               near mu = x, where the parts
                                                                   linear in x - mu have canceled,
      = -2 [x log(1 + s) + theta log(1 + c)]                       far from it and at x = 0, with
    log(1 + s) = log(1 + theta / x) - log(1 + theta / mu),
    log(1 + c) = log(1 + x / theta) - log(1 + mu / theta),

of which one term is far smaller than the other. Its derivatives are

    d_mu = 2 theta (mu - x) / (mu m),    d_theta = -2 phi(c) >= 0,    d_x = -2 log(1 + s).

The parts depend on ratios, which are formed from the logarithms where the arguments themselves
are outside the range of the dtype.
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple, Unpack

import jax
import jax.numpy as jnp
import numpy as np

from jaxnb._names import ZeroInflationName, keywords
from jaxnb._types import Array, ArrayLike
from jaxnb.likelihoods.arguments import (
    Scales,
    argument,
    largest,
    on_scales,
    plain,
    promote,
    required,
)
from jaxnb.likelihoods.original_names import log_zinb_positive
from jaxnb.special.elementary import two_sum
from jaxnb.special.log1p import log1p_minus_x, log_of_any

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
    deviance: Array = _nb_deviance(scales, x, *parameters)
    return deviance


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
    deviance = _deviance(scales, x, mu, theta)
    zero, none = (-jnp.inf if scale == "log" else 0.0 for scale in scales)
    certain = (x == 0) & (theta == none)
    impossible = ((x > 0) & ((mu == zero) | (theta == none))) | ((mu == jnp.inf) & (theta != none))
    deviance = jnp.where(certain, 0.0, jnp.where(impossible, jnp.inf, deviance))
    invalid = ~((x >= 0) & (mu >= zero) & (theta >= none))
    return jnp.where(invalid, jnp.nan, deviance).astype(result_type)


class _Parts(NamedTuple):
    """What value and derivatives consist of; `scale` is the factor that x, mu and theta carry."""

    scale: Array
    x: Array
    mu: Array
    theta: Array
    far: Array
    far_c: Array
    poisson: Array
    log_s: Array
    log_c: Array
    s: Array
    c: Array
    one_plus_s: Array
    one_plus_c: Array
    share_of_theta: Array
    share_of_mu: Array
    x_over_m: Array


# Beyond e^40 and below its inverse, 1 + s or 1 + c makes one term as good as all of the deviance.
_FAR = 40.0


def _parts(scales: Scales, x: Array, a: Array, b: Array) -> _Parts:
    (mu, log_mu), (theta, log_theta) = map(_on_both_scales, scales, (a, b))
    _, log_x = _on_both_scales("linear", x)
    # d, x, mu and theta all carry the factor, with which m does not overflow, and a mean far below
    # theta stays far below its stand-in.
    scale = jnp.where(theta > 2.0**30, 2.0**-64, jnp.where(mu > 2.0**96, 2.0**-32, 1.0))
    scale = jnp.where(jnp.maximum(x, mu) > 2.0**60, scale, 1.0)
    poisson = theta * scale >= largest(x.dtype)
    x, mu, theta = x * scale, mu * scale, jnp.where(poisson, largest(x.dtype), theta * scale)
    log_theta = jnp.minimum(log_theta, jnp.log(largest(x.dtype) / scale))

    mu_over_theta, log_m_over_theta = _ratio(mu, theta, log_mu - log_theta)
    x_over_theta, log_n_over_theta = _ratio(x, theta, log_x - log_theta)
    theta_over_mu, log_m_over_mu = _ratio(theta, mu, log_theta - log_mu)
    _, log_n_over_x = _ratio(theta, x, log_theta - log_x)
    log_c, log_s = log_n_over_theta - log_m_over_theta, log_n_over_x - log_m_over_mu
    far_c = jnp.abs(log_c) > _FAR
    far = far_c | ((jnp.abs(log_s) > _FAR) & (x > 0))

    share_of_theta, share_of_mu = 1 / (1 + mu_over_theta), 1 / (1 + theta_over_mu)
    difference, error = two_sum(jnp.where(far_c, 1.0, x), -jnp.where(far_c, 1.0, mu))
    n, m = (jnp.where(far_c, 1.0, theta + value) for value in (x, mu))
    c, one_plus_c = (difference + error) / m, n / m
    own = far | (x == 0)
    count, mean = (jnp.where(own, 1.0, value) for value in (x, mu))
    # by the share: the derivative of theta c in theta would cancel where theta is large
    s = jnp.where(own, 0.0, -(difference + error) * share_of_theta / count)
    one_plus_s = jnp.where(own, 1.0, mean * one_plus_c / count)
    return _Parts(
        scale=scale,
        x=x,
        mu=mu,
        theta=theta,
        far=far,
        far_c=far_c,
        poisson=poisson,
        log_s=log_s,
        log_c=log_c,
        s=s,
        c=c,
        one_plus_s=one_plus_s,
        one_plus_c=one_plus_c,
        share_of_theta=share_of_theta,
        share_of_mu=share_of_mu,
        x_over_m=x_over_theta * share_of_theta,
    )


def _on_both_scales(scale: str, value: Array) -> tuple[Array, Array]:
    """A parameter within the range of the dtype, and its logarithm, which may be outside."""
    info = np.finfo(value.dtype)
    if scale == "log":
        bounded = jnp.clip(value, float(np.log(info.tiny)), float(np.log(info.max)) * (1 - 1e-6))
        return jnp.exp(bounded), jnp.clip(value, -float(info.max) / 8, float(info.max) / 8)
    bounded = jnp.where(value > 0, jnp.minimum(value, float(info.max)), float(info.tiny))
    return jnp.clip(value, 0.0, float(info.max)), log_of_any(bounded)


def _ratio(a: Array, b: Array, log_ratio: Array) -> tuple[Array, Array]:
    """a / b, at most the largest number, and log(1 + a / b).

    By the logarithms where the arguments could be inexact.
    """
    info = np.finfo(a.dtype)
    low, high = 2.0 ** (info.minexp * 3 // 4), 2.0 ** (info.maxexp * 3 // 4)
    exact = (jnp.minimum(a, b) > low) & (jnp.maximum(a, b) < high)
    direct = jnp.where(exact, a, 1.0) / jnp.where(exact, b, 1.0)
    largest_log = float(np.log(info.max)) * (1 - 1e-6)
    ratio = jnp.where(exact, direct, jnp.exp(jnp.minimum(log_ratio, largest_log)))
    return ratio, jnp.where(log_ratio > _FAR, log_ratio, jnp.log1p(ratio))


@partial(jax.custom_jvp, nondiff_argnums=(0,))
def _deviance(scales: Scales, x: Array, a: Array, b: Array) -> Array:
    p = _parts(scales, x, a, b)
    near = p.x * log1p_minus_x(p.s, p.one_plus_s) + p.theta * log1p_minus_x(p.c, p.one_plus_c)
    small = (p.x == 0) & (p.mu < p.theta * float(np.finfo(x.dtype).eps) / 4)
    of_theta = jnp.where(small, -p.mu, p.theta * p.log_c)
    far = jnp.where(p.x == 0, 0.0, p.x * p.log_s) + of_theta
    return -2 * jnp.where(p.far | (p.x == 0), far, near) / p.scale


@_deviance.defjvp
def _deviance_jvp(
    scales: Scales, primals: tuple[Array, Array, Array], tangents: tuple[Array, Array, Array]
) -> tuple[Array, Array]:
    p = _parts(scales, *primals)
    along_x = -2 * jnp.where(p.far, p.log_s, p.s + log1p_minus_x(p.s, p.one_plus_s))
    # theta (mu - x) / m in three forms, and theta phi(c), of which none underflows where it is used
    apart = p.theta * p.share_of_mu - p.x * p.share_of_theta
    if scales[0] == "log":
        close = jnp.where(p.share_of_theta > 0.5, p.share_of_theta * (p.mu - p.x), -p.theta * p.c)
        along_mean = 2 * jnp.where(p.far_c, apart, close) / p.scale
    else:
        relative = jnp.where(p.x == 0, 1.0, (p.mu - p.x) / jnp.where(p.x == 0, 1.0, p.mu))
        lowest = float(np.finfo(p.x.dtype).min) / 4
        along_mean = 2 * p.share_of_theta * jnp.maximum(relative, lowest)
    phi_c = log1p_minus_x(p.c, p.one_plus_c)
    if scales[1] == "log":
        far = p.theta * p.log_c + apart
        small = jnp.abs(p.c) < float(np.finfo(p.c.dtype).eps) / 4
        close = jnp.where(small, -p.theta * p.c * p.c / 2, p.theta * phi_c)
        along_theta = -2 * jnp.where(p.far_c, far, close) / p.scale
    else:
        along_theta = -2 * jnp.where(p.far_c, p.log_c + (p.share_of_mu - p.x_over_m), phi_c)
    along_theta = jnp.where(p.poisson, 0.0, along_theta)
    x_tangent, mean_tangent, theta_tangent = tangents
    tangent = along_x * x_tangent + along_mean * mean_tangent + along_theta * theta_tangent
    return _deviance(scales, *primals), tangent
