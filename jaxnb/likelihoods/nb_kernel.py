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

Counts that are not whole (the Gamma-function extension) take the first form from 2 on; those below
2 are evaluated at x + 2 by the caller and led back by the `recurrence_...` terms. Arguments:
0 <= mu <= `largest`, x likewise.
"""

from typing import NamedTuple

import jax.numpy as jnp

from jaxnb._types import Array
from jaxnb.likelihoods.dispersion import Dispersion
from jaxnb.special.elementary import reciprocal
from jaxnb.special.gamma import (
    digamma_gap,
    digamma_gap_difference,
    reciprocal_argument,
    stirling_error,
    trigamma_gap,
    trigamma_gap_difference,
)
from jaxnb.special.log1p import log, log1p_minus_x


class Ratios(NamedTuple):
    """The module's notation; `many` marks x >= 2, and x is 1 elsewhere."""

    many: Array
    x: Array
    n: Array
    inverse_m: Array
    c: Array
    one_plus_c: Array


def _ratios(x: Array, mu: Array, t: Array) -> Ratios:
    """N, 1/m and c, the latter with the rounding of m and of x - mu put back.

    An error of one rounding in c is felt twice in t phi(c), which may be all of l. So the residual
    of the division is worked out, with the rounding errors of its operands, and added.
    """
    few = x <= 1  # a NaN is not few, and goes through
    gamma_x = jnp.where(few, 0.0, x)
    m, m_error = _two_sum(t, mu)
    difference, difference_error = _two_sum(gamma_x, -mu)
    inverse_m = reciprocal(m)
    quotient = difference * inverse_m
    residual = (difference - quotient * m) + (difference_error - quotient * m_error)
    c = quotient + residual * inverse_m
    n = t + gamma_x
    return Ratios(~few, jnp.where(few, 1.0, x), n, inverse_m, c, n * inverse_m)


def _two_sum(a: Array, b: Array) -> tuple[Array, Array]:
    """A + b rounded, and what the rounding left out (Knuth, TAOCP 2, 4.2.2, theorem B)."""
    total = a + b
    b_part = total - a
    return total, (a - (total - b_part)) + (b - b_part)


def log_nb(x: Array, mu: Array, d: Dispersion) -> Array:
    """L for x = 0, 1 or >= 2."""
    r = _ratios(x, mu, d.theta)
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
        d.weight * (phi_c + r.c) + logarithm,
    )


def d_theta(x: Array, mu: Array, d: Dispersion) -> Array:
    """dl/dtheta = phi(c) + eta(t) - eta(n) for x = 0, 1 or >= 2.

    The two parts have opposite signs and each is right to its last digits; the second is
    -c / t at x = 1 and 0 at x = 0.
    """
    r = _ratios(x, mu, d.theta)
    gap = d.digamma_step + digamma_gap_difference(d.p, reciprocal_argument(r.n), r.x - d.steps)
    few_gap = jnp.where(x == 1, -r.c * d.inverse, 0.0)
    return log1p_minus_x(r.c, r.one_plus_c) + jnp.where(r.many, gap, few_gap)


def d_theta_d_theta(x: Array, mu: Array, d: Dispersion) -> Array:
    """d2l/dtheta2 = c**2 / n - (zeta(t) - zeta(n)) for x = 0, 1 or >= 2.

    The second part is mu (mu + 2t) / (t m)**2 at x = 1 and 0 at x = 0.
    """
    r = _ratios(x, mu, d.theta)
    gap = d.trigamma_step + trigamma_gap_difference(d.p, reciprocal_argument(r.n), r.x - d.steps)
    p = mu * r.inverse_m
    few_gap = jnp.where(x == 1, p * d.inverse * (p + 2 * d.theta * r.inverse_m) * d.inverse, 0.0)
    return r.c * r.c * reciprocal(r.n) - jnp.where(r.many, gap, few_gap)


def d_mu(x: Array, mu: Array, t: Array) -> Array:
    """dl/dmu = t (x - mu) / (mu m) for x >= 0."""
    positive = x > 0
    excess = jnp.where(positive, (x - mu) * reciprocal(jnp.where(positive, mu, 1.0)), -1.0)
    return excess * (t * reciprocal(t + mu))


def d_mu_d_mu(x: Array, mu: Array, t: Array) -> Array:
    """d2l/dmu2 = t (mu**2 - x (t + 2 mu)) / (mu m)**2 for x >= 0."""
    positive = x > 0
    inverse_mu = reciprocal(jnp.where(positive, mu, 1.0))
    inverse_m = reciprocal(t + mu)
    curvature = jnp.where(positive, (x * inverse_mu) * (1 + mu * inverse_m) * inverse_mu, 0.0)
    return (t * inverse_m) * (inverse_m - curvature)


def d_mu_d_theta(x: Array, mu: Array, t: Array) -> Array:
    """d2l/dmu dtheta = (x - mu) / m**2 for x >= 0."""
    inverse_m = reciprocal(t + mu)
    return (x - mu) * inverse_m * inverse_m


def d_x(x: Array, mu: Array, t: Array) -> Array:
    """dl/dx = psi(n) - psi(x+1) + log(mu / m) for real x >= 0, mu > 0, t > 0.

    As a logarithm of the ratio (mu n) / (m (x+1)), near 1 close to the mode, and the gaps.
    """
    inverse = 1 / ((t + mu) * (x + 1))
    return jnp.log1p(-(t * (x - mu) + (t + mu)) * inverse) + digamma_gap(x + 1) - digamma_gap(x + t)


def d_x_d_mu(x: Array, mu: Array, t: Array) -> Array:
    """d2l/dx dmu = t / (mu m)."""
    return t / (mu * (t + mu))


def d_x_d_theta(x: Array, mu: Array, t: Array) -> Array:
    """d2l/dx dtheta = (mu - x) / (n m) + zeta(n) for real x >= 0, t > 0."""
    n = x + t
    return (mu - x) / (n * (t + mu)) + trigamma_gap(n)


def recurrence(x: Array, mu: Array, t: Array) -> Array:
    """l(x) - l(x+2)."""
    ratio = (t + mu) / mu
    return jnp.log((x + 1) / (x + t) * ratio) + jnp.log((x + 2) / (x + 1 + t) * ratio)


def recurrence_d_theta(x: Array, mu: Array, t: Array) -> Array:
    """The derivative of `recurrence` in theta, each step -1/(x+t) + 1/m in one fraction."""
    m = t + mu
    return -((mu - x) / (x + t) + (mu - x - 1) / (x + 1 + t)) / m


def recurrence_d_theta_d_theta(x: Array, mu: Array, t: Array) -> Array:
    """The second derivative of `recurrence` in theta, each step 1/(x+t)**2 - 1/m**2."""
    m = t + mu
    first, second = x + t, x + 1 + t
    return (mu - x) * (m + first) / (m * first) ** 2 + (mu - x - 1) * (m + second) / (
        m * second
    ) ** 2
