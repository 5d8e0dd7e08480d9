"""exp and expm1 of non-positive numbers, fusible as `jaxnb.special.elementary` explains."""

from math import factorial, log

import jax
import jax.numpy as jnp
import numpy as np

from jaxnb._types import Array
from jaxnb.special.elementary import power_of_two
from jaxnb.special.polynomial import horner

__all__ = ["exp", "expm1"]

_LOG_2 = log(2)
# The leading 12 bits, so that a whole number below 2**12 times them is exact, and the rest.
_LOG_2_HIGH = 2839 / 4096
_LOG_2_LOW = 3.1946184945309417e-05

# expm1(r) = r + r**2 P(r), |r| <= log(2)/2: Taylor's terms to below half an ulp.
_TERMS = {"float32": 8, "float64": 14}
_TAIL = {
    dtype: tuple(1 / factorial(k) for k in range(terms, 1, -1)) for dtype, terms in _TERMS.items()
}


@jax.custom_jvp
def exp(z: Array) -> Array:
    """e**z for z <= 0, to within 2 ulp where it is a normal number, 0 below."""
    power, expm1_remainder = _reduced(z)
    return power + power * expm1_remainder


@exp.defjvp
def _exp_jvp(primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    value = exp(*primals)
    return value, value * tangents[0]


@jax.custom_jvp
def expm1(z: Array) -> Array:
    """e**z - 1 for z <= 0, to within 2 ulp."""
    power, expm1_remainder = _reduced(z)
    return power * expm1_remainder + (power - 1)


@expm1.defjvp
def _expm1_jvp(primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    return expm1(*primals), exp(*primals) * tangents[0]


def _reduced(z: Array) -> tuple[Array, Array]:
    """2**k and expm1(r) with z = k log 2 + r (Cody and Waite 1980, chapter 6)."""
    lowest = float(np.finfo(z.dtype).minexp)
    k = jnp.maximum(jnp.round(z * (1 / _LOG_2)), lowest)
    r = (z - k * _LOG_2_HIGH) - k * _LOG_2_LOW
    tail = r + r * r * horner(_TAIL[z.dtype.name], r)
    return power_of_two(k), jnp.where(r < -0.5, -1.0, tail)  # z lower than 2**k can follow
