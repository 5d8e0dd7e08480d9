"""The derivative of the Kullback-Leibler divergence in the mean of the first distribution.

The divergence is a sum over counts and half a deviance. The sum's derivative in mu_1 has terms of
the sign of x - mu_1, which are larger than it by the square root of the mean, and it may cancel
with the deviance's. Here the derivative is another mean. For any f,

    d/dmu E f(X) = E w(X) (f(X + 1) - f(X)),      w(x) = (theta_1 + x) / (theta_1 + mu),

where P(x) w(x) are the probabilities of some Y. The difference of log(P_1 / P_2) at x + 1 and x is

    log((x + theta_1) / (x + theta_2)) + log(1 + theta_2 / mu_2) - log(1 + theta_1 / mu_1).    (a)

Since the mean of 1 / (Y + theta_1) is 1 / (mu_1 + theta_1), the mean of (a) is also

    d - E phi(v(Y)),          phi(v) = log(1 + v) - v <= 0,                                    (b)
    v(x) = (theta_1 - theta_2) (x - mu_1) / ((mu_1 + theta_2) (x + theta_1)),

d being the derivative of half the deviance. The terms of either sum have one sign: it can cancel
only with the two logarithms in (a), or with d in (b). The form in which these are smaller is used,
which is (a) where the first distribution has the heavier tail and the smaller mean.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp

from jaxnb._types import Array
from jaxnb.cdf.at_zero import log_probability_of_zero
from jaxnb.cdf.expectation import Weight, nodes, summed
from jaxnb.cdf.truncated_entropy import LARGE, SPREAD
from jaxnb.cdf.within_range import log_nb_within
from jaxnb.likelihoods.limits import limits
from jaxnb.special.log1p import log1p_minus_x, log_of_any

__all__ = ["has_sum", "in_first_mean"]


def has_sum(mu_1: Array, theta_1: Array, mu_2: Array, theta_2: Array) -> Array:
    """Whether the divergence is a sum over counts, whose derivative is `in_first_mean`."""
    within, dtype = limits(mu_1.dtype), mu_1.dtype.name
    ordinary = (mu_1 > within.smallest_mu) & (mu_1 < within.mu_ordinary)
    ordinary &= (theta_1 > within.theta) & (mu_2 > 0) & (mu_2 < jnp.inf) & (theta_2 > 0)
    small = jnp.minimum(mu_1, theta_1) < LARGE[dtype]
    return ordinary & small & (mu_1 <= SPREAD[dtype] * jnp.maximum(theta_1, theta_2))


def in_first_mean(
    mu_1: Array, theta_1: Array, mu_2: Array, theta_2: Array, of_deviance: Array
) -> Array:
    """The derivative, for positive finite parameters.

    Args:
        mu_1: The mean in which it is taken.
        theta_1: The first theta.
        mu_2: The other mean.
        theta_2: The other theta.
        of_deviance: The derivative of half the deviance of `mu_1` from `mu_2` with `theta_2`.
    """
    first, second = _log1p_ratio(theta_1, mu_1), _log1p_ratio(theta_2, mu_2)
    direct = first + second < jnp.abs(of_deviance)
    mean = summed(_term, nodes(mu_1, theta_1), mu_1, theta_1, theta_2, direct.astype(mu_1.dtype))
    return mean + jnp.where(direct, second - first, of_deviance)


def _log1p_ratio(a: Array, b: Array) -> Array:
    """log(1 + a / b) for positive a and b, whose quotient may be out of range."""
    larger = a > b
    ratio = jnp.where(larger, b, a) / jnp.where(larger, a, b)
    return jnp.log1p(ratio) + jnp.where(larger, log_of_any(a) - log_of_any(b), 0.0)


def _term(
    x: Array, weight: Weight, mu: Array, theta_1: Array, theta_2: Array, direct: Array
) -> Array:
    log_p = jnp.where(x == 0, log_probability_of_zero(mu, theta_1), log_nb_within(x, mu, theta_1))
    p = jnp.exp(log_p + weight.log) * ((theta_1 + x) / (theta_1 + mu))
    difference = theta_1 - theta_2
    log_ratio = log_of_any(x + theta_1) - log_of_any(x + theta_2)
    relative = difference / (x + theta_2)
    small = jnp.abs(relative) < 0.5
    of_a = jnp.where(small, jnp.log1p(jnp.where(small, relative, 0.0)), log_ratio)

    of_b = -_phi_of_v(x, mu, theta_1, theta_2)
    return weight.sign * p * jnp.where(direct > 0, of_a, of_b)


def _v(x: Array, mu: Array, theta_1: Array, theta_2: Array) -> Array:
    return (theta_1 - theta_2) / (mu + theta_2) * ((x - mu) / (x + theta_1))


@jax.custom_jvp
def _phi_of_v(x: Array, mu: Array, theta_1: Array, theta_2: Array) -> Array:
    """phi(v(x)), without a derivative in x.

    The derivatives of v nearly vanish where 1 + v does, by which phi'(v) = -v / (1 + v) divides
    them. The quotients are

        v (theta_1 - theta_2) / ((mu + theta_1) (mu + theta_2))          in mu,
        -v (x - mu) / ((mu + theta_1) (x + theta_1))                     in theta_1,
        v (x - mu) / ((mu + theta_2) (x + theta_2))                      in theta_2.
    """
    of_one = (x + theta_2) / (mu + theta_2) * ((mu + theta_1) / (x + theta_1))
    return log1p_minus_x(_v(x, mu, theta_1, theta_2), of_one)


@_phi_of_v.defjvp
def _phi_of_v_jvp(primals: tuple[Array, ...], tangents: tuple[Array, ...]) -> tuple[Array, Array]:
    x, mu, theta_1, theta_2 = primals
    _, *along = tangents
    v, m_1, m_2 = _v(*primals), mu + theta_1, mu + theta_2
    change = v / m_2 * ((theta_1 - theta_2) / m_1) * along[0]
    change -= v / m_1 * ((x - mu) / (x + theta_1)) * along[1]
    change += v / m_2 * ((x - mu) / (x + theta_2)) * along[2]
    return _phi_of_v(*primals), change
