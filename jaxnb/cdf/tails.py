"""log F and log(1 - F) of the negative binomial, and their derivatives, within a bounded range.

Notation of `quadrature` and `small_theta`: b = x + 1, m = theta + mu, p = theta / m, q = mu / m.
One tail, roughly the smaller one, is computed directly, in one of three ways: theta log(p) at
x = 0, the series of `small_theta`, or the integral R of `quadrature` times the probability pmf(x).
The logarithm of the other tail is log(1 - exp(l)), which is accurate at both ends.

The derivatives in mu follow from dF/dmu = -pmf(x) (x + theta) / m, in which the probability cancels
against that of the tail:

    d log F / d log(mu)       = -theta q / R,       d log(1 - F) / d log(mu)  = p b / R,

those in theta from d log pmf / dtheta, d log(1 + x / theta) / dtheta = -x / (theta (theta + x)) and
the moment of `quadrature`.

Arguments: whole x from 0 to 2**60, mu and theta positive as `extended.Limits` says.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxnb._materialize import materialize
from jaxnb._types import Array
from jaxnb.cdf.quadrature import TailIntegral, integrate, integrate_with_moment, tail_integral
from jaxnb.cdf.small_theta import few_counts, log_cdf_at_zero, log_cdf_small_theta
from jaxnb.likelihoods.dispersion import Dispersion, dispersion
from jaxnb.likelihoods.nb_kernel import d_theta, log_nb_times, ratios
from jaxnb.special.complements import log1m_exp
from jaxnb.special.elementary import reciprocal
from jaxnb.special.exponential import exp, expm1
from jaxnb.special.log1p import log1p_minus_x

__all__ = ["Tails", "log_tails", "log_tails_with_derivatives"]


class Tails(NamedTuple):
    """The logarithms of F and of 1 - F, or derivatives of them."""

    log_cdf: Array
    log_sf: Array


class _Regions(NamedTuple):
    """Which of the three forms an element takes, and arguments that are safe for the others."""

    zero: Array
    series: Array
    is_cdf: Array  # whether the tail computed directly is F
    at_zero: tuple[Array, Array]
    in_series: tuple[Array, Array, Array]
    elsewhere: tuple[Array, Array, Array]
    integral: TailIntegral


def _regions(x: Array, mu: Array, theta: Array) -> _Regions:
    zero = x == 0
    series = few_counts(x, mu, theta) & ~zero
    either = zero | series
    elsewhere = (
        jnp.where(either, 2.0, x),
        jnp.where(either, 1.0, mu),
        jnp.where(either, 2.0, theta),
    )
    integral = tail_integral(*elsewhere)
    return _Regions(
        zero,
        series,
        either | integral.lower,
        (jnp.where(zero, mu, 1.0), jnp.where(zero, theta, 1.0)),
        (jnp.where(series, x, 1.0), jnp.where(series, mu, 1.0), jnp.where(series, theta, 1.0)),
        elsewhere,
        integral,
    )


def log_tails(x: Array, mu: Array, theta: Array) -> Tails:
    """Both logarithms."""
    r = _regions(x, mu, theta)
    return _complete(r, _direct(r, integrate(r.integral), _dispersion(theta, x)))


def _dispersion(theta: Array, x: Array) -> Dispersion:
    # By shapes, which can be compared also where a size is symbolic.
    smaller = theta.shape != jnp.broadcast_shapes(theta.shape, x.shape)
    return dispersion(theta, materialized=smaller)


def _direct(r: _Regions, total: Array, d: Dispersion) -> Array:
    """The logarithm of the tail that is computed directly."""
    x, mu, theta = r.elsewhere
    front = (r.integral.rho * total) * (1 + x * reciprocal(theta))
    front = front * jnp.where(r.integral.lower, 1.0, mu * reciprocal(x + 1))
    elsewhere = log_nb_times(front, x, mu, d)
    value = jnp.where(
        r.zero,
        log_cdf_at_zero(*r.at_zero),
        jnp.where(r.series, log_cdf_small_theta(*r.in_series), elsewhere),
    )
    return jnp.minimum(value, -float(np.finfo(x.dtype).tiny))


def _complete(r: _Regions, direct: Array) -> Tails:
    (direct,) = materialize(direct)
    other = log1m_exp(direct)
    return Tails(jnp.where(r.is_cdf, direct, other), jnp.where(r.is_cdf, other, direct))


def _odds(r: _Regions, tails: Tails) -> Array:
    """e**l / (1 - e**l) for the tail that is computed directly."""
    direct = jnp.where(r.is_cdf, tails.log_cdf, tails.log_sf)
    other = jnp.where(r.is_cdf, tails.log_sf, tails.log_cdf)
    large = direct > -0.5
    complement = -expm1(jnp.where(large, direct, -0.5))
    small = exp(jnp.where(large, 0.0, direct - other))
    (odds,) = materialize(jnp.where(large, (1 - complement) * reciprocal(complement), small))
    return odds


def log_tails_with_derivatives(
    wrt: tuple[str, ...], x: Array, mu: Array, theta: Array
) -> tuple[Tails, list[Tails]]:
    """Both logarithms, and their derivatives in the logarithms of `wrt`, "mu" or "theta"."""
    r = _regions(x, mu, theta)
    if "theta" in wrt:
        total, moment = materialize(*integrate_with_moment(r.integral, *r.elsewhere))
    else:
        (total,) = materialize(integrate(r.integral))
        moment = total
    d = _dispersion(theta, x)
    tails = _complete(r, _direct(r, total, d))
    odds = _odds(r, tails)
    derivatives = []
    for name in wrt:
        if name == "mu":
            derivative = _d_log_mu(r, total, tails.log_cdf)
        else:
            derivative = _d_log_theta(r, moment, d)
        # d log(1 - e**l) = -e**l / (1 - e**l) dl
        (derivative,) = materialize(derivative)
        other = -odds * derivative
        derivatives.append(
            Tails(jnp.where(r.is_cdf, derivative, other), jnp.where(r.is_cdf, other, derivative))
        )
    return tails, derivatives


def _d_log_mu(r: _Regions, total: Array, log_cdf: Array) -> Array:
    x, mu, theta = r.elsewhere
    numerator = theta * reciprocal(theta + mu) * jnp.where(r.integral.lower, -mu, x + 1)
    elsewhere = numerator * reciprocal(r.integral.rho * total)
    in_series = _log_mu_in_series(r, log_cdf)
    return jnp.where(r.zero, -_theta_q(*r.at_zero), jnp.where(r.series, in_series, elsewhere))


def _d_log_theta(r: _Regions, moment: Array, d: Dispersion) -> Array:
    x, mu, theta = r.elsewhere
    elsewhere = theta * (d_theta(x, d, ratios(x, mu, d.theta)) + moment) - x * reciprocal(theta + x)
    in_series = _log_theta_in_series(r)
    return jnp.where(
        r.zero, _log_theta_at_zero(*r.at_zero), jnp.where(r.series, in_series, elsewhere)
    )


def _theta_q(mu: Array, theta: Array) -> Array:
    return theta * (mu * reciprocal(theta + mu))


def _log_mu_in_series(r: _Regions, log_cdf: Array) -> Array:
    """-(pmf(x) / F) n q."""
    x, mu, theta = r.in_series
    log_cdf = jnp.where(r.series, log_cdf, 0.0)
    log_probability = log_nb_times(
        jnp.ones_like(log_cdf), x, mu, dispersion(theta, materialized=False)
    )
    ratio = exp(jnp.minimum(log_probability - log_cdf, 0.0))
    return -ratio * ((x + theta) * (mu * reciprocal(theta + mu)))


def _log_theta_at_zero(mu: Array, theta: Array) -> Array:
    """theta phi(-q)."""
    inverse_m = reciprocal(theta + mu)
    return theta * log1p_minus_x(-mu * inverse_m, theta * inverse_m)


def _log_theta_in_series(r: _Regions) -> Array:
    x, mu, theta = r.in_series

    def of_theta(theta: Array) -> Array:
        return log_cdf_small_theta(x, mu, theta)

    derivative: Array = jax.jvp(of_theta, (theta,), (theta,))[1]
    return derivative
