"""exp and expm1 of non-positive numbers, fusible as `jaxnb.special.elementary` explains."""

from math import factorial

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from jaxnb._types import Array
from jaxnb.special.elementary import LOG_2, LOG_2_HIGH, LOG_2_LOW, power_of_two
from jaxnb.special.polynomial import horner

__all__ = ["exp", "exp_and_expm1", "expm1"]

# expm1(r) = r + r**2 P(r), |r| <= log(2)/2: Taylor's terms to below half an ulp.
_TERMS = {"float32": 8, "float64": 14}
_TAIL = {
    dtype: tuple(1 / factorial(k) for k in range(terms, 1, -1)) for dtype, terms in _TERMS.items()
}


@jax.custom_jvp
def exp(z: Array) -> Array:
    """e**z for z <= 0, to within 2 ulp where it is a normal number, 0 below."""
    value: Array = lax.platform_dependent(z, cpu=_fusible_exp, default=jnp.exp)
    return value


@exp.defjvp
def _exp_jvp(primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    value = exp(*primals)
    return value, value * tangents[0]


@jax.custom_jvp
def expm1(z: Array) -> Array:
    """e**z - 1 for z <= 0, to within 2 ulp."""
    value: Array = lax.platform_dependent(z, cpu=_fusible_expm1, default=jnp.expm1)
    return value


@expm1.defjvp
def _expm1_jvp(primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    return expm1(*primals), exp(*primals) * tangents[0]


def _fusible_exp(z: Array) -> Array:
    power, expm1_remainder = _reduced(z)
    return power + power * expm1_remainder


def _fusible_expm1(z: Array) -> Array:
    power, expm1_remainder = _reduced(z)
    return power * expm1_remainder + (power - 1)


def exp_and_expm1(z: Array) -> tuple[Array, Array]:
    """Both at the cost of one; for code that is CPU's alone."""
    power, expm1_remainder = _reduced(z)
    return power + power * expm1_remainder, power * expm1_remainder + (power - 1)


def _reduced(z: Array) -> tuple[Array, Array]:
    """2**k and expm1(r) with z = k log 2 + r (Cody and Waite 1980, chapter 6)."""
    lowest = float(np.finfo(z.dtype).minexp)
    # Set aside before the polynomial, whose overflow would make derivatives NaN.
    underflows = z < (lowest - 0.5) * LOG_2
    z = jnp.where(underflows, 0.0, z)
    k = jnp.round(z * (1 / LOG_2))
    r = (z - k * LOG_2_HIGH) - k * LOG_2_LOW
    tail = r + r * r * horner(_TAIL[z.dtype.name], r)
    return power_of_two(jnp.where(underflows, lowest, k)), jnp.where(underflows, -1.0, tail)
