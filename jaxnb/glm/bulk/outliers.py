"""Outliers: counts that the other counts of their gene rule out.

Residuals against the fit of all counts point to candidates; each is predicted from the other counts
(`jaxnb.glm.bulk.tails`), and the least likely one of a gene is deleted if it is too unlikely, which
is repeated once. Two outliers of one gene hide each other: the two counts farthest from a fit of
absolute deviations are therefore predicted without both, where the rows are enough.
"""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from jaxnb.glm.bulk.counts import BulkCounts
from jaxnb.glm.bulk.tails import predict
from jaxnb.glm.linear_algebra import packed_products
from jaxnb.glm.prior import DispersionPrior, mode

__all__ = ["Flags", "find_outliers"]

Floats: TypeAlias = NDArray[np.float64]
Ints: TypeAlias = NDArray[np.int64]
Bools: TypeAlias = NDArray[np.bool_]

# A count is an outlier if twice its tail's probability times the rows is below this.
THRESHOLD = 1e-3
# Deletions one after the other.
_ROUNDS = 2
# A deletion must leave rows that determine the mean, and degrees of freedom.
_MOST_LEVERAGE, _LEAST_DEGREES = 0.7, 2
# With up to ten rows, or five in the smallest group, a single outlier bends the fit so much that
# other counts look worse.
_FEW_ROWS, _SMALL_GROUP = 10, 5
# Residuals are only compared with a threshold, and where counts separate, a fit has no end.
_ROUGH = 1e-3
_SCREEN, _SCREEN_FEW, _SCREEN_MANY = 0.2, 0.6, 0.9
# Pairs: both residuals of the robust fit above so many standard deviations of a log count.
_PAIR, _LEAST_VARIANCE = 3.5, 0.02


@dataclass
class Flags:
    """Which counts are outliers.

    Attributes:
        weights: of all counts, 0 for outliers, ``(genes, rows)``.
        fine: profiles without them, ``(genes, points)``.
        gene: of every outlier.
        row: of every outlier.
        expected: what the other counts predict.
        p_value: probability of a count as far from it, on either side.
    """

    weights: Floats
    fine: Floats
    gene: Ints
    row: Ints
    expected: Floats
    p_value: Floats

    def add(self, gene: Ints, row: Ints, expected: Floats, tail: Floats) -> None:
        """Delete counts."""
        self.weights[gene, row] = 0
        self.gene = np.append(self.gene, gene)
        self.row = np.append(self.row, row)
        self.expected = np.append(self.expected, expected)
        self.p_value = np.append(self.p_value, np.minimum(2 * tail, 1))


def find_outliers(bulk: BulkCounts, weights: Floats, fine: Floats, prior: DispersionPrior) -> Flags:
    """Find the outliers of all genes.

    Args:
        bulk: the counts.
        weights: of the counts.
        fine: profiles with all of them.
        prior: learned from these.
    """
    nothing, none = np.empty(0, np.int64), np.empty(0)
    flags = Flags(weights.copy(), fine.copy(), nothing, nothing, none, none)
    active = np.arange(len(weights))
    relevant = THRESHOLD / (2 * bulk.rows)
    for _ in range(_ROUNDS):
        which, row = _candidates(bulk, flags, prior, active)
        if not which.size:
            break
        gene = active[which]
        without = flags.weights[gene]
        without[np.arange(gene.size), row] = 0
        found = predict(bulk, prior, gene, row, without, relevant)
        order = np.lexsort((found.tail, gene))
        least = order[np.append(True, np.diff(gene[order]) != 0)]
        taken = least[found.tail[least] < relevant]
        flags.add(gene[taken], row[taken], found.expected[taken], found.tail[taken])
        flags.fine[gene[taken]] = found.profiles.taken(taken).fine()[0]
        active = gene[taken]
    if bulk.rows >= _FEW_ROWS:
        _add_pairs(bulk, flags, prior, relevant)
    return flags


