"""The negative binomial log-probability for counts between 0 and 2 that are not whole.

Such counts come with normalized data only. The extension by the gamma function is, with
t = theta, m = t + mu, p = t / m, q = mu / m and n = x + t,

    l = t log(p) + x log(q) + log Gamma(n) - log Gamma(t) - log Gamma(1 + x).

For y >= 2 and u = x / y Stirling's formula gives, with phi(u) = log(1 + u) - u,

    log Gamma(x + y) - log Gamma(y) = x log(y) + (x + y - 1/2) phi(u) + x (x - 1/2) / y
                                      + delta(x + y) - delta(y),

where all terms but the first are small. For t < 2 it is taken at y = t + 2, and two steps of the
recurrence, -log(1 + x / t) - log(1 + x / (t + 1)), lead back to t.

The derivative in theta uses psi(n) - psi(T) = phi(e / T) + e / T + eta(T) - eta(n), where T = t + k
and x = k + e with k = 0 for x <= 1/2, else 1. The parts of order 1 / t cancel in closed form:

    dl/dt = phi(-q) + k q / t + e (mu - k) / (m T) + phi(e / T) + eta(T) - eta(n).

Where mu vanishes, so does the derivative at x = 1; as e is exact, the digits are kept close to it.
"""

from typing import Final, NamedTuple

import jax.numpy as jnp

from jaxnb._types import Array
from jaxnb.likelihoods.dispersion import Dispersion
from jaxnb.likelihoods.nb_kernel import Kernel, Wrt
from jaxnb.special.gamma import (
    digamma_remainder,
    digamma_remainder_difference,
    digamma_remainder_steps_difference,
    lgamma_1p,
    reciprocal_argument,
    stirling_error,
    trigamma_remainder,
    trigamma_remainder_difference,
    trigamma_remainder_steps_difference,
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


class _Split(NamedTuple):
    """The count as k + e, and what belongs to T = theta + k and n = theta + x = T + e."""

    k: Array
    e: Array
    T: Array
    n: Array


def _split(x: Array, d: Dispersion) -> _Split:
    k = jnp.where(x > 0.5, 1.0, 0.0).astype(x.dtype)
    return _Split(k, x - k, d.theta + k, d.theta + x)


def _d_theta(x: Array, mu: Array, d: Dispersion) -> Array:
    s = _split(x, d)
    m = d.theta + mu
    u = s.e / s.T
    of_counts = u * ((mu - s.k) / m) + (log1p_minus_x(u, 1 + u) + _eta_difference(s, d))
    return of_counts + (_phi_of_minus_q(mu, d) + s.k * (mu / m) / d.theta)


def _d_log_theta(x: Array, mu: Array, d: Dispersion) -> Array:
    return d.theta * _d_theta(x, mu, d)


def _d_theta_d_theta(x: Array, mu: Array, d: Dispersion) -> Array:
    """The derivative of `_d_theta`, with the same terms in the same order.

    q**2 / t - k q (1 + p) / t**2 - e (mu - k) (1/m + 1/T) / (m T) + e**2 / (T**2 n)
    - (zeta(T) - zeta(n)).
    """
    s = _split(x, d)
    m = d.theta + mu
    p, q = d.theta / m, mu / m
    u = s.e / s.T
    of_counts = u * (u / s.n) - u * ((mu - s.k) / m) * (1 / m + 1 / s.T) - _zeta_difference(s, d)
    return of_counts + (q * q - s.k * q * (1 + p) / d.theta) / d.theta


def _d_log_theta_d_log_theta(x: Array, mu: Array, d: Dispersion) -> Array:
    """The sum t dl/dt + t**2 d2l/dt2, in which more cancels.

    t (phi(-q) + q**2) - k p q + (t / T) (e (mu - k) / m) (k / T - p) + gammas, where

    gammas = t (phi(e / T) + eta(T) - eta(n) - t (zeta(T) - zeta(n))) + (t / T)**2 e**2 / n.

    At k = 0 and small t, the parts of order 1 in the first step of the recurrence cancel in closed
    form: with v = 1 + t and w = 1 + n,

    gammas = t (log(1 + x / t) - log(1 + x / (t w)) - x / n + x (n**2 - v) / (n**2 v w)
                + eta(v) - eta(w) - t (zeta(v) - zeta(w))).
    """
    s = _split(x, d)
    m = d.theta + mu
    p, q = d.theta / m, mu / m
    u = s.e / s.T
    ratio = d.theta / s.T
    less = jnp.where(s.k > 0, q - ratio, -p)  # k / T - p, where all three are close to 1
    of_means = d.theta * (_phi_of_minus_q(mu, d) + q * q) - s.k * p * q
    of_means = of_means + ratio * s.e * ((mu - s.k) / m * less)
    first = log1p_minus_x(u, 1 + u) + _eta_difference(s, d)
    gammas = d.theta * (first - d.theta * _zeta_difference(s, d)) + (ratio * s.e) ** 2 / s.n
    stepped = (s.k == 0) & (d.steps > 0)
    return of_means + jnp.where(stepped, _stepped_gammas(x, d, stepped), gammas)


def _stepped_gammas(x: Array, d: Dispersion, used: Array) -> Array:
    t = jnp.where(used, d.theta, 1.0)
    n, v, w = t + x, t + 1, t + 1 + x
    logs = jnp.log1p(x / t) - jnp.log1p(x / t / w)
    step = logs - x / n + x / n * ((n * n - v) / (n * v * w))
    eta = digamma_remainder(v) - digamma_remainder(w)
    zeta = trigamma_remainder(v) - trigamma_remainder(w)
    return t * (step + (eta - t * zeta))


def _phi_of_minus_q(mu: Array, d: Dispersion) -> Array:
    m = d.theta + mu
    return log1p_minus_x(-mu / m, d.theta / m)


def _eta_difference(s: _Split, d: Dispersion) -> Array:
    """eta(T) - eta(n)."""
    small = d.steps > 0
    steps = digamma_remainder_steps_difference(jnp.where(small, s.T, 1.0), s.e)
    raised = digamma_remainder_difference(*_raised(s, d), s.e)
    return jnp.where(small, steps, 0.0) + raised


def _zeta_difference(s: _Split, d: Dispersion) -> Array:
    """zeta(T) - zeta(n)."""
    small = d.steps > 0
    steps = trigamma_remainder_steps_difference(jnp.where(small, s.T, 1.0), s.e)
    raised = trigamma_remainder_difference(*_raised(s, d), s.e)
    return jnp.where(small, steps, 0.0) + raised


def _raised(s: _Split, d: Dispersion) -> tuple[Array, Array]:
    return reciprocal_argument(s.T + d.steps), reciprocal_argument(s.n + d.steps)


FRACTIONAL_KERNELS: Final[dict[Wrt, Kernel]] = {
    (): _log_nb,
    ("theta",): _d_theta,
    ("log_theta",): _d_log_theta,
    ("theta", "theta"): _d_theta_d_theta,
    ("log_theta", "log_theta"): _d_log_theta_d_log_theta,
}
"""As `nb_kernel.KERNELS`, for those that contain a gamma function."""
