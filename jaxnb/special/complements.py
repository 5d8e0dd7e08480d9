"""1 - exp(-s), s - (1 - exp(-s)) and log(1 - exp(l)), fusible as `elementary` explains."""

from math import factorial
from typing import Final

import jax.numpy as jnp
import numpy as np

from jaxnb._types import Array
from jaxnb.special.elementary import LOG_2, LOG_2_HIGH, LOG_2_LOW, power_of_two
from jaxnb.special.exponential import exp, expm1
from jaxnb.special.log1p import log1p_minus_x
from jaxnb.special.polynomial import horner

__all__ = ["log1m_exp", "log1m_exp_of_any", "one_minus_exp"]

# (exp(r) - 1 - r) / r**2, |r| <= log(2)/2: Taylor's terms to below half an ulp.
_TERMS: Final = {"float32": 8, "float64": 14}
_TAIL: Final = {
    dtype: tuple(1 / factorial(k) for k in range(terms, 1, -1)) for dtype, terms in _TERMS.items()
}


def one_minus_exp(s: Array) -> tuple[Array, Array]:
    """U = 1 - exp(-s) and s - u for s >= 0, each with a relative error of a few ulp."""
    lowest = float(np.finfo(s.dtype).minexp)
    k = jnp.maximum(jnp.round(s * (-1 / LOG_2)), lowest)
    r = (-s - k * LOG_2_HIGH) - k * LOG_2_LOW
    tail = r * r * horner(_TAIL[s.dtype.name], r)
    power = power_of_two(k)
    expm1_r = jnp.where(r < -0.5, -1.0, r + tail)  # s beyond the exponents
    u = (1 - power) - power * expm1_r
    return u, jnp.where(k == 0, tail, s - u)


def log1m_exp(log_p: Array) -> Array:
    """log(1 - exp(l)) for a finite l < 0, with a relative error of a few ulp at both ends."""
    p = exp(log_p)
    complement = jnp.maximum(-expm1(log_p), float(np.finfo(p.dtype).tiny))
    return log1p_minus_x(-p, complement) - p


def log1m_exp_of_any(log_p: Array) -> Array:
    """log(1 - exp(l)) for any l <= 0, infinite or not."""
    log_p = jnp.minimum(log_p, -float(np.finfo(log_p.dtype).tiny))
    near = log_p > -0.5
    of_small = jnp.log1p(-jnp.exp(jnp.where(near, -1.0, log_p)))
    return jnp.where(near, jnp.log(-jnp.expm1(jnp.where(near, log_p, -1.0))), of_small)
