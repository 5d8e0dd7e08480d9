"""The negative binomial log-probability and its derivatives, without cancellation.

Notation of this module: t = theta, m = t + mu, and for counts of 2 and more n = x + t,

    c = (x - mu) / m,      1 + c = n / m,
    s = -t c / x,          1 + s = mu n / (m x),
    phi(u) = log(1 + u) - u.

Stirling's formula in Loader's form (Loader 2000, equation 3, carried over from the binomial) reads

    l = t phi(c) + x phi(s) + delta(n) - delta(x) + A(t) - log(x n w(t)) / 2,

since the linear parts of t log(1 + c) + x log(1 + s) cancel exactly: every term left is of the
size of the result. At 0 and 1 no gamma function is needed: there c = -mu / m, n = t, and

    l = t log(1 + c) + [x = 1] log(t mu / m).

Counts that are not whole (the extension by the gamma function) take the first form from 2 on; those
below 2 are left to `nb_fractional`.

Arguments: x is 0, 1 or from 2 to 2**60; mean and theta are within the
range of `nb_point.kernel_range`, theta up to `largest`. `nb_full_range` has the same functions
for every argument.

The derivatives in log(mu) and log(theta) have closed forms of their own, which neither overflow nor
cancel where a parameter is small: with p = t / m and q = mu / m,

    dl/dlog(mu) = p (x - mu),            d2l/dlog(mu)2 = -p q n,
    d2l/dlog(mu) dlog(t) = p q (x - mu).
"""

from collections.abc import Callable
from typing import Final, NamedTuple

import jax.numpy as jnp
from jax import lax

from jaxnb._types import Array
from jaxnb.likelihoods.arguments import largest
from jaxnb.likelihoods.dispersion import Dispersion
from jaxnb.special.elementary import reciprocal, two_sum
from jaxnb.special.gamma import (
    digamma_remainder_difference,
    reciprocal_argument,
    stirling_error,
    trigamma_remainder_difference,
)
from jaxnb.special.log1p import log, log1p_minus_x

__all__ = ["KERNELS", "Kernel", "Ratios", "Wrt", "log_nb_times", "poisson_aside", "ratios"]

Kernel = Callable[[Array, Array, Dispersion], Array]

Wrt = tuple[str, ...]
"""The coordinates in which a function is differentiated, sorted: "x", "mu" or "log_mu", ..."""


def poisson_aside(wrt: Wrt, value: Array, d: Dispersion) -> Array:
    """A derivative in theta as 0 where theta is infinite, or beyond the stand-in for it.

    The distribution is Poisson to the last digit there; the stand-in itself has another derivative.
    """
    if not {"theta", "log_theta"} & set(wrt):
        return value
    return jnp.where(d.theta >= largest(d.theta.dtype), 0.0, value)


class Ratios(NamedTuple):
    """The module's notation; `many` marks x >= 2, and x is 1 elsewhere."""

    many: Array
    x: Array
    n: Array
    inverse_m: Array
    c: Array
    one_plus_c: Array


def ratios(x: Array, mu: Array, t: Array) -> Ratios:
    """n, 1/m and c, the latter with the rounding of m and of x - mu put back.

    An error of one rounding in c is felt twice in t phi(c), which may be all of l. So the residual
    of the division is worked out, with the rounding errors of its operands, and added.
    """
    few = x <= 1
    gamma_x = jnp.where(few, 0.0, x)
    m, m_error = two_sum(t, mu)
    difference, difference_error = two_sum(gamma_x, -mu)
    inverse_m = reciprocal(m)
    quotient = difference * inverse_m
    residual = (difference - quotient * m) + (difference_error - quotient * m_error)
    c = quotient + residual * inverse_m
    n = t + gamma_x
    return Ratios(~few, jnp.where(few, 1.0, x), n, inverse_m, c, n * inverse_m)


