"""The negative binomial log-probability and what it takes of gamma functions, without cancellation.

Notation of this module: t = theta, m = t + mu, and for counts of 2 and more n = x + t,

    c = (x - mu) / m,      1 + c = n / m,
    s = -t c / x,          1 + s = mu n / (m x),
    phi(u) = log(1 + u) - u.

Stirling's formula in Loader's form (Loader 2000, equation 3, carried over from the binomial) reads

    l = t phi(c) + x phi(s) + delta(n) - delta(x) + A(t) - log(x n w(t)) / 2,

since the linear parts of t log(1 + c) + x log(1 + s) cancel exactly: every term left is of the
size of the result. At 0 and 1 no gamma function is needed: there c = -mu / m, n = t, and

    l = t log(1 + c) + [x = 1] log(t mu / m).

Counts that are not whole (the extension by the gamma function) take the first form. Arguments are
within `limits.Limits`, x is 0, 1 or at least 2.
"""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import lax

from jaxnb._types import Array
from jaxnb.likelihoods.arguments import largest
from jaxnb.likelihoods.dispersion import Dispersion
from jaxnb.likelihoods.limits import limits
from jaxnb.likelihoods.ranges import Rescaling
from jaxnb.special.elementary import reciprocal, two_sum
from jaxnb.special.gamma import (
    digamma_remainder_difference,
    reciprocal_argument,
    stirling_error,
    trigamma_remainder_difference,
)
from jaxnb.special.log1p import log, log1p_minus_x

__all__ = [
    "Ratios",
    "d_log_theta_d_log_theta",
    "d_theta",
    "d_theta_d_theta",
    "log_nb",
    "log_nb_times",
    "ratios",
    "zeta_difference",
]


class Ratios(NamedTuple):
    """The module's notation; `many` marks x >= 2, and x is 1 elsewhere.

    `scale` is what x, mu and t were multiplied by in form `huge` of `ranges`, or None. c and s do
    not depend on it; gamma functions are those of the arguments themselves.
    """

    many: Array
    x: Array
    n: Array
    inverse_m: Array
    c: Array
    phi_c: Array
    scale: Rescaling | None = None

    def unscaled(self, proportional: Array) -> Array:
        """What is proportional to the scale, of the arguments themselves."""
        if self.scale is None:
            return proportional
        return proportional * self.scale.up

    def of_gamma(self) -> tuple[Array, Array]:
        """n and x themselves, bounded where the remainders of gamma functions are nothing."""
        if self.scale is None:
            return self.n, self.x
        bound = float(np.finfo(self.n.dtype).max) / 16
        return jnp.minimum(self.n * self.scale.up, bound), jnp.minimum(
            self.x * self.scale.up, bound
        )

    def variance_scale(self, t: Array, d: Dispersion) -> tuple[Array, Array, Array]:
        """w(t) of `Dispersion`; the square root of what x n w then lacks, and its logarithm.

        For t >= 2, w(t) = 2 pi / t takes up one of the two scales of x n.
        """
        if self.scale is None:
            return d.variance_scale, jnp.ones((), t.dtype), jnp.zeros((), t.dtype)
        small, s = d.steps > 0, self.scale
        return (
            jnp.where(small, d.variance_scale, (2 * np.pi) * reciprocal(t)),
            jnp.where(small, s.down, s.root),
            -jnp.where(small, s.log_up, s.log_up / 2),
        )


def ratios(
    x: Array, mu: Array, t: Array, phi_c: Array | None = None, scale: Rescaling | None = None
) -> Ratios:
    """n, 1/m and c, the latter with the rounding of m and of x - mu put back.

    An error of one rounding in c is felt twice in t phi(c), which may be all of l. So the residual
    of the division is worked out, with the rounding errors of its operands, and added.

    Args:
        x: Counts.
        mu: Means.
        t: Thetas.
        phi_c: phi(c), from a caller that has computed it before.
        scale: See `Ratios`.
    """
    few = x <= (1.0 if scale is None else scale.down)
    gamma_x = jnp.where(few, 0.0, x)
    m, m_error = two_sum(t, mu)
    difference, difference_error = two_sum(gamma_x, -mu)
    inverse_m = reciprocal(m)
    quotient = difference * inverse_m
    residual = (difference - quotient * m) + (difference_error - quotient * m_error)
    c = quotient + residual * inverse_m
    n = t + gamma_x
    if phi_c is None:
        phi_c = log1p_minus_x(c, n * inverse_m)
    return Ratios(~few, jnp.where(few, 1.0, x), n, inverse_m, c, phi_c, scale)


def _phi_s(r: Ratios, mean_ratio: Array, t: Array) -> Array:
    """phi(s), s with its residual as c; the mean ratio is mu n / m."""
    t_c, inverse_x = t * r.c, reciprocal(r.x)
    quotient = -t_c * inverse_x
    s = quotient - (quotient * r.x + t_c) * inverse_x
    return log1p_minus_x(s, mean_ratio * inverse_x)


