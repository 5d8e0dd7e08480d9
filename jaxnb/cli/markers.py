"""``de --markers``: every group of cells against the rest, one of them, or each other."""

import argparse
from typing import TYPE_CHECKING

import numpy as np

from jaxnb._errors import InputError
from jaxnb.cli.de_report import counted
from jaxnb.cli.inputs import name_of_counts
from jaxnb.cli.outputs import note, say, written_whole
from jaxnb.cli.regression import as_input_errors, noted_warnings, size_factors, totals_remarks
from jaxnb.cli.rows import chosen_rows, key_of_reading
from jaxnb.cli.symbols import symbols_of
from jaxnb.cli.tables import planned_table, write_frame
from jaxnb.glm.markers import labels_of, markers_of_file
from jaxnb.glm.streaming import bytes_of_sums

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["run_markers"]

_SIGNIFICANT = 0.05
_SHOWN_COMPARISONS = 40
# About the bytes of the table for a gene and comparison: reserved before the fit.
_BYTES_OF_A_LINE = 180


def run_markers(options: argparse.Namespace) -> None:
    """Read, add up by group, compare, write, and tell.

    Raises:
        InputError: for anything wrong with the input or the output's place.
    """
    with chosen_rows(options) as (opened, obs):
        if options.checkpoint is not None and not opened.files:
            raise InputError("--checkpoint is for a file of counts: name one")
        with noted_warnings(), as_input_errors():
            levels, _ = labels_of(obs, options.markers, options.reference)
            comparisons = len(levels) * ((len(levels) - 1) / 2 if options.pairwise else 1)
            lines = int(opened.shape[1] * comparisons)
            default = f"{name_of_counts(options)}_markers.csv"
            out = planned_table(options, opened, default, 4096 + _BYTES_OF_A_LINE * lines)
            symbols = symbols_of(options.symbols, opened)
            size = bytes_of_sums(opened.shape[1], len(levels), separate=True) / 1e6
            note(f"{opened.shape[1]} genes x {len(levels)} groups of cells: {size:.0f} MB of sums")
            table = markers_of_file(
                opened,
                obs,
                options.markers,
                options.reference,
                size_factors(options, obs, len(obs)),
                pairwise=options.pairwise,
                options=key_of_reading(options),
                checkpoint=options.checkpoint,
                dispersion=options.dispersion,
                method=options.method,
                progress=True,
            )
        for remark in totals_remarks(table.attrs["mean_total"], opened, obs):
            note(remark)
    if symbols is not None:
        place = table.columns.get_loc("gene") + 1
        table.insert(place, "symbol", np.tile(symbols, len(table) // symbols.size))
    if out is not None:
        with written_whole(out) as draft:
            write_frame(table.set_index("group"), draft, out.named, index="group")
    say(_report(table))
    if out is not None:
        say(f"Table: {out.named}{out.remark}")
    say(
        "next: if these cells come from several donors, differences between conditions need "
        "--pseudobulk DONOR: cells of one donor are not replicates."
    )


def _report(table: "pd.DataFrame") -> str:
    """A line for each comparison: how many genes differ, and the first of those that are higher."""
    keys = ["group", "reference"] if "reference" in table else ["group"]
    cells = table.attrs["cells"]
    lines = [
        f"{table.attrs['tested']}: {len(cells)} groups of {sum(cells.values())} cells, dispersions "
        f"{table.attrs['dispersion']}, size factors {table.attrs['size_factors']}",
        "",
    ]
    comparisons = table.groupby(keys, sort=False)
    for name, found in list(comparisons)[:_SHOWN_COMPARISONS]:
        words = [str(entry) for entry in (name if isinstance(name, tuple) else (name,))]
        told = counted(found.set_index("gene"))
        lines.append(f"{' over '.join(words)} ({cells[words[0]]} cells): {told}")
    if (more := comparisons.ngroups - _SHOWN_COMPARISONS) > 0:
        lines.append(f"and {more} more comparisons in the table")
    lines.append(f"\nAt a false discovery rate of {_SIGNIFICANT:.0%} within each comparison.")
    return "\n".join(lines)
