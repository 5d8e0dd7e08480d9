"""Counts below 2 that are not whole: from x + 2 back to x by the recurrence of the gamma function.

Such counts come with normalized data only. Notation of `ranges` and `nb_kernel`; with i_0 = 1 / n
and i_1 = 1 / (n + 1),

    l(x) = l(x + 2) + log((x + 1) (x + 2) m**2 i_0 i_1 / mu**2),

whose last argument is a square, formed without overflow. What it adds to the derivative in theta,
2 / m - i_0 - i_1, is the sum of

    s_0 = (x - mu) i_0 / m    and    s_1 = (x + 1 - mu) i_1 / m.

A mean that was moved up by form `under` adds x log(r) - n log(1 + u), whose derivative in theta is

    -phi(u) + u (x - mu) / m,

and whose second derivative is (u / m) (2 - n / m - n / m_0).
"""

from typing import NamedTuple

import jax.numpy as jnp

from jaxnb._types import Array
from jaxnb.likelihoods.ranges import Point
from jaxnb.special.elementary import reciprocal
from jaxnb.special.log1p import log, log1p_minus_x

__all__ = ["Recurrence", "recurrence"]


class Recurrence(NamedTuple):
    """What leads back from x + 2 to x and from mu_0 to mu; 0 where the count is no such fraction.

    Attributes:
        value: Of the log-probability.
        d_theta: Of its derivative in theta.
        d_theta_d_theta: Of the second one.
        d_log_theta_d_log_theta: Of that in log(theta).
    """

    value: Array
    d_theta: Array
    d_theta_d_theta: Array
    d_log_theta_d_log_theta: Array


def recurrence(p: Point, inverse_m: Array) -> Recurrence:
    """All of it; XLA removes what is not used.

    Args:
        p: The point of `ranges.move`.
        inverse_m: 1 / m there.
    """
    x = jnp.where(p.fraction, p.count, 0.5)
    t, n = p.theta, x + p.theta
    i_0, i_1 = reciprocal(n), reciprocal((x + 1) + t)
    root = jnp.sqrt((x + 1) * (x + 2)) * (jnp.sqrt(i_0) * (t + p.mu) * jnp.sqrt(i_1)) / p.mu
    s_0, s_1 = (x - p.mu) * inverse_m * i_0, (x + 1 - p.mu) * inverse_m * i_1
    of_second = -s_0 * (i_0 + inverse_m) - s_1 * (i_1 + inverse_m)
    p_0 = t * inverse_m
    of_log = t * (s_0 * (x * i_0 - p_0) + s_1 * ((x + 1) * i_1 - p_0))

    u = jnp.where(p.fraction, p.u, 0.0)
    of_m = inverse_m * reciprocal(1 + u)
    phi_u = log1p_minus_x(u, 1 + u)
    first = u * ((x - p.mu * p.r) * of_m) - phi_u
    second = (u * of_m) * (2 - n * (of_m + inverse_m))

    def only(value: Array) -> Array:
        return jnp.where(p.fraction, value, 0.0)

    return Recurrence(
        only(2 * log(jnp.where(p.fraction, root, 1.0)) - n * (phi_u + u)),
        only(s_0 + s_1 + first),
        only(of_second + second),
        only(of_log + t * (first + t * second)),
    )