def log_nb(
    x: Array,
    mu: Array,
    t: Array,
    d: Dispersion,
    r: Ratios,
    *,
    large: bool = False,
    of_x: bool = True,
    factor: Array | None = None,
    inverse_square: Array | None = None,
) -> Array:
    """The log-probability.

    Args:
        x: Counts.
        mu: Means.
        t: Thetas; in form `huge` of `ranges` scaled, other than those of `d`.
        d: What the formula needs of theta.
        r: Their ratios.
        large: Whether counts may be above `Limits.x_whole`, so that x n w(t) overflows.
        of_x: Whether -delta(x), which a difference of two log-probabilities does not need, is part.
        factor: What to multiply the probability by, for x >= 1. It goes inside the logarithm that
            is left of Stirling's formula: a logarithm of its own would be large where that is
            large, with the opposite sign.
        inverse_square: 1 over the square of such a factor, for x >= 2.
    """
    mean_ratio = mu * (r.n * r.inverse_m)  # at x = 1 t mu / m
    own_n, own_x = r.of_gamma()
    stirling = stirling_error(reciprocal_argument(own_n))
    if of_x:
        stirling = stirling - stirling_error(reciprocal_argument(own_x))
    within = limits(x.dtype)
    shrink = jnp.where(r.x > within.x_of_shrink, within.shrink, 1.0) if large else 1.0
    variance_scale, of_scale, log_of_scale = r.variance_scale(t, d)
    variance = (r.x * shrink) * ((r.n * shrink) * variance_scale)
    if inverse_square is not None:
        variance = variance * inverse_square
    phis = r.unscaled(t * r.phi_c + r.x * _phi_s(r, mean_ratio, t))
    if factor is None:
        logarithm = log(jnp.where(x == 0, 1.0, jnp.where(r.many, variance, mean_ratio)))
        of_many = phis + stirling + d.log_scale - 0.5 * logarithm
    else:
        # of a scale as well: in a logarithm of its own it would leave its rounding
        deviation = lax.rsqrt(variance) * (shrink * of_scale)
        argument = factor * jnp.where(r.many, deviation, mean_ratio)
        logarithm = log(jnp.where(x == 0, 1.0, argument))
        of_many = phis + (stirling + d.log_scale + logarithm)
    if large and factor is None:
        log_shrink = float(np.log(within.shrink))
        of_many = of_many + (jnp.where(r.x > within.x_of_shrink, log_shrink, 0.0) + log_of_scale)
    return jnp.where(r.many, of_many, r.unscaled(t * (r.phi_c + r.c)) + logarithm)


def log_nb_times(factor: Array, x: Array, mu: Array, d: Dispersion) -> Array:
    """log(pmf(x) factor) for x = 1 or x >= 2."""
    return log_nb(x, mu, d.theta, d, ratios(x, mu, d.theta), large=True, factor=factor)


def d_theta(x: Array, d: Dispersion, r: Ratios, *, less_inverse: bool = False) -> Array:
    """phi(c) + eta(t) - eta(n), or that less 1 / t for x >= 2.

    The two parts have opposite signs and each is right to its last digits; the second is
    -c / t at x = 1 and 0 at x = 0.
    """
    step = d.step_less_inverse if less_inverse else d.digamma_step
    many = step + _eta_difference(r, d)
    few = jnp.where(x == 1, -r.c * d.inverse, 0.0)
    return r.phi_c + jnp.where(r.many, many, few)


def d_theta_d_theta(x: Array, mu: Array, t: Array, d: Dispersion, r: Ratios) -> Array:
    """c**2 / n - (zeta(t) - zeta(n)).

    The second part is mu (mu + 2t) / (t m)**2 at x = 1 and 0 at x = 0.
    """
    many = d.trigamma_step + zeta_difference(r, d)
    q = mu * r.inverse_m
    few = jnp.where(x == 1, q * d.inverse * (q + 2 * t * r.inverse_m) * d.inverse, 0.0)
    inverse_n = reciprocal(r.n) if r.scale is None else reciprocal(r.n) * r.scale.down
    return r.c * (r.c * inverse_n) - jnp.where(r.many, many, few)


def d_log_theta_d_log_theta(
    x: Array, mu: Array, t: Array, d: Dispersion, r: Ratios, own_q: Array
) -> Array:
    """t dl/dt + t**2 d2l/dt2 = t (phi(c) + t c**2 / n) + t eta_difference - t**2 zeta_difference.

    The last two parts nearly cancel where t is small: `Dispersion.curvature_step` is their sum as
    far as it depends on t alone. At x = 1 that sum is -p q, and at x = 0 it is 0. For large c the
    first part is log(1 + c) - c (x q + t (1 + q)) / n, in which -c + t c**2 / n is one product;
    x q is next to nothing or not, depending on `own_q`, q of the mean that was given.
    """
    own = r.unscaled(t)
    many = d.curvature_step + (own * _eta_difference(r, d) - zeta_difference(r, d, own))
    p, q = t * r.inverse_m, mu * r.inverse_m
    few = jnp.where(x == 1, -p * q, 0.0)
    # in this order, since c**2 may overflow
    inverse_n = reciprocal(r.n)
    of_mean = r.phi_c + r.c * (r.c * (t * inverse_n))
    above = r.c > 1
    log_ratio = log(jnp.where(above, r.n * r.inverse_m, 1.0))
    of_large = log_ratio - r.c * ((r.n - t) * inverse_n * own_q + (t * inverse_n) * (1 + own_q))
    of_mean = jnp.where(above, of_large, of_mean)
    return own * of_mean + jnp.where(r.many, many, few)


def _eta_difference(r: Ratios, d: Dispersion) -> Array:
    """eta(t + steps) - eta(n) for x >= 2."""
    n, x = r.of_gamma()
    return _known(r, d, digamma_remainder_difference(d.p, reciprocal_argument(n), x - d.steps))


def zeta_difference(r: Ratios, d: Dispersion, factor: Array | float = 1.0) -> Array:
    """(zeta(t + steps) - zeta(n)) factor**2 for x >= 2."""
    n, x = r.of_gamma()
    q = reciprocal_argument(n)
    return _known(r, d, trigamma_remainder_difference(d.p, q, x - d.steps, factor))


def _known(r: Ratios, d: Dispersion, difference: Array) -> Array:
    """0 where theta is beyond that of d, and the difference is next to nothing."""
    if r.scale is None:
        return difference
    return jnp.where(d.theta >= largest(difference.dtype), 0.0, difference)
