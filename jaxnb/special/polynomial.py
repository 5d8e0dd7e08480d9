"""Polynomials with fixed coefficients, and their divided differences."""

from collections.abc import Sequence

import jax.numpy as jnp

from jaxnb._types import Array

__all__ = ["divided_difference", "horner"]


def horner(coefficients: Sequence[float], t: Array) -> Array:
    """Evaluate a polynomial, highest power first, by Horner's scheme."""
    result = jnp.full_like(t, coefficients[0])
    for coefficient in coefficients[1:]:
        result = result * t + coefficient
    return result


def divided_difference(coefficients: Sequence[float], p: Array, q: Array) -> Array:
    """(f(p) - f(q)) / (p - q) for a polynomial f, without subtracting f(p) and f(q).

    Horner's scheme applied to the difference quotient: with f_k the partial results at q,
    f[p, q] follows d <- d p + f_k. It is f'(q) at p = q.
    """
    value = jnp.full_like(q, coefficients[0])
    quotient = value
    for coefficient in coefficients[1:-1]:
        value = value * q + coefficient
        quotient = quotient * p + value
    return quotient
