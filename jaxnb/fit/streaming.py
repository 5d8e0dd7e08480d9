"""Statistics of a file that need not fit into memory."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from jaxnb._errors import InputError
from jaxnb._progress import progress_bar
from jaxnb._warnings import warn
from jaxnb.fit.checkpoint import Checkpoint, file_key
from jaxnb.fit.dominating_column import DominatingColumn, SharesOfTotals
from jaxnb.fit.size_factors import REMEDY
from jaxnb.fit.statistics import CountStatistics
from jaxnb.io import CountFile, open_counts
from jaxnb.io.values import check_not_empty, no_counts

__all__ = ["FileSums", "read_statistics", "sums_of_file"]

_CELLS = 4096
_SECONDS = 30.0


class FileSums(NamedTuple):
    """What `sums_of_file` finds.

    Attributes:
        statistics: with the names of the genes.
        dominating: the gene that bends size factors from totals, if there is one.
        mean_total: counts of a cell on average; None if the size factors were given.
    """

    statistics: CountStatistics
    dominating: DominatingColumn | None
    mean_total: float | None


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
            are read in blocks, others whole.
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
            `jaxnb.io.read_counts`; the size factors do not fit it, or there is one gene and none
            are given; or the checkpoint cannot be written, or is of another file, of one that has
            changed, or of other options.

    Warns:
        UserWarning: totals of which one gene makes up much, see `fit_nb`.
    """
    with open_counts(path, progress=progress, **options) as opened:
        found = sums_of_file(
            opened,
            _given_factors(size_factors, opened),
            zero_inflation=zero_inflation,
            cells=cells,
            checkpoint=checkpoint,
            checkpoint_seconds=checkpoint_seconds,
            progress=progress,
            options=options,
        )
    if found.dominating is not None:
        what = found.dominating.described(str(opened.genes[found.dominating.column]))
        warn(f"{what}; {REMEDY}")
    return found.statistics


def sums_of_file(
    opened: CountFile,
    size_factors: NDArray[np.float64] | None,
    *,
    zero_inflation: bool,
    cells: int = _CELLS,
    checkpoint: str | PathLike[str] | None = None,
    checkpoint_seconds: float = _SECONDS,
    progress: bool = False,
    options: Mapping[str, Any] | None = None,
) -> FileSums:
    """`read_statistics` of an open file, whose entries are checked.

    Args:
        opened: from `jaxnb.io.open_counts`.
        size_factors: shape ``(cells,)``, or None for the totals over their mean.
        zero_inflation: as in `read_statistics`, as those that follow.
        cells: in a block.
        checkpoint: folder.
        checkpoint_seconds: between writes.
        progress: bars.
        options: how the file was opened: a checkpoint of other options is refused.

    Raises:
        InputError: as in `read_statistics`.
    """
    check_not_empty(opened.shape, opened.source)
    count, genes = opened.shape
    key = {
        "file": "" if checkpoint is None else _key(opened),
        "size factors": "totals" if size_factors is None else _digest(size_factors),
        "options": repr((cells, zero_inflation, sorted((options or {}).items()))),
    }
    kept = Checkpoint(
        None if checkpoint is None else Path(checkpoint), key, seconds=checkpoint_seconds
    )
    # What the second pass keeps beside the sums.
    beside: dict[str, NDArray[Any]] = {}
    dominating, mean_total = None, None
    if size_factors is None:
        beside = _totals(opened, cells, kept, progress=progress)
        dominating = _dominating(opened, beside)
        totals = beside["cell_totals"]
        mean_total = float(totals.mean())
        factors = totals / mean_total
    else:
        factors = size_factors
    statistics, start = CountStatistics(genes, zero_inflation=zero_inflation), 0
    if kept.phase == "statistics":
        statistics, start = CountStatistics.from_arrays(kept.arrays), kept.rows
        kept.arrays = {}
    with progress_bar(count, "statistics", "cell", progress=progress) as bar:
        bar.update(start)
        for first, block in _blocks(opened, cells, start):
            last = first + block.shape[0]
            # The first pass has checked them, if there was one.
            if size_factors is not None:
                opened.check(block, first)
            _added(statistics, block, factors[first:last], first, opened.source)
            bar.update(last - first)
            if kept.due():
                kept.write("statistics", last, {**statistics.arrays(), **beside})
    if not statistics.totals.any():
        raise no_counts(opened.source)
    # Only now, so that what is kept has no names: they are in the file.
    if start < count:
        kept.write("statistics", count, {**statistics.arrays(), **beside})
    statistics.names = np.asarray(opened.genes).astype(np.str_)
    return FileSums(statistics, dominating, mean_total)


def _given_factors(size_factors: ArrayLike | str | None, opened: CountFile) -> Any:
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


def _totals(
    opened: CountFile, cells: int, kept: Checkpoint, *, progress: bool
) -> dict[str, NDArray[Any]]:
    """The first pass: totals of the cells, and what tells whether a gene dominates them."""
    count, genes = opened.shape
    names = ("cell_totals", "gene_totals", "gene_squares")
    if kept.phase == "statistics":
        return {name: kept.arrays.pop(name) for name in names}
    totals, shares, start = np.zeros(count), SharesOfTotals(genes), 0
    if kept.phase == "totals":
        totals, shares.sums, shares.squares = (kept.arrays[name] for name in names)
        start = kept.rows
    found = dict(zip(names, (totals, shares.sums, shares.squares), strict=True))
    with progress_bar(count, "size factors", "cell", progress=progress) as bar:
        bar.update(start)
        for first, block in _blocks(opened, cells, start):
            last = first + block.shape[0]
            opened.check(block, first)
            totals[first:last] = shares.add(block)
            bar.update(last - first)
            if kept.due():
                kept.write("totals", last, found)
    if not totals.any():
        raise no_counts(opened.source)
    return found


def _dominating(opened: CountFile, found: Mapping[str, NDArray[Any]]) -> DominatingColumn | None:
    shares = SharesOfTotals(opened.shape[1])
    shares.sums, shares.squares = found["gene_totals"], found["gene_squares"]
    if opened.shape[0] == 1:
        return None
    try:
        return shares.found()
    except ValueError as error:
        raise InputError(f"{opened.source}: {error}: {REMEDY}") from error


def _blocks(opened: CountFile, cells: int, start: int) -> Iterator[tuple[int, Any]]:
    """First row and counts of every block from `start` on; the next is read meanwhile."""
    blocks = opened.blocks(cells, start)
    first = start
    with ThreadPoolExecutor(1) as reader:
        coming = reader.submit(next, blocks, None)
        while (block := coming.result()) is not None:
            coming = reader.submit(next, blocks, None)
            yield first, block
            first += block.shape[0]


def _added(
    statistics: CountStatistics,
    block: Any,
    factors: NDArray[np.float64],
    first: int,
    source: str,
) -> None:
    try:
        statistics.add(block, factors)
    except ValueError as error:
        last = first + block.shape[0]
        raise InputError(f"{source}: cells {first + 1} to {last}: {error}") from error


def _key(opened: CountFile) -> str:
    return "/".join(map(file_key, opened.files))


def _digest(factors: NDArray[np.float64]) -> str:
    return hashlib.sha256(np.ascontiguousarray(factors).tobytes()).hexdigest()
