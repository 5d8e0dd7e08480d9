"""The negative binomial log-probability and its derivatives for every argument.

`nb_kernel` serves the arguments that occur in practice; this module those beyond: means and thetas
that are 0, infinite, subnormal, or that over- or underflow because they were given by their
logarithms; negative, fractional and infinite counts. Notation as there, with

    p = t / m,  q = mu / m,

both from the ratio of mu and t alone, so that they are not lost where mu, t or m is no number of
the dtype. Beyond the range of the kernel one of four forms holds to the last digit:

1.  t below e**-30 (float32) or e**-80 (float64). log Gamma(x+t) - log Gamma(t) - log Gamma(1+x) is
    log(t) - log(x) there, so that l = log(t) - log(x) + x log(q) for x > 0, and t log(p) for x = 0.
2.  mu below the range. l is linear in log(mu): its value at the smallest mu_0 of the range, plus
    x log(mu / mu_0), and at x = 0 it is -mu. Its derivatives in theta are those at mu_0,
    except at x = 0 and x = 1: there they vanish with mu, and those of form 1 are exact.
3.  mu above the range. Next to mu the count is nothing, and l is its value at the largest mu_0,
    less t log(m / m_0).
4.  The same with an infinite t, or one beyond its stand-in in the kernel: l = t log(p).

Derivatives in theta and log(theta) follow from these, and are 0 where theta is beyond its stand-in
and mu is within the range; those that contain no gamma function have
forms without cases.
"""

from typing import Final

import jax.numpy as jnp
import numpy as np

from jaxnb._types import Array, ArrayLike
from jaxnb.likelihoods.arguments import Scales, largest
from jaxnb.likelihoods.dispersion import Dispersion
from jaxnb.likelihoods.nb_fractional import FRACTIONAL_KERNELS
from jaxnb.likelihoods.nb_kernel import KERNELS, Wrt, poisson_aside
from jaxnb.likelihoods.nb_point import Point, kernel_range, phi_of_minus, point_of
from jaxnb.special.gamma import digamma_remainder, trigamma_remainder

__all__ = ["full_range"]

_LOG_TINY_THETA: Final = {"float32": -30.0, "float64": -80.0}


def full_range(
    wrt: Wrt, scales: Scales, x: Array, a: Array, b: Array, eps: Array, d: Dispersion
) -> Array:
    """The log-probability, or its derivative in the coordinates `wrt`, for every argument.

    NaN where an argument is NaN or a parameter negative. Outside the support the derivatives are 0;
    one that would overflow is the largest number of the
    dtype, so that its product with 0 is 0.
    """
    point = point_of(scales, x, a, b, eps)
    undefined = jnp.isnan(x + point.mu) | jnp.isnan(point.log_theta)
    return jnp.where(undefined, jnp.nan, _defined(wrt, point, x, d))


def _defined(wrt: Wrt, point: Point, x: Array, d: Dispersion) -> Array:
    if wrt == ():
        impossible = (x > 0) & (jnp.minimum(point.log_mu, point.log_theta) < -1e8)
        outside = (x < 0) | (x == jnp.inf) | (point.log_mu > 1e8) | impossible
        return jnp.where(outside, -jnp.inf, _with_gamma(wrt, point, d))
    in_closed_form = _WITHOUT_GAMMA.get(wrt)
    derivative = in_closed_form(point) if in_closed_form else _with_gamma(wrt, point, d)
    limit = float(np.finfo(x.dtype).max)
    nothing = (x < 0) | (point.below_floor if {"mu", "log_mu"} & set(wrt) else False)
    return jnp.where(nothing, 0.0, jnp.clip(derivative, -limit, limit))


