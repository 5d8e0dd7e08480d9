"""Regression of the cells of a file, which is read in blocks: `fit_file`."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from typing import Any, Generic, NamedTuple, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from jaxnb.data.chebyshev import NODES
from jaxnb.data.labels import aligned
from jaxnb.data.passes import BLOCK, SECONDS, FilePasses, Sums, digest
from jaxnb.data.size_factors import WHOLE_MATRIX, given_factors
from jaxnb.data.statistics import CountStatistics
from jaxnb.data.tails import FIRST_TAIL
from jaxnb.glm.design import GroupedDesign, design_of_groups
from jaxnb.glm.fit import fitted
from jaxnb.glm.mixed.donors import check_memory
from jaxnb.glm.mixed.grouping import grouped_with_donors
from jaxnb.glm.mixed.result import MixedFit, fit_with_donors
from jaxnb.glm.replicates import warn_of_pseudoreplication
from jaxnb.glm.result import GLMFit
from jaxnb.glm.size_factors import choice_of, factors_of_totals, rows_of
from jaxnb.glm.source import source_of_statistics
from jaxnb.io import CountFile, open_counts

__all__ = [
    "GroupSums",
    "MatrixNeeded",
    "block_of",
    "bytes_of_sums",
    "factors_of_cells",
    "fit_file",
    "fit_opened",
    "grouped_cells",
    "lines_of",
    "sums_by_group",
]

Floats: TypeAlias = NDArray[np.float64]

# A group costs one product of matrices a panel of size factors and block, however few its cells:
# blocks of at least this many cells a group.
_CELLS_OF_A_GROUP, _LARGEST_BLOCK = 512, 1 << 15
# With fewer cells a distinct row of the design, sums over them are no smaller than they are.
_FEWEST_CELLS_OF_A_GROUP = 4
# Natural logarithms of size factors usually differ by less than this.
_USUAL_RANGE = 7


class MatrixNeeded(ValueError):
    """What was asked for takes the whole matrix in memory."""


class GroupSums(NamedTuple, Generic[Sums]):
    """Statistics of the groups of a file's cells.

    Attributes:
        statistics: what `sums_by_group` was given to fill.
        size_factors: of the cells.
        size_factors_from: how they were found, in words.
        mean_total: counts of a cell on average; None if the size factors were given.
    """

    statistics: Sums
    size_factors: Floats
    size_factors_from: str
    mean_total: float | None


def fit_file(
    path: str | PathLike[str],
    design: str,
    *,
    obs: pd.DataFrame | None = None,
    size_factors: ArrayLike | str | None = None,
    dispersion: str = "auto",
    random: str | None = None,
    checkpoint: str | PathLike[str] | None = None,
    checkpoint_seconds: float = SECONDS,
    progress: bool = False,
    **options: Any,
) -> GLMFit | MixedFit:
    """`fit` of a file whose matrix need not fit into memory.

    What is in memory is a block of cells, another that is being read meanwhile, the fields of the
    cells, and sums for every gene and every distinct row of the design. The estimates are those of
    `fit`, to 1e-9. With the totals as size factors the file is read twice.

    Args:
        path: any file that `jaxnb.io.read_counts` reads; HDF5 and Zarr files, compressed by cells,
            are read in blocks, others whole.
        design: a formula on factors, and on numbers of few distinct values.
        obs: annotations of the cells, with their names or in their order; None for the fields of
            the file.
        size_factors: as for `fit`, without ``"median-ratio"`` and ``"tmm"``.
        dispersion: as for `fit`.
        random: the field of the cells that names their donors, as for `fit`.
        checkpoint: a folder in which the sums are kept every `checkpoint_seconds`. After an
            interruption, the same call resumes from there and ends with bitwise the same sums.
        checkpoint_seconds: between two writes.
        progress: show progress bars if stderr is a terminal.
        **options: of `jaxnb.io.open_counts`, such as `layer`, `raw` and `transpose`.

    Raises:
        InputError: (a `ValueError`) the file cannot be read or holds no counts, or the checkpoint
            cannot be used, see `jaxnb.fit.read_statistics`.
        ValueError: as for `fit`; or what takes the matrix in memory: a formula whose rows depend
            on all cells, such as ``scale(age)``, numbers that differ from cell to cell, and median
            ratios.

    Warns:
        UserWarning: as for `fit`.
    """
    with open_counts(path, progress=progress, **options) as opened:
        lines = lines_of(opened, obs)
        grouped = grouped_cells(design, lines, random=random)
        fit, _ = fit_opened(
            opened,
            grouped,
            lines,
            size_factors,
            dispersion=dispersion,
            random=random,
            checkpoint=checkpoint,
            checkpoint_seconds=checkpoint_seconds,
            progress=progress,
            options=repr(sorted(options.items())),
        )
    return fit


def lines_of(opened: CountFile, obs: pd.DataFrame | None) -> pd.DataFrame:
    """What is known of the cells of a file, in their order.

    Raises:
        ValueError: `obs` has another length or other labels.
    """
    index = pd.RangeIndex(opened.shape[0]) if opened.cells is None else pd.Index(opened.cells)
    if obs is None:
        return pd.DataFrame(dict(opened.obs), index)
    if len(obs) != opened.shape[0]:
        raise ValueError(f"obs has {len(obs)} lines, the counts have {opened.shape[0]} rows")
    found: pd.DataFrame = aligned(obs, index, "obs")
    return found


def grouped_cells(
    design: str, obs: pd.DataFrame, also: Sequence[str] = (), random: str | None = None
) -> GroupedDesign:
    """`design_of_groups` of cells, divided by donors if there are, if these are worth adding up.

    Raises:
        MatrixNeeded: they are not, or the rows of the design depend on all cells.
    """
    remedy = "pass the counts in memory to glm.fit"
    grouped = design_of_groups(design, obs, also)
    if grouped is None:
        raise MatrixNeeded(
            f"the rows of {design!r} depend on all cells: compute that column before, or {remedy}"
        )
    if random is not None:
        grouped = grouped_with_donors(grouped, obs, random)
    if _FEWEST_CELLS_OF_A_GROUP * len(grouped.lines) > len(obs):
        raise MatrixNeeded(
            f"{design!r} has {len(grouped.lines)} distinct rows for {len(obs)} cells, which are "
            f"too many to add cells up by them: {remedy}"
        )
    return grouped


def fit_opened(
    opened: CountFile,
    grouped: GroupedDesign,
    obs: pd.DataFrame,
    size_factors: ArrayLike | str | None,
    *,
    dispersion: str = "auto",
    random: str | None = None,
    checkpoint: str | PathLike[str] | None = None,
    checkpoint_seconds: float = SECONDS,
    progress: bool = False,
    options: str = "",
    sums: GroupSums[CountStatistics] | None = None,
) -> tuple[GLMFit | MixedFit, GroupSums[CountStatistics]]:
    """`fit_file` of an open file, with what is known of its cells; and the sums behind the fit.

    With `random`, the column of donors, `grouped` has been divided by them
    (`jaxnb.glm.mixed.grouping`). Sums that are there already are not made again.
    """
    if random is None:
        warn_of_pseudoreplication(grouped.design, obs, grouped.groups.of_row)
    else:
        check_memory(opened.shape[1], len(grouped.lines), opened.shape[0], random)
    sums = sums or sums_by_group(
        opened,
        CountStatistics(opened.shape[1], groups=len(grouped.lines)),
        obs,
        grouped.groups.of_row,
        size_factors,
        checkpoint=checkpoint,
        checkpoint_seconds=checkpoint_seconds,
        progress=progress,
        options=options,
    )
    source = source_of_statistics(sums.statistics, grouped.lines, pd.Index(opened.genes))
    how: dict[str, Any] = {
        "dispersion": dispersion,
        "size_factors": pd.Series(sums.size_factors, obs.index, name="size_factor"),
        "size_factors_from": sums.size_factors_from,
        "progress": progress,
    }
    if random is not None:
        return fit_with_donors(source, grouped.design, random, **how), sums
    return fitted(source, grouped.design, **how), sums


def sums_by_group(
    opened: CountFile,
    into: Sums,
    obs: pd.DataFrame,
    groups: NDArray[np.int64],
    size_factors: ArrayLike | str | None,
    *,
    checkpoint: str | PathLike[str] | None = None,
    checkpoint_seconds: float = SECONDS,
    progress: bool = False,
    options: str = "",
) -> GroupSums[Sums]:
    """Statistics of groups of cells, from at most two passes over a file.

    Args:
        opened: from `jaxnb.io.open_counts`.
        into: empty statistics of as many groups.
        obs: what is known of the cells, in their order.
        groups: the number of every cell's group.
        size_factors: as for `fit_file`.
        checkpoint: folder.
        checkpoint_seconds: between writes.
        progress: bars.
        options: how the file was opened: a checkpoint of other options is refused.

    Raises:
        InputError: as for `fit_file`.
        ValueError: a cell without counts, or size factors that do not fit the cells.
        MatrixNeeded: median ratios are asked for, or the default.
    """
    cells = block_of(int(groups.max(initial=0)) + 1)
    known = None if size_factors is None else given_factors(size_factors, rows_of(obs))
    key = {
        "size factors": "totals" if known is None else digest(known[0]),
        "design": digest(groups),
        "options": repr((type(into).__name__, cells, options)),
    }
    passes = FilePasses(
        opened,
        key,
        cells=cells,
        checkpoint=checkpoint,
        seconds=checkpoint_seconds,
        progress=progress,
    )
    mean_total = None
    if known is None:
        totals = passes.totals()
        factors = factors_of_cells(
            size_factors, totals.cell_totals, totals.gene_cells[0], obs.index
        )
        known, mean_total = (factors, "total"), float(totals.cell_totals.mean())
    factors, how = known
    statistics = passes.statistics(into, factors, groups)
    return GroupSums(statistics, factors, how, mean_total)


def block_of(groups: int) -> int:
    """How many cells are read at a time for so many groups."""
    return min(max(BLOCK, _CELLS_OF_A_GROUP * groups), _LARGEST_BLOCK)


def factors_of_cells(
    choice: Any, totals: Floats, gene_cells: NDArray[np.int64], index: pd.Index
) -> Floats:
    """Size factors of cells from their totals.

    Args:
        choice: as for `fit_file`, one of those that are made from the counts, or None.
        totals: of the cells.
        gene_cells: in how many of them every gene is counted.
        index: the labels of the cells.

    Raises:
        ValueError: a cell without counts.
        MatrixNeeded: median ratios are asked for, or the default.
    """
    everywhere = int(np.sum(gene_cells == totals.size))
    how = choice_of(choice, everywhere)
    if how in WHOLE_MATRIX:
        raise MatrixNeeded(
            f"size_factors={how!r} takes the whole matrix ({everywhere} genes have counts in every "
            "cell): choose 'total', or pass the counts in memory to glm.fit"
        )
    return factors_of_totals(totals, gene_cells.size, index)


def bytes_of_sums(genes: int, groups: int, *, separate: bool = False) -> int:
    """About how large the statistics are, for size factors of a usual range.

    Args:
        genes: how many.
        groups: how many.
        separate: `SeparateStatistics`, with a histogram of the counts for every group.
    """
    counts = FIRST_TAIL + 2 + 2 * NODES if separate else 0
    return 8 * genes * groups * (NODES * _USUAL_RANGE + counts)
