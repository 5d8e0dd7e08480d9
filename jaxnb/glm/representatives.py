"""A few weighted cells that stand for many, where a covariate has nearly as many values as cells.

Sums over the cells of one group have the form Σ cᵢ f(log sᵢ + xᵢᵀβ), with x varying within the
group by its continuous covariates alone. f is replaced by the polynomial in log s and these
covariates that agrees with it at some of the cells, which gives these cells weights. The error
depends on how far f's argument varies, and grows with the number of covariates: 1e-6 of a standard
error with one of an ordinary effect, 1e-2 with a steep one or with two. So maxima are searched for
here, and found on all cells (`jaxnb.glm.all_cells`).

References:
    A. Sommariva and M. Vianello (2009), *Computing approximate Fekete points by QR factorizations
    of Vandermonde matrices*, Comput. Math. Appl. 57, 1324-1336.
"""

from itertools import product
from math import comb
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.polynomial import chebyshev
from numpy.typing import NDArray
from scipy.linalg import qr, solve_triangular

__all__ = ["Representatives", "representatives_of"]

Floats: TypeAlias = NDArray[np.float64]
Ints: TypeAlias = NDArray[np.int64]

# Fewer cells are not worth it, nor are representatives more than a share of them.
_FEWEST_CELLS, _SHARE = 1000, 6
# A column of more distinct values than these is continuous; the others tell groups.
_MOST_LEVELS = 12
# Polynomials of a group: of the largest total degree at which they are not more. With size factors
# and three covariates that is 4, too few to search with.
_MOST_POLYNOMIALS, _SMALLEST_DEGREE, _LARGEST_DEGREE = 80, 5, 16
_RANK, _MEMBERS_FOR_PIVOTS = 1e-9, 1000


class _Group(NamedTuple):
    """The cells of one group.

    Attributes:
        members: which cells these are.
        nodes: positions of its representatives among all of them.
        basis: the polynomial that is 1 at one representative, at the members, ``(members, nodes)``.
    """

    members: Ints
    nodes: slice
    basis: Floats


class Representatives(NamedTuple):
    """Some cells, and how sums over all cells become sums over these.

    Attributes:
        cells: which cells they are.
        groups: how sums are formed.
    """

    cells: Ints
    groups: list[_Group]

    def sums(self, values: Floats) -> Floats:
        """Weights of the representatives from those of the cells, ``(…, cells)``."""
        found = np.empty((*values.shape[:-1], self.cells.size))
        for group in self.groups:
            found[..., group.nodes] = np.take(values, group.members, axis=-1) @ group.basis
        return found

    def totals(self, values: Floats) -> Floats:
        """Sums over the cells next to every representative: positive where the values are."""
        nearest = np.empty(values.shape[-1], np.int64)
        for group in self.groups:
            nearest[group.members] = group.nodes.start + np.argmax(np.abs(group.basis), axis=1)
        every = values.reshape(-1, values.shape[-1])
        found: Floats = np.stack([np.bincount(nearest, x, self.cells.size) for x in every])
        return found.reshape(*values.shape[:-1], self.cells.size)


def representatives_of(design: Floats, log_size_factors: Floats) -> Representatives | None:
    """Representatives of cells; None where there would not be much fewer of them.

    Args:
        design: ``(cells, p)``.
        log_size_factors: ``(cells,)``.
    """
    cells = len(design)
    if cells < _FEWEST_CELLS:
        return None
    distinct = np.array([np.unique(column).size for column in design.T])
    levels = design[:, distinct <= _MOST_LEVELS]
    varying = np.column_stack([log_size_factors, design[:, distinct > _MOST_LEVELS]])
    _, group_of = np.unique(levels, axis=0, return_inverse=True)
    group_of = group_of.ravel()
    count = int(group_of.max()) + 1 if levels.shape[1] else 1
    if levels.shape[1] == 0:
        group_of = np.zeros(cells, np.int64)
    if 3 * count * _SHARE > cells:
        return None
    scale = np.maximum(varying.std(axis=0), 1e-300)
    groups, chosen, position = [], [], 0
    ends = np.cumsum(np.bincount(group_of))
    for members in np.split(np.argsort(group_of, kind="stable"), ends[:-1]):
        interpolation = _interpolation(varying[members] / scale)
        if interpolation is None:
            return None
        first, basis = interpolation
        groups.append(_Group(members, slice(position, position + first.size), basis))
        chosen.append(members[first])
        position += first.size
        if position * _SHARE > cells:
            return None
    return Representatives(np.concatenate(chosen), groups)


def _interpolation(points: Floats) -> tuple[Ints, Floats] | None:
    """Points to interpolate at, and the polynomials that do, ``(points, these)``.

    None where the points have so many dimensions that the degree would be too low.
    """
    centered = points - points.mean(axis=0)
    _, sizes, directions = np.linalg.svd(np.linalg.qr(centered, mode="r"))
    rank = int(np.sum(sizes > _RANK * max(float(sizes[0]), 1.0)))
    if rank == 0:
        return np.zeros(1, np.int64), np.ones((len(points), 1))
    scores = centered @ directions[:rank].T
    low, high = scores.min(axis=0), scores.max(axis=0)
    scores = (2 * scores - low - high) / (high - low)
    degrees = range(_SMALLEST_DEGREE, _LARGEST_DEGREE + 1)
    affordable = [d for d in degrees if comb(d + rank, rank) <= _MOST_POLYNOMIALS]
    if not affordable:
        return None
    degree = affordable[-1]
    if comb(degree + rank, rank) >= len(points):
        return np.arange(len(points)), np.eye(len(points))
    values = _polynomials(scores, degree)
    # Equally spaced ones of many cells are as good to choose from.
    some = np.arange(0, len(points), max(1, len(points) // _MEMBERS_FOR_PIVOTS))
    some = np.union1d(some, np.concatenate([scores.argmin(axis=0), scores.argmax(axis=0)]))
    triangle, order = qr(values[some].T, mode="r", pivoting=True)
    diagonal = np.abs(np.diagonal(triangle))
    order = order[: int(np.sum(diagonal > _RANK * diagonal[0]))]
    first = some[order]
    orthonormal, upper = np.linalg.qr(values[first].T)
    basis: Floats = solve_triangular(upper, orthonormal.T @ values.T).T
    return first, basis


def _polynomials(scores: Floats, degree: int) -> Floats:
    """Products of Chebyshev polynomials of a total degree, ``(points, products)``."""
    single = [chebyshev.chebvander(column, degree) for column in scores.T]
    exponents = (
        powers for powers in product(range(degree + 1), repeat=len(single)) if sum(powers) <= degree
    )
    return np.stack(
        [
            np.prod([table[:, power] for table, power in zip(single, powers, strict=True)], axis=0)
            for powers in exponents
        ],
        axis=1,
    )
