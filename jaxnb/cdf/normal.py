"""The standard normal quantile of a probability that is given by the logarithms of both tails."""

import jax.numpy as jnp
from jax.scipy.special import ndtri

from jaxnb._types import Array

__all__ = ["normal_quantile"]

_LOG_SQRT_2_PI = 0.9189385332046727
# Below these log-probabilities the quantile is found from the logarithm: the probability itself
# soon underflows, and the expansion of the normal tail is right to the last digit.
_FAR = {"float32": -60.0, "float64": -700.0}
_NEWTON_STEPS = 4


def normal_quantile(log_lower: Array, log_upper: Array) -> Array:
    """z with log Phi(z) = log_lower, in whichever tail is smaller; -inf and inf at the ends."""
    log_small = jnp.minimum(log_lower, log_upper)
    limit = _FAR[log_small.dtype.name]
    far = log_small < limit
    near = ndtri(jnp.exp(jnp.where(far, -1.0, log_small)))
    z = jnp.where(far, -_far_quantile(jnp.where(far, log_small, 2 * limit)), near)
    return jnp.where(log_upper < log_lower, -z, z)


def _far_quantile(log_p: Array) -> Array:
    """t > 0 with log Phi(-t) = log_p, by Newton's method on the expansion of the tail.

    log Phi(-t) = -t**2 / 2 - log(t sqrt(2 pi)) + log(1 - 1/t**2 + 3/t**4 - 15/t**6 + ...)
                  (DLMF 7.12.1).
    """
    infinite = log_p == -jnp.inf
    target = jnp.where(infinite, -1000.0, log_p)
    t = jnp.sqrt(-2 * target)
    for _ in range(_NEWTON_STEPS):
        r = 1 / (t * t)
        expansion = jnp.log1p(-r * (1 - r * (3 - r * (15 - r * (105 - r * 945)))))
        value = -0.5 * t * t - jnp.log(t) - _LOG_SQRT_2_PI + expansion
        t = t + (value - target) / (t + 1 / t)
    return jnp.where(infinite, jnp.inf, t)
