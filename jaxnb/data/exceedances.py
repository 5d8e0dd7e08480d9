"""How many counts of a gene exceed k, at few k."""

from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from jaxnb.data.chebyshev import Panels, nodes_for
from jaxnb.data.statistics import CountStatistics
from jaxnb.data.tails import count_values, tails

__all__ = ["Exceedances", "exceedances", "exceedances_of_statistics"]

Floats: TypeAlias = NDArray[np.float64]
Ints: TypeAlias = NDArray[np.int64]

# Thresholds below this are kept as they are; here a panel of nodes begins.
_FIRST_NODE = 16
_TOLERANCE = 1e-14


class Exceedances(NamedTuple):
    """Weights w and thresholds k with Σ w f(log k) = Σₖ N(x > k) f(log k).

    Attributes:
        weights: N(x > k), or its weights at nodes in log k, ``(genes, thresholds)``.
        thresholds: k, ``(thresholds,)``.
        log_factorials: Σ log x!, ``(genes,)``.
    """

    weights: Floats
    thresholds: Floats
    log_factorials: Floats


def exceedances(counts: Any, times: Floats | None = None) -> Exceedances:
    """Those of every column of a sparse matrix.

    A count between two whole numbers is taken for both, with weights of which it is the mean: its
    log-likelihood is then linear between theirs, and the estimating equations of the coefficients
    are those of the count itself.

    Args:
        counts: not negative.
        times: how often the stored entries of `counts`, which must then have no duplicates, are
            there; None for once.
    """
    x = sparse.csc_array(counts)
    if times is None:
        x.sum_duplicates()
        times = np.ones(x.data.size)
    gene = np.repeat(np.arange(x.shape[1]), np.diff(x.indptr))
    values, gene, times = _whole(x.data, gene, times)
    counted = count_values(gene, values, x.shape[1], times)
    k, weights = tails(counted.binned, counted.tail_weights)
    return _at_few(_positive(counted.binned), k, weights, weights, counted.log_factorials)


def exceedances_of_statistics(
    statistics: CountStatistics, largest: CountStatistics | None = None
) -> Exceedances:
    """The same from statistics that were added up over cells.

    Args:
        statistics: of some cells.
        largest: of more cells, whose thresholds to have; None for those that are needed.
    """
    k, reached = (statistics if largest is None else largest).tails()
    _, weights = statistics.tails()
    weights = np.pad(weights, ((0, 0), (0, reached.shape[1] - weights.shape[1])))
    return _at_few(_positive(statistics.histogram), k, weights, reached, statistics.log_factorials)


def _positive(binned: NDArray[Any]) -> Floats:
    found: Floats = binned[:, 1:].sum(axis=1).astype(np.float64)
    return found


def _at_few(
    positive: Floats, k: Floats, weights: Floats, reached: Floats, log_factorials: Floats
) -> Exceedances:
    """Thresholds up to the last that is reached, with one panel of nodes if that makes them fewer.

    Args:
        positive: N(x > 0), ``(genes,)``.
        k: the other thresholds, ``(thresholds,)``.
        weights: at these, ``(genes, thresholds)``.
        reached: not 0 for some gene where a threshold is needed, ``(genes, thresholds)``.
        log_factorials: ``(genes,)``.
    """
    few = _FIRST_NODE - 1
    used = max(few, int(np.flatnonzero(np.any(reached != 0, axis=0)).max(initial=-1)) + 1)
    points, weights = np.log(k[few:used]), weights[:, :used]
    low = float(np.log(_FIRST_NODE))
    width = float(points.max(initial=low)) - low
    count = nodes_for(width, np.pi, _TOLERANCE) if width > 0 else 1
    above = weights[:, few:]
    if count < points.size:
        panel = Panels(width, count, low)
        points, above = panel.at(0, 1), above @ panel.basis(points, 0)
    thresholds = np.concatenate([[0.0], k[:few], np.exp(points)])
    return Exceedances(
        np.column_stack([positive, weights[:, :few], above]), thresholds, log_factorials
    )


def _whole(values: Any, gene: Ints, times: Floats) -> tuple[Ints, Ints, Floats]:
    """Whole numbers on both sides of values, with weights of which these are the means."""
    if values.dtype.kind in "iu":
        return values.astype(np.int64, copy=False), gene, times
    below = np.floor(values).astype(np.int64)
    fraction = values - below
    between = np.flatnonzero(fraction)
    if not between.size:
        return below, gene, times
    above = times[between] * fraction[between]
    return (
        np.append(below, below[between] + 1),
        np.append(gene, gene[between]),
        np.append(times * (1 - fraction), above),
    )
