"""Designs of columns of ordinary size, none of which nearly is a combination of the others.

The information on the coefficients is made from products of the design's columns, so a column of
which a share r is not in the span of the others keeps log₁₀ r⁻² digits less: a date such as
20240115, whose days differ by a few dozen, is a multiple of the intercept but for a share of 1e-6.
What is left of such a column takes its place. Searches shorten their steps, and stop, by the length
of a step, so columns of extreme units are divided by powers of 2. With D the triangular matrix of
the multiples and units, X = ZD, the coefficients on Z are Dβ, and a contrast vᵀβ is (D⁻ᵀv)ᵀ Dβ.
"""

from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve_triangular

__all__ = ["Basis", "conditioned"]

Floats: TypeAlias = NDArray[np.float64]

# A column with a smaller share outside the span of those before it is replaced: above, covariances
# keep ten digits.
_NEAR = 1e-3
# The largest values of a column that are left as they are.
_ORDINARY = 0.1, 100.0


class Basis(NamedTuple):
    """Columns that span those of a design.

    Attributes:
        matrix: Z, ``(rows, p)``.
        triangle: D, ``(p, p)``; None for the design itself.
    """

    matrix: Floats
    triangle: Floats | None

    @property
    def is_diagonal(self) -> bool:
        """Whether the columns are those of the design but for their units."""
        return self.triangle is None or not np.triu(self.triangle, 1).any()

    def inner(self, beta: Floats) -> Floats:
        """Coefficients on Z from those on the design, ``(…, p)``."""
        if self.triangle is None:
            return beta
        found: Floats = beta @ self.triangle.T
        return found

    def outer(self, beta: Floats) -> Floats:
        """Coefficients on the design from those on Z, ``(genes, p)``."""
        if self.triangle is None:
            return beta
        found: Floats = solve_triangular(self.triangle, beta.T).T
        return found

    def contrasts(self, vectors: Floats) -> Floats:
        """The same contrasts of the coefficients on Z, ``(p,)`` or ``(contrasts, p)``."""
        if self.triangle is None:
            return vectors
        found: Floats = solve_triangular(self.triangle, vectors.T, trans="T").T
        return found


def conditioned(design: Floats) -> Basis:
    """The design, or what is left of its columns, in ordinary units.

    Args:
        design: ``(rows, p)``, of full rank.
    """
    near = _nearly_dependent(design)
    if not near and np.all(_units(design) == 1):
        return Basis(design, None)
    # Rows that agree must agree to the bit afterwards too.
    rows, row_of = np.unique(design, axis=0, return_inverse=True)
    triangle = np.eye(design.shape[1])
    for column in range(1, design.shape[1] if near else 1):
        whole = rows[:, column].copy()
        lengths = np.linalg.norm(rows[:, :column], axis=0)
        before = rows[:, :column] / lengths
        rest, multiples = whole, np.zeros(column)
        # The second time takes off what the rounding of the first has left.
        for _ in range(2):
            more = np.linalg.lstsq(before, rest)[0]
            multiples, rest = multiples + more, rest - before @ more
        if np.linalg.norm(rest) < _NEAR * np.linalg.norm(whole):
            rows[:, column], triangle[:column, column] = rest, multiples / lengths
    units = _units(rows)
    return Basis((rows / units)[row_of.ravel()], units[:, None] * triangle)


def _units(design: Floats) -> Floats:
    """Powers of 2, by which nothing is rounded, of the largest values of columns; or 1."""
    largest = np.abs(design).max(axis=0)
    ordinary = (largest >= _ORDINARY[0]) & (largest <= _ORDINARY[1])
    found: Floats = np.where(ordinary, 1.0, np.exp2(np.round(np.log2(largest))))
    return found


def _nearly_dependent(design: Floats) -> bool:
    unit = design / np.linalg.norm(design, axis=0)
    try:
        shares = np.diagonal(np.linalg.cholesky(unit.T @ unit))
    except np.linalg.LinAlgError:
        return True
    return bool(np.any(shares < _NEAR))
