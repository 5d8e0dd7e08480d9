"""Normal deviates by inversion, one random word each."""

import jax.numpy as jnp
import numpy as np
from jax import lax

from jaxnb._types import Array, DTypeLike
from jaxnb.random._bits import Word, signed_tail

# Giles (2010), "Approximating the erfinv function", Table 5: erfinv(x)/x in w - 2.5 for w < 5.
_CENTRE = (
    2.81022636e-08,
    3.43273939e-07,
    -3.5233877e-06,
    -4.39150654e-06,
    0.00021858087,
    -0.00125372503,
    -0.00417768164,
    0.246640727,
    1.50140941,
)
# The same in sqrt(w) - 3.5 for w >= 5. His polynomial ends at p = 2^-24; this one interpolates at
# Chebyshev nodes down to p = 2^-33, with a relative error of 1.6e-7.
_TAIL = (
    3.6551981e-05,
    1.7399389e-05,
    -0.00029675424,
    0.00051087729,
    -0.00062714074,
    0.0010513219,
    -0.0020786093,
    0.0032846595,
    1.00737,
    3.3354855,
)


def normal(word: Word, dtype: DTypeLike) -> Array:
    """A standard normal deviate whose tails are as fine as the word's 31 bits (63 if wide).

    The upper bits are the probability p of a tail beyond the deviate, so that precision is relative
    to p and not to 1 - p; the lowest bit is the sign.
    """
    p, negative = signed_tail(word, dtype)
    deviate = np.sqrt(2.0).astype(dtype) * _erfinv_one_minus_twice(p)
    return jnp.where(negative, -deviate, deviate)


def _erfinv_one_minus_twice(p: Array) -> Array:
    """erfinv(1 - 2p) for 0 < p <= 1/2."""
    if p.dtype == jnp.float64:
        # 1 - 2p resolves p to 1e-16 here, which is 8.2 standard deviations.
        return lax.erf_inv(1.0 - 2.0 * p)
    w = -jnp.log(4.0 * p * (1.0 - p))
    ratio = jnp.where(w < 5.0, _horner(_CENTRE, w - 2.5), _horner(_TAIL, jnp.sqrt(w) - 3.5))
    return ratio * (1.0 - 2.0 * p)


def _horner(coefficients: tuple[float, ...], x: Array) -> Array:
    value = jnp.full_like(x, coefficients[0])
    for coefficient in coefficients[1:]:
        value = value * x + coefficient
    return value
