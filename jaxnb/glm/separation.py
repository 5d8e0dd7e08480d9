"""Separation: counts that are zero wherever some combination of coefficients could lower the mean.

The log-likelihood of a gene has no maximum if there is a direction d with xᵢᵀd = 0 in all rows
where the gene has counts, xᵢᵀd ≤ 0 in the others and < 0 in at least one: along it the mean of
those rows falls to 0 and the log-likelihood rises. The supremum is that of a fit without those
rows, and the coefficients that only they determine are infinite. Which rows these are is a property
of the design and of the rows with counts. By Farkas' lemma, no direction lowers any row of a set
and raises none if minus their sum is a combination of them without negative weights, which
non-negative least squares decides; and what is left of the sum is such a direction otherwise.

References:
    A. Albert and J. A. Anderson (1984), *On the existence of maximum likelihood estimates in
    logistic regression models*, Biometrika 71, 1-10. S. Correia, P. Guimarães and T. Zylkin
    (2019), *Verifying the existence of maximum likelihood estimates for generalized linear
    models*, arXiv:1903.01633.
"""

from collections.abc import Iterator
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

__all__ = ["Separation", "find_separation", "limits_of"]

Floats: TypeAlias = NDArray[np.float64]
Bools: TypeAlias = NDArray[np.bool_]

# Relative size of a singular value, or of a coordinate of a direction, that counts as zero.
_ZERO = 1e-9
# The same for the smallest and largest value of a contrast over a cone of directions.
_SIGN = 1e-7
# Of many rows, about so many usually show that nothing separates.
_ENOUGH_ROWS = 512


class Separation(NamedTuple):
    """Which rows and coefficients a gene's fit is left with.

    Attributes:
        kept: rows of the design whose mean is positive, or of which nothing is known,
            ``(genes, rows)``.
        free: coefficients that are estimated; the others are held at 0, which restricts nothing
            on the rows that are kept, ``(genes, p)``.
        limits: 0 for a finite coefficient, -inf or +inf for an infinite one, NaN where both occur
            among the directions of separation, ``(genes, p)``.
        present: rows with any weight, ``(genes, rows)``; the others restrict nothing.
    """

    kept: Bools
    free: Bools
    limits: Floats
    present: Bools