def _log_nb(x: Array, mu: Array, d: Dispersion) -> Array:
    r = ratios(x, mu, d.theta)
    t_c = d.theta * r.c
    inverse_x = reciprocal(r.x)
    quotient = -t_c * inverse_x
    s = quotient - (quotient * r.x + t_c) * inverse_x
    mean_ratio = mu * r.one_plus_c  # mu n / m, for x = 1 theta mu / m
    phi_c = log1p_minus_x(r.c, r.one_plus_c)
    phi_s = log1p_minus_x(s, mean_ratio * inverse_x)
    stirling = stirling_error(reciprocal_argument(r.n)) - stirling_error(reciprocal_argument(r.x))
    argument = jnp.where(r.many, r.x * (r.n * d.variance_scale), mean_ratio)
    logarithm = log(jnp.where(x == 0, 1.0, argument))
    return jnp.where(
        r.many,
        d.theta * phi_c + r.x * phi_s + stirling + d.log_scale - 0.5 * logarithm,
        d.theta * (phi_c + r.c) + logarithm,
    )


def log_nb_times(factor: Array, x: Array, mu: Array, d: Dispersion) -> Array:
    """log(pmf(x) factor) for x = 1 or x >= 2.

    The factor goes inside the logarithm that is left of Stirling's formula: a logarithm of its own
    would be large where that is large, with the opposite sign.
    """
    r = ratios(x, mu, d.theta)
    t_c = d.theta * r.c
    inverse_x = reciprocal(r.x)
    quotient = -t_c * inverse_x
    s = quotient - (quotient * r.x + t_c) * inverse_x
    mean_ratio = mu * r.one_plus_c
    phi_c = log1p_minus_x(r.c, r.one_plus_c)
    phi_s = log1p_minus_x(s, mean_ratio * inverse_x)
    stirling = stirling_error(reciprocal_argument(r.n)) - stirling_error(reciprocal_argument(r.x))
    scale = jnp.where(r.many, lax.rsqrt(r.x * (r.n * d.variance_scale)), mean_ratio)
    logarithm = log(factor * scale)
    return jnp.where(
        r.many,
        (d.theta * phi_c + r.x * phi_s) + (stirling + d.log_scale + logarithm),
        d.theta * (phi_c + r.c) + logarithm,
    )


def _d_theta(x: Array, mu: Array, d: Dispersion) -> Array:
    """phi(c) + eta(t) - eta(n).

    The two parts have opposite signs and each is right to its last digits; the second is
    -c / t at x = 1 and 0 at x = 0.
    """
    r = ratios(x, mu, d.theta)
    many = d.digamma_step + _eta_difference(r, d)
    few = jnp.where(x == 1, -r.c * d.inverse, 0.0)
    return log1p_minus_x(r.c, r.one_plus_c) + jnp.where(r.many, many, few)


def _d_log_theta(x: Array, mu: Array, d: Dispersion) -> Array:
    """t dl/dt, each part of which is of the size of the result."""
    return d.theta * _d_theta(x, mu, d)


def _d_theta_d_theta(x: Array, mu: Array, d: Dispersion) -> Array:
    """c**2 / n - (zeta(t) - zeta(n)).

    The second part is mu (mu + 2t) / (t m)**2 at x = 1 and 0 at x = 0.
    """
    r = ratios(x, mu, d.theta)
    many = d.trigamma_step + _zeta_difference(r, d)
    q = mu * r.inverse_m
    few = jnp.where(x == 1, q * d.inverse * (q + 2 * d.theta * r.inverse_m) * d.inverse, 0.0)
    return r.c * r.c * reciprocal(r.n) - jnp.where(r.many, many, few)


def _d_log_theta_d_log_theta(x: Array, mu: Array, d: Dispersion) -> Array:
    """t dl/dt + t**2 d2l/dt2 = t (phi(c) + t c**2 / n) + t eta_difference - t**2 zeta_difference.

    The last two parts nearly cancel where t is small: `Dispersion.curvature_step` is their sum as
    far as it depends on t alone. At x = 1 that sum is -p q, and at x = 0 it is 0.
    """
    r = ratios(x, mu, d.theta)
    many = d.curvature_step + d.theta * (_eta_difference(r, d) - d.theta * _zeta_difference(r, d))
    p, q = d.theta * r.inverse_m, mu * r.inverse_m
    few = jnp.where(x == 1, -p * q, 0.0)
    t_over_n = d.theta * reciprocal(r.n)
    phi_c = log1p_minus_x(r.c, r.one_plus_c)
    return d.theta * (phi_c + r.c * r.c * t_over_n) + jnp.where(r.many, many, few)


