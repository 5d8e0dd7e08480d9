"""The command ``de``: read, check, regress, test, write, draw, and tell."""

# Imports of JAX, pandas and of what needs them are in the functions: --help and a mistyped option
# need not wait for them.

import argparse
import importlib.util
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jaxnb._errors import InputError, optional_module
from jaxnb.cli.de_options import add_options, check_options
from jaxnb.cli.outputs import Output, note, planned_output, say, written_whole
from jaxnb.cli.tables import check_table_name, stem_of_table, with_contrasts, write_frame

if TYPE_CHECKING:
    import pandas as pd

    from jaxnb.glm import GLMFit, MixedFit
    from jaxnb.io import CountFile

__all__ = ["add_parser", "run"]

_PICTURES = (".png", ".pdf", ".svg")
# About the bytes of the table for a gene, and those of a picture: reserved before the fit.
_BYTES_OF_A_GENE, _BYTES_OF_A_PICTURE = 250, 1 << 20


def add_parser(commands: Any) -> None:
    """Add the command to the subparsers of `argparse`."""
    add_options(commands).set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Run the command.

    Raises:
        InputError: for anything wrong with the input or the outputs' places; nothing has been
            written then.
    """
    began = time.perf_counter()
    check_options(options)
    # Before anything is read: without them there is no regression.
    for module in ("pandas", "formulaic"):
        optional_module(module, "python -m jaxnb de")
    if options.markers is not None or options.by is not None:
        if options.markers is not None:
            from jaxnb.cli.markers import run_markers as run_many
        else:
            from jaxnb.cli.by import run_by as run_many
        run_many(options)
        say(f"Read, compiled, fitted and tested in {time.perf_counter() - began:.1f} s.")
        return
    from jaxnb.cli.de_report import next_step, report
    from jaxnb.cli.inputs import name_of_counts
    from jaxnb.cli.regression import tested
    from jaxnb.cli.rows import chosen_rows
    from jaxnb.cli.symbols import symbols_of
    from jaxnb.glm import GLMFit

    name = name_of_counts(options)
    with chosen_rows(options) as (opened, obs):
        outputs = _outputs(options, name, opened)
        symbols = symbols_of(options.symbols, opened)
        fit, tables = tested(options, opened, obs, sums=None)
    if symbols is not None:
        for entry in tables:
            entry.insert(0, "symbol", symbols)
    table = tables[0]
    if outputs["table"] is not None:
        with written_whole(outputs["table"]) as draft:
            write_frame(with_contrasts(tables), draft, outputs["table"].named, index="gene")
    if outputs["outliers"] is not None and isinstance(fit, GLMFit):
        left_out = fit.outliers
        left_out.index = table.index[fit.source.genes.get_indexer(left_out.pop("gene"))]
        with written_whole(outputs["outliers"]) as draft:
            write_frame(left_out, draft, outputs["outliers"].named, index="gene")
    for entry in tables:
        say(report(fit, entry, options.top))
    say(f"Read, compiled, fitted and tested in {time.perf_counter() - began:.1f} s.")
    _draw(fit, table, name, outputs, dark=options.dark)
    for kind, output in outputs.items():
        if output is not None:
            say(f"{kind.capitalize()}: {output.named}{output.remark}")
    say(next_step(fit, table))


def _outputs(options: argparse.Namespace, name: str, data: "CountFile") -> dict[str, Output | None]:
    """Where the table and the pictures will be; None for what is not wanted."""
    inputs = [*data.files, *map(Path, filter(None, [options.obs, options.size_factors]))]
    out = None if options.out == "none" else Path(options.out or f"{name}_de.csv")
    beside = Path(f"{name}_de.png")
    if out is not None:
        beside = out.parent / f"{stem_of_table(out)}.png"
    plot = None if options.plot == "none" else Path(options.plot or beside)
    if plot is not None and plot.suffix.lower() not in _PICTURES:
        raise InputError(f"{plot}: not a kind of figure; give one of {', '.join(_PICTURES)}")
    if plot is not None and importlib.util.find_spec("matplotlib") is None:
        missing = 'the figure needs matplotlib: pip install "jaxnb[plot]"'
        if options.plot is not None:
            raise InputError(missing)
        note(f"no figure: {missing}")
        plot = None
    outliers = None if options.outliers is None else Path(options.outliers)
    places = {"table": out, "outliers": outliers, "figure": plot, "dispersions": None}
    if plot is not None and plot.suffix.lower() != ".pdf":
        places["dispersions"] = plot.with_name(f"{plot.stem}_dispersion{plot.suffix}")
    if out is not None and out in (plot, places["dispersions"]):
        raise InputError(f"{out}: is named for both the table and the figure")
    lines = data.genes.size * len(options.contrast or [""])
    sizes = {"table": 4096 + _BYTES_OF_A_GENE * lines}
    planned = {
        kind: None
        if place is None
        else planned_output(place, inputs=inputs, size=sizes.get(kind, _BYTES_OF_A_PICTURE))
        for kind, place in places.items()
    }
    if out is not None and out == outliers:
        raise InputError(f"{out}: is named for both the table and the outliers")
    for place in filter(None, (out, outliers)):
        check_table_name(place)
    return planned


def _draw(
    fit: "GLMFit | MixedFit",
    table: "pd.DataFrame",
    name: str,
    outputs: dict[str, Output | None],
    *,
    dark: bool,
) -> None:
    picture, second = outputs["figure"], outputs["dispersions"]
    if picture is None:
        return
    from jaxnb.glm import GLMFit
    from jaxnb.plots.differential import differential_figure, dispersion_figure

    title = f"{name}: {table.attrs['tested']}"
    trend, own = None, None
    if isinstance(fit, GLMFit) and fit.prior is not None and fit.own is not None:
        trend, own = fit.prior.trend, fit.own
    figures = [
        differential_figure(table, title, dark=dark),
        dispersion_figure(table, trend, name, own=own, dark=dark),
    ]
    if second is None:
        from matplotlib.backends.backend_pdf import PdfPages

        with written_whole(picture) as draft, PdfPages(draft) as pages:
            for figure in figures:
                pages.savefig(figure)
        return
    for figure, output in zip(figures, (picture, second), strict=True):
        with written_whole(output) as draft:
            figure.savefig(draft, dpi=150, format=output.named.suffix[1:].lower())
