"""Sums of a smooth function over consecutive whole numbers, by a few of its values.

Up to `nodes(dtype)` numbers are summed one by one. More are divided into panels whose ends form a
geometric progression, and each panel of N numbers is summed by the Gauss rule of its own measure,
N equal weights: exact for polynomials of degree 2n - 1, as Gauss and Legendre's rule is for
integrals, to which it tends with N. With the numbers scaled to t in (-1, 1), the recurrence of its
orthogonal polynomials (Gram's) has the coefficients

    beta_k = k**2 (1 - k**2 / N**2) / (4 k**2 - 1),

so that its nodes and weights are smooth functions of (n / N)**2, and are interpolated in it.
"""

from functools import cache
from itertools import pairwise
from typing import Final, NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import lax
from numpy.polynomial import chebyshev, legendre
from numpy.typing import NDArray

from jaxnb._types import Array
from jaxnb.special.polynomial import horner

__all__ = ["Rule", "nodes", "rule"]

_PANELS: Final = 3
_POINTS: Final = {"float32": 8, "float64": 12}  # of a panel
_DEGREE: Final = {"float32": 10, "float64": 20}


class Rule(NamedTuple):
    """Nodes and weights, along a new first axis."""

    x: Array
    weight: Array


def nodes(dtype: np.dtype) -> int:
    """How many values a sum takes."""
    return _PANELS * _POINTS[dtype.name]


def rule(a: Array, b: Array) -> Rule:
    """The rule for the sum over the whole numbers from a to b, 1 <= a <= b.

    Args:
        a: The first number, finite.
        b: The last one, finite, of the same shape and dtype.
    """
    size = b - a + 1
    every = jnp.arange(nodes(a.dtype), dtype=a.dtype).reshape(-1, *[1] * a.ndim)
    one_by_one = size <= nodes(a.dtype)
    ratio = ((b + 1) / a) ** (1 / _PANELS)
    inner = [jnp.clip(jnp.round(a * ratio**k), a, b + 1) for k in range(1, _PANELS)]
    ends = [a, *inner, b + 1]
    panels = [_panel(first, end - first) for first, end in pairwise(ends)]
    x, weight = (jnp.concatenate(parts) for parts in zip(*panels, strict=True))
    return Rule(
        jnp.where(one_by_one, jnp.minimum(a + every, b), x),
        jnp.where(one_by_one, jnp.where(every < size, 1.0, 0.0), weight),
    )


def _panel(first: Array, size: Array) -> Rule:
    """The rule for `size` numbers from `first` on."""
    dtype = first.dtype
    points = _POINTS[dtype.name]
    every = jnp.arange(points, dtype=dtype).reshape(-1, *[1] * first.ndim)
    few = size <= points
    larger = jnp.where(few, points + 1.0, size)
    s = 2 * (points / larger) ** 2 / _highest(points) - 1
    t_coefficients, w_coefficients = _interpolated(points, _DEGREE[dtype.name])
    t = jnp.stack([horner(c, s) for c in t_coefficients])
    weight = jnp.stack([horner(c, s) for c in w_coefficients]) * larger
    # The nodes that the dtype has: where counts are large, they are further from those meant than
    # the sum tolerates. A shift d of t is undone, to first order, by the weights with which a
    # polynomial through the nodes has the derivative -d.
    center, half = first + (larger - 1) / 2, larger / 2
    x = center + t * half
    shift = (x - center) / half - t
    matrix = jnp.asarray(_differentiation(points).T, dtype)
    weight = weight - jnp.tensordot(matrix, weight * shift, 1, precision=lax.Precision.HIGHEST)
    last = first + jnp.maximum(size - 1, 0.0)
    return Rule(
        jnp.where(few, jnp.minimum(first + every, last), x),
        jnp.where(few, jnp.where(every < size, 1.0, 0.0), weight),
    )


def _highest(points: int) -> float:
    return (points / (points + 1)) ** 2


@cache
def _interpolated(points: int, degree: int) -> tuple[list[list[float]], list[list[float]]]:
    """Of each node and weight, coefficients in s = 2 (n / N)**2 / highest - 1, the highest first.

    Weights are those of a sum of 1.
    """
    s = chebyshev.chebpts1(degree + 1)
    k = np.arange(1.0, points)
    values = []
    for inverse in (s + 1) / 2 * _highest(points) / points**2:
        beta = k**2 * (1 - k**2 * inverse) / (4 * k**2 - 1)
        jacobi = np.diag(np.sqrt(beta), 1) + np.diag(np.sqrt(beta), -1)
        t, vectors = np.linalg.eigh(jacobi)
        values.append(np.concatenate([t, vectors[0] ** 2]))
    fitted = chebyshev.chebfit(s, np.array(values), degree)
    powers = np.array([chebyshev.cheb2poly(column)[::-1] for column in fitted.T])
    return powers[:points].tolist(), powers[points:].tolist()


@cache
def _differentiation(points: int) -> NDArray[np.float64]:
    """The derivatives at Legendre's nodes of the polynomial through values there."""
    t, _ = legendre.leggauss(points)
    apart = t[:, None] - t + np.eye(points)
    products = apart.prod(1)
    matrix: NDArray[np.float64] = products[:, None] / products / apart
    np.fill_diagonal(matrix, 0)
    np.fill_diagonal(matrix, -matrix.sum(1))
    return matrix
