"""Arguments that all commands share. Nothing slow is imported here: --help is to be immediate."""

import argparse
import csv

__all__ = ["COUNTS", "add_counts", "parts_of_contrast", "positive_int"]

COUNTS = """\
COUNTS holds raw counts (UMIs or reads, not normalized), cells in rows and genes in columns:
  folder of Cell Ranger  matrix.mtx, features.tsv (or genes.tsv) and barcodes.tsv, gzipped or not
  .h5                    10x Genomics, of any version of Cell Ranger
  .h5ad, .zarr           AnnData: X, a layer (--layer NAME) or raw.X (--raw)
  .loom                  the main matrix, or a layer (--layer NAME)
  .mtx                   Matrix Market, with the names in files beside it
  .csv, .tsv, .txt       separated by comma, tab, semicolon or space; names optional
  .npz                   a scipy sparse matrix
.mtx and text may be gzipped. 10x's files and .loom store genes in rows, and are transposed
automatically; other files with genes in rows need --transpose. The command stops if the names
show that cells and genes are swapped.
"""


def add_counts(parser: argparse.ArgumentParser) -> None:
    """Add COUNTS and the options that say how to read it."""
    add = parser.add_argument
    add("counts", nargs="?", metavar="COUNTS", help="count matrix, cells in rows (see below)")
    add("--layer", metavar="NAME", help="layer of an AnnData or Loom file to read instead of X")
    add("--raw", action="store_true", help="read raw.X of an AnnData file instead of X")
    add("--transpose", action="store_true", help="genes are in rows, as R writes them")
    add(
        "--index-columns",
        metavar="A,B,...",
        type=lambda text: tuple(text.split(",")),
        help="columns of a text file that are not counts, by name or number: the first contains "
        "the names of the rows, the others are metadata",
    )
    add(
        "--no-orientation-check",
        action="store_true",
        help="skip the check that cells are in rows",
    )
    add(
        "--allow-non-integer",
        action="store_true",
        help="accept estimated counts, such as those of salmon",
    )


def positive_int(text: str) -> int:
    """For argparse: an integer above 0."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{value} is not positive")
    return value


def parts_of_contrast(contrast: str) -> list[str]:
    """Factor and levels; one part is a sum of coefficients."""
    return next(csv.reader([contrast], skipinitialspace=True))
