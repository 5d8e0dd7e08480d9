"""The entropy of a negative binomial without its zeros, of which other entropies are made.

By the grouping property of entropies, a distribution that has a zero with probability p and is
otherwise one without zeros of entropy H_T has the entropy

    h(p) + (1 - p) H_T,      h(p) = -p log(p) - (1 - p) log(1 - p),

in which nothing cancels. H_T is a sum over counts (`expectation`), except where the arguments are
so extreme that it has a closed form:

`large`   mean and theta both above 2**9 (2**20 in float64): that of a normal variable of the same
          variance, log(2 pi e mu (1 + mu / theta)) / 2, less a 12th of the squared skewness
          (Edgeworth's expansion), to O(1 / mu**2 + 1 / theta**2). Of a sum the derivative in mu,
          about 1 / (2 mu), would lose digits: its terms are sqrt(mu) times as large.
`spread`  mu > 2**26 theta (2**60): for counts that matter to it the probabilities are those of a
          gamma variable of scale mu / theta, to O(theta / mu), and so dH / dlog(mu) is 1 for
          theta >= 1.
          Below that zeros and small counts have their part. With L = log(mu / theta), P(0) =
          exp(-theta L), and H' = -sum of P log P over the positive counts,

              dH' / dL + theta H' = theta (L + K - P(0)),
              K = 1 + theta + log Gamma(1 + theta) + (1 - theta) psi(1 + theta) - log(theta),

          which leads from the H' of that limit to that of mu / theta.
`few`     mu below 2**-100 (2**-900): only 1 and 2 have a part, P(2) = s = mu (1 + 1 / theta) / 2,
          and H_T = s (1 - log(s)) to O(s).
`small`   theta below 2**-50: a positive count is then logarithmic, which depends on mu / theta
          alone.
"""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import lax

from jaxnb._types import Array
from jaxnb.cdf.at_zero import log_probability_of_one, log_probability_of_zero
from jaxnb.cdf.expectation import Weight, nodes, summed
from jaxnb.cdf.within_range import log_nb_within
from jaxnb.likelihoods.arguments import largest
from jaxnb.likelihoods.limits import limits
from jaxnb.special.complements import log1m_exp_of_any, one_minus_exp
from jaxnb.special.gamma import digamma_remainder, lgamma_1p
from jaxnb.special.log1p import log_of_any

__all__ = ["LARGE", "SPREAD", "grouped", "truncated_entropy"]

# Mean and theta with which the divergence and what a mixture shares are taken for normal.
LARGE = {"float32": 2.0**24, "float64": 2.0**40}
SPREAD = {"float32": 2.0**26, "float64": 2.0**60}
_NEARLY_NORMAL = {"float32": 2.0**9, "float64": 2.0**20}
_ABOUT_NORMAL = 16.0  # below it log(P) is not about a constant where the mass is
_SMALL = 2.0**-50


def grouped(log_zero: Array, log_rest: Array, rest: Array) -> Array:
    """The entropy if a zero has the first log-probability, and other counts the second.

    Those have the entropy `rest`; it does not matter where they have no probability.
    """
    certain, possible = log_rest == -jnp.inf, log_zero > -jnp.inf
    log_rest = jnp.where(certain, -1.0, log_rest)
    log_zero = jnp.where(possible & ~certain, log_zero, 0.0)
    of_zero = jnp.where(possible, jnp.exp(log_zero) * log_zero, 0.0)
    return jnp.where(certain, 0.0, jnp.exp(log_rest) * (rest - log_rest) - of_zero)


def _large_entropy(mu: Array, theta: Array) -> Array:
    """Of a variable that is nearly normal, with the variance and the skewness of this one."""
    ratio = mu * (1 / theta)  # the derivative of a quotient would underflow for huge means
    normal = (float(np.log(2 * np.pi * np.e)) + jnp.log(mu) + jnp.log1p(ratio)) / 2
    squared_skewness = (1 / mu + 2 / theta) * (2 - 1 / (1 + ratio))
    return normal - squared_skewness / 12


