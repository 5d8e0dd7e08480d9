"""Derivatives of the negative binomial log-probability in x, of its extension to real counts.

Notation of `nb_kernel`; n is bounded by the stand-in for infinity.
"""

import jax.numpy as jnp
import numpy as np

from jaxnb._types import Array
from jaxnb.special.gamma import (
    RECURRENCE_STEPS,
    digamma_remainder,
    reciprocal_argument,
    trigamma_remainder,
    trigamma_remainder_difference,
    trigamma_remainder_steps_difference,
)

__all__ = ["d_x", "d_x_d_theta", "d_x_d_x"]


def d_x(x: Array, n: Array, t: Array, d_log_mu: Array, log_q: Array) -> Array:
    """psi(n) - psi(x+1) + log(q) = log(R) + eta(x+1) - eta(n), R = q n / (x+1).

    Close to the mode R is close to 1, and 1 - R = (p (x - mu) + 1) / (x + 1).
    """
    rest = (d_log_mu + 1) / (x + 1)
    near = jnp.abs(rest) < 0.5
    far = log_q + (jnp.log(n) - jnp.log(x + 1))
    log_ratio = jnp.where(near, jnp.log1p(-jnp.where(near, rest, 0.0)), far)
    derivative = log_ratio + digamma_remainder(x + 1) - digamma_remainder(n)
    return jnp.where(n > 4 * float(np.finfo(n.dtype).tiny), derivative, -1 / t)


def d_x_d_x(x: Array, n: Array, t: Array) -> Array:
    """psi_1(n) - psi_1(x+1) = (1 - t) / (n (x+1)) + zeta(n) - zeta(x+1)."""
    z, distance = x + 1, 1 - t
    small = jnp.minimum(n, z) < RECURRENCE_STEPS
    of_n, of_z = (reciprocal_argument(jnp.where(small, y + RECURRENCE_STEPS, y)) for y in (n, z))
    remainders = trigamma_remainder_difference(of_n, of_z, distance)
    low, step = jnp.where(small, n, 1.0), jnp.where(small, distance, 0.0)
    steps = jnp.where(small, trigamma_remainder_steps_difference(low, step), 0.0)
    return (distance / n) / z + (remainders + steps)


def d_x_d_theta(n: Array, c: Array) -> Array:
    """(mu - x) / (n m) + zeta(n)."""
    return trigamma_remainder(n) - c / n