def _with_gamma(wrt: Wrt, point: Point, d: Dispersion) -> Array:
    limits, dtype = kernel_range(point.mu.dtype), point.mu.dtype
    inside = limits.holds(point.x, point.mu, point.theta)
    tiny_theta = point.log_theta < _LOG_TINY_THETA[dtype.name]
    smallest = jnp.where(point.x > limits.x_of_tiny_mu, limits.mu_of_large_x, limits.smallest_mu)
    within = jnp.clip(point.mu, smallest, limits.mu)
    mu = jnp.where(inside, point.mu, jnp.where(tiny_theta, 1.0, within))
    kernel = _for_every_count(wrt, point.x, mu, d)
    less = (smallest - point.mu) * point.p  # all there is at x = 0
    below = less + point.x * (point.log_mu - jnp.log(smallest)) if wrt == () else 0.0
    theta_beyond = point.theta > d.theta
    above = kernel + _above_range(wrt, point, limits.mu, jnp.where(theta_beyond, 1.0, point.theta))
    large = jnp.where(theta_beyond, _both_large(wrt, point), above)
    outside = jnp.where(point.mu_large, large, kernel + below)
    by_form_1 = tiny_theta
    if wrt != ():
        one_or_none = ((point.x == 0) | (point.x == 1)) & (point.mu < smallest)
        by_form_1 |= one_or_none & (d.theta < largest(dtype))
    return jnp.where(inside, kernel, jnp.where(by_form_1, _tiny_theta(wrt, point), outside))


def _for_every_count(wrt: Wrt, x: Array, mu: Array, d: Dispersion) -> Array:
    fractional = (x > 0) & (x < 2) & (x != 1)
    whole = KERNELS[wrt](jnp.where(fractional, 1.0, x), mu, d)
    others = FRACTIONAL_KERNELS[wrt](jnp.where(fractional, x, 0.5), mu, d)
    return poisson_aside(wrt, jnp.where(fractional, others, whole), d)


def _tiny_theta(wrt: Wrt, point: Point) -> Array:
    """Form 1."""
    x, p, q, inverse = point.x, point.p, point.q, point.inverse_theta
    positive = x > 0
    one_minus_x_p = jnp.where(x == 1, q, 1 - x * p)
    match wrt:
        case ():
            log_x = jnp.log(jnp.where(positive, x, 1.0))
            several = point.log_theta - log_x + x * point.log_q
            return jnp.where(positive, several, point.theta * point.log_p)
        case ("theta",):
            return jnp.where(positive, one_minus_x_p * inverse, 0.0) + point.phi
        case ("log_theta",):
            return jnp.where(positive, one_minus_x_p, 0.0) + point.theta * point.phi
        case ("theta", "theta"):
            several = jnp.where(x == 1, -q * (1 + p), x * p * p - 1)
            return jnp.where(positive, (several * inverse) * inverse, 0.0) + q * q * inverse
    return point.theta * (point.phi + q * q) - x * (p * q)


def _above_range(wrt: Wrt, point: Point, mu_0: float, t: Array) -> Array:
    """-t log(m / m_0) of form 3, or its derivative."""
    mu = jnp.where(point.mu_large, point.mu, mu_0)
    m_0 = t + mu_0
    if wrt == ():
        finite = mu < jnp.inf
        by_division = jnp.log1p((jnp.where(finite, mu, mu_0) - mu_0) / m_0)
        return -t * jnp.where(finite, by_division, point.log_mu - jnp.log(m_0))
    q, q_0 = point.q, mu_0 / m_0
    first, second = point.phi - phi_of_minus(q_0, jnp.log(t / m_0)), q * q - q_0 * q_0
    match wrt:
        case ("theta",):
            return first
        case ("log_theta",):
            return t * first
        case ("theta", "theta"):
            return second / t
    return t * (first + second)


def _both_large(wrt: Wrt, point: Point) -> Array:
    """Form 4."""
    quotient = point.mu / point.theta
    exact = (quotient > 0) & (quotient < jnp.inf)
    log_p = jnp.where(exact, -jnp.log1p(jnp.where(exact, quotient, 1.0)), point.log_p)
    match wrt:
        case ():
            return _theta_times(log_p, -point.mu, point)
        case ("theta",):
            return point.phi
        case ("log_theta",):
            return _theta_times(point.phi, 0.0, point)
        case ("theta", "theta"):
            return point.q * point.q * point.inverse_theta
    return _theta_times(point.phi + point.q * point.q, 0.0, point)