def find_separation(design: Floats, positive: Bools, present: Bools | None = None) -> Separation:
    """Find the separated rows of every gene.

    Args:
        design: distinct rows, of full column rank, ``(rows, p)``.
        positive: whether a gene has any count in the cells of a row, ``(genes, rows)``.
        present: whether any cell of a row has a weight, which must be so for rows of full rank;
            None if all have.
    """
    design = design / np.linalg.norm(design, axis=0)
    genes, size = len(positive), design.shape[1]
    result = Separation(
        np.ones_like(positive),
        np.ones((genes, size), bool),
        np.zeros((genes, size)),
        np.ones_like(positive) if present is None else present,
    )
    suspects = np.flatnonzero(~positive.all(axis=1))
    if len(design) > 2 * _ENOUGH_ROWS:
        # Rows that determine every coefficient do so with others added.
        some = slice(None, None, len(design) // _ENOUGH_ROWS)
        suspects = suspects[~_full_rank(design[some], positive[suspects, some])]
    if not suspects.size:
        return result
    both = np.hstack([positive[suspects], result.present[suspects]])
    patterns = list(_patterns(both))
    distinct = np.stack([pattern for pattern, _ in patterns])
    full = _full_rank(design, distinct[:, : len(design)])
    for number in np.flatnonzero(~full):
        members = suspects[patterns[number][1]]
        counted, there = np.split(distinct[number], 2)
        separated = np.zeros(len(design), bool)
        separated[there], directions = _separated_rows(design[there], counted[there])
        if not separated.any():
            continue
        result.kept[members] = ~separated
        result.free[members] = _independent_columns(design[~separated & there])
        result.limits[members] = _limits(np.eye(size), design, separated, directions)
    return result


def limits_of(contrast: Floats, design: Floats, separation: Separation) -> Floats:
    """Where separation drives a linear combination of coefficients: 0 where it stays finite.

    Args:
        contrast: shape ``(p,)``.
        design: distinct rows, ``(rows, p)``.
        separation: of these rows.
    """
    lengths = np.linalg.norm(design, axis=0)
    contrast, design = contrast / lengths, design / lengths
    kept, present = separation.kept, separation.present
    limits = np.zeros(len(kept))
    separated = np.flatnonzero(~kept.all(axis=1))
    if separated.size:
        both = np.hstack([kept[separated], (kept & present)[separated]])
        for pattern, members in _patterns(both):
            unbounded, fixed = np.split(pattern, 2)
            basis = _null_space(design[fixed])
            limits[separated[members]] = _limits(contrast[None], design, ~unbounded, basis)[0]
    return limits


def _patterns(entries: Bools) -> Iterator[tuple[Bools, NDArray[np.int64]]]:
    """Distinct rows and where each of them is."""
    # Sorted as numbers of 64 bits: numpy sorts rows several times as slowly.
    packed = np.packbits(entries, axis=1)
    words = np.pad(packed, ((0, 0), (0, -packed.shape[1] % 8))).view(np.uint64)
    order = np.lexsort(words.T)
    first = np.any(words[order[1:]] != words[order[:-1]], axis=1)
    for members in np.split(order, np.flatnonzero(first) + 1):
        yield entries[members[0]], members


def _full_rank(design: Floats, positive: Bools) -> Bools:
    """Whether the rows with counts alone determine every coefficient: then nothing separates."""
    size = design.shape[1]
    products = (design[:, :, None] * design[:, None, :]).reshape(len(design), size**2)
    gram = (positive.astype(np.float64) @ products).reshape(-1, size, size)
    smallest = np.linalg.eigvalsh(gram)[:, 0]
    found: Bools = smallest > _ZERO
    return found


def _separated_rows(design: Floats, positive: Bools) -> tuple[Bools, Floats]:
    """The rows whose mean falls to 0, and a basis of the directions that leave the others alone."""
    zero = ~positive
    basis = _null_space(design[positive])
    separated = np.zeros(len(design), bool)
    moves = design[zero] @ basis
    moves[np.abs(moves) < _ZERO * np.abs(design[zero]).max()] = 0
    if basis.shape[1] == 0:
        return separated, basis
    if _simplicial(moves):
        separated[zero] = np.any(moves != 0, axis=1)
        return separated, basis
    # What is left of minus the sum of rows, beyond their cone, is a direction that raises none of
    # them; the rows that it lowers are separated, and the rest is asked again.
    rest = np.arange(len(moves))
    while rest.size:
        direction = _outside(moves[rest], -moves[rest].sum(axis=0))
        lowered = moves[rest] @ direction < -_SIGN * np.abs(moves).max()
        if not lowered.any():
            break
        separated[np.flatnonzero(zero)[rest[lowered]]] = True
        rest = rest[~lowered]
    return separated, _null_space(design[~separated])


def _outside(rows: Floats, target: Floats) -> Floats:
    """What is left of a vector beyond the cone of rows, of length 1; zeros if it is within."""
    weights, length = nnls(rows.T, target)
    if length <= _SIGN * max(float(np.linalg.norm(target)), float(np.abs(rows).max())):
        return np.zeros_like(target)
    left: Floats = (target - weights @ rows) / length
    return left


def _simplicial(moves: Floats) -> bool:
    """Whether the rows that can move at all are independent: then all can be lowered freely."""
    distinct = _distinct(moves)
    return bool(len(distinct) == moves.shape[1] == np.linalg.matrix_rank(distinct))


def _distinct(moves: Floats) -> Floats:
    """Rows that are not zero, scaled to unit length, without those that repeat others."""
    lengths = np.linalg.norm(moves, axis=1)
    unit = moves[lengths > _ZERO] / lengths[lengths > _ZERO, None]
    _, first = np.unique(np.round(unit, 8) + 0.0, axis=0, return_index=True)
    distinct: Floats = unit[first]
    return distinct


def _limits(contrasts: Floats, design: Floats, separated: Bools, basis: Floats) -> Floats:
    """The signs of the contrasts along all directions that lower the separated rows."""
    along = contrasts @ basis
    size = np.abs(along).max(axis=1, initial=0.0)
    infinite = size > _ZERO * np.abs(contrasts).max(axis=1)
    moves = _distinct(design[separated] @ basis)
    lowest, highest = np.zeros(len(along)), np.zeros(len(along))
    if _simplicial(moves):
        # Directions that lower one row by 1 and leave the others alone span the cone.
        ends = -along @ np.linalg.inv(moves)
        lowest, highest = ends.min(axis=1, initial=0.0), ends.max(axis=1, initial=0.0)
    else:
        # A combination can fall if minus it is not within the cone of the rows.
        for contrast in np.flatnonzero(infinite):
            lowest[contrast] = -float(_outside(moves, -along[contrast]).any())
            highest[contrast] = float(_outside(moves, along[contrast]).any())
        size = np.ones_like(size)
    down, up = lowest < -_SIGN * size, highest > _SIGN * size
    sign = np.where(down & up, np.nan, np.where(up, np.inf, -np.inf))
    found: Floats = np.where(infinite, sign, 0.0)
    return found


def _null_space(rows: Floats) -> Floats:
    size = rows.shape[1]
    if not len(rows):
        return np.eye(size)
    # The triangular factor has the same null space and as many rows as there are coefficients: the
    # decomposition of all rows would hold a square matrix of them.
    _, values, directions = np.linalg.svd(np.linalg.qr(rows, mode="r"), full_matrices=True)
    rank = int(np.sum(values > _ZERO * values.max()))
    basis: Floats = directions[rank:].T
    return basis


def _independent_columns(rows: Floats) -> Bools:
    """Columns, the first ones first, that span all columns."""
    chosen = np.zeros(rows.shape[1], bool)
    rest = rows
    for column in range(rows.shape[1]):
        length = np.linalg.norm(rest[:, column])
        if length > _ZERO:
            chosen[column] = True
            unit = rest[:, column] / length
            rest = rest - np.outer(unit, unit @ rest)
    return chosen
