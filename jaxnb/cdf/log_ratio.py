"""log P_2(x) - log P_1(x) for negative binomials of one mean, with a small relative error.

The two logarithms are subtracted where that leaves enough digits. Where the distributions are close
the difference is the integral of the derivative of log P over v = log(1 + mu / theta),

    -(1 + theta / mu) dl/dlog(theta),

finite up to Poisson's distribution, v = 0, by four Gauss-Legendre nodes. The factors 1 + k / theta
of P, 0 < k < x, vanish at mu / theta = -mu / k, the nearest of which is -mu / (x - 1). With a step
s in mu / theta that begins at a distance t from there, the error is about rho**-8, rho being the
larger root of rho + 1 / rho = 2 + 4 t / s (Bernstein's ellipse: Trefethen, Approximation Theory and
Approximation Practice, chapter 19). For steps of `_NEAR` and of `_REACH` t it is right to 1e-6 of
the difference (float32), or 1e-12 (float64).
"""

from __future__ import annotations

from functools import partial
from typing import Final

import jax
import jax.numpy as jnp
import numpy as np
from jax.custom_derivatives import SymbolicZero

from jaxnb._types import Array
from jaxnb.cdf.at_zero import SCALES, log_probability_of_zero
from jaxnb.cdf.within_range import Tangent, outputs_within
from jaxnb.likelihoods import primitives
from jaxnb.likelihoods.arguments import largest
from jaxnb.likelihoods.limits import limits
from jaxnb.likelihoods.negative_binomial import NEGATIVE_BINOMIAL, log_nb

__all__ = ["difference_of_ratios", "log_ratio", "step_in_v"]

# of the difference itself, and of v
_NEAR: Final = {"float32": (1.0, 1.0), "float64": (0.05, 0.1)}
# Of the distance t.
_REACH: Final = {"float32": 1.0, "float64": 1 / 7}
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(4)


def difference_of_ratios(mu: Array, theta_1: Array, theta_2: Array) -> Array:
    """mu / theta_2 - mu / theta_1, as a difference of thetas."""
    larger, smaller = jnp.maximum(theta_1, theta_2), jnp.minimum(theta_1, theta_2)
    return jnp.sign(theta_1 - theta_2) * ((larger - smaller) / larger) * (mu / smaller)


@jax.custom_jvp
def step_in_v(mu: Array, theta_1: Array, theta_2: Array) -> Array:
    """log(1 + mu / theta_2) - log(1 + mu / theta_1), from the larger theta to the smaller one.

    Its derivatives are those of either logarithm, 1 / (mu + theta) in the mean and
    -mu / (theta (mu + theta)) in theta, whose own ones need no power of mu / theta.
    """
    larger, smaller = jnp.maximum(theta_1, theta_2), jnp.minimum(theta_1, theta_2)
    step = jnp.abs(difference_of_ratios(mu, theta_1, theta_2))
    finite = step < jnp.inf  # else all of it is mu / smaller, beyond the range
    direct = jnp.log1p(jnp.where(finite, step, 1.0) / (1 + mu / larger))
    beyond = jnp.log(mu) - jnp.log(smaller) - jnp.log1p(mu / larger)
    return jnp.sign(theta_1 - theta_2) * jnp.where(finite, direct, beyond)


@step_in_v.defjvp
def _step_in_v_jvp(primals: tuple[Array, ...], tangents: tuple[Array, ...]) -> tuple[Array, Array]:
    mu, theta_1, theta_2 = primals
    m_1, m_2 = mu + theta_1, mu + theta_2
    change = (theta_1 - theta_2) / m_1 / m_2 * tangents[0]
    change += mu / m_1 / theta_1 * tangents[1] - mu / m_2 / theta_2 * tangents[2]
    return step_in_v(*primals), change