def _theta_times(f: Array, limit: ArrayLike, point: Point) -> Array:
    """theta f for a function f of r = mu / theta, whose limit at r = 0 is given."""
    # where mu overflows so does l: the value is -inf, and the derivative is set to 0
    usable = (point.ratio > 0) & (point.mu < jnp.inf)
    mu, ratio = jnp.where(usable, point.mu, 0.0), jnp.where(usable, point.ratio, 1.0)
    by_ratio = jnp.where(usable, mu * (f / ratio), limit)
    return jnp.where(point.theta_larger, by_ratio, point.theta * f)


def _d_mu(point: Point) -> Array:
    per_count = point.x_minus_mu * point.p_over_mu
    return jnp.where((point.x == 0) | point.mu_large, -point.p, per_count)


def _d_log_mu(point: Point) -> Array:
    large = point.x * point.p - point.theta_q
    # p underflows before theta does
    per_theta = (point.x_minus_mu * point.inverse_mu) * point.theta_q
    by_p = jnp.where(point.mu > 1, per_theta, point.x_minus_mu * point.p)
    return jnp.where(point.mu_large, large, by_p)


def _d_mu_d_mu(point: Point) -> Array:
    of_counts = (point.p * point.x * point.inverse_mu) * ((1 + point.q) * point.inverse_mu)
    return point.p * point.inverse_m - jnp.where(point.x > 0, of_counts, 0.0)


def _d_log_mu_d_log_mu(point: Point) -> Array:
    return -point.p * (point.q * point.x + point.theta_q)


def _d_mu_d_theta(point: Point) -> Array:
    return point.c * point.inverse_m


def _d_log_mu_d_theta(point: Point) -> Array:
    return point.c * point.q


def _d_mu_d_log_theta(point: Point) -> Array:
    return point.c * point.p


def _d_log_mu_d_log_theta(point: Point) -> Array:
    return _d_log_mu(point) * point.q


def _d_x(point: Point) -> Array:
    """psi(n) - psi(x+1) + log(q) = log(R) + eta(x+1) - eta(n), R = q n / (x+1).

    Close to the mode R is close to 1, and 1 - R = (p (x - mu) + 1) / (x + 1).
    """
    x, n = point.x, jnp.minimum(point.n, largest(point.x.dtype))
    rest = (_d_log_mu(point) + 1) / (x + 1)
    near = jnp.abs(rest) < 0.5
    log_n = jnp.where(point.theta > n, point.log_theta, jnp.log(n))
    far = point.log_q + (log_n - jnp.log(x + 1))
    log_ratio = jnp.where(near, jnp.log1p(-jnp.where(near, rest, 0.0)), far)
    derivative = log_ratio + digamma_remainder(x + 1) - digamma_remainder(n)
    return jnp.where(n > float(np.finfo(n.dtype).tiny), derivative, -point.inverse_theta)


def _d_x_d_mu(point: Point) -> Array:
    return point.p_over_mu


def _d_x_d_log_mu(point: Point) -> Array:
    return point.p


def _d_x_d_theta(point: Point) -> Array:
    """(mu - x) / (n m) + zeta(n)."""
    n = jnp.minimum(point.n, largest(point.x.dtype))
    return trigamma_remainder(n) - point.c / n


def _d_x_d_log_theta(point: Point) -> Array:
    return jnp.minimum(point.theta, largest(point.x.dtype)) * _d_x_d_theta(point)


_WITHOUT_GAMMA: Final = {
    ("x",): _d_x,
    ("mu",): _d_mu,
    ("log_mu",): _d_log_mu,
    ("x", "mu"): _d_x_d_mu,
    ("x", "log_mu"): _d_x_d_log_mu,
    ("x", "theta"): _d_x_d_theta,
    ("x", "log_theta"): _d_x_d_log_theta,
    ("mu", "mu"): _d_mu_d_mu,
    ("log_mu", "log_mu"): _d_log_mu_d_log_mu,
    ("mu", "theta"): _d_mu_d_theta,
    ("log_mu", "theta"): _d_log_mu_d_theta,
    ("mu", "log_theta"): _d_mu_d_log_theta,
    ("log_mu", "log_theta"): _d_log_mu_d_log_theta,
}
