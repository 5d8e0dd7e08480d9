"""The words of the command ``de``: its options, their help, and which of them go together."""

import argparse
from typing import Any

from jaxnb._errors import InputError
from jaxnb.cli.arguments import COUNTS, add_counts, parts_of_contrast, positive_int

__all__ = ["add_options", "check_options"]

_DESIGN, _CONTRAST = "~ cell_type", "cell_type,CD19+ B,CD56+ NK"

# Choices of size factors that fit any rows; all others are files with a line a row.
_WITHOUT_ROWS = ("total", "median-ratio", "tmm", "ones", "none", "obs:")

_DESCRIPTION = """\
Test every gene for differences between groups, or along a covariate, by negative binomial
regression: given the sequencing depth, the batch and the other variables of the design.
"""

_EPILOG = f"""\
{COUNTS}
The annotations of cells or samples come from the file itself (obs of .h5ad) or from --obs.
Without COUNTS, two cell types of the bundled 700 blood cells are compared.

The table written by --out has one line per gene:
  mean                       mean count, divided by the size factors
  log2_fold_change           of B over A, or per unit of a covariate; -inf or inf where a group has
                             no counts
  se                         its standard error in the Wald test and the tests of --random; the
                             p-values of the other tests do not follow from it
  log2_fold_change_shrunken  pulled toward 0 where counts are few: for ranking and figures; not
                             with --random
  statistic, p_value         of the test; empty in a Wald test where the fold change is infinite
  p_adjusted                 adjusted for the number of genes (Benjamini-Hochberg); with fewer than
                             100 rows only genes with enough counts are in the adjustment, by the
                             rule of edgeR's filterByExpr: 15 in all, and at least 10, scaled to a
                             row of median depth, in as many rows as the smallest group has
                             (--no-filter adjusts for all genes)
  dispersion                 alpha: variance = mean + alpha mean^2
  outliers                   with shrunken dispersions: how many counts were left out as outliers
                             (--keep-outliers keeps them)
  status                     how the fit ended; or "low counts": not in the adjustment; or
                             "outlier": the fold change is that of the other counts, the p-value
                             combines the fits with and without it; with --random also "no random
                             sd": random_sd of this gene is 0, but the default test still allows
                             for differences between donors

With --markers there is a line for each group and gene: the columns group, reference (with
--reference and --pairwise), gene, and those above. P-values are adjusted within each comparison.
All comparisons are made from one pass over the file, or two if totals are the size factors.
With --by there is a line for each level and gene: the columns group, gene, contrast (if there
are several), and those above. P-values are adjusted within each level. All levels are added up in
the same pass over the file, or two; if their sums take more than 4 GB, in parts of 4 GB.

Memory: .h5ad, .h5 and .zarr files that store counts cell by cell are read in blocks, and added up
for every distinct row of the design. Memory holds two blocks, 1 kB per gene and distinct row, 100
bytes per cell, and 0.4 GB. Other files are read into memory, and so is every file with fewer than
100 rows, with --pseudobulk, --allow-non-integer or median ratios, or with numbers in the design
that differ in nearly every cell.

Cells of one donor are not replicates. With several donors, add a random effect of the donor
(--random; the table then has random_sd, the standard deviation of these effects) or sum the cells
of each donor first (--pseudobulk).

examples:
  python -m jaxnb de
  python -m jaxnb de counts.csv --obs samples.csv --design "~ batch + condition" \\
      --contrast condition,treated,control
  python -m jaxnb de cells.h5ad --pseudobulk donor --design "~ sex + disease" \\
      --contrast disease,MS,none
  python -m jaxnb de cells.h5ad --random donor --design "~ disease" --contrast disease,MS,none
  python -m jaxnb de cells.h5ad --where tissue=blood --by cell_type --pseudobulk donor \\
      --design "~ disease" --contrast disease,MS,none
  python -m jaxnb de counts.csv --obs samples.csv --design "~ age + sex" --test age
  python -m jaxnb de cells.h5ad --markers cell_type --out markers.csv
  python -m jaxnb de screen.h5ad --markers guide --reference control

Exit status: 0 done, 2 bad input or arguments, 130 interrupted.
"""


