"""Histograms of counts, in the form Σₖ N(x > k) f(log k) of the terms of the likelihood."""

from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.special import gammaln

from jaxnb.data.chebyshev import FIRST_TAIL, Panels, nodes_for, tail_panels, tail_sums, whole_panel
from jaxnb.data.statistics import CountStatistics

__all__ = ["Histogram", "histogram", "histogram_of_statistics"]

Floats: TypeAlias = NDArray[np.float64]
Ints: TypeAlias = NDArray[np.int64]

# Thresholds that are kept as they are; a panel of nodes begins here.
_FIRST_NODE = 16
_TOLERANCE = 1e-14


class Histogram(NamedTuple):
    """How often a gene's counts exceed a threshold.

    Attributes:
        exceedances: N(x > k), or its weights at nodes in log k, ``(genes, thresholds)``.
        thresholds: k, ``(thresholds,)``.
        log_factorials: Σ log x!, ``(genes,)``.
    """

    exceedances: Floats
    thresholds: Floats
    log_factorials: Floats


def histogram(counts: Any, weights: Floats | None = None) -> Histogram:
    """The histogram of every column of a sparse matrix.

    A count between two whole numbers is taken for both, with weights of which it is the mean: its
    log-likelihood is then linear between theirs, and the estimating equations of the coefficients
    are those of the count itself.

    Args:
        counts: not negative.
        weights: of the stored entries of `counts`, which must then have no duplicates; None for 1.
    """
    x = sparse.csc_array(counts)
    if weights is None:
        x.sum_duplicates()
        weights = np.ones(x.data.size)
    genes = x.shape[1]
    gene = np.repeat(np.arange(genes), np.diff(x.indptr))
    values, gene, times = _whole(x.data, gene, weights)
    bins = np.bincount(
        gene * (FIRST_TAIL + 2) + np.minimum(values, FIRST_TAIL + 1),
        times,
        minlength=genes * (FIRST_TAIL + 2),
    ).reshape(genes, FIRST_TAIL + 2)
    at_least = np.cumsum(bins[:, ::-1], axis=1)[:, ::-1].astype(np.float64)
    exact = at_least[:, 1 : FIRST_TAIL + 1]
    # There are far fewer bins than counts.
    large = values > FIRST_TAIL
    log_factorials = bins[:, : FIRST_TAIL + 1] @ gammaln(np.arange(1.0, FIRST_TAIL + 2))
    of_large = times[large] * gammaln(values[large] + 1.0)
    log_factorials += np.bincount(gene[large], of_large, genes)
    largest = int(values.max(initial=1))
    if largest <= _FIRST_NODE:
        thresholds: Floats = np.arange(_FIRST_NODE, dtype=np.float64)
        return Histogram(exact[:, :_FIRST_NODE], thresholds, log_factorials)
    points = np.log(np.arange(_FIRST_NODE, min(FIRST_TAIL, largest), dtype=np.float64))
    of_points = exact[:, _FIRST_NODE : _FIRST_NODE + points.size]
    if largest > FIRST_TAIL:
        nodes, tail = _tail(values, gene, times, genes)
        points, of_points = np.concatenate([points, nodes]), np.hstack([of_points, tail])
    return _condensed(exact[:, :_FIRST_NODE], points, of_points, log_factorials)


def histogram_of_statistics(
    statistics: CountStatistics, largest: CountStatistics | None = None
) -> Histogram:
    """The same from statistics that were added up over cells.

    Args:
        statistics: of some cells.
        largest: of more cells, whose thresholds to have; None for those that are needed.
    """
    largest = statistics if largest is None else largest
    k, reached = largest.tails()
    _, weights = statistics.tails()
    weights = np.pad(weights, ((0, 0), (0, reached.shape[1] - weights.shape[1])))
    positive = statistics.nonzeros.astype(np.float64)
    first = np.column_stack([positive, weights[:, : _FIRST_NODE - 1]])
    points = np.log(k[_FIRST_NODE - 1 :])
    used = np.any(reached[:, _FIRST_NODE - 1 :] != 0, axis=0)
    last = int(np.flatnonzero(used).max(initial=0)) + 1
    return _condensed(
        first,
        points[:last],
        weights[:, _FIRST_NODE - 1 : _FIRST_NODE - 1 + last],
        statistics.log_factorials,
    )


def _condensed(first: Floats, points: Floats, weights: Floats, log_factorials: Floats) -> Histogram:
    """One panel of nodes instead of many points in log k, if that makes them fewer."""
    low = float(np.log(_FIRST_NODE))
    width = float(points.max()) - low
    count = nodes_for(width, np.pi, _TOLERANCE) if width > 0 else 1
    if count < points.size:
        panel = Panels(width, count, low)
        points, weights = panel.at(0, 1), weights @ panel.basis(points, 0)
    thresholds = np.concatenate([np.arange(_FIRST_NODE, dtype=np.float64), np.exp(points)])
    return Histogram(np.hstack([first, weights]), thresholds, log_factorials)


def _tail(values: Ints, gene: Ints, weights: Floats, genes: int) -> tuple[Floats, Floats]:
    """Nodes in log k from `FIRST_TAIL` on, and every gene's weights at them."""
    count = nodes_for(1.0, np.pi, _TOLERANCE)
    large = values > FIRST_TAIL
    owners, sizes, times = _distinct(gene[large], values[large], weights[large])
    last_panel, sums = tail_sums(sizes, count)
    panels = int(last_panel.max()) + 1
    found = np.zeros((genes, panels, count))
    np.add.at(found, (owners, last_panel), sums * times[:, None])
    # Every panel below a count's last one is summed over whole.
    reached = np.zeros((genes, panels + 1))
    np.add.at(reached, (owners, last_panel), times)
    beyond = np.cumsum(reached[:, ::-1], axis=1)[:, ::-1][:, 1:]
    for panel in range(panels):
        if beyond[:, panel].any():
            found[:, panel] += beyond[:, panel, None] * whole_panel(panel, count)
    return tail_panels(count).at(0, panels), found.reshape(genes, -1)


def _whole(values: Any, gene: Ints, weights: Floats) -> tuple[Ints, Ints, Floats]:
    """Whole numbers on both sides of values, with weights of which these are the means."""
    if values.dtype.kind in "iu":
        return values.astype(np.int64, copy=False), gene, weights
    below = np.floor(values).astype(np.int64)
    fraction = values - below
    between = np.flatnonzero(fraction)
    if not between.size:
        return below, gene, weights
    above = weights[between] * fraction[between]
    return (
        np.append(below, below[between] + 1),
        np.append(gene, gene[between]),
        np.append(weights * (1 - fraction), above),
    )


def _distinct(gene: Ints, values: Ints, weights: Floats) -> tuple[Ints, Ints, Floats]:
    """Distinct pairs of gene and value, and the sums of their weights."""
    order = np.lexsort((values, gene))
    gene, values = gene[order], values[order]
    first = np.append(True, (np.diff(gene) != 0) | (np.diff(values) != 0))
    starts = np.flatnonzero(first)
    return gene[starts], values[starts], np.add.reduceat(weights[order], starts)
