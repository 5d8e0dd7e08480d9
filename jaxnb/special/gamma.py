"""What is left of the gamma function once Stirling's formula is taken out.

The short polynomials here take q = 1 / (z + 1/4) in place of z >= 2. In that variable the functions
are smooth down to q = 0 (z = infinity), and a difference of two arguments is exact in form:

    1 / (z + 1/4) - 1 / (z + x + 1/4) = x p q.

`eta(z) = log z - psi(z)` and `zeta(z) = psi_1(z) - 1/z`, both positive and decreasing, are called
the digamma and the trigamma remainder.
"""

from functools import reduce

import jax.numpy as jnp

from jaxnb._types import Array
from jaxnb.special.coefficients import (
    DIGAMMA_REMAINDER_DERIVATIVE,
    LGAMMA_OVER_ROOTS,
    STIRLING_ERROR,
    Table,
)
from jaxnb.special.elementary import reciprocal
from jaxnb.special.log1p import log1p_minus_x
from jaxnb.special.polynomial import divided_difference, horner

__all__ = [
    "RECURRENCE_STEPS",
    "digamma_remainder",
    "digamma_remainder_difference",
    "digamma_remainder_steps",
    "digamma_remainder_steps_difference",
    "lgamma_1p",
    "reciprocal_argument",
    "stirling_error",
    "trigamma_remainder",
    "trigamma_remainder_difference",
    "trigamma_remainder_steps",
    "trigamma_remainder_steps_difference",
]

RECURRENCE_STEPS = 2  # that bring any z > 0 to where the polynomials hold


def _antiderivative(derivative: Table) -> Table:
    return {
        dtype: (*(c / (len(cs) - k) for k, c in enumerate(cs)), 0.0)
        for dtype, cs in derivative.items()
    }


# The derivative of eta in q was fitted rather than eta, so that eta and zeta = q**2 d(eta)/dq come
# from one table, each with a small relative error.
_DIGAMMA_REMAINDER = _antiderivative(DIGAMMA_REMAINDER_DERIVATIVE)
_TRIGAMMA_REMAINDER: Table = {
    dtype: (*cs, 0.0, 0.0) for dtype, cs in DIGAMMA_REMAINDER_DERIVATIVE.items()
}


def reciprocal_argument(z: Array) -> Array:
    """Q = 1 / (z + 1/4), the variable of the polynomials."""
    return reciprocal(z + 0.25)


def stirling_error(q: Array) -> Array:
    """delta(z) = log Gamma(z+1) - (z + 1/2) log z + z - log(2 pi)/2 for z >= 2.

    Relative error of the polynomial 1.2e-7 (float32) and 2e-16 (float64) of at most 0.042.
    Loader (2000), Fast and accurate computation of binomial probabilities, section 2.
    """
    return q * horner(STIRLING_ERROR[q.dtype.name], q)


def lgamma_1p(x: Array) -> Array:
    """log Gamma(1 + x) for 0 <= x <= 2, with its roots 0 and 1 as factors."""
    y = x - 1
    return x * y * horner(LGAMMA_OVER_ROOTS[x.dtype.name], y)


def digamma_remainder_difference(p: Array, q: Array, distance: Array) -> Array:
    """eta(y) - eta(z) for y, z >= 2, relative error a few ulp however close y and z are.

    Args:
        p: Reciprocal argument of y.
        q: Reciprocal argument of z.
        distance: z - y, as the caller knows it.
    """
    return distance * p * q * divided_difference(_DIGAMMA_REMAINDER[q.dtype.name], p, q)


def trigamma_remainder_difference(
    p: Array, q: Array, distance: Array, factor: Array | float = 1.0
) -> Array:
    """(zeta(y) - zeta(z)) factor**2, arguments as for `digamma_remainder_difference`.

    The difference alone underflows for y above 1e13 (float32), its product with y**2 does not.
    In effect the derivative of a fitted polynomial, it is good to 8 ulp (float32) and 60 ulp
    (float64) where both arguments are near 2, to a few ulp elsewhere.
    """
    divided = divided_difference(_TRIGAMMA_REMAINDER[q.dtype.name], p, q)
    return distance * (p * factor) * (q * factor) * divided


def digamma_remainder_steps(z: Array, steps: int = RECURRENCE_STEPS) -> Array:
    """eta(z) - eta(z + steps): every step 1/z - log(1 + 1/z) of the recurrence is positive."""
    return -reduce(jnp.add, (_phi_of_inverse(z + k) for k in range(steps)))


def trigamma_remainder_steps(z: Array) -> Array:
    """zeta(z) - zeta(z+2): every step 1 / (z**2 (z+1)) is positive."""
    return 1 / (z * z * (z + 1)) + 1 / ((z + 1) ** 2 * (z + 2))


def digamma_remainder_steps_difference(y: Array, distance: Array) -> Array:
    """What two steps of the recurrence contribute to eta(y) - eta(z), z = y + distance.

    A step's 1/y - log(1 + 1/y) less that at z is r / z - phi(r), r = distance / (y (z+1)).
    """
    return _digamma_step_difference(y, distance) + _digamma_step_difference(y + 1, distance)


def _digamma_step_difference(y: Array, distance: Array) -> Array:
    z = y + distance
    r = distance / y / (z + 1)
    return r / z - log1p_minus_x(r, 1 + r)


def trigamma_remainder_steps_difference(y: Array, distance: Array) -> Array:
    """What two steps of the recurrence contribute to zeta(y) - zeta(z), z = y + distance.

    A step's 1 / (y**2 (y+1)) less that at z is
    distance (y**2 + y z + z**2 + y + z) / (y**2 (y+1) z**2 (z+1)).
    """
    return _trigamma_step_difference(y, distance) + _trigamma_step_difference(y + 1, distance)


def _trigamma_step_difference(y: Array, distance: Array) -> Array:
    z = y + distance
    numerator = y * y + y * z + z * z + y + z
    return distance / y / z * (numerator / (y * (y + 1) * z * (z + 1)))


def digamma_remainder(z: Array) -> Array:
    """eta(z) for any z > 0."""
    small, low, high = _raised(z)
    q = reciprocal_argument(high)
    remainder = horner(_DIGAMMA_REMAINDER[q.dtype.name], q)
    return remainder + jnp.where(small, digamma_remainder_steps(low), 0.0)


def trigamma_remainder(z: Array) -> Array:
    """zeta(z) for any z > 0."""
    small, low, high = _raised(z)
    q = reciprocal_argument(high)
    remainder = horner(_TRIGAMMA_REMAINDER[q.dtype.name], q)
    return remainder + jnp.where(small, trigamma_remainder_steps(low), 0.0)


def _raised(z: Array) -> tuple[Array, Array, Array]:
    """Whether z is too small for the polynomials, z where it is, and z raised where it is."""
    small = z < RECURRENCE_STEPS
    return small, jnp.where(small, z, 1.0), jnp.where(small, z + RECURRENCE_STEPS, z)


def _phi_of_inverse(z: Array) -> Array:
    """log(1 + 1/z) - 1/z."""
    inverse = 1 / z
    return log1p_minus_x(inverse, 1 + inverse)