def add_options(commands: Any) -> argparse.ArgumentParser:
    """Add the command to the subparsers of `argparse`, and return its parser."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "de",
        help="test every gene for differences between groups",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_counts(parser)
    add = parser.add_argument
    add(
        "--obs",
        metavar="CSV",
        help="table with a line per cell or sample, whose first column contains the names",
    )
    add(
        "--where",
        metavar="FIELD=LEVEL,...",
        action="append",
        help="use only the rows whose field has this level, or one of several (put quotes around a "
        "level with commas); given several times, all conditions must hold",
    )
    add("--design", metavar="FORMULA", help='formula, such as "~ batch + condition"')
    add(
        "--contrast",
        metavar="FACTOR,B,A",
        action="append",
        help="level B over level A of a factor of the design, or value B over value A of a "
        "covariate (put quotes around a level with commas); or a combination of coefficients, such "
        "as 'condition[T.B] - condition[T.C]'; given several times, the table has a line for each "
        "contrast and gene",
    )
    add("--test", metavar="NAME", help="test this coefficient or covariate, instead of a contrast")
    add(
        "--reduced",
        metavar="FORMULA",
        help="test the design against this smaller one, instead of a contrast",
    )
    add(
        "--random",
        metavar="FIELD",
        help="field that names the donor of each cell: the model has a random intercept for each "
        "donor, and the tests allow for few donors",
    )
    add(
        "--by",
        metavar="FIELD",
        help="fit and test each level of this field, such as a cell type, separately",
    )
    add(
        "--markers",
        metavar="FIELD",
        help="test every group of cells of this field against the rest; replaces the design",
    )
    add(
        "--reference",
        metavar="[FIELD=]LEVEL",
        help="with --markers: compare with this group instead of the rest; with a design: "
        "FIELD=LEVEL makes this level the baseline of the factor",
    )
    add("--pairwise", action="store_true", help="with --markers: compare every two groups")
    add(
        "--size-factors",
        metavar="HOW",
        help="'total', 'median-ratio', 'tmm', 'ones', 'obs:FIELD', or a text file with one "
        "positive number per line (default: median-ratio if at least 100 genes have counts in "
        "every row, otherwise total)",
    )
    add(
        "--dispersion",
        choices=("auto", "ml", "cox-reid", "shrunken"),
        default="auto",
        help="how to estimate dispersions (default: shrunken with fewer than 100 rows and at least "
        "50 genes, otherwise cox-reid)",
    )
    add(
        "--method",
        choices=("auto", "wald", "lr", "ql", "moderated", "sandwich", "lr-f"),
        default="auto",
        help="Wald, likelihood-ratio or quasi-likelihood F test (default: ql if dispersions are "
        "shrunken, otherwise lr); with --random: moderated (default), sandwich, wald, lr or lr-f",
    )
    add(
        "--threshold",
        type=float,
        default=0.0,
        metavar="LOG2FC",
        help="test whether the log2 fold change exceeds this in absolute value: 1 tests for more "
        "than twofold (default: 0)",
    )
    add(
        "--no-filter",
        action="store_true",
        help="adjust p-values for all genes; by default, with fewer than 100 rows, genes with few "
        "counts are not in the adjustment",
    )
    add(
        "--keep-outliers",
        action="store_true",
        help="leave no counts out; by default, with shrunken dispersions, counts that are nearly "
        "impossible given the other counts of their gene are left out",
    )
    add(
        "--outliers",
        metavar="FILE",
        help="write a table of the counts left out: gene, row, count, expected count, p-value",
    )
    add("--pseudobulk", metavar="A,B,...", help="first add up the cells that agree in these fields")
    add(
        "--min-cells",
        type=positive_int,
        default=10,
        metavar="N",
        help="with --pseudobulk: leave out sums of fewer cells (default: 10)",
    )
    add(
        "--out",
        metavar="FILE",
        help="table: .csv, .tsv or .txt, also with .gz, .parquet or .xlsx; or 'none' (default: "
        "<folder>_<COUNTS>_de.csv in this folder)",
    )
    add(
        "--plot",
        metavar="PNG",
        help="figure: .png, .pdf or .svg; or 'none' (default: beside the table); the dispersions "
        "are on the second page of a .pdf, otherwise in another file",
    )
    add(
        "--symbols",
        metavar="FIELD",
        help="field of the genes to copy into the column symbol of the table, or 'none' (default: "
        "a field named gene_symbols, gene_name, feature_name or similar)",
    )
    add("--dark", action="store_true", help="draw the figures on a dark background")
    add("--top", type=positive_int, default=12, metavar="N", help="genes to print (default: 12)")
    add(
        "--checkpoint",
        metavar="DIR",
        help="save the sums over cells in this folder every 30 s: after an interruption, "
        "the same command resumes from there and writes the same files",
    )
    return parser


def check_options(options: argparse.Namespace) -> None:
    """Fill in what the bundled data needs, and refuse what says nothing or too much."""
    how = options.size_factors
    if (options.where or options.by) and how is not None and not how.startswith(_WITHOUT_ROWS):
        raise InputError(
            "--where and --by take size factors from a field of the rows (--size-factors obs:FIELD)"
            ", not from a text file"
        )
    if options.markers is not None:
        _check_markers(options)
        return
    if options.pairwise:
        raise InputError("--pairwise goes with --markers FIELD")
    if options.counts is None and options.design is None:
        options.design = _DESIGN
        options.contrast = options.contrast or [_CONTRAST]
    if options.random is not None:
        _refuse(
            "--random",
            {
                "--pseudobulk": options.pseudobulk,
                "--threshold": options.threshold,
                "--outliers": options.outliers,
            },
        )
    if options.by is not None:
        _check_by(options)
    if options.design is None:
        raise InputError('say what may matter: --design "~ batch + condition"')
    asked = [options.contrast, options.test, options.reduced]
    if sum(entry is not None for entry in asked) != 1:
        raise InputError(
            "say what to test, one of --contrast FACTOR,B,A, --test NAME or --reduced FORMULA"
        )
    for contrast in options.contrast or []:
        sum_of_coefficients = set("[+-*") & set(contrast)
        if len(parts_of_contrast(contrast)) not in ((1, 3) if sum_of_coefficients else (3,)):
            raise InputError(
                f"--contrast {contrast}: must be FACTOR,B,A (B over A), with quotes around a level "
                "that has commas, or a sum of coefficients"
            )


def _refuse(option: str, unused: dict[str, Any]) -> None:
    given = [name for name, value in unused.items() if value]
    if given:
        raise InputError(f"{option} goes without {', '.join(given)}")


def _check_by(options: argparse.Namespace) -> None:
    """Refuse what does not go with ``--by``."""
    unused = {
        "--outliers": options.outliers,
        "--plot": None if options.plot == "none" else options.plot,
    }
    _refuse("--by", unused)


def _check_markers(options: argparse.Namespace) -> None:
    """Refuse what does not go with ``--markers``."""
    unused = {
        "--design": options.design, "--contrast": options.contrast, "--test": options.test,
        "--reduced": options.reduced, "--threshold": options.threshold,
        "--pseudobulk": options.pseudobulk, "--random": options.random, "--by": options.by,
        "--allow-non-integer": options.allow_non_integer,
        "--plot": None if options.plot == "none" else options.plot,
    }  # fmt: skip
    _refuse("--markers", unused)
    if options.reference is not None and options.pairwise:
        raise InputError("--reference LEVEL or --pairwise, not both")
