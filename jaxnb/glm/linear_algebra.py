"""Small symmetric matrices, one per gene: packed products of design rows and inverses."""

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from jaxnb._types import Array

__all__ = ["inverse_and_log_determinant", "packed_products", "times", "unpacked"]

# Relative size below which a pivot of the scaled matrix is rounding.
_SMALLEST_PIVOT = 1e-14
_TINY = 1e-300
# LAPACK's overhead for a matrix is that of a sweep of about this size.
_LARGEST_SWEEP = 16


def packed_products(design: NDArray[np.float64]) -> NDArray[np.float64]:
    """The lower triangle of x xᵀ for every row x of a design, shape ``(rows, p (p + 1) / 2)``."""
    first, second = np.tril_indices(design.shape[1])
    return design[:, first] * design[:, second]


def unpacked(packed: Array, size: int) -> Array:
    """Symmetric matrices from their packed lower triangles."""
    first, second = np.tril_indices(size)
    position = np.zeros((size, size), np.int32)
    position[first, second] = position[second, first] = np.arange(first.size)
    return packed[:, position.ravel()].reshape(-1, size, size)


def times(matrices: Array, vectors: Array) -> Array:
    """One matrix times one vector for every gene."""
    return jnp.sum(matrices * vectors[:, None, :], axis=2)


def inverse_and_log_determinant(matrices: Array) -> tuple[Array, Array]:
    """Inverse and log-determinant of symmetric positive definite matrices, by the sweep operator.

    The matrices are scaled to a unit diagonal first. The loop is compiled once for any size; an
    unrolled Cholesky factorization takes seconds to compile. Pivots below 1e-14 are replaced by
    that number, so that a matrix that is singular to rounding gives a long finite step.

    Args:
        matrices: shape ``(genes, p, p)``.

    Returns:
        The inverses, same shape, and the log-determinants, shape ``(genes,)``.
    """
    size = matrices.shape[1]
    diagonal = jnp.diagonal(matrices, axis1=1, axis2=2)
    scale = jax.lax.rsqrt(jnp.maximum(diagonal, _TINY))
    outer = scale[:, :, None] * scale[:, None, :]

    def sweep(k: Array, carry: tuple[Array, Array]) -> tuple[Array, Array]:
        rest, log_determinant = carry
        unit = (jnp.arange(size) == k).astype(rest.dtype)
        column = jnp.take(rest, k, axis=2)
        pivot = jnp.maximum(jnp.take(column, k, axis=1), _SMALLEST_PIVOT)
        other = column * (1 - unit)
        keep = (1 - unit)[:, None] * (1 - unit)
        inverse_pivot = (1 / pivot)[:, None]
        row = other * inverse_pivot
        swept = (
            (rest - other[:, :, None] * row[:, None, :]) * keep
            + row[:, :, None] * unit
            + unit[:, None] * row[:, None, :]
            - (unit[:, None] * unit) * inverse_pivot[:, :, None]
        )
        return swept, log_determinant + jnp.log(pivot)

    start = matrices * outer, -2 * jnp.sum(jnp.log(scale), axis=1)
    if size > _LARGEST_SWEEP:
        return _by_cholesky(*start, outer)
    swept, log_determinant = jax.lax.fori_loop(0, size, sweep, start)
    return -swept * outer, log_determinant


def _by_cholesky(scaled: Array, log_determinant: Array, outer: Array) -> tuple[Array, Array]:
    """The same by LAPACK, for large matrices."""
    unit = jnp.eye(scaled.shape[1])
    root = jnp.linalg.cholesky(scaled + _SMALLEST_PIVOT * unit)
    inverse_root = jax.lax.linalg.triangular_solve(
        root, jnp.broadcast_to(unit, scaled.shape), left_side=True, lower=True
    )
    inverse = jnp.swapaxes(inverse_root, 1, 2) @ inverse_root
    diagonal = jnp.diagonal(root, axis1=1, axis2=2)
    return inverse * outer, log_determinant + 2 * jnp.sum(jnp.log(diagonal), axis=1)
