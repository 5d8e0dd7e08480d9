"""log F where it is proportional to theta: for x = 0, and for theta < 2 where the tail is light.

Notation: t = theta, b = x + 1, m = t + mu, n = b + t, p = t / m. With the sum

    S = sum over k >= 1 of (1 - b)_k p**k / (k! (t + k)),

the series of the incomplete beta function around p = 0 (DLMF 8.17.7) reads

    F = Gamma(n) / (Gamma(1 + t) Gamma(b)) p**t (1 + t S).

Stirling's formula for Gamma(n) / Gamma(b), with phi(u) = log(1 + u) - u and the remainder delta of
`special.gamma`, leaves no term that is not proportional to t,

    log F = t [log(n p) + (delta(n) - delta(b)) / t - 1 / (2 b) - log(Gamma(1 + t)) / t]
            + (b - 1/2) phi(t / b) + log(1 + t S),

so that nothing is lost as t, and with it log F, tends to 0. At x = 1 these terms cancel as p tends
to 1, where F = p**t (1 + t q), q = mu / m, is

    log F = t phi(-q) + phi(t q).
"""

from typing import Final, NamedTuple

import jax
import jax.numpy as jnp

from jaxnb._types import Array
from jaxnb.cdf.coefficients import LOG_GAMMA_OVER_ARGUMENT
from jaxnb.special.coefficients import STIRLING_ERROR
from jaxnb.special.elementary import reciprocal
from jaxnb.special.gamma import reciprocal_argument
from jaxnb.special.log1p import log, log1p_minus_x
from jaxnb.special.polynomial import divided_difference, horner

__all__ = [
    "Slopes",
    "few_counts",
    "log_cdf_at_zero",
    "log_cdf_small_theta",
    "shares",
    "slopes_of_series",
]

# The terms of S alternate in sign; up to b p = 1.5 they lose no more than a digit's half.
_LIMIT: Final = 1.5
_TERMS: Final = {"float32": 13, "float64": 22}
_SMALLEST_Q: Final = 2.0**-100  # a normal number of float32; below it p is 1


@jax.custom_jvp
def shares(mu: Array, theta: Array) -> tuple[Array, Array]:
    """p and q.

    They have the derivatives -p / m and p / m in the mean, q / m and -q / m in theta. Those of a
    quotient are differences, 1 / m - mu / m**2, which lose all digits where p or q is small.
    """
    inverse_m = reciprocal(theta + mu)
    return theta * inverse_m, mu * inverse_m


@shares.defjvp
def _shares_jvp(
    primals: tuple[Array, Array], tangents: tuple[Array, Array]
) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
    mu, theta = primals
    p, q = shares(mu, theta)
    change = (p * tangents[0] - q * tangents[1]) * reciprocal(theta + mu)
    return (p, q), (-change, change)


def few_counts(x: Array, mu: Array, theta: Array) -> Array:
    """Where the series of this module holds, for x >= 1."""
    return (theta < 2) & ((x + 1) * (theta * reciprocal(theta + mu)) < _LIMIT)


def log_cdf_at_zero(mu: Array, theta: Array) -> Array:
    """theta log(p) = theta phi(-q) - theta q, where theta q = mu p if q may underflow.

    Not everywhere: where rules for derivatives are dropped, that of theta q loses fewer digits.
    """
    p, q = shares(mu, theta)
    return theta * log1p_minus_x(-q, p) - jnp.where(q < _SMALLEST_Q, mu * p, theta * q)


def log_cdf_small_theta(x: Array, mu: Array, theta: Array) -> Array:
    """log F for x >= 1, theta < 2 and (x + 1) p < 1.5."""
    dtype = x.dtype.name
    b = x + 1
    p, q = shares(mu, theta)
    b_p = b * p
    term = jnp.ones_like(b_p)
    series = jnp.zeros_like(b_p)
    for k in range(1, _TERMS[dtype] + 1):
        term = term * ((k * p - b_p) * (1 / k))
        series = series + term * reciprocal(theta + k)
    inverse_b = reciprocal(b)
    at_b, at_n = reciprocal_argument(b), reciprocal_argument(b + theta)
    # (delta(n) - delta(b)) / t; the reciprocal arguments differ by -t at_b at_n
    stirling = -at_n * at_b * divided_difference((*STIRLING_ERROR[dtype], 0.0), at_b, at_n)
    gamma = horner(LOG_GAMMA_OVER_ARGUMENT[dtype], theta - 1)
    per_theta = log(b_p + theta * p) + stirling - 0.5 * inverse_b - gamma
    ratio = theta * inverse_b
    correction = theta * series
    log_sum = log1p_minus_x(correction, 1 + correction) + correction
    many = (theta * per_theta + (b - 0.5) * log1p_minus_x(ratio, 1 + ratio)) + log_sum
    theta_q = theta * q
    at_one = theta * log1p_minus_x(-q, p) + log1p_minus_x(theta_q, 1 + theta_q)
    # As q tends to 1 instead, differentiating q would lose digits.
    return jnp.where((x == 1) & (q < 0.5), at_one, many)


class Slopes(NamedTuple):
    """The derivatives of s = log(1 + t S) with u = log(mu) and v = log(t).

    Attributes:
        mu: s_u.
        theta: s_v.
        twice_theta: t**2 d2s/dt2.
    """

    mu: Array
    theta: Array
    twice_theta: Array


def slopes_of_series(x: Array, mu: Array, theta: Array) -> Slopes:
    """For x >= 1, theta < 2 and (x + 1) p < 1.5.

    With c_k the terms of S times t + k, i = 1 / (t + k), p_v = p q and p_u = -p q, the sums

        A = sum of c_k k i,    B = sum of c_k k i (i + q),
        C = sum of c_k k i (k q (q + 2 i) - q (1 + p) - 2 t i**2)

    are -1 / (t q), 1 / t and 1 / t times the derivatives of t S: s_u, s_v and t**2 d2(t S)/dt2.
    """
    p, q = shares(mu, theta)
    b_p = (x + 1) * p
    term = jnp.ones_like(b_p)
    series, of_a, of_b, of_c = (jnp.zeros_like(b_p) for _ in range(4))
    constant = q * (1 + p)
    for k in range(1, _TERMS[x.dtype.name] + 1):
        term = term * ((k * p - b_p) * (1 / k))
        inverse = reciprocal(theta + k)
        part = term * inverse
        series = series + part
        part = k * part
        of_a = of_a + part
        of_b = of_b + part * (inverse + q)
        bend = (k * q) * (q + 2 * inverse) - constant - 2 * (theta * inverse) * inverse
        of_c = of_c + part * bend
    per_sum = theta * reciprocal(1 + theta * series)
    of_theta = per_sum * of_b
    return Slopes(-per_sum * (q * of_a), of_theta, per_sum * of_c - of_theta * of_theta)
