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
from jaxnb.cdf.small_theta import few_counts, log_cdf_at_zero, log_cdf_small_theta, shares
from jaxnb.likelihoods.dispersion import Dispersion, dispersion
from jaxnb.likelihoods.nb_kernel import d_theta, log_nb_times, ratios
from jaxnb.special.complements import log1m_exp
from jaxnb.special.elementary import reciprocal
from jaxnb.special.exponential import exp, expm1
from jaxnb.special.log1p import log, log1p_minus_x

__all__ = [
    "Part",
    "Regions",
    "Tails",
    "complete",
    "d_log_mu",
    "direct_tail",
    "dispersion_of",
    "log_tails",
    "log_tails_with_derivatives",
    "log_tails_with_part",
    "log_theta_at_zero",
    "log_theta_in_series",
    "odds_between",
    "odds_of",
    "regions",
]


class Tails(NamedTuple):
    """The logarithms of F and of 1 - F, or derivatives of them."""

    log_cdf: Array
    log_sf: Array


class Part(NamedTuple):
    """The probability at a count x, and what leads from there to the counts around.

    A distribution is a sum of such parts, but for its zeros. With pmf that of the part,
    pmf(x + 1) = pmf(x) (x q + theta_q) / (x + 1).

    Attributes:
        log_probability: log(pmf(x)).
        q: mu / (theta + mu).
        theta_q: theta q.
    """

    log_probability: Array
    q: Array
    theta_q: Array

    def weighted(self, log_weight: Array) -> "Part":
        """The part with a weight."""
        return self._replace(log_probability=self.log_probability + log_weight)


class Regions(NamedTuple):
    """Which of the three forms an element takes, and arguments that are safe for the others."""

    zero: Array
    series: Array
    is_cdf: Array  # whether the tail computed directly is F
    at_zero: tuple[Array, Array]
    in_series: tuple[Array, Array, Array]
    elsewhere: tuple[Array, Array, Array]
    positive: tuple[Array, Array]  # x and mu wherever x > 0
    integral: TailIntegral


def regions(x: Array, mu: Array, theta: Array) -> Regions:
    """Which form each element takes."""
    zero = x == 0
    series = few_counts(x, mu, theta) & ~zero
    either = zero | series
    elsewhere = (
        jnp.where(either, 2.0, x),
        jnp.where(either, 1.0, mu),
        jnp.where(either, 2.0, theta),
    )
    integral = tail_integral(*elsewhere)
    return Regions(
        zero,
        series,
        either | integral.lower,
        (jnp.where(zero, mu, 1.0), jnp.where(zero, theta, 1.0)),
        (jnp.where(series, x, 1.0), jnp.where(series, mu, 1.0), jnp.where(series, theta, 1.0)),
        elsewhere,
        (jnp.where(zero, 2.0, x), jnp.where(zero, 1.0, mu)),
        integral,
    )


def log_tails(x: Array, mu: Array, theta: Array) -> Tails:
    """Both logarithms."""
    r = regions(x, mu, theta)
    direct, _ = direct_tail(r, integrate(r.integral), dispersion_of(theta, x))
    return complete(r, direct)


def log_tails_with_part(x: Array, mu: Array, d: Dispersion) -> tuple[Tails, Part]:
    """Both logarithms, and the probability of x."""
    r = regions(x, mu, d.theta)
    (total,) = materialize(integrate(r.integral))
    direct, log_probability = direct_tail(r, total, d)
    inverse_m = reciprocal(d.theta + mu)
    return complete(r, direct), Part(log_probability, mu * inverse_m, mu * (d.theta * inverse_m))


def dispersion_of(theta: Array, x: Array) -> Dispersion:
    """What theta alone decides, computed in full if it is smaller than the counts."""
    # By shapes, which can be compared also where a size is symbolic.
    smaller = theta.shape != jnp.broadcast_shapes(theta.shape, x.shape)
    return dispersion(theta, materialized=smaller)


def direct_tail(r: Regions, total: Array, d: Dispersion) -> tuple[Array, Array]:
    """The logarithms of the tail that is computed directly and of the probability of x."""
    x, mu, theta = r.elsewhere
    inverse_theta, inverse_b = reciprocal(theta), reciprocal(x + 1)
    # in this order, since mu / b alone may underflow
    of_upper = mu * (inverse_b + (x * inverse_b) * inverse_theta)
    front = jnp.where(r.integral.lower, 1 + x * inverse_theta, of_upper)
    front = (r.integral.rho * total) * front
    front = jnp.where(r.zero | r.series, 1.0, front)
    elsewhere = log_nb_times(front, *r.positive, d)
    at_zero = log_cdf_at_zero(*r.at_zero)
    value = jnp.where(
        r.zero, at_zero, jnp.where(r.series, log_cdf_small_theta(*r.in_series), elsewhere)
    )
    value = jnp.minimum(value, -float(np.finfo(x.dtype).tiny))
    return value, jnp.where(r.zero, at_zero, elsewhere - log(front))


