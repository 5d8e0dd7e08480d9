"""The arguments, the exit status, and nothing else."""

import argparse
import sys
from collections.abc import Sequence

import jaxnb
from jaxnb.cli.fit import FAMILIES, FitOptions, run_fit
from jaxnb.cli.messages import InputError

__all__ = ["main"]

_DESCRIPTION = """\
Fit every gene of a count matrix with a negative binomial (NB) and a zero-inflated negative
binomial (ZINB) law, tell which of them the gene needs, and draw what the laws expect beside what
was counted.
"""

_EPILOG = """\
COUNTS holds raw counts (UMIs or reads, not normalised), cells in rows and genes in columns:
  .h5ad                  AnnData: X, or the layer named by --layer   (pip install "jaxnb[anndata]")
  .mtx, .mtx.gz          Matrix Market; gene names from features.tsv(.gz) or genes.tsv beside it
  .csv, .tsv (.gz)       text, with or without a line of gene names and a column of cell names
  .npz                   a scipy sparse matrix
Without COUNTS, the bundled 700 blood cells x 765 genes (10x Genomics, Zheng et al. 2017).

The table written by --out has one line per gene. nb_ and zinb_ columns are the two fits:
  mean                   expected count in a cell of size factor 1, before zero inflation
  theta                  inverse dispersion: variance = mean + mean^2 / theta; inf is Poisson
  zero_inflation         probability that a cell is a structural zero
  zeros                  expected share of zeros, to be held against zeros_observed
  *_se                   standard errors of log(mean), log(theta), logit(zero_inflation)
  status                 what happened in the fit
  lr_statistic, p_value  likelihood ratio of ZINB to NB; the law is half a chi-square(1), half 0
  q_value                the p-value adjusted for the number of genes (Benjamini-Hochberg)
  bic_choice             the law with the lowest BIC: Poisson, NB, ZIP (inflated Poisson) or ZINB

examples:
  python -m jaxnb fit
  python -m jaxnb fit counts.h5ad --layer counts --out genes.csv --plot genes.png
  python -m jaxnb fit filtered_feature_bc_matrix/matrix.mtx.gz --transpose
  python -m jaxnb fit counts.csv.gz --family nb --size-factors scran.txt --x64

Exit status: 0 done, 2 bad input or arguments, 130 interrupted.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status: 0, or 2 for bad input.

    Args:
        arguments: the words after the program's name; None for those of this process.
    """
    options = _parser().parse_args(arguments)
    try:
        run_fit(FitOptions(**{name: getattr(options, name) for name in FitOptions._fields}))
    except InputError as error:
        print(f"jaxnb: error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("jaxnb: interrupted, nothing more was written", file=sys.stderr)
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="jaxnb", description=jaxnb.__doc__)
    parser.add_argument("--version", action="version", version=f"jaxnb {jaxnb.__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    fit = commands.add_parser(
        "fit",
        help="fit NB and ZINB to every gene of a count matrix",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _add_fit_arguments(fit)
    return parser


def _add_fit_arguments(fit: argparse.ArgumentParser) -> None:
    add = fit.add_argument
    add("counts", nargs="?", metavar="COUNTS", help="count matrix, cells in rows (see below)")
    add("--family", choices=FAMILIES, default="both", help="laws to fit (default: both)")
    add("--out", metavar="CSV", help="table to write (default: <name of COUNTS>_fit.csv here)")
    add("--plot", metavar="PNG", help="picture to draw, or 'none' (default: beside the table)")
    add(
        "--size-factors",
        default="total",
        metavar="HOW",
        help="'total': counts of the cell over their mean (default); 'none': all 1; or a text "
        "file with one positive number per line and cell",
    )
    add("--layer", metavar="NAME", help="layer of an .h5ad file to fit instead of X")
    add("--transpose", action="store_true", help="genes are in rows, as in 10x's matrix.mtx")
    add("--top", type=_positive_int, default=12, metavar="N", help="genes to print (default: 12)")
    add("--x64", action="store_true", help="compute in float64 instead of float32 (slower)")


def _positive_int(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{value} is not positive")
    return value
