"""Logarithms: log(1 + u) - u, the function behind every deviance, log itself and 2 atanh."""

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from jaxnb._types import Array
from jaxnb.special.coefficients import ATANH_TAIL, LOG1P_MINUS_X
from jaxnb.special.elementary import (
    INTEGER,
    LOG_2,
    LOG_2_HIGH,
    LOG_2_LOW,
    reciprocal,
    split_binary,
)
from jaxnb.special.polynomial import horner

__all__ = [
    "double_atanh",
    "log",
    "log1p",
    "log1p_minus_x",
    "log1p_minus_x_near_zero",
    "log_of_any",
    "product_of_any",
]


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
    if u.dtype == jnp.float32:  # off CPU, too: selects and a logarithm cost more
        return _fusible_log1p_minus_x(u, one_plus_u)
    value: Array = lax.platform_dependent(
        u, one_plus_u, cpu=_fusible_log1p_minus_x, default=_native_log1p_minus_x
    )
    return value


@log1p_minus_x.defjvp
def _log1p_minus_x_jvp(
    primals: tuple[Array, Array], tangents: tuple[Array, Array]
) -> tuple[Array, Array]:
    u, one_plus_u = primals
    return log1p_minus_x(u, one_plus_u), -u * reciprocal(one_plus_u) * tangents[0]


def _fusible_log1p_minus_x(u: Array, one_plus_u: Array) -> Array:
    k, power, inverse_power, mantissa = split_binary(one_plus_u)
    # f from u, which has more digits than 1 + u, until u is nearly -1
    f = jnp.where(k <= -2, mantissa - 1, u * inverse_power + (inverse_power - 1))
    shift = f * (1 - power) + (k * LOG_2_HIGH + (1 - power))
    return shift + (log1p_minus_x_near_zero(f) + k * LOG_2_LOW)


def _native_log1p_minus_x(u: Array, one_plus_u: Array) -> Array:
    # Beyond 1/6 and 16/3 the two parts differ enough to be subtracted.
    middle = (one_plus_u > 1 / 6) & (one_plus_u < 16 / 3)
    k, power, inverse_power = (_by_exponent(one_plus_u, middle, base) for base in (None, 2.0, 0.5))
    f = jnp.where(middle, u, 0.0) * inverse_power + (inverse_power - 1)
    near = (
        f * (1 - power)
        + (k * LOG_2_HIGH + (1 - power))
        + (log1p_minus_x_near_zero(f) + k * LOG_2_LOW)
    )
    return jnp.where(middle, near, jnp.log(jnp.where(middle, 1.0, one_plus_u)) - u)


def _by_exponent(y: Array, middle: Array, base: float | None) -> Array:
    """k, or a base to its power, with 2/3 <= 2**-k y < 4/3 for 1/3 <= y < 8/3; beyond, -2 and 2.

    By selects: cheaper than to compute a power and to divide by it. 0 or 1 outside of the middle.
    """

    def at(k: int) -> float:
        return float(k) if base is None else base**k

    value = jnp.full_like(y, at(2))
    for k, edge in ((1, 8 / 3), (0, 4 / 3), (-1, 2 / 3), (-2, 1 / 3)):
        value = jnp.where(y < edge, at(k), value)
    return jnp.where(middle, value, at(0))


@jax.custom_jvp
def log(y: Array) -> Array:
    """Natural logarithm of a positive normal y; relative error below 2 ulp."""
    value: Array = lax.platform_dependent(y, cpu=_fusible_log, default=jnp.log)
    return value


@log.defjvp
def _log_jvp(primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    return log(*primals), reciprocal(*primals) * tangents[0]


def _fusible_log(y: Array) -> Array:
    k, _, _, mantissa = split_binary(y)
    f = mantissa - 1
    return k * LOG_2 + (f + log1p_minus_x_near_zero(f))


def log1p(u: Array, one_plus_u: Array) -> Array:
    """log(1 + u) for u > -1; relative error below 3 ulp. Arguments as for `log1p_minus_x`."""
    near = jnp.abs(u) <= 1 / 3
    small = jnp.where(near, u, 0.0)
    large = jnp.where(near, 1.0, one_plus_u)
    # by what rounding 1 + u has lost, which counts below u = 1
    lost = jnp.where(jnp.abs(u) < 1, u - (one_plus_u - 1), 0.0) / large
    of_large = log(large) + lost
    return jnp.where(near, small + log1p_minus_x_near_zero(small), of_large)


def log_of_any(y: Array) -> Array:
    """Natural logarithm of any y, subnormal numbers included; NaN for y < 0.

    XLA's CPU code takes subnormal numbers for 0. Their bits, read as an integer, are the number in
    units of the smallest one; the derivative there is 0.
    """
    value: Array = lax.platform_dependent(y, cpu=_log_by_bits, default=jnp.log)
    return value


def _log_by_bits(y: Array) -> Array:
    info = np.finfo(y.dtype)
    bits = lax.bitcast_convert_type(lax.stop_gradient(y), INTEGER[y.dtype.name])
    subnormal = (bits > 0) & (bits < 1 << info.nmant)
    log_smallest = (info.minexp - info.nmant) * LOG_2
    log_subnormal = jnp.log(jnp.maximum(bits, 1).astype(y.dtype)) + log_smallest
    return jnp.where(subnormal, log_subnormal, jnp.log(jnp.where(subnormal, 1.0, y)))


def product_of_any(y: Array, factor: float) -> Array:
    """y times a power of two for any y >= 0, subnormal numbers as in `log_of_any`."""

    def by_bits(y: Array) -> Array:
        info = np.finfo(y.dtype)
        bits = lax.bitcast_convert_type(lax.stop_gradient(y), INTEGER[y.dtype.name])
        subnormal = (bits > 0) & (bits < 1 << info.nmant)
        unit = factor * 2.0**info.minexp * 2.0**-info.nmant
        return jnp.where(subnormal, jnp.maximum(bits, 1).astype(y.dtype) * unit, y * factor)

    value: Array = lax.platform_dependent(y, cpu=by_bits, default=lambda y: y * factor)
    return value


def double_atanh(v: Array) -> Array:
    """2 atanh(v) = log((1 + v) / (1 - v)) for |v| <= 1/3; relative error below 2 ulp."""
    v_squared = v * v
    return 2 * v + v * (v_squared * horner(ATANH_TAIL[v.dtype.name], v_squared))


def log1p_minus_x_near_zero(f: Array) -> Array:
    """phi(f) for |f| <= 1/3; relative error below 2 ulp."""
    return f * f * horner(LOG1P_MINUS_X[f.dtype.name], f)
