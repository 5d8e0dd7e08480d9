"""Passes over the cells of an open file, each of which goes on where a killed one stopped."""

import hashlib
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from jaxnb._errors import InputError
from jaxnb._progress import progress_bar
from jaxnb.data.checkpoint import Checkpoint, file_key
from jaxnb.data.dominating_column import DominatingColumn, SharesOfTotals
from jaxnb.data.separate import SeparateStatistics
from jaxnb.data.size_factors import REMEDY
from jaxnb.data.statistics import CountStatistics
from jaxnb.io import CountFile
from jaxnb.io.values import check_not_empty, no_counts

__all__ = ["BLOCK", "SECONDS", "FilePasses", "Totals", "digest"]

Floats: TypeAlias = NDArray[np.float64]
Sums = TypeVar("Sums", CountStatistics, SeparateStatistics)

BLOCK = 4096  # cells
SECONDS = 30.0  # between two writes of a checkpoint


class Totals(NamedTuple):
    """What the first pass finds.

    Attributes:
        cell_totals: counts of every cell.
        gene_totals: counts of every gene.
        gene_squares: see `jaxnb.data.dominating_column.SharesOfTotals`.
        gene_cells: in how many cells of each group every gene is counted, ``(groups, genes)``.
    """

    cell_totals: Floats
    gene_totals: Floats
    gene_squares: Floats
    gene_cells: NDArray[np.int64]


class FilePasses:
    """At most two passes over a file: totals, from which size factors come, and statistics.

    Args:
        opened: from `jaxnb.io.open_counts`.
        key: of what the sums depend on besides the file: a checkpoint of another key is refused.
        cells: in a block.
        checkpoint: a folder in which the sums are kept, or None.
        seconds: between two writes.
        progress: show progress bars if stderr is a terminal.

    Raises:
        InputError: the file has no cells or genes, or the checkpoint is of another run.
    """

    def __init__(
        self,
        opened: CountFile,
        key: Mapping[str, str],
        *,
        cells: int = BLOCK,
        checkpoint: str | PathLike[str] | None = None,
        seconds: float = SECONDS,
        progress: bool = False,
    ) -> None:
        check_not_empty(opened.shape, opened.source)
        folder = None if checkpoint is None else Path(checkpoint)
        file = "" if folder is None else "/".join(map(file_key, opened.files))
        self._opened, self._cells, self._progress = opened, cells, progress
        self._kept = Checkpoint(folder, {"file": file, **key}, seconds=seconds)
        self._totals: Totals | None = None

    def totals(self, groups: NDArray[np.integer[Any]] | None = None, count: int = 1) -> Totals:
        """The first pass, in which the entries are checked.

        Args:
            groups: the number of every cell's group, negative for none; None for one group.
            count: how many groups there are.

        Raises:
            InputError: they are not counts, or there are none.
        """
        opened, kept = self._opened, self._kept
        cells, genes = opened.shape
        if kept.phase == "statistics":
            stored = Totals(*(kept.arrays.pop(name) for name in Totals._fields))
            self._totals = stored._replace(gene_cells=stored.gene_cells.reshape(count, genes))
            return self._totals
        shares, start = SharesOfTotals(genes), 0
        totals, gene_cells = np.zeros(cells), np.zeros((count, genes), np.int64)
        of_cell = np.zeros(cells, np.int64) if groups is None else groups
        if kept.phase == "totals":
            totals, shares.sums, shares.squares, gene_cells = (
                kept.arrays[name] for name in Totals._fields
            )
            gene_cells = gene_cells.reshape(count, genes)
            start = kept.rows
        found = Totals(totals, shares.sums, shares.squares, gene_cells)
        with progress_bar(cells, "size factors", "cell", progress=self._progress) as bar:
            bar.update(start)
            for first, block in self._blocks(start):
                last = first + block.shape[0]
                opened.check(block, first)
                totals[first:last] = shares.add(block)
                number = np.repeat(of_cell[first:last], np.diff(block.indptr))
                counted = (block.data > 0) & (number >= 0)
                where = number[counted] * genes + block.indices[counted]
                gene_cells += np.bincount(where, minlength=count * genes).reshape(count, genes)
                bar.update(last - first)
                if kept.due():
                    kept.write("totals", last, found._asdict())
        if not totals.any():
            raise no_counts(opened.source)
        self._totals = found
        return found

    def statistics(
        self, into: Sums, factors: Floats, groups: NDArray[np.integer[Any]] | None = None
    ) -> Sums:
        """The pass that adds up the statistics; they are given the names of the genes.

        Args:
            into: empty statistics.
            factors: size factors, shape ``(cells,)``.
            groups: the number of every cell's group; None for one group.

        Raises:
            InputError: the entries are not counts, or there are none; a size factor is 0 or less.
        """
        opened, kept = self._opened, self._kept
        count, statistics, start = opened.shape[0], into, 0
        if kept.phase == "statistics":
            statistics, start = type(into).from_arrays(kept.arrays), kept.rows
            kept.arrays = {}
        beside = {} if self._totals is None else self._totals._asdict()
        with progress_bar(count, "statistics", "cell", progress=self._progress) as bar:
            bar.update(start)
            for first, block in self._blocks(start):
                last = first + block.shape[0]
                # The first pass has checked them, if there was one.
                if self._totals is None:
                    opened.check(block, first)
                some = None if groups is None else groups[first:last]
                try:
                    statistics.add(block, factors[first:last], some)
                except ValueError as error:
                    where = f"cells {first + 1} to {last}"
                    raise InputError(f"{opened.source}: {where}: {error}") from error
                bar.update(last - first)
                if kept.due():
                    kept.write("statistics", last, {**statistics.arrays(), **beside})
        if not statistics.totals.any():
            raise no_counts(opened.source)
        # Only now, so that what is kept has no names: they are in the file.
        if start < count:
            kept.write("statistics", count, {**statistics.arrays(), **beside})
        statistics.names = np.asarray(opened.genes).astype(np.str_)
        return statistics

    def dominating(self, found: Totals) -> DominatingColumn | None:
        """The gene that bends size factors from totals, if there is one.

        Raises:
            InputError: there is one gene only.
        """
        shares = SharesOfTotals(found.gene_totals.size)
        shares.sums, shares.squares = found.gene_totals, found.gene_squares
        if found.cell_totals.size == 1:
            return None
        try:
            return shares.found()
        except ValueError as error:
            raise InputError(f"{self._opened.source}: {error}: {REMEDY}") from error

    def _blocks(self, start: int) -> Iterator[tuple[int, Any]]:
        """First row and counts of every block from `start` on; the next is read meanwhile."""
        blocks = self._opened.blocks(self._cells, start)
        first = start
        with ThreadPoolExecutor(1) as reader:
            coming = reader.submit(next, blocks, None)
            while (block := coming.result()) is not None:
                coming = reader.submit(next, blocks, None)
                yield first, block
                first += block.shape[0]


def digest(array: NDArray[Any]) -> str:
    """Of the bytes of an array, for the key of a checkpoint."""
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()
