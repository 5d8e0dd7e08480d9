"""The command ``fit``: read, check, fit, compare, write and report."""

# Imports of JAX and of what needs it are in the functions: --help and a mistyped option need not
# wait for them.

import argparse
import importlib.util
import sys
import time
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from jaxnb._errors import InputError
from jaxnb.cli.arguments import COUNTS, add_counts, positive_int
from jaxnb.cli.outputs import Output, note, planned_output, say, written_whole
from jaxnb.cli.tables import check_table_name, stem_of_table

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from jaxnb.data.dominating_column import DominatingColumn
    from jaxnb.fit import Comparison, FitResult
    from jaxnb.io import CountFile

__all__ = ["add_parser", "run"]

_FAMILIES = ("nb", "zinb", "both")
_PICTURES = (".png", ".pdf", ".svg")
# About the bytes of the table for a gene, and those of a picture: reserved before the fit.
_BYTES_OF_A_GENE, _BYTES_OF_A_PICTURE = 400, 1 << 20
_MAX_ITER = 500  # as in fit_nb

_DESCRIPTION = """\
Fit every gene of a count matrix with a negative binomial (NB) and a zero-inflated negative
binomial (ZINB) distribution, choose between them, and plot expected and observed variances and
zeros. With --gene, fit one gene, and plot its histogram with the fitted distributions, its
quantile residuals, and rootograms.
"""

_EPILOG = f"""\
{COUNTS}
Without COUNTS, the bundled 700 blood cells x 765 genes (10x Genomics, Zheng et al. 2017).

The table written by --out has one line per gene. nb_ and zinb_ columns are the two fits:
  mean                   expected count in a cell of size factor 1, before zero inflation
  theta                  inverse dispersion: variance = mean + mean^2 / theta; inf is Poisson
  zero_inflation         probability that a cell is a structural zero
  zeros                  expected share of zeros; compare it with zeros_observed
  *_se                   standard errors of log(mean), log(theta), logit(zero_inflation)
  status                 how the fit ended
  lr_statistic, p_value  likelihood ratio of ZINB to NB; without zero inflation, it is 0 with
                         probability 1/2, and otherwise chi-square(1)
  q_value                the p-value adjusted for the number of genes (Benjamini-Hochberg),
                         called p_adjusted in the tables of jaxnb de
  bic_choice             distribution with the lowest BIC: Poisson, NB, ZINB or ZIP
                         (zero-inflated Poisson)

Memory: .h5ad, .h5 and .zarr files that store counts cell by cell are read in blocks of 4096 cells.
Memory holds two blocks, about 5 kB per gene of sums over cells, and 100 bytes per cell (its name,
total and fields). Other files, and counts read with --allow-non-integer or --gene, are read into
memory. If totals are the size factors, the file is read twice.

Output files are written completely or not at all. A symbolic link is followed; a device or a pipe
is refused.

examples:
  python -m jaxnb fit
  python -m jaxnb fit filtered_feature_bc_matrix.h5
  python -m jaxnb fit --gene CD74
  python -m jaxnb fit counts.h5ad --layer counts --out genes.csv --plot genes.png
  python -m jaxnb fit genes_in_rows.csv.gz --transpose --family nb --size-factors scran.txt

Exit status: 0 done, 2 bad input or arguments, 130 interrupted.
"""


