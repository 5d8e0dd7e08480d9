"""Small symmetric systems of many genes, packed by rows, and sums over the first axis.

Arrays are entries x genes. Systems up to a size are solved by unrolled code, which is compiled in a
second or two and is several times as fast as a loop.
"""

from functools import reduce
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxnb._types import Array
from jaxnb.glm.linear_algebra import unpacked

__all__ = ["determinant_and_form", "largest", "restricted", "solve", "summed"]

_UNROLLED = 8
_SMALLEST_PIVOT = 1e-12


def restricted(packed: Array, free: Array) -> Array:
    """Packed matrices on the free coefficients, the identity elsewhere."""
    first, second = np.tril_indices(len(free))
    both = free[first] * free[second]
    found: Array = packed * both + (first == second)[:, None] * (1 - both)
    return found


def summed(rows: Array) -> Array:
    """Sums over the first axis, for which XLA's CPU code takes ten times as long as a product."""
    found: Array = jnp.ones(len(rows), rows.dtype) @ rows
    return found


def largest(rows: Array) -> Array:
    """The largest magnitude over the first axis, without XLA's loop where rows are few."""
    if len(rows) > _UNROLLED:
        return jnp.max(jnp.abs(rows), axis=0)
    found: Array = reduce(jnp.maximum, jnp.abs(rows))
    return found


def solve(packed: Array, right: Array, ridge: float) -> Array:
    """Solutions of symmetric positive definite systems.

    Args:
        packed: lower triangles, ``(p (p + 1) / 2, genes)``.
        right: ``(p, genes)``.
        ridge: is added to the diagonal.
    """
    size = len(right)
    if size > _UNROLLED:
        root = _root(packed, size, ridge)
        solved: Any = jax.scipy.linalg.cho_solve((root, True), right.T[:, :, None])
        solution: Array = solved[:, :, 0].T
        return solution
    lower, pivots = _factors(packed, size, ridge)
    below = _forward(lower, list(right))
    found: list[Array] = [value / pivot for value, pivot in zip(below, pivots, strict=True)]
    for i in reversed(range(size)):
        for k in range(i + 1, size):
            found[i] = found[i] - lower[k, i] * found[k]
    return jnp.stack(found)


def determinant_and_form(packed: Array, row: Array, ridge: float) -> tuple[Array, Array]:
    """Log-determinants, and xᵀM⁻¹x for one x a matrix."""
    size = len(row)
    if size > _UNROLLED:
        root = _root(packed, size, ridge)
        half = jax.lax.linalg.triangular_solve(root, row.T[:, :, None], left_side=True, lower=True)
        diagonal = jnp.diagonal(root, axis1=1, axis2=2)
        return 2 * jnp.sum(jnp.log(diagonal), axis=1), jnp.sum(half[:, :, 0] ** 2, axis=1)
    lower, pivots = _factors(packed, size, ridge)
    below = _forward(lower, list(row))
    log_determinant, form = jnp.zeros_like(row[0]), jnp.zeros_like(row[0])
    for value, pivot in zip(below, pivots, strict=True):
        log_determinant += jnp.log(pivot)
        form += value * value / pivot
    return log_determinant, form


def _root(packed: Array, size: int, ridge: float) -> Array:
    matrices = unpacked(packed.T, size)
    scale = jnp.diagonal(matrices, axis1=1, axis2=2) * _SMALLEST_PIVOT + ridge + 1e-300
    root: Array = jnp.linalg.cholesky(matrices + scale[:, :, None] * jnp.eye(size))
    return root


def _factors(packed: Array, size: int, ridge: float) -> tuple[dict[tuple[int, int], Array], Any]:
    """L and D of L D Lᵀ, without a loop."""
    lower: dict[tuple[int, int], Array] = {}
    pivots: list[Array] = []
    for i in range(size):
        for j in range(i + 1):
            rest = packed[i * (i + 1) // 2 + j]
            for k in range(j):
                rest = rest - lower[i, k] * lower[j, k] * pivots[k]
            if i == j:
                least = _SMALLEST_PIVOT * packed[i * (i + 1) // 2 + i] + 1e-300
                pivots.append(jnp.maximum(rest + ridge, least))
            else:
                lower[i, j] = rest / pivots[j]
    return lower, pivots


def _forward(lower: dict[tuple[int, int], Array], right: list[Array]) -> list[Array]:
    for i in range(len(right)):
        for k in range(i):
            right[i] = right[i] - lower[i, k] * right[k]
    return right
