"""Sums for a regression within each level of a field, from one pass over a file for all of them."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from jaxnb.data.passes import SECONDS, FilePasses, digest
from jaxnb.data.separate import SeparateStatistics
from jaxnb.data.size_factors import given_factors
from jaxnb.data.statistics import CountStatistics
from jaxnb.glm.design import GroupedDesign
from jaxnb.glm.size_factors import rows_of
from jaxnb.glm.streaming import GroupSums, block_of, factors_of_cells
from jaxnb.io import CountFile
from jaxnb.io.values import no_counts

__all__ = ["LevelCells", "Outcome", "sums_by_level"]

# The sums of a level, or what keeps them from being made.
Outcome: TypeAlias = GroupSums[CountStatistics] | ValueError


class LevelCells(NamedTuple):
    """The cells of one level.

    Attributes:
        rows: their numbers in the file, in order.
        obs: what is known of them.
        grouped: their design.
        size_factors: as for `jaxnb.glm.fit_file`, of these cells; None or given for all levels.
    """

    rows: NDArray[np.int64]
    obs: pd.DataFrame
    grouped: GroupedDesign
    size_factors: Any


def sums_by_level(
    opened: CountFile,
    levels: Sequence[LevelCells],
    *,
    checkpoint: str | PathLike[str] | None = None,
    checkpoint_seconds: float = SECONDS,
    progress: bool = False,
    options: str = "",
) -> list[Outcome]:
    """What `jaxnb.glm.streaming.sums_by_group` makes of each level, from two passes or one.

    Args:
        opened: from `jaxnb.io.open_counts`.
        levels: which have no cell in common.
        checkpoint: folder.
        checkpoint_seconds: between writes.
        progress: bars.
        options: how the file was opened: a checkpoint of other options is refused.

    Raises:
        InputError: an entry that is read is not a count, or the checkpoint is of another run.
    """
    cells, genes = opened.shape
    sizes = [len(level.grouped.lines) for level in levels]
    groups, of_level, factors = np.full(cells, -1), np.full(cells, -1), np.ones(cells)
    for number, (level, start) in enumerate(zip(levels, np.cumsum([0, *sizes]), strict=False)):
        groups[level.rows] = start + level.grouped.groups.of_row
        of_level[level.rows] = number
    found = [_given(level) for level in levels]
    for level, known in zip(levels, found, strict=True):
        if isinstance(known, _Factors):
            factors[level.rows] = known.values
    of_totals = any(known is None for known in found)
    block = block_of(sum(sizes))
    key = {
        "size factors": "totals" if of_totals else digest(factors),
        "design": digest(groups),
        "options": repr((sizes, block, options)),
    }
    passes = FilePasses(
        opened, key, cells=block,
        checkpoint=checkpoint, seconds=checkpoint_seconds, progress=progress,
    )  # fmt: skip
    if of_totals:
        totals = passes.totals(of_level, len(levels))
        for number, level in enumerate(levels):
            if found[number] is None:
                mine = totals.cell_totals[level.rows]
                found[number] = _of_totals(level, mine, totals.gene_cells[number])
    for level, known in zip(levels, found, strict=True):
        if isinstance(known, _Factors):
            factors[level.rows] = known.values
        else:
            groups[level.rows] = -1
    if not (groups >= 0).any():
        return [known for known in found if isinstance(known, ValueError)]
    sums = passes.statistics(SeparateStatistics(genes, sizes), factors, groups)
    return [_outcome(part, known, opened) for part, known in zip(sums.parts, found, strict=True)]


class _Factors(NamedTuple):
    values: NDArray[np.float64]
    how: str
    mean_total: float | None


def _given(level: LevelCells) -> _Factors | ValueError | None:
    """The size factors that were given; None for totals."""
    if level.size_factors is None:
        return None
    try:
        known = given_factors(level.size_factors, rows_of(level.obs))
    except ValueError as error:
        return error
    return None if known is None else _Factors(*known, None)


def _of_totals(
    level: LevelCells, totals: NDArray[np.float64], gene_cells: NDArray[np.int64]
) -> _Factors | ValueError:
    try:
        factors = factors_of_cells(level.size_factors, totals, gene_cells, level.obs.index)
    except ValueError as error:
        return error
    return _Factors(factors, "total", float(totals.mean()))


def _outcome(
    part: CountStatistics, known: _Factors | ValueError | None, opened: CountFile
) -> Outcome:
    if not isinstance(known, _Factors):
        assert known is not None
        return known
    if not part.totals.any():
        return no_counts(opened.source)
    return GroupSums(part, known.values, known.how, known.mean_total)