def _candidates(
    bulk: BulkCounts, flags: Flags, prior: DispersionPrior, active: Ints
) -> tuple[Ints, Ints]:
    """Positions in `active`, and rows, of the counts that are worth a prediction."""
    if not active.size:
        return active, active
    weights = flags.weights[active]
    mean = bulk.mean(weights, active)
    distance = flags.fine[active] + prior.log_densities(mean)[0]
    alpha = np.exp(mode(distance))
    fitted = bulk.fit_at(active, weights, alpha, tolerance=_ROUGH)
    expected = bulk.means(active, fitted.beta)
    covariance = bulk.covariance(weights, expected, alpha)
    first, second = np.tril_indices(bulk.design.shape[1])
    twice = packed_products(bulk.design) * np.where(first == second, 1.0, 2.0)
    shape = 1 / (alpha[:, None] + 1 / np.maximum(expected, 1e-9))
    leverage = weights * shape * (covariance[:, first, second] @ twice.T)
    degrees = (weights > 0).sum(axis=1, keepdims=True) - bulk.design.shape[1]
    possible = (weights > 0) & (leverage < _MOST_LEVERAGE) & (degrees > _LEAST_DEGREES)
    counts = bulk.counts[active]
    pearson = (counts - expected) / expected * np.sqrt(shape)
    low = -np.log((counts + 0.5) / expected) * np.sqrt(shape)
    residual = np.maximum(pearson, low) / np.sqrt(np.maximum(1 - leverage, 1e-3))
    residual = np.where(possible, residual, -np.inf)
    # For any design the smallest group is the inverse of the largest leverage.
    largest = float((np.linalg.qr(bulk.design)[0] ** 2).sum(axis=1).max())
    few = bulk.rows <= _FEW_ROWS or largest > 0.999 / _SMALL_GROUP
    cut = norm.isf(_SCREEN / bulk.rows) * (_SCREEN_FEW if few else _SCREEN_MANY)
    high = residual > cut
    if not few:
        second_largest = np.sort(residual, axis=1)[:, -2]
        high &= residual >= second_largest[:, None]
    position, row = np.nonzero(high)
    return position.astype(np.int64), row.astype(np.int64)


def _add_pairs(bulk: BulkCounts, flags: Flags, prior: DispersionPrior, relevant: float) -> None:
    """Delete the two counts farthest from a robust fit of a gene, if each is too unlikely."""
    clean = np.ones(len(flags.weights), bool)
    clean[flags.gene] = False
    degrees = (flags.weights > 0).sum(axis=1) - bulk.design.shape[1]
    rest = np.flatnonzero(clean & (degrees > _LEAST_DEGREES + 1))
    weights = flags.weights[rest]
    residual = np.where(weights > 0, np.abs(_robust_residuals(bulk, rest, weights)), 0.0)
    two = np.argsort(-residual, axis=1)[:, :2]
    mean = bulk.mean(weights, rest)
    count = np.maximum(mean * bulk.depth(weights, rest), 1)
    variance = np.log1p(prior.trend(mean) + 1 / count)
    least = _PAIR * np.sqrt(np.maximum(variance, _LEAST_VARIANCE))
    far = np.take_along_axis(residual, two, axis=1)[:, 1] > least
    gene, two = rest[far], two[far]
    if not gene.size:
        return
    without = flags.weights[gene]
    np.put_along_axis(without, two, 0.0, axis=1)
    # What is left must determine the coefficients.
    determined = _determined(bulk.design, without > 0)
    gene, two, without = gene[determined], two[determined], without[determined]
    both = [predict(bulk, prior, gene, two[:, side], without, relevant) for side in (0, 1)]
    taken = np.flatnonzero(np.maximum(both[0].tail, both[1].tail) < relevant)
    for side, found in enumerate(both):
        flags.add(gene[taken], two[taken, side], found.expected[taken], found.tail[taken])
    flags.fine[gene[taken]] = both[0].profiles.taken(taken).fine()[0]


def _determined(design: Floats, present: Bools) -> Bools:
    size = design.shape[1]
    scaled = design / np.linalg.norm(design, axis=0)
    products = (scaled[:, :, None] * scaled[:, None, :]).reshape(len(design), -1)
    gram = (present.astype(np.float64) @ products).reshape(-1, size, size)
    found: Bools = np.linalg.eigvalsh(gram)[:, 0] > 1e-9
    return found


def _robust_residuals(bulk: BulkCounts, genes: Ints, weights: Floats) -> Floats:
    """Of log counts from a fit of least absolute deviations, by reweighted least squares."""
    offsets = bulk.offsets if len(bulk.offsets) == 1 else bulk.offsets[genes]
    response = np.log(bulk.counts[genes] + 0.5) - offsets
    design, size = bulk.design, bulk.design.shape[1]
    products = (design[:, :, None] * design[:, None, :]).reshape(len(design), -1)
    ridge = 1e-9 * np.diag(np.diag(design.T @ design))
    residual, current = response, weights
    for _ in range(8):
        gram = (current @ products).reshape(-1, size, size) + ridge
        beta = np.linalg.solve(gram, ((current * response) @ design)[..., None])[..., 0]
        residual = response - beta @ design.T
        current = weights / np.maximum(np.abs(residual), 0.05)
    return residual
