"""The entropy of a mixture of two negative binomials.

With pi_j the weights, p_j the components, P the mixture and r_j = pi_j p_j / P,

    H(P) = sum of pi_j H(p_j) + sum over x of pi_j p_j log(p_j / P).

The sum over x is taken count by count as far as counts are small. From there on it is

    -sum of pi_j log(pi_j) P_j(X >= first) - sum over x of P h(r_1),
    h(r) = -r log(r) - (1 - r) log(1 - r),

of which the second sum is over what the components share: it is taken over the nodes of the
narrower one. h(r_1) changes where the components are as likely as each other, the faster the
farther that is from their modes, and the less probable it is.

A narrower component of `LARGE` mean and theta and what it shares are taken for normal variables; a
wider one for the negative binomial that it is.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from jaxnb._types import Array
from jaxnb.cdf.at_zero import SCALES, log_probability_of_zero
from jaxnb.cdf.calls import log_tail
from jaxnb.cdf.expectation import Nodes, Weight, first_of_nodes, nodes, summed
from jaxnb.cdf.nb_kernel import NEGATIVE_BINOMIAL
from jaxnb.cdf.truncated_entropy import LARGE
from jaxnb.likelihoods.arguments import Given, Pair, largest
from jaxnb.likelihoods.negative_binomial import log_nb

__all__ = ["mixed_entropy"]

_LOG_2_PI = float(np.log(2 * np.pi))


def mixed_entropy(own: Array, mu: Array, theta: Array, q: Array) -> Array:
    """The entropy.

    Args:
        own: The entropies of the components, along the first axis.
        mu: Their means.
        theta: Their thetas.
        q: The log-odds of the first.
    """
    weights = jnp.exp(jnp.stack([jax.nn.log_sigmoid(q), jax.nn.log_sigmoid(-q)]))
    positive = (mu > 0) & (theta > 0)
    # a component that is 0 or has no weight; a mean of 0 for one that is 0
    mu, theta = jnp.where(positive, mu, 0.0), jnp.where(positive, theta, 1.0)
    finite = jnp.all(mu < jnp.inf, 0)
    mu = jnp.where(finite, mu, 1.0)
    theta = jnp.minimum(theta, largest(theta.dtype))
    one = jnp.abs(q) == jnp.inf
    odds = jnp.where(one, 0.0, q)

    shared = _few(mu, theta, odds) - _overlap(mu, theta, odds)
    first = float(first_of_nodes(mu.dtype))
    given: dict[str, Given] = {"mu": Pair(mu, None), "theta": Pair(theta, None)}
    more = jnp.exp(log_tail(NEGATIVE_BINOMIAL, "entropy", True, first - 1, **given))
    for k, log_weight in enumerate((jax.nn.log_sigmoid(odds), jax.nn.log_sigmoid(-odds))):
        shared = shared - jnp.exp(log_weight) * log_weight * more[k]
    weighted = jnp.where(weights > 0, weights * jnp.where(weights > 0, own, 0.0), 0.0)
    return weighted[0] + weighted[1] + jnp.where(one | ~finite, 0.0, shared)


def _few(mu: Array, theta: Array, q: Array) -> Array:
    """The sum over small counts."""
    n = nodes(jnp.maximum(mu[0], 1.0), theta[0])  # of which only the shape is used
    some = mu > 0
    at_zero = log_probability_of_zero(jnp.where(some, mu, 1.0), theta)
    at_zero = jnp.where(some, at_zero, 0.0)
    zero = _information(at_zero[0], at_zero[1], q) + _information(at_zero[1], at_zero[0], -q)
    return zero + summed(_of_count, n, mu[0], mu[1], theta[0], theta[1], q, over="few", fewest=1)


def _of_count(
    x: Array, weight: Weight, mu_1: Array, mu_2: Array, theta_1: Array, theta_2: Array, q: Array
) -> Array:
    floor = jnp.zeros((1,) * q.ndim, q.dtype)
    log_1, log_2 = (
        log_nb(x, mu, theta, floor, SCALES) for mu, theta in ((mu_1, theta_1), (mu_2, theta_2))
    )
    return (
        weight.sign
        * jnp.exp(weight.log)
        * (_information(log_1, log_2, q) + _information(log_2, log_1, -q))
    )


def _information(log_own: Array, log_other: Array, q: Array) -> Array:
    """pi_j p_j log(p_j / P), q being the log-odds of j."""
    possible, other_possible = log_own > -jnp.inf, log_other > -jnp.inf
    own = jnp.where(possible, log_own, 0.0)
    d = jnp.where(other_possible & possible, log_other, own - 1) - own
    close = (jnp.abs(d) < 1) & other_possible
    log_weight = jax.nn.log_sigmoid(q)
    near = -jnp.log1p(jax.nn.sigmoid(-q) * jnp.expm1(jnp.where(close, d, 0.0)))
    far = -log_weight - jnp.where(
        other_possible, jax.nn.softplus(jnp.where(close, 0.0, d) - q), 0.0
    )
    return jnp.where(possible, jnp.exp(log_weight + own) * jnp.where(close, near, far), 0.0)


def _overlap(mu: Array, theta: Array, q: Array) -> Array:
    """The sum of P h(r_1) over the other counts."""
    spread = jnp.sqrt(mu) * jnp.sqrt(1 + mu / theta)
    swapped = spread[1] < spread[0]
    (mu_n, mu_o), (theta_n, theta_o) = (
        (jnp.where(swapped, b, a), jnp.where(swapped, a, b)) for a, b in (mu, theta)
    )
    q = jnp.where(swapped, -q, q)
    alone = (mu_n == 0) | (mu_o == 0)  # small counts alone
    mu_n, mu_o = (jnp.where(alone, 1.0, value) for value in (mu_n, mu_o))
    large = jnp.minimum(mu_n, theta_n) >= LARGE[q.dtype.name]
    n = nodes(jnp.where(large, 1e5, mu_n), jnp.where(large, largest(q.dtype), theta_n))
    n = _of_unit_variance(n, large)
    parameters = (mu_n, mu_o, theta_n, theta_o, q, large.astype(q.dtype))
    return jnp.where(alone, 0.0, summed(_shared, n, *parameters, over="rest"))


def _of_unit_variance(n: Nodes, large: Array) -> Nodes:
    """Nodes at distances of 1/2 around 0, where `large`."""
    return n._replace(start=jnp.where(large, -8.0, n.start), length=jnp.where(large, 0.5, n.length))


def _shared(
    x: Array,
    weight: Weight,
    mu_n: Array,
    mu_o: Array,
    theta_n: Array,
    theta_o: Array,
    q: Array,
    large: Array,
) -> Array:
    floor = jnp.zeros((1,) * q.ndim, q.dtype)
    large = large > 0
    spread_n, spread_o = (
        jnp.sqrt(mu) * jnp.sqrt(1 + mu / theta) for mu, theta in ((mu_n, theta_n), (mu_o, theta_o))
    )
    z = jnp.where(large, x, 0.0)
    scaled = (z * spread_n + (mu_n - mu_o)) / spread_o
    normal = -scaled * scaled / 2 - _LOG_2_PI / 2 - jnp.log(spread_o)
    both = large & (jnp.minimum(mu_o, theta_o) >= LARGE[q.dtype.name] / 16)
    at = jnp.where(large, jnp.maximum(mu_n + z * spread_n, 2.0), x)
    log_n = log_nb(at, mu_n, theta_n, floor, SCALES)
    log_n = jnp.where(large, -z * z / 2 - _LOG_2_PI / 2 - jnp.log(spread_n), log_n)
    log_o = jnp.where(both, normal, log_nb(at, mu_o, theta_o, floor, SCALES))
    log_weight = weight.log + jnp.where(large, jnp.log(spread_n), 0.0)

    first, second = jax.nn.log_sigmoid(q) + log_n, jax.nn.log_sigmoid(-q) + log_o
    t = first - second
    larger = jnp.maximum(first, second)
    size = jnp.abs(t)
    # log P = larger + softplus(-size)
    uncertainty = jax.nn.softplus(-size) + size * jax.nn.sigmoid(-size)
    return weight.sign * jnp.exp(log_weight + larger + jax.nn.softplus(-size)) * uncertainty
