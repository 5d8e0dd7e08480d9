"""The negative binomial log-probability for counts between 0 and 2 that are not whole.

Such counts come with normalized data only. The extension by the gamma function is, with
t = theta, m = t + mu, p = t / m, q = mu / m and n = x + t,

    l = t log(p) + x log(q) + log Gamma(n) - log Gamma(t) - log Gamma(1 + x).

For y >= 2 and u = x / y Stirling's formula gives, with phi(u) = log(1 + u) - u,

    log Gamma(x + y) - log Gamma(y) = x log(y) + (x + y - 1/2) phi(u) + x (x - 1/2) / y
                                      + delta(x + y) - delta(y),

where all terms but the first are small. For t < 2 it is taken at y = t + 2, and two steps of the
recurrence, -log(1 + x / t) - log(1 + x / (t + 1)), lead back to t.

The derivative in theta uses psi(n) - psi(t) = phi(x / t) + x / t + eta(t) - eta(n). The parts of
order 1 / t cancel in closed form, x / t - x / m = x q / t:

    dl/dt = phi(-q) + x q / t + phi(x / t) + eta(t) - eta(n).
"""

from typing import Final

import jax.numpy as jnp

from jaxnb._types import Array
from jaxnb.likelihoods.dispersion import Dispersion
from jaxnb.likelihoods.nb_kernel import Kernel, Wrt
from jaxnb.special.gamma import (
    digamma_remainder_difference,
    digamma_remainder_steps,
    lgamma_1p,
    reciprocal_argument,
    stirling_error,
    trigamma_remainder_difference,
    trigamma_remainder_steps,
)
from jaxnb.special.log1p import log1p_minus_x

__all__ = ["FRACTIONAL_KERNELS"]


def _log_nb(x: Array, mu: Array, d: Dispersion) -> Array:
    m = d.theta + mu
    y = d.theta + d.steps
    u = x / y
    stirling = stirling_error(reciprocal_argument(y + x)) - stirling_error(d.p)
    log_gammas = (y + x - 0.5) * log1p_minus_x(u, 1 + u) + x * (x - 0.5) / y + stirling
    small = d.steps > 0
    t = jnp.where(small, d.theta, 1.0)
    steps = jnp.where(small, jnp.log1p(x / t) + jnp.log1p(x / (t + 1)), 0.0)
    log_p = _phi_of_minus_q(mu, d) - mu / m
    return d.theta * log_p + x * jnp.log(mu * (y / m)) + (log_gammas - steps) - lgamma_1p(x)


def _d_theta(x: Array, mu: Array, d: Dispersion) -> Array:
    u = x / d.theta
    q = mu / (d.theta + mu)
    return (log1p_minus_x(u, 1 + u) + u * q + _eta_difference(x, d)) + _phi_of_minus_q(mu, d)


def _d_log_theta(x: Array, mu: Array, d: Dispersion) -> Array:
    return d.theta * _d_theta(x, mu, d)


def _d_theta_d_theta(x: Array, mu: Array, d: Dispersion) -> Array:
    """q**2 / t - x q (1 + p) / t**2 + x**2 / (t**2 n) - (zeta(t) - zeta(n))."""
    m = d.theta + mu
    p, q = d.theta / m, mu / m
    u = x / d.theta
    of_counts = u * (u / (x + d.theta)) - u * (q * (1 + p) / d.theta)
    return of_counts + q * q / d.theta - _zeta_difference(x, d)


def _d_log_theta_d_log_theta(x: Array, mu: Array, d: Dispersion) -> Array:
    """t (phi(-q) + q**2 + phi(u) + eta_difference) - x p q + x**2 / n - t**2 zeta_difference."""
    m = d.theta + mu
    p, q = d.theta / m, mu / m
    u = x / d.theta
    first = log1p_minus_x(u, 1 + u) + _eta_difference(x, d)
    gammas = d.theta * (first - d.theta * _zeta_difference(x, d)) + x * (x / (x + d.theta))
    return d.theta * (_phi_of_minus_q(mu, d) + q * q) - x * p * q + gammas


def _phi_of_minus_q(mu: Array, d: Dispersion) -> Array:
    m = d.theta + mu
    return log1p_minus_x(-mu / m, d.theta / m)


def _eta_difference(x: Array, d: Dispersion) -> Array:
    """eta(t) - eta(n)."""
    small = d.steps > 0
    n = jnp.where(small, x + d.theta, 1.0)
    steps = d.digamma_step - jnp.where(small, digamma_remainder_steps(n), 0.0)
    return steps + digamma_remainder_difference(d.p, _raised(x, d), x)


def _zeta_difference(x: Array, d: Dispersion) -> Array:
    """zeta(t) - zeta(n)."""
    small = d.steps > 0
    n = jnp.where(small, x + d.theta, 1.0)
    steps = d.trigamma_step - jnp.where(small, trigamma_remainder_steps(n), 0.0)
    return steps + trigamma_remainder_difference(d.p, _raised(x, d), x)


def _raised(x: Array, d: Dispersion) -> Array:
    return reciprocal_argument(x + d.theta + d.steps)


FRACTIONAL_KERNELS: Final[dict[Wrt, Kernel]] = {
    (): _log_nb,
    ("theta",): _d_theta,
    ("log_theta",): _d_log_theta,
    ("theta", "theta"): _d_theta_d_theta,
    ("log_theta", "log_theta"): _d_log_theta_d_log_theta,
}
"""As `nb_kernel.KERNELS`, for those that contain a gamma function."""