def complete(r: Regions, direct: Array) -> Tails:
    """Both tails from the one that is computed directly."""
    (direct,) = materialize(direct)
    other = log1m_exp(direct)
    return Tails(jnp.where(r.is_cdf, direct, other), jnp.where(r.is_cdf, other, direct))


def odds_of(r: Regions, tails: Tails) -> Array:
    """e**l / (1 - e**l) for the tail that is computed directly."""
    direct = jnp.where(r.is_cdf, tails.log_cdf, tails.log_sf)
    other = jnp.where(r.is_cdf, tails.log_sf, tails.log_cdf)
    (odds,) = materialize(odds_between(direct, other))
    return odds


def odds_between(direct: Array, other: Array) -> Array:
    """exp(direct) / exp(other) of the logarithms of two tails."""
    large = direct > -0.5
    complement = -expm1(jnp.where(large, direct, -0.5))
    small = exp(jnp.where(large, 0.0, direct - other))
    return jnp.where(large, (1 - complement) * reciprocal(complement), small)


def log_tails_with_derivatives(
    wrt: tuple[str, ...], x: Array, mu: Array, theta: Array
) -> tuple[Tails, list[Tails]]:
    """Both logarithms, and their derivatives in the logarithms of `wrt`, "mu" or "theta"."""
    r = regions(x, mu, theta)
    if "theta" in wrt:
        total, moment = materialize(*integrate_with_moment(r.integral, *r.elsewhere))
    else:
        (total,) = materialize(integrate(r.integral))
        moment = total
    d = dispersion_of(theta, x)
    direct, log_probability = direct_tail(r, total, d)
    tails = complete(r, direct)
    odds = odds_of(r, tails)
    derivatives = []
    for name in wrt:
        if name == "mu":
            derivative = d_log_mu(r, total, tails.log_cdf, log_probability)
        else:
            derivative = _d_log_theta(r, moment, d)
        # d log(1 - e**l) = -e**l / (1 - e**l) dl
        (derivative,) = materialize(derivative)
        other = -odds * derivative
        derivatives.append(
            Tails(jnp.where(r.is_cdf, derivative, other), jnp.where(r.is_cdf, other, derivative))
        )
    return tails, derivatives


def d_log_mu(r: Regions, total: Array, log_cdf: Array, log_probability: Array) -> Array:
    """The derivative of the tail that is computed directly in log(mu)."""
    x, mu, theta = r.elsewhere
    numerator = shares(mu, theta)[0] * jnp.where(r.integral.lower, -mu, x + 1)
    elsewhere = numerator * reciprocal(r.integral.rho * total)
    in_series = _log_mu_in_series(r, log_cdf, log_probability)
    return jnp.where(r.zero, -_theta_q(*r.at_zero), jnp.where(r.series, in_series, elsewhere))


def _d_log_theta(r: Regions, moment: Array, d: Dispersion) -> Array:
    x, mu, theta = r.elsewhere
    elsewhere = theta * (d_theta(x, d, ratios(x, mu, d.theta)) + moment) - x * reciprocal(theta + x)
    in_series = log_theta_in_series(r)
    return jnp.where(
        r.zero, log_theta_at_zero(*r.at_zero), jnp.where(r.series, in_series, elsewhere)
    )


def _theta_q(mu: Array, theta: Array) -> Array:
    return mu * shares(mu, theta)[0]  # q itself may underflow


def _log_mu_in_series(r: Regions, log_cdf: Array, log_probability: Array) -> Array:
    """-(pmf(x) / F) n q."""
    x, mu, theta = r.in_series
    log_ratio = jnp.where(r.series, log_probability - log_cdf, 0.0)
    ratio = exp(jnp.minimum(log_ratio, 0.0))
    return -ratio * ((x + theta) * shares(mu, theta)[1])


def log_theta_at_zero(mu: Array, theta: Array) -> Array:
    """The derivative of log F in log(theta) at x = 0, theta phi(-q)."""
    p, q = shares(mu, theta)
    return theta * log1p_minus_x(-q, p)


def log_theta_in_series(r: Regions) -> Array:
    """The derivative of log F in log(theta) where it is the series."""
    x, mu, theta = r.in_series

    def of_theta(theta: Array) -> Array:
        return log_cdf_small_theta(x, mu, theta)

    derivative: Array = jax.jvp(of_theta, (theta,), (theta,))[1]
    return derivative
