"""Mean and variance of the exponential distribution truncated to [0, 1].

Its density is proportional to exp(-s v), 0 <= v <= 1. With w = 1 / (exp(s) - 1),

    mean     = 1/s - w              = 1/2 - s/12 + s**3/720 - ...,
    variance = 1/s**2 - w (1 + w)   = 1/12 - s**2/240 + ...,

which are minus the first, and the second derivative of log((1 - exp(-s)) / s).
"""

from fractions import Fraction
from math import comb, factorial
from typing import Final

import jax.numpy as jnp

from jaxnb._types import Array
from jaxnb.special.complements import one_minus_exp
from jaxnb.special.elementary import reciprocal
from jaxnb.special.exponential import exp
from jaxnb.special.polynomial import horner

__all__ = ["truncated_exponential_moments"]

_SERIES_TO: Final = 2.0  # beyond it the differences lose less than two bits
# in powers of (s / 2 pi)**2, at most 0.1
_TERMS: Final = {"float32": 8, "float64": 16}


def _bernoulli(count: int) -> list[Fraction]:
    numbers: list[Fraction] = []
    for m in range(count):
        earlier = sum((comb(m + 1, k) * b for k, b in enumerate(numbers)), Fraction(0))
        numbers.append((1 if m == 0 else 0) - earlier / (m + 1))
    return numbers


def _coefficients(terms: int) -> list[float]:
    """Of s**(2k - 1) in w - 1/s + 1/2, k from 1 on: Bernoulli's number B_2k / (2k)!."""
    numbers = _bernoulli(2 * terms + 1)
    return [float(numbers[2 * k] / factorial(2 * k)) for k in range(1, terms + 1)]


_MEAN: Final = {
    dtype: tuple(reversed([-c for c in _coefficients(terms)])) for dtype, terms in _TERMS.items()
}
_VARIANCE: Final = {
    dtype: tuple(reversed([(2 * k + 1) * c for k, c in enumerate(_coefficients(terms))]))
    for dtype, terms in _TERMS.items()
}


def truncated_exponential_moments(s: Array) -> tuple[Array, Array, Array]:
    """Mean, variance and s times the variance, s from 0 to 2**120, within a few ulp."""
    dtype = s.dtype.name
    near = s < _SERIES_TO
    small = jnp.where(near, s, 0.0)
    square = small * small
    large = jnp.where(near, _SERIES_TO, s)
    inverse, w = reciprocal(large), exp(-large) * reciprocal(one_minus_exp(large)[0])
    mean = jnp.where(near, 0.5 + small * horner(_MEAN[dtype], square), inverse - w)
    near_0 = horner(_VARIANCE[dtype], square)
    variance = jnp.where(near, near_0, inverse * inverse - w * (1 + w))
    # the square underflows before its product with s does
    scaled = jnp.where(near, small * near_0, inverse - large * (w * (1 + w)))
    return mean, variance, scaled
