"""Statistics and fits of many machines, by the schedulers that users already have.

Statistics add up, so that every machine makes those of its cells. dask reduces them with whatever
scheduler is in use; the processes of `jax.distributed` add them up among themselves and fit their
share of the genes.
"""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from jax.experimental import multihost_utils
from numpy.typing import NDArray
from scipy import sparse

from jaxnb._errors import optional_module
from jaxnb.fit.dominating_column import SharesOfTotals
from jaxnb.fit.result import FitResult
from jaxnb.fit.size_factors import warn_of_domination
from jaxnb.fit.statistics import CountStatistics

__all__ = ["fit_in_processes", "statistics_of_dask", "sum_over_processes"]


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


def sum_over_processes(statistics: CountStatistics) -> CountStatistics:
    """The sum of the statistics of all processes of `jax.distributed`, the same in each.

    Every process must call it. The parts are added in the order of the processes.
    """
    if jax.process_count() == 1:
        return statistics
    arrays = statistics.arrays()
    names = arrays.pop("names", None)
    # Arrays differ in the panels that they hold; gathering wants equal shapes.
    sizes = _gathered(np.array([np.size(arrays[name]) for name in sorted(arrays)], np.int64))
    shapes = {name: _gathered(np.array(arrays[name].shape, np.int64)) for name in sorted(arrays)}
    parts: list[dict[str, NDArray[Any]]] = [{} for _ in range(jax.process_count())]
    for position, name in enumerate(sorted(arrays)):
        flat = arrays[name].ravel()
        room = int(sizes[:, position].max()) - flat.size
        everyone = _gathered(np.pad(flat, (0, room)))
        for part, row, shape in zip(parts, everyone, shapes[name], strict=True):
            part[name] = row[: int(np.prod(shape))].reshape(shape).astype(arrays[name].dtype)
    whole = CountStatistics.from_arrays(parts[0])
    for part in parts[1:]:
        whole.merge(CountStatistics.from_arrays(part))
    whole.names = names
    return whole


def fit_in_processes(
    fit: Callable[[CountStatistics], FitResult], statistics: CountStatistics
) -> FitResult:
    """Let every process of `jax.distributed` fit its share of the genes; all get the whole result.

    Args:
        fit: such as `fit_nb`.
        statistics: the same in every process, see `sum_over_processes`.
    """
    count, rank = jax.process_count(), jax.process_index()
    if count == 1:
        return fit(statistics)
    share = -(-statistics.genes // count)
    mine = np.arange(rank * share, (rank + 1) * share).clip(max=statistics.genes - 1)
    part = fit(statistics.of_genes(mine))._replace(genes=None)
    joined: FitResult = jax.tree.map(
        lambda entry: _gathered(entry).reshape(-1)[: statistics.genes], part
    )
    return joined._replace(genes=statistics.names)


def _gathered(array: NDArray[Any]) -> NDArray[Any]:
    """From every process, as a first axis."""
    # Without the flag, float64 would be cast to float32 without a word.
    with jax.enable_x64(True):
        everyone = np.asarray(multihost_utils.process_allgather(array, tiled=False))
    return everyone.astype(array.dtype)
