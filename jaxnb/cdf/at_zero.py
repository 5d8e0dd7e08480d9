"""Probabilities of 0, and of 1 without zeros, relative to themselves where those are next to 1."""

from __future__ import annotations

from typing import Final

import jax
import jax.numpy as jnp
import numpy as np

from jaxnb._types import Array
from jaxnb.special.complements import one_minus_exp
from jaxnb.special.log1p import log1p_minus_x, log_of_any
from jaxnb.special.truncated_exponential import truncated_exponential_moments

__all__ = ["SCALES", "log_probability_of_one", "log_probability_of_zero"]

SCALES: Final = ("linear", "linear")
# Below it log(1 + u) / u is 1 - u / 2.
_NO_RATIO: Final = {"float32": 2.0**-12, "float64": 2.0**-26}
_ALL_RATIO: Final = 2.0**60  # above it that is log(u)


@jax.custom_jvp
def log_probability_of_zero(mu: Array, theta: Array) -> Array:
    """log P(0) = -theta log(1 + u), u = mu / theta, for positive parameters and a finite mean.

    Its derivatives are -1 / (1 + u) in mu and phi(-u / (1 + u)) in theta, phi(v) = log(1 + v) - v.
    """
    ratio = mu / theta
    poisson, spread = ratio < _NO_RATIO[mu.dtype.name], ratio > _ALL_RATIO
    logarithm = jnp.where(spread, log_of_any(mu) - log_of_any(theta), jnp.log1p(ratio))
    return jnp.where(poisson, -mu * (1 - ratio / 2), -theta * logarithm)


@log_probability_of_zero.defjvp
def _log_probability_of_zero_jvp(
    primals: tuple[Array, Array], tangents: tuple[Array, Array]
) -> tuple[Array, Array]:
    mu, theta = primals
    ratio = jnp.minimum(mu / theta, float(np.finfo(mu.dtype).max) / 4)
    p = 1 / (1 + ratio)
    of_theta = log1p_minus_x(-ratio * p, p)
    value = log_probability_of_zero(mu, theta)
    return value, of_theta * tangents[1] - p * tangents[0]


def log_probability_of_one(mu: Array, theta: Array, log_zero: Array) -> Array:
    """log P(1) of the distribution without zeros, of which P(0) would be exp(`log_zero`).

    With z = log(1 + mu / theta), y = -log P(0) and A(s) = log((1 - exp(-s)) / s), which is
    negative as -y - A(y) is, it is A(z) - (y + A(y)).
    """
    z, y = jnp.log1p(mu / theta), -log_zero
    return _log_ratio(z) - (y + _log_ratio(y))


@jax.custom_jvp
def _log_ratio(s: Array) -> Array:
    """A(s) for s >= 0; A' = -M and A'' = V of `truncated_exponential`."""
    u, remainder = one_minus_exp(s)
    near = s < 1
    positive = jnp.where(s > 0, s, 1.0)
    # the square of a smaller s may underflow
    part = jnp.where(s < float(np.finfo(s.dtype).eps), s / 2, remainder / positive)
    small = jnp.log1p(-jnp.where(near, part, 0.0))
    return jnp.where(s > 0, jnp.where(near, small, jnp.log(u) - jnp.log(positive)), 0.0)


@_log_ratio.defjvp
def _log_ratio_jvp(primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    return _log_ratio(*primals), -_mean_of_truncated(*primals) * tangents[0]


@jax.custom_jvp
def _mean_of_truncated(s: Array) -> Array:
    return truncated_exponential_moments(s)[0]


@_mean_of_truncated.defjvp
def _mean_of_truncated_jvp(primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    return _mean_of_truncated(*primals), -truncated_exponential_moments(*primals)[1] * tangents[0]
