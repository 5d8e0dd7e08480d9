"""The command ``fit``: read, check, fit, and tell."""

import importlib.util
import sys
import time
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np

from jaxnb.cli.comparison import Comparison, compare
from jaxnb.cli.counts import CountTable, load_counts
from jaxnb.cli.figure import draw
from jaxnb.cli.messages import InputError, missing_extra, note
from jaxnb.cli.outputs import check_writable, written_whole
from jaxnb.cli.report import printed_table, summary, write_csv
from jaxnb.cli.size_factors import size_factors, without_empty_cells
from jaxnb.fit import FitResult, fit_nb, fit_poisson, fit_zinb

__all__ = ["FAMILIES", "FitOptions", "run_fit"]

FAMILIES = ("nb", "zinb", "both")


class FitOptions(NamedTuple):
    """The command's options, as the parser names them."""

    counts: str | None
    family: str
    out: str | None
    plot: str | None
    size_factors: str
    layer: str | None
    transpose: bool
    top: int
    x64: bool


def run_fit(options: FitOptions) -> None:
    """Run the command.

    Raises:
        InputError: for anything wrong with the input or the outputs' places; nothing has been
            written then.
    """
    began = time.perf_counter()
    if options.x64:
        jax.config.update("jax_enable_x64", True)  # type: ignore[no-untyped-call]
    table = load_counts(options.counts, layer=options.layer, transpose=options.transpose)
    out, plot = _outputs(options, table.name)
    comparison = _fitted(options, table)
    print(printed_table(comparison, top=options.top))
    print()
    print(summary(comparison))
    print(f"Read, compiled, fitted and compared in {time.perf_counter() - began:.1f} s.")
    with written_whole(out) as draft:
        write_csv(comparison.table, draft)
    print(f"Table:   {out}  (one line per gene; columns are explained by --help)")
    if plot is not None:
        with written_whole(plot) as draft:
            draw(comparison, table.name, draft)
        print(f"Picture: {plot}")


def _outputs(options: FitOptions, name: str) -> tuple[Path, Path | None]:
    out = Path(options.out or f"{name}_fit.csv")
    beside = out.parent / f"{out.stem}.png"
    plot = None if options.plot == "none" else Path(options.plot or beside)
    if plot is not None and importlib.util.find_spec("matplotlib") is None:
        missing = missing_extra("the picture", "matplotlib", "plot")
        if options.plot is not None:
            raise missing
        note(f"no picture: {missing}")
        plot = None
    for file in filter(None, (out, plot)):
        check_writable(file)
        if options.counts is not None and file.resolve() == Path(options.counts).resolve():
            raise InputError(f"{file}: is the input; give another name to write to")
    if plot is not None and plot.resolve() == out.resolve():
        raise InputError(f"{out}: is named for both the table and the picture")
    return out, plot


def _fitted(options: FitOptions, table: CountTable) -> Comparison:
    factors = size_factors(options.size_factors, table)
    counts, factors = without_empty_cells(table.counts, factors)
    progress = sys.stderr.isatty()
    # The ZINB fit starts from the NB's, whether or not that is shown.
    nb = fit_nb(counts, factors, progress=progress)
    fits: dict[str, FitResult] = {"Poisson": fit_poisson(counts, factors)}
    if options.family != "zinb":
        fits["NB"] = nb
    if options.family != "nb":
        fits["ZINB"] = fit_zinb(counts, factors, nb=nb, progress=progress)
    return compare(table.genes, counts, np.asarray(factors), fits)