def truncated_entropy(mu: Array, theta: Array) -> Array:
    """H_T for a positive finite mean and a positive theta, infinite or not, of one shape."""
    large = jnp.minimum(mu, theta) >= _NEARLY_NORMAL[mu.dtype.name]
    few = (log_of_any(mu) < float(np.log(limits(mu.dtype).smallest_mu))) & (theta >= _SMALL)
    mu_inside, theta_inside = (jnp.where(large | few, 1.0, value) for value in (mu, theta))
    m = _moved(mu_inside, theta_inside)
    log_zero = log_probability_of_zero(m.mu, m.theta)
    log_positive = log1m_exp_of_any(log_zero)
    of_one = log_probability_of_one(m.mu, m.theta, log_zero)
    n = nodes(m.mu, m.theta)
    about = _about(m.mu, m.theta)
    more = summed(_surprise, n, m.mu, m.theta, log_positive, about, fewest=2)
    total = more - jnp.exp(of_one) * (of_one + about) + about
    value = jnp.where(m.spread, _further(total, m, log_positive), total)
    normal = _large_entropy(*(jnp.where(large, value, 1.0) for value in (mu, theta)))
    value = jnp.where(large, normal, value)
    log_two = log_of_any(jnp.where(few, mu, 1.0)) + jnp.log1p(1 / jnp.where(few, theta, 1.0))
    log_two = log_two - float(np.log(2))
    return jnp.where(few, jnp.exp(log_two) * (1 - log_two), value)


class _Moved(NamedTuple):
    mu: Array
    theta: Array
    spread: Array
    log_ratio: Array  # log(mu / theta), where spread


def _moved(mu: Array, theta: Array) -> _Moved:
    # of theta as it is: a minimum would lose subnormal numbers
    log_theta = jnp.minimum(log_of_any(theta), float(np.log(largest(theta.dtype))))
    log_ratio = log_of_any(mu) - log_theta
    limit = float(np.log(SPREAD[mu.dtype.name]))
    spread = log_ratio > limit
    small = theta < _SMALL
    theta = jnp.clip(theta, _SMALL, largest(theta.dtype))
    ratio = jnp.exp(jnp.minimum(jnp.where(small, log_ratio, 0.0), limit))
    at_limit = jnp.where(spread, theta, 0.0) * SPREAD[mu.dtype.name]
    mu = jnp.where(spread, at_limit, jnp.where(small, _SMALL * ratio, mu))
    return _Moved(mu, theta, spread, jnp.where(spread, log_ratio, limit))


def _about(mu: Array, theta: Array) -> Array:
    """A constant near H_T if that is about that of a normal variable, else 0.

    Probabilities have the sum 1: H_T is the sum of -P (log(P) + constant), plus the constant.
    Terms of the derivative are then small where log(P) is about its mean.
    """
    mu, theta = lax.stop_gradient((mu, theta))
    normal = jnp.minimum(mu, theta) >= _ABOUT_NORMAL
    return jnp.where(normal, _large_entropy(*(jnp.where(normal, v, 1.0) for v in (mu, theta))), 0.0)


def _surprise(
    x: Array, weight: Weight, mu: Array, theta: Array, log_positive: Array, about: Array
) -> Array:
    log_p = log_nb_within(x, mu, theta) - log_positive
    return -weight.sign * jnp.exp(log_p + weight.log) * (log_p + about)


def _further(total: Array, m: _Moved, log_positive: Array) -> Array:
    """H_T at the mean given, from that at the mean moved to."""
    limit = float(np.log(SPREAD[total.dtype.name]))
    far = m.log_ratio - limit
    light = m.theta >= 1
    theta = jnp.where(light, 0.5, m.theta)
    log_gamma, one_plus = lgamma_1p(theta), 1 + theta
    digamma = jnp.log(one_plus) - digamma_remainder(one_plus)
    k = one_plus + log_gamma + (1 - theta) * digamma - jnp.log(theta)
    fallen, rest = one_minus_exp(theta * far)
    log_zero = -theta * m.log_ratio
    log_more = log1m_exp_of_any(log_zero)
    before = jnp.exp(jnp.where(light, -1.0, log_positive)) * (
        total - jnp.where(light, -1.0, log_positive)
    )
    after = before * (1 - fallen) + fallen * (limit + k) + rest / theta
    after = after - theta * far * jnp.exp(log_zero)
    return jnp.where(light, total + far, after * jnp.exp(-log_more) + log_more)
