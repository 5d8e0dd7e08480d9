"""Where the search for a quantile starts: approximations within a few percent.

With z the normal quantile of the level, the variance-stabilizing transform of the negative binomial
gives theta sinh(arsinh(sqrt(mu / theta)) + z / (2 sqrt(theta)))**2. For small theta the counts are
gamma variables in effect: the cube-root transform of Wilson and Hilferty (1931), a power for the
lower tail, F = (theta x / mu)**theta / Gamma(theta + 1), and for the upper tail of the smallest
thetas 1 - F = theta E_1(theta x / mu).
"""

import jax.numpy as jnp
import numpy as np
from jax.scipy.special import gammaln, ndtri

from jaxnb._types import Array

__all__ = ["approximate_quantile", "normal_quantile"]

_EULER = 0.5772156649015329


def normal_quantile(log_lower: Array, log_upper: Array) -> Array:
    """The standard normal quantile of a probability, roughly, from the logarithms of both tails."""
    log_small = jnp.minimum(log_lower, log_upper)
    near = log_small > -16
    of_probability = ndtri(jnp.exp(jnp.where(near, log_small, -1.0)))
    square = -2 * jnp.where(near, -16.0, log_small)
    z = jnp.where(near, of_probability, -jnp.sqrt(square - jnp.log(2 * np.pi * square)))
    return jnp.where(log_upper < log_lower, -z, z)


def approximate_quantile(mu: Array, theta: Array, log_lower: Array, log_upper: Array) -> Array:
    """The level's quantile, roughly, for positive finite mu and theta."""
    z = normal_quantile(log_lower, log_upper)
    root = jnp.sqrt(theta)
    angle = jnp.arcsinh(jnp.sqrt(mu / theta)) + z / (2 * root)
    stabilized = theta * jnp.sinh(jnp.clip(angle, 0.0, 40.0)) ** 2 - 0.375
    square_root = jnp.maximum(jnp.sqrt(mu) + z / 2, 0.0) ** 2 - 0.375
    normal = jnp.where(theta > 1e6, square_root, stabilized)

    cube_root = jnp.maximum(1 - 1 / (9 * theta) + z / (3 * root), 0.0) ** 3 * mu
    power = mu / theta * jnp.exp(jnp.minimum((log_lower + gammaln(theta + 1)) / theta, 80.0))
    gamma = jnp.where(cube_root > 0, jnp.maximum(cube_root, power), power)
    # the inverse of E_1 by its two expansions
    e_1 = jnp.exp(jnp.minimum(log_upper, 0.0)) / theta
    log_e_1 = jnp.log(jnp.maximum(e_1, 1e-30))
    small_e_1 = -log_e_1 - jnp.log(jnp.maximum(1.2 - log_e_1, 1.0)) + 0.3
    exponent = jnp.where(e_1 > 0.4, jnp.exp(-_EULER - e_1), jnp.maximum(small_e_1, 0.0))
    upper = (log_upper < log_lower) & (theta < 0.3)
    gamma = jnp.where(upper, exponent * (mu / theta), gamma)
    return jnp.where((theta < 3) & ((mu > 1) | (theta < 0.3)), gamma, normal)
