"""``de --by``: the same test within every level of a field, such as the cell type."""

import argparse

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from jaxnb._errors import InputError
from jaxnb.cli.de_report import counted
from jaxnb.cli.inputs import name_of_counts
from jaxnb.cli.outputs import note, say, written_whole
from jaxnb.cli.regression import tested
from jaxnb.cli.rows import chosen_rows, kept_of
from jaxnb.cli.symbols import symbols_of
from jaxnb.cli.tables import planned_table, with_contrasts, write_frame
from jaxnb.glm.grouping import groups_of

__all__ = ["run_by"]

_FIELD, _BYTES_OF_A_LINE = "group", 250


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
        for number, level in enumerate(levels):
            kept = of_row == number
            note(f"{options.by} {level}: {int(kept.sum())} rows")
            try:
                _, found = tested(options, *kept_of(opened, obs, kept))
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