def _eta_difference(r: Ratios, d: Dispersion) -> Array:
    """eta(t + steps) - eta(n) for x >= 2."""
    return digamma_remainder_difference(d.p, reciprocal_argument(r.n), r.x - d.steps)


def _zeta_difference(r: Ratios, d: Dispersion) -> Array:
    """zeta(t + steps) - zeta(n) for x >= 2."""
    return trigamma_remainder_difference(d.p, reciprocal_argument(r.n), r.x - d.steps)


def _d_mu(x: Array, mu: Array, d: Dispersion) -> Array:
    """t (x - mu) / (mu m)."""
    excess = jnp.where(x > 0, (x - mu) * reciprocal(jnp.where(x > 0, mu, 1.0)), -1.0)
    return excess * (d.theta * reciprocal(d.theta + mu))


def _d_log_mu(x: Array, mu: Array, d: Dispersion) -> Array:
    return (x - mu) * (d.theta * reciprocal(d.theta + mu))


def _d_mu_d_mu(x: Array, mu: Array, d: Dispersion) -> Array:
    """t (mu**2 - x (t + 2 mu)) / (mu m)**2."""
    inverse_mu = reciprocal(jnp.where(x > 0, mu, 1.0))
    inverse_m = reciprocal(d.theta + mu)
    curvature = jnp.where(x > 0, (x * inverse_mu) * (1 + mu * inverse_m) * inverse_mu, 0.0)
    return (d.theta * inverse_m) * (inverse_m - curvature)


def _d_log_mu_d_log_mu(x: Array, mu: Array, d: Dispersion) -> Array:
    inverse_m = reciprocal(d.theta + mu)
    return -(d.theta * inverse_m) * (mu * ((x + d.theta) * inverse_m))


def _d_mu_d_theta(x: Array, mu: Array, d: Dispersion) -> Array:
    """(x - mu) / m**2."""
    inverse_m = reciprocal(d.theta + mu)
    return (x - mu) * inverse_m * inverse_m


def _d_log_mu_d_theta(x: Array, mu: Array, d: Dispersion) -> Array:
    inverse_m = reciprocal(d.theta + mu)
    return ((x - mu) * inverse_m) * (mu * inverse_m)


def _d_mu_d_log_theta(x: Array, mu: Array, d: Dispersion) -> Array:
    inverse_m = reciprocal(d.theta + mu)
    return ((x - mu) * inverse_m) * (d.theta * inverse_m)


def _d_log_mu_d_log_theta(x: Array, mu: Array, d: Dispersion) -> Array:
    inverse_m = reciprocal(d.theta + mu)
    return ((x - mu) * (d.theta * inverse_m)) * (mu * inverse_m)


KERNELS: Final[dict[Wrt, Kernel]] = {
    (): _log_nb,
    ("mu",): _d_mu,
    ("log_mu",): _d_log_mu,
    ("theta",): _d_theta,
    ("log_theta",): _d_log_theta,
    ("mu", "mu"): _d_mu_d_mu,
    ("log_mu", "log_mu"): _d_log_mu_d_log_mu,
    ("mu", "theta"): _d_mu_d_theta,
    ("log_mu", "theta"): _d_log_mu_d_theta,
    ("mu", "log_theta"): _d_mu_d_log_theta,
    ("log_mu", "log_theta"): _d_log_mu_d_log_theta,
    ("theta", "theta"): _d_theta_d_theta,
    ("log_theta", "log_theta"): _d_log_theta_d_log_theta,
}
"""The log-probability and its derivatives, by the coordinates differentiated in."""