def add_parser(commands: Any) -> None:
    """Add the command to the subparsers of `argparse`."""
    parser = commands.add_parser(
        "fit",
        help="fit NB and ZINB to every gene of a count matrix",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(run=run)
    add_counts(parser)
    add = parser.add_argument
    add("--family", choices=_FAMILIES, default="both", help="what to fit (default: both)")
    add(
        "--out",
        metavar="FILE",
        help="table: .csv, .tsv or .txt, also with .gz; or 'none' (default: "
        "<folder>_<COUNTS>_fit.csv in this folder)",
    )
    add(
        "--plot",
        metavar="PNG",
        help="figure: .png, .pdf or .svg; or 'none' (default: beside the table)",
    )
    add("--gene", metavar="NAME", help="fit and plot one gene; a table is written only with --out")
    add("--dark", action="store_true", help="draw the figure on a dark background")
    add(
        "--size-factors",
        metavar="HOW",
        help="'total': each cell's total count divided by the mean total (default); 'ones'; for "
        "samples 'median-ratio' or 'tmm'; 'obs:FIELD': a field of an AnnData file, divided by its "
        "mean; or a text file with one positive number per line, in the order of the cells",
    )
    add("--top", type=positive_int, default=12, metavar="N", help="genes to print (default: 12)")
    add(
        "--checkpoint",
        metavar="DIR",
        help="save the sums over cells in this folder every 30 s: after an interruption, "
        "the same command resumes from there and writes the same files",
    )
    # Before fits were computed in float64 it chose that; kept for the scripts that give it.
    add("--x64", action="store_true", help=argparse.SUPPRESS)


def run(options: argparse.Namespace) -> None:
    """Run the command.

    Raises:
        InputError: for anything wrong with the input or the outputs' places; nothing has been
            written then.
    """
    from jaxnb.cli.inputs import name_of_counts
    from jaxnb.cli.outputs import file_word
    from jaxnb.cli.report import next_step, one_gene, printed_table, summary, write_csv

    began = time.perf_counter()
    several = options.gene is None
    name = name_of_counts(options)
    read, out, plot = _counted(options, name if several else f"{name}_{file_word(options.gene)}")
    comparison = _compared(options, read)
    if several:
        # The sums are not needed any more: room for the picture.
        read = read._replace(counts=None)
    if out is not None:
        with written_whole(out) as draft:
            write_csv(comparison.table, draft, out.named)
    say(printed_table(comparison, top=options.top if several else 1))
    say("\n" + (summary(comparison) if several else one_gene(comparison)))
    say(f"Read, compiled, fitted and compared in {time.perf_counter() - began:.1f} s.")
    if out is not None:
        say(f"Table:   {out.named}  (one line per gene; --help explains the columns){out.remark}")
    if plot is not None:
        _draw(comparison, name, plot, read, options)
        say(f"Figure: {plot.named}{plot.remark}")
    if several:
        say(next_step(comparison, out and out.named, plot and plot.named))


def _counted(
    options: argparse.Namespace, name: str
) -> "tuple[_Counts, Output | None, Output | None]":
    """What was read, and where the table and the picture will be.

    The file is left behind here: it may hold the matrix, where that could not be read in blocks.
    """
    from jaxnb.cli.inputs import gene_column, opened_counts

    with opened_counts(options) as opened:
        column = None if options.gene is None else gene_column(options.gene, opened.genes)
        outputs = _outputs(options, name, opened)
        return _read(options, opened, column), *outputs


def _outputs(
    options: argparse.Namespace, name: str, data: "CountFile"
) -> tuple[Output | None, Output | None]:
    """Where the table and the picture will be; None for what is not wanted."""
    inputs = [*data.files, Path(options.size_factors or "total")]
    no_table = options.out == "none" or (options.gene is not None and options.out is None)
    out = None if no_table else Path(options.out or f"{name}_fit.csv")
    plot = None if options.plot == "none" else Path(options.plot or _beside(out, name))
    if plot is not None and options.plot and plot.suffix.lower() not in _PICTURES:
        raise InputError(f"{plot}: not a kind of figure; give one of {', '.join(_PICTURES)}")
    if plot is not None and importlib.util.find_spec("matplotlib") is None:
        missing = 'the figure needs matplotlib: pip install "jaxnb[plot]"'
        if options.plot is not None:
            raise InputError(missing)
        note(f"no figure: {missing}")
        plot = None
    size = 4096 + _BYTES_OF_A_GENE * data.genes.size
    table = None if out is None else planned_output(out, inputs=inputs, size=size)
    picture = (
        None if plot is None else planned_output(plot, inputs=inputs, size=_BYTES_OF_A_PICTURE)
    )
    if table and picture and table.target == picture.target:
        raise InputError(f"{out}: is named for both the table and the figure")
    if out is not None:
        check_table_name(out, text_only=True)
    return table, picture


def _beside(out: Path | None, name: str) -> Path:
    return Path(f"{name}_fit.png") if out is None else out.parent / f"{stem_of_table(out)}.png"


class _Counts(NamedTuple):
    """What was read.

    Attributes:
        counts: statistics; or the matrix, if there may be fractions in it, or the column of a gene.
        size_factors: of the rows of a matrix.
        genes: names of what is fitted.
        rows: cells that are fitted.
        remarks: on the file.
        dominating: the gene that bends totals as size factors.
        mean_total: counts of a cell on average, if the totals are the size factors.
    """

    counts: Any
    size_factors: "NDArray[np.float64] | None"
    genes: "NDArray[np.str_]"
    rows: int
    remarks: tuple[str, ...]
    dominating: "DominatingColumn | None"
    mean_total: float | None


def _read(options: argparse.Namespace, opened: "CountFile", column: int | None) -> _Counts:
    from jaxnb.cli.inputs import described, remarks_on_totals
    from jaxnb.cli.size_factors import size_factors_of_cells
    from jaxnb.data.size_factors import WHOLE_MATRIX

    factors = size_factors_of_cells(options.size_factors, opened)
    whole = isinstance(factors, str) and factors in WHOLE_MATRIX
    if options.allow_non_integer or column is not None or whole:
        read = _in_memory(options, opened, factors, column)
    else:
        read = _streamed(options, opened, factors)
    note(described(opened, opened.shape))
    for remark in read.remarks:
        note(remark)
    if read.mean_total is not None:
        for remark in remarks_on_totals(opened, read.dominating, read.mean_total):
            note(remark)
    if left_out := opened.shape[0] - read.rows:
        note(f"{left_out} cells without any count are left out")
    return read


def _streamed(
    options: argparse.Namespace, opened: "CountFile", factors: "NDArray[np.float64] | str"
) -> _Counts:
    """Whole counts, summed block by block."""
    from jaxnb.cli.inputs import reading_options
    from jaxnb.data.files import sums_of_file

    if options.checkpoint is not None and not opened.files:
        raise InputError("--checkpoint is for a file of counts: name one")
    statistics, dominating, mean_total = sums_of_file(
        opened,
        None if isinstance(factors, str) else factors,
        zero_inflation=options.family != "nb",
        checkpoint=options.checkpoint,
        progress=True,
        options=reading_options(options),
    )
    rows = int(statistics.cells.sum())
    return _Counts(statistics, None, opened.genes, rows, opened.remarks, dominating, mean_total)


def _in_memory(
    options: argparse.Namespace,
    opened: "CountFile",
    factors: "NDArray[np.float64] | str",
    column: int | None,
) -> _Counts:
    """Counts that need not be whole, for which there are no statistics; or one column."""
    import numpy as np

    from jaxnb.data.dominating_column import dominating_column
    from jaxnb.data.size_factors import factors_from_counts

    if options.checkpoint is not None:
        raise InputError(
            "--checkpoint goes with none of --allow-non-integer, --gene, and size factors that "
            "take the whole matrix"
        )
    data = opened.read(progress=True)
    counts, dominating, mean_total = data.counts, None, None
    if isinstance(factors, str):
        totals = np.asarray(counts.sum(axis=1), np.float64).ravel()
        if factors == "total":
            dominating, mean_total = dominating_column(counts), float(totals.mean())
        factors = factors_from_counts(factors, counts, totals)
    kept = np.flatnonzero(factors > 0)
    counts, genes = counts[kept], data.genes
    if column is not None:
        counts, genes = counts[:, [column]], genes[[column]]
    return _Counts(counts, factors[kept], genes, kept.size, data.notes, dominating, mean_total)


def _compared(options: argparse.Namespace, read: _Counts) -> "Comparison":
    from jaxnb.fit import compare_fits, fit_poisson
    from jaxnb.fit.inputs import columns_of
    from jaxnb.fit.negative_binomial import nb_of_columns
    from jaxnb.fit.zero_inflated import zinb_of_columns

    counts, factors = read.counts, read.size_factors
    with warnings.catch_warnings():
        # That counts are not whole has been said, and accepted by --allow-non-integer.
        warnings.filterwarnings("ignore", ".*not whole", UserWarning)
        # Once for all fits.
        columns = columns_of(counts, factors, zero_inflation=options.family != "nb")
        poisson = fit_poisson(counts, factors)
    progress = sys.stderr is not None and sys.stderr.isatty()
    # The ZINB fit starts from the NB's, whether or not that is shown.
    nb = nb_of_columns(columns, max_iter=_MAX_ITER, progress=progress)
    fits: dict[str, FitResult] = {"Poisson": poisson}
    if options.family != "zinb":
        fits["NB"] = nb
    if options.family != "nb":
        fits["ZINB"] = zinb_of_columns(columns, nb, max_iter=_MAX_ITER, progress=progress)
    return compare_fits(counts, factors, fits, read.genes)


def _draw(
    comparison: "Comparison",
    name: str,
    plot: Output,
    read: _Counts,
    options: argparse.Namespace,
) -> None:
    from jaxnb.plots import comparison_figure, fitted_distributions, gene_figure

    if options.gene is None or read.size_factors is None:
        genes = len(comparison.table["gene"])
        title = f"{name}: {genes} genes in {comparison.rows} cells"
        figure = comparison_figure(comparison, title, dark=options.dark)
    else:
        title = f"{options.gene} in {comparison.rows} cells"
        distributions = fitted_distributions(comparison.fits, read.size_factors)
        figure = gene_figure(read.counts.toarray()[:, 0], distributions, title, dark=options.dark)
    with written_whole(plot) as draft:
        figure.savefig(draft, dpi=150, format=plot.named.suffix[1:].lower())
