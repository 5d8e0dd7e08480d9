"""Statistics of a file that need not fit into memory."""

import hashlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from jaxnb._errors import InputError
from jaxnb._progress import progress_bar
from jaxnb.fit.checkpoint import Checkpoint, file_key
from jaxnb.fit.statistics import CountStatistics
from jaxnb.io import open_counts

__all__ = ["read_statistics"]

_CELLS = 4096
_SECONDS = 30.0


def read_statistics(
    path: str | PathLike[str],
    size_factors: ArrayLike | str | None = None,
    *,
    zero_inflation: bool = True,
    cells: int = _CELLS,
    checkpoint: str | PathLike[str] | None = None,
    checkpoint_seconds: float = _SECONDS,
    progress: bool = False,
    **options: Any,
) -> CountStatistics:
    """Read a file of counts block by block, and keep the sums that fits are made from.

    What is in memory is a block of cells, another that is being read meanwhile by a thread, and the
    statistics, whose size the number of cells does not change. With the totals as size factors,
    the file is read twice.

    Args:
        path: any file that `jaxnb.io.read_counts` reads; HDF5 and Zarr files, compressed by cells,
            are read in blocks.
        size_factors: shape ``(cells,)``; the name of a field of the cells, such as a column of
            ``obs``; "ones"; or None for the row totals over their mean.
        zero_inflation: keep what `fit_zinb` needs.
        cells: in a block.
        checkpoint: a folder in which the sums are kept every `checkpoint_seconds`. The same call
            goes on from there after it was killed, and ends with the same sums to the bit.
        checkpoint_seconds: between two writes.
        progress: show a progress bar if stderr is a terminal.
        **options: of `jaxnb.io.open_counts`, such as `layer`, `raw` and `transpose`.

    Returns:
        The statistics, with the names of the genes; give them to `fit_nb` and `fit_zinb`.

    Raises:
        InputError: (a `ValueError`) the file cannot be read or holds no counts, see
            `jaxnb.io.read_counts`; the size factors do not fit it; or the checkpoint cannot be
            written, or is of another file, of one that has changed, or of other options.
    """
    with open_counts(path, progress=progress, **options) as opened:
        count, genes = opened.shape
        factors = _given_factors(size_factors, opened)
        key = {
            "file": file_key(Path(path)),
            "size factors": "totals" if factors is None else _digest(factors),
            "options": repr((cells, zero_inflation, sorted(options.items()))),
        }
        kept = Checkpoint(
            None if checkpoint is None else Path(checkpoint), key, seconds=checkpoint_seconds
        )
        # What the second pass keeps beside the sums.
        beside: dict[str, NDArray[Any]] = {}
        if factors is None:
            totals = _totals(opened, cells, kept, progress=progress)
            beside["cell_totals"] = totals
            factors = totals / totals.mean() if totals.any() else np.ones_like(totals)
        statistics = CountStatistics(genes, zero_inflation=zero_inflation)
        start = 0
        if kept.phase == "statistics":
            statistics, start = CountStatistics.from_arrays(kept.arrays), kept.rows
            kept.arrays = {}
        with progress_bar(count, "statistics", "cell", progress=progress) as bar:
            bar.update(start)
            for first, block in _blocks(opened, cells, start):
                last = first + block.shape[0]
                _added(statistics, block, factors[first:last], first, str(path))
                bar.update(last - first)
                if kept.due():
                    kept.write("statistics", last, {**statistics.arrays(), **beside})
        # Only now, so that what is kept has no names: they are in the file.
        kept.write("statistics", count, {**statistics.arrays(), **beside})
        statistics.names = np.asarray(opened.genes).astype(np.str_)
        return statistics


def _given_factors(size_factors: ArrayLike | str | None, opened: Any) -> Any:
    count = opened.shape[0]
    if size_factors is None:
        return None
    if isinstance(size_factors, str):
        if size_factors == "ones":
            return np.ones(count)
        if size_factors not in opened.obs:
            raise InputError(
                f"size_factors={size_factors!r} is neither 'ones' nor a field of the cells; there "
                f"are {sorted(opened.obs)}"
            )
        size_factors = opened.obs[size_factors]
    factors = np.asarray(size_factors, np.float64)
    if factors.shape != (count,):
        raise InputError(f"{factors.shape} size factors for {count} cells: give one per cell")
    return factors


def _totals(opened: Any, cells: int, kept: Checkpoint, *, progress: bool) -> NDArray[np.float64]:
    count = opened.shape[0]
    totals, start = np.zeros(count), 0
    if kept.phase == "totals":
        totals, start = kept.arrays["cell_totals"], kept.rows
    elif kept.phase == "statistics":
        return kept.arrays["cell_totals"]
    with progress_bar(count, "size factors", "cell", progress=progress) as bar:
        bar.update(start)
        for first, block in _blocks(opened, cells, start):
            last = first + block.shape[0]
            totals[first:last] = np.asarray(block.sum(axis=1), np.float64).ravel()
            bar.update(last - first)
            if kept.due():
                kept.write("totals", last, {"cell_totals": totals})
    if not np.all(np.isfinite(totals)) or np.any(totals < 0):
        cell = int(np.argmin(np.isfinite(totals) & (totals >= 0)))
        raise InputError(f"cell {cell}: negative, NaN or infinite counts")
    return totals


def _blocks(opened: Any, cells: int, start: int) -> Iterator[tuple[int, Any]]:
    """First row and counts of every block from `start` on; the next is read meanwhile."""
    blocks = opened.blocks(cells)
    first = 0
    with ThreadPoolExecutor(1) as reader:
        coming = reader.submit(next, blocks, None)
        while (block := coming.result()) is not None:
            coming = reader.submit(next, blocks, None)
            if first >= start:
                yield first, block
            first += block.shape[0]


def _added(
    statistics: CountStatistics,
    block: Any,
    factors: NDArray[np.float64],
    first: int,
    path: str,
) -> None:
    try:
        statistics.add(block, factors)
    except ValueError as error:
        last = first + block.shape[0] - 1
        raise InputError(f"{path}: cells {first} to {last}: {error}") from error


def _digest(factors: NDArray[np.float64]) -> str:
    return hashlib.sha256(np.ascontiguousarray(factors).tobytes()).hexdigest()
