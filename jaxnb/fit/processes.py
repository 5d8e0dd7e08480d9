"""Fits by the processes of `jax.distributed`.

Statistics add up, so that every process makes those of its cells. The processes add them up among
themselves, and fit their share of the genes.
"""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from jax.experimental import multihost_utils
from numpy.typing import NDArray

from jaxnb.data.statistics import CountStatistics
from jaxnb.fit.result import FitResult

__all__ = ["fit_in_processes", "sum_over_processes"]


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
