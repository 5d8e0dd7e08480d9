"""Logarithms: log(1 + u) - u, the function behind every deviance, log itself and 2 atanh."""

from math import log as log_of_number

import jax
import jax.numpy as jnp

from jaxnb._types import Array
from jaxnb.special.coefficients import ATANH_TAIL, LOG1P_MINUS_X
from jaxnb.special.elementary import reciprocal, split_binary
from jaxnb.special.polynomial import horner

__all__ = ["double_atanh", "log", "log1p_minus_x"]

_LOG_2 = log_of_number(2)
# The leading 12 bits, so that k times them and 1 - 2**k add without rounding, and the rest.
_LOG_2_HIGH = 2839 / 4096
_LOG_2_LOW = 3.1946184945309417e-05


@jax.custom_jvp
def log1p_minus_x(u: Array, one_plus_u: Array) -> Array:
    """phi(u) = log(1 + u) - u for u > -1, without cancellation near u = 0.

    With 1 + u = 2**k g, 2/3 <= g < 4/3, and f = g - 1,

        phi(u) = phi(f) + k log 2 + (1 - 2**k) (1 + f),

    where nothing is left of the last two terms if k = 0, and elsewhere they do not cancel with the
    first as log(1 + u) and u would. phi(f) / f**2 is a polynomial on [-1/3, 1/3].

    Args:
        u: Argument, float32 or float64.
        one_plus_u: 1 + u as the caller knows it. Near u = -1 the sum would have lost the digits
            on which log(1 + u) depends; a caller that has u as a ratio has 1 + u as one too.

    Returns:
        The value in the dtype of `u`, within 4 ulp for exact arguments (2.5 for 99 in 100); the
        derivative is taken with respect to `u` alone.
    """
    k, power, inverse_power, mantissa = split_binary(one_plus_u)
    # f from u, which has more digits than 1 + u, until u is nearly -1
    f = jnp.where(k <= -2, mantissa - 1, u * inverse_power + (inverse_power - 1))
    shift = f * (1 - power) + (k * _LOG_2_HIGH + (1 - power))
    return shift + (_phi_near_zero(f) + k * _LOG_2_LOW)


@log1p_minus_x.defjvp
def _log1p_minus_x_jvp(
    primals: tuple[Array, Array], tangents: tuple[Array, Array]
) -> tuple[Array, Array]:
    u, one_plus_u = primals
    return log1p_minus_x(u, one_plus_u), -u * reciprocal(one_plus_u) * tangents[0]


@jax.custom_jvp
def log(y: Array) -> Array:
    """Natural logarithm of a positive normal y; relative error below 2 ulp."""
    k, _, _, mantissa = split_binary(y)
    f = mantissa - 1
    return k * _LOG_2 + (f + _phi_near_zero(f))


@log.defjvp
def _log_jvp(primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    return log(*primals), reciprocal(*primals) * tangents[0]


def double_atanh(v: Array) -> Array:
    """2 atanh(v) = log((1 + v) / (1 - v)) for |v| <= 1/3; relative error below 2 ulp."""
    v_squared = v * v
    return 2 * v + v * (v_squared * horner(ATANH_TAIL[v.dtype.name], v_squared))


def _phi_near_zero(f: Array) -> Array:
    return f * f * horner(LOG1P_MINUS_X[f.dtype.name], f)
