"""The statistics of a dask array, reduced by whatever scheduler is in use."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from jaxnb._errors import optional_module
from jaxnb.data.dominating_column import SharesOfTotals
from jaxnb.data.size_factors import warn_of_domination
from jaxnb.data.statistics import CountStatistics

__all__ = ["statistics_of_dask"]


def statistics_of_dask(
    counts: Any,
    size_factors: Any = None,
    groups: Any = None,
    *,
    zero_inflation: bool = False,
) -> CountStatistics:
    """The statistics of a dask array, reduced by dask.

    Args:
        counts: a dask array of dense or scipy sparse chunks, shape ``(cells, genes)``.
        size_factors: shape ``(cells,)``; None for the row totals over their mean, which takes
            another pass.
        groups: as in `CountStatistics.of`.
        zero_inflation: as in `CountStatistics.of`.

    Raises:
        ValueError: as in `CountStatistics.add`; the number of cells is not known; or there is one
            gene and no size factors.
        InputError: dask is not installed.

    Warns:
        UserWarning: totals of which one gene makes up much, see `fit_nb`.
    """
    dask = optional_module("dask", "a dask array")
    whole = counts.rechunk({1: -1})
    sizes = whole.chunks[0]
    if any(np.isnan(size) for size in sizes):
        raise ValueError("the chunks have unknown sizes: call .compute_chunk_sizes() first")
    blocks = whole.to_delayed().ravel().tolist()
    if size_factors is None:
        size_factors = _from_totals(dask, blocks, int(whole.shape[1]))
    factors = np.asarray(size_factors, np.float64)
    if factors.shape != (whole.shape[0],):
        raise ValueError(
            f"size_factors must have one entry per row, shape {(whole.shape[0],)}, not "
            f"{factors.shape}"
        )
    labels = None if groups is None else np.asarray(groups)
    number = 1 if labels is None else int(labels.max(initial=0)) + 1
    starts = np.cumsum([0, *sizes])
    make, add = dask.delayed(_statistics), dask.delayed(_added)
    parts = []
    for block, first, last in zip(blocks, starts[:-1], starts[1:], strict=True):
        rows = slice(int(first), int(last))
        some = None if labels is None else labels[rows]
        parts.append(make(block, factors[rows], some, number, zero_inflation))
    # By pairs, so that no machine holds more than a few at a time.
    while len(parts) > 1:
        pairs = [parts[i : i + 2] for i in range(0, len(parts), 2)]
        parts = [add(*pair) if len(pair) == 2 else pair[0] for pair in pairs]
    (found,) = dask.compute(parts[0])
    statistics: CountStatistics = found
    return statistics


def _from_totals(dask: Any, blocks: list[Any], genes: int) -> NDArray[np.float64]:
    """Totals over their mean, unless one gene dominates them."""
    parts = dask.compute(*[dask.delayed(_shares)(block) for block in blocks])
    totals = np.concatenate([part for part, _ in parts])
    shares = SharesOfTotals(genes)
    for _, part in parts:
        shares.merge(part)
    if totals.any() and totals.size > 1:
        warn_of_domination(shares)
    return totals / totals.mean() if totals.any() else np.ones_like(totals)


def _shares(block: Any) -> tuple[NDArray[np.float64], SharesOfTotals]:
    shares = SharesOfTotals(int(block.shape[1]))
    return shares.add(sparse.csr_array(block)), shares


def _statistics(
    block: Any, factors: NDArray[np.float64], groups: Any, number: int, zero_inflation: bool
) -> CountStatistics:
    made = CountStatistics(int(block.shape[1]), groups=number, zero_inflation=zero_inflation)
    return made.add(block, factors, groups)


def _added(one: CountStatistics, other: CountStatistics) -> CountStatistics:
    return one + other