def _by_integral(x: Array, mu: Array, theta_1: Array, theta_2: Array) -> tuple[Array, Array]:
    """The difference by the integral, and whether the step allows it."""
    step = step_in_v(mu, theta_1, theta_2)
    near = jnp.abs(step) < _NEAR[mu.dtype.name][1]
    distance = mu / jnp.maximum(theta_1, theta_2) + mu / jnp.where(x > 1, x - 1, 1.0)
    apart = jnp.abs(difference_of_ratios(mu, theta_1, theta_2))
    near &= (x <= 1) | (apart <= _REACH[mu.dtype.name] * distance)
    # all nodes are ordinary if theta_1 is not next to the end of the range
    within = limits(x.dtype)
    near &= (mu > within.smallest_mu) & (mu < within.mu_ordinary)
    near &= (theta_1 > within.theta * 16) & (x <= within.x_whole)
    near &= (x <= within.x_of_smallest_mu) | (mu > within.mu_of_large_x)
    x = jnp.where(near, x, 2.0)
    mu, theta_1, step = (
        jnp.where(near, value, other) for value, other in ((mu, 1.0), (theta_1, 1.0), (step, 0.0))
    )
    place = jnp.asarray(((_NODES + 1) / 2).reshape(-1, *(1,) * mu.ndim), mu.dtype)
    weights = jnp.asarray((_WEIGHTS / 2).reshape(place.shape), mu.dtype)
    ratio, mu, infinity = (mu / theta_1)[None], mu[None], largest(mu.dtype)
    ratio = ratio + (1 + ratio) * jnp.expm1(place * step[None])
    theta = jnp.minimum(mu / jnp.maximum(ratio, mu / infinity), infinity)
    (d_theta,) = outputs_within((2,), x[None], jnp.broadcast_to(mu, theta.shape), theta)
    rate = -step[None] * (theta * d_theta * jnp.minimum(1 + theta / mu, infinity))
    return jnp.sum(weights * rate, 0), near


@jax.custom_jvp
def log_ratio(x: Array, mu: Array, theta_1: Array, theta_2: Array) -> tuple[Array, Array]:
    """log P_1(x), and the difference.

    With p = theta / (theta + mu), the derivative of the difference in the mean is

        (p_2 - p_1) (x - mu) / mu = -p_1 p_2 (mu / theta_2 - mu / theta_1) (x - mu) / mu.

    Args:
        x: Counts, in which there is no derivative.
        mu: The mean, positive and finite.
        theta_1: The first theta, positive and at most `largest`.
        theta_2: The second one.
    """
    means, thetas = jnp.stack([mu, mu]), jnp.stack([theta_1, theta_2])
    floor = jnp.zeros((1,) * means.ndim, mu.dtype)
    log_p = log_nb(x[None], means, thetas, floor, SCALES)
    log_p = jnp.where(x[None] == 0, log_probability_of_zero(means, thetas), log_p)
    direct = log_p[1] - log_p[0]
    integral, near = _by_integral(x, mu, theta_1, theta_2)
    near &= jnp.abs(direct) < _NEAR[mu.dtype.name][0]
    return log_p[0], jnp.where(near, integral, direct)


@partial(log_ratio.defjvp, symbolic_zeros=True)
def _log_ratio_jvp(
    primals: tuple[Array, ...], tangents: tuple[Tangent, ...]
) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
    x, mu, theta_1, theta_2 = primals
    _, along_mu, along_1, along_2 = tangents
    value = log_ratio(*primals)
    first = second = jnp.zeros_like(value[0])
    if not (isinstance(along_1, SymbolicZero) and isinstance(along_2, SymbolicZero)):
        floor = jnp.zeros((1,) * (x.ndim + 1), x.dtype)
        means, thetas = jnp.stack([mu, mu]), jnp.stack([theta_1, theta_2])
        (scores,) = primitives.outputs(
            NEGATIVE_BINOMIAL, (2,), x[None], means, thetas, floor, SCALES
        )
        first, second = (
            first if isinstance(along, SymbolicZero) else score * along
            for score, along in zip(scores, (along_1, along_2), strict=True)
        )
    difference = second - first
    if not isinstance(along_mu, SymbolicZero):
        p_1, p_2 = 1 / (1 + mu / theta_1), 1 / (1 + mu / theta_2)
        score = (x - mu) / mu * along_mu
        first = first + p_1 * score
        difference = difference - p_1 * p_2 * difference_of_ratios(mu, theta_1, theta_2) * score
    return value, (first, difference)
