"""Sums behind the Kullback-Leibler divergences, each over the mass of the first distribution.

With d = log(P_2 / P_1), the divergence is E(-d), and as well, since E(exp(d) - 1) = 0,

    E(exp(d) - 1 - d),

of which every term is positive. The latter is used where the distributions are `close`: there it
has the digits that E(-d) loses, and all of P_2 lies where P_1 does. `log_ratio` gives d and its
derivatives as differences. Elsewhere the sum is E(-d), which needs P_1's mass alone.
"""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from jax.scipy.special import digamma, gammaln

from jaxnb._types import Array
from jaxnb.cdf.at_zero import SCALES
from jaxnb.cdf.expectation import Weight, nodes, summed
from jaxnb.cdf.log_ratio import log_ratio, step_in_v
from jaxnb.cdf.truncated_entropy import LARGE, SPREAD
from jaxnb.likelihoods.arguments import largest
from jaxnb.likelihoods.negative_binomial import log_nb
from jaxnb.special.complements import one_minus_exp
from jaxnb.special.gamma import trigamma_remainder
from jaxnb.special.log1p import log1p_minus_x, log_of_any

__all__ = ["between_thetas", "excess"]

# E(exp(d) - 1 - d) is used up to this step in v: for large means, where it is the logarithm of the
# ratio of variances, E(-d) is at least 0.01 above it, and P_2 has less than exp(-17) outside of
# P_1's nodes below it.
_CLOSE_V = 0.25


def excess(d: Array) -> Array:
    """exp(d) - 1 - d for abs(d) < 1/2, relative to itself."""
    terms = 9 if d.dtype == jnp.float32 else 16
    total = jnp.ones_like(d)
    for k in range(terms, 2, -1):
        total = 1 + total * (d / k)
    return total * d * d / 2


def _term(log_p: Array, d: Array, close: Array) -> Array:
    """What a count of this log-probability adds."""
    p, small = jnp.exp(log_p), jnp.abs(d) < 0.5
    near = p * excess(jnp.where(small, d, 0.0))
    p_2 = jnp.exp(jnp.where(small, 0.0, log_p + d))
    apart = jnp.where(small, near, p_2 - p * (1 + d))
    return jnp.where(close > 0, apart, -p * d)


def between_thetas(mu: Array, theta_1: Array, theta_2: Array) -> Array:
    """The divergence between negative binomials of one mean, positive and finite.

    Args:
        mu: The mean.
        theta_1: Positive thetas.
        theta_2: Positive thetas.
    """
    infinity = largest(mu.dtype)
    theta_1, theta_2 = jnp.minimum(theta_1, infinity), jnp.minimum(theta_2, infinity)
    large = jnp.minimum(mu, theta_1) >= LARGE[mu.dtype.name]
    inside = [jnp.where(large, 1.0, value) for value in (mu, theta_1, theta_2)]
    normal = [jnp.where(large, value, 1.0) for value in (mu, theta_1, theta_2)]
    return jnp.where(large, _between_normal(*normal), _between_spread(*inside))


def _between_normal(mu: Array, theta_1: Array, theta_2: Array) -> Array:
    """The first being normal: with the ratio V of the variances, (V - 1 - log(V)) / 2.

    A second one that is not normal has another density at its mean, whose logarithm is l.
    """
    log_v = -step_in_v(mu, theta_1, theta_2)
    near = jnp.abs(log_v) < 0.5
    far = jnp.where(near, 0.0, log_v)
    more = jnp.where(near, excess(jnp.where(near, log_v, 0.0)), jnp.expm1(far) - far)
    divergence = more / 2
    wider = theta_2 < theta_1 / 4
    zero = jnp.zeros((1,) * mu.ndim, mu.dtype)
    density = log_nb(mu, mu, theta_2, zero, SCALES)
    of_theta = step_in_v(mu, jnp.full_like(theta_2, largest(mu.dtype)), theta_2)
    log_variance = float(np.log(2 * np.pi)) + jnp.log(mu) + of_theta
    return divergence - jnp.where(wider, density + log_variance / 2, 0.0)


def _between_spread(mu: Array, theta_1: Array, theta_2: Array) -> Array:
    """The sum; for mu / theta above `SPREAD` what follows from the one there.

    With L = log(mu), the divergence D obeys dD / dL = theta_1 (C - D), C being the mean of
    log(P_1 / P_2) under the gamma distribution of shape 1 + theta_1.
    """
    limit = SPREAD[mu.dtype.name] * jnp.maximum(theta_1, theta_2)
    spread = mu > limit
    inside = jnp.where(spread, limit, mu)
    at_limit = _between(inside, theta_1, theta_2)
    light = spread & (theta_1 < 1)
    a, b = (jnp.where(light, theta, 0.5) for theta in (theta_1, theta_2))
    further = log_of_any(jnp.where(light, mu, 1.0)) - jnp.log(jnp.where(light, limit, 1.0))
    fallen, _ = one_minus_exp(a * further)
    return jnp.where(light, at_limit * (1 - fallen) + _of_gamma(a, b) * fallen, at_limit)


def _of_gamma(a: Array, b: Array) -> Array:
    """C of `_between_spread`.

    For thetas a and b, with e = b - a and phi(u) = log(1 + u) - u, it is

        -(1 + a) phi(e / a) - e log(b / a) + log Gamma(1 + b) - log Gamma(1 + a) - e psi(1 + a),

    whose last three terms are e**2 times the mean of (1 - s) psi'(1 + a + s e) over 0 < s < 1.
    """
    e = b - a
    close = jnp.abs(e) < 1
    step = jnp.where(close, e, 0.0)
    of_gamma = jnp.zeros_like(a)
    for node, weight in zip(*np.polynomial.legendre.leggauss(5), strict=True):
        s = float(node + 1) / 2
        z = 1 + a + s * step
        of_gamma = of_gamma + float(weight) / 2 * (1 - s) * (trigamma_remainder(z) + 1 / z)
    direct = gammaln(1 + b) - gammaln(1 + a) - e * digamma(1 + a)
    of_gamma = jnp.where(close, of_gamma * step * step, direct)
    near = jnp.abs(e) < a / 2
    u = jnp.where(near, e / a, 0.0)
    of_near = -(1 + a) * log1p_minus_x(u, jnp.where(near, b / a, 1.0)) - e * jnp.log1p(u)
    # 1 + e / a may have no digits where b is far below a
    apart = (1 + a) * (b / a) - (1 + a) - (1 + b) * (jnp.log(b) - jnp.log(a))
    return of_gamma + jnp.where(near, of_near, apart)


def _between(mu: Array, theta_1: Array, theta_2: Array) -> Array:
    close = jnp.abs(step_in_v(mu, theta_1, theta_2)) < _CLOSE_V
    return summed(_thetas_at, nodes(mu, theta_1), mu, theta_1, theta_2, close.astype(mu.dtype))


def _thetas_at(
    x: Array, weight: Weight, mu: Array, theta_1: Array, theta_2: Array, close: Array
) -> Array:
    log_p, d = log_ratio(x, mu, theta_1, theta_2)
    return weight.sign * _term(log_p + weight.log, d, close)
