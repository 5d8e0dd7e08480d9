"""``de --by``: the same test within every level of a field, such as the cell type.

Cells are added up for all levels in the same pass over the file. A matrix that some level takes is
read once.
"""

import argparse
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from jaxnb._errors import InputError
from jaxnb.cli.de_report import counted
from jaxnb.cli.inputs import name_of_counts
from jaxnb.cli.outputs import note, say, written_whole
from jaxnb.cli.regression import (
    as_input_errors,
    grouped_rows,
    note_on_sums,
    noted_warnings,
    size_factors,
    tested,
    with_reference,
)
from jaxnb.cli.rows import chosen_rows, kept_of, key_of_reading
from jaxnb.cli.symbols import symbols_of
from jaxnb.cli.tables import planned_table, with_contrasts, write_frame
from jaxnb.glm.grouping import groups_of
from jaxnb.glm.levels import LevelCells, Outcome, sums_by_level
from jaxnb.glm.streaming import bytes_of_sums
from jaxnb.io import CountFile
from jaxnb.io.rows import read_once

__all__ = ["run_by"]

_FIELD, _BYTES_OF_A_LINE = "group", 250
# Levels are added up together as long as their sums take no more than this.
_MOST_BYTES = 4e9


class _Level(NamedTuple):
    """Some of the rows.

    Attributes:
        name: of the level.
        kept: which rows, ``(rows,)``.
        cells: what their sums are made of; None if the fit takes the matrix.
    """

    name: str
    kept: NDArray[np.bool_]
    cells: LevelCells | None


def run_by(options: argparse.Namespace) -> None:
    """Regress and test within every level, write one table, and tell.

    A level in which the test cannot be made is left out, with the reason.

    Raises:
        InputError: for anything wrong with the input or the output's place, or no level is left.
    """
    tables: list[pd.DataFrame] = []
    with chosen_rows(options) as (opened, obs):
        levels, of_row = _levels(obs, options.by)
        lines = opened.shape[1] * len(levels) * len(options.contrast or [""])
        default = f"{name_of_counts(options)}_de.csv"
        out = planned_table(options, opened, default, 4096 + _BYTES_OF_A_LINE * lines)
        symbols = symbols_of(options.symbols, opened)
        # A checkpoint is of the sums of all levels; those that take the matrix have none.
        by_itself = argparse.Namespace(**{**vars(options), "checkpoint": None})
        planned = [
            _planned(by_itself, obs, name, of_row == number) for number, name in enumerate(levels)
        ]
        opened = read_once(opened)
        for (level, kept, _), sums in _added_up(options, opened, planned):
            note(f"{options.by} {level}: {int(kept.sum())} rows")
            try:
                _, found = tested(by_itself, *kept_of(opened, obs, kept), sums=sums)
            except InputError as error:
                note(f"{options.by} {level} is left out: {error}")
                continue
            for table in found:
                if symbols is not None:
                    table.insert(0, "symbol", symbols)
                say(f"{level}, {table.attrs['tested']}: {counted(table)}")
            together = with_contrasts(found)
            together.insert(0, _FIELD, str(level))
            tables.append(together)
    if not tables:
        raise InputError(f"--by {options.by}: the test could be made in none of its levels")
    if out is not None:
        table = pd.concat(tables).rename_axis("gene").reset_index().set_index(_FIELD)
        with written_whole(out) as draft:
            write_frame(table, draft, out.named, index=_FIELD)
        say(f"Table: {out.named}{out.remark}")


def _planned(
    options: argparse.Namespace, obs: pd.DataFrame, name: str, kept: NDArray[np.bool_]
) -> _Level:
    """The level with its design; what is wrong or remarkable is said when it is tested."""
    cells, rows = None, np.flatnonzero(kept)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with as_input_errors():
                mine = with_reference(obs[kept], options.reference)
                grouped = grouped_rows(options, mine)
                if grouped is not None:
                    factors = size_factors(options, mine, rows.size)
                    cells = LevelCells(rows, mine, grouped, factors)
        except InputError:
            pass
    return _Level(name, kept, cells)


def _added_up(
    options: argparse.Namespace, opened: CountFile, levels: list[_Level]
) -> Iterator[tuple[_Level, Outcome | None]]:
    """Each level with its sums; as many levels at a time as the memory for them allows."""
    genes = opened.shape[1]
    if options.checkpoint is not None:
        if not opened.files:
            raise InputError("--checkpoint is for a file of counts: name one")
        if all(level.cells is None for level in levels):
            raise InputError(
                f"--checkpoint is for cells that are added up, and those of no {options.by} are"
            )
    parts = _parts(levels, genes)
    for number, part in enumerate(parts):
        cells = [level.cells for level in part if level.cells is not None]
        outcomes: Iterator[Outcome] = iter(())
        if cells:
            rows = sum(len(entry.grouped.lines) for entry in cells)
            note_on_sums(options, genes, rows, sum(_bytes(entry, genes) for entry in cells))
            folder = options.checkpoint
            if folder is not None and len(parts) > 1:
                folder = Path(folder) / f"part-{number + 1}"
            key = repr((key_of_reading(options), options.by))
            with noted_warnings(), as_input_errors():
                outcomes = iter(
                    sums_by_level(opened, cells, checkpoint=folder, progress=True, options=key)
                )
        for level in part:
            yield level, None if level.cells is None else next(outcomes)


def _parts(levels: list[_Level], genes: int) -> list[list[_Level]]:
    """Levels in their order, in parts whose sums take at most 4 GB unless they are one level's."""
    parts: list[list[_Level]] = [[]]
    taken = 0.0
    for level in levels:
        size = 0 if level.cells is None else _bytes(level.cells, genes)
        if taken and taken + size > _MOST_BYTES:
            parts.append([])
            taken = 0.0
        parts[-1].append(level)
        taken += size
    return parts


def _bytes(cells: LevelCells, genes: int) -> int:
    one = bytes_of_sums(genes, 1)
    return one * (len(cells.grouped.lines) - 1) + bytes_of_sums(genes, 1, separate=True)


def _levels(obs: pd.DataFrame, by: str) -> tuple[list[str], NDArray[np.int64]]:
    """The levels of a field, and the number of every row's; -1 where it is missing.

    Raises:
        InputError: there is no such field, or it is missing everywhere.
    """
    if by not in obs:
        known = ", ".join(map(str, obs.columns)) or "no fields"
        raise InputError(f"--by {by}: no such field; there are {known}")
    known = obs[by].notna().to_numpy(bool)
    if not known.any():
        raise InputError(f"--by {by}: has no values")
    if not known.all():
        note(f"--by {by}: {int(np.sum(~known))} rows without a value are left out")
    groups = groups_of(obs.loc[known, by])
    of_row = np.full(len(obs), -1)
    of_row[known] = groups.of_row
    return obs.loc[known, by].iloc[groups.first].map(str).tolist(), of_row
