"""A named count matrix from a file, checked before anything is done with it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from jaxnb.cli.binary import read_h5ad, read_mtx, read_npz
from jaxnb.cli.delimited import read_delimited
from jaxnb.cli.labelled import Labelled, Names
from jaxnb.cli.messages import InputError, note
from jaxnb.datasets import pbmc68k

__all__ = ["CountTable", "load_counts"]


class CountTable(NamedTuple):
    """Counts with the names that the report needs.

    Attributes:
        name: of the data, for titles and file names.
        counts: `scipy.sparse.csr_array`, cells in rows.
        genes: one name per column.
        totals: counts of every cell, over all genes where the source knows them.
    """

    name: str
    counts: Any
    genes: NDArray[np.str_]
    totals: NDArray[np.float64]


Reader = Callable[[Path, str | None], Labelled]

_READERS: dict[str, Reader] = {
    ".h5ad": read_h5ad,
    ".npz": read_npz,
    ".mtx": read_mtx,
    ".mtx.gz": read_mtx,
    ".csv": read_delimited,
    ".csv.gz": read_delimited,
    ".tsv": read_delimited,
    ".tsv.gz": read_delimited,
}


def load_counts(path: str | None, *, layer: str | None, transpose: bool) -> CountTable:
    """Read a count matrix by the ending of its name; None for the bundled blood cells.

    Raises:
        InputError: there is no such file, its format is unknown or broken, or what it holds
            cannot be counts.
    """
    if path is None:
        data = pbmc68k()
        return CountTable("pbmc68k", data.counts, data.genes, data.total_counts.astype(np.float64))
    file = Path(path)
    ending = _ending(file)
    if layer is not None and ending != ".h5ad":
        raise InputError(f"--layer is for .h5ad files, and {file} is none: leave it out")
    matrix, rows, columns, remark = _read(file, ending, layer)
    if ending.startswith(".mtx") and columns is None and rows is not None and not transpose:
        raise InputError(f"{file}: genes are in rows, as 10x writes them: add --transpose")
    counts = _as_csr(matrix.T if transpose else matrix, file)
    genes = _gene_names(rows if transpose else columns, counts.shape[1])
    _check_values(counts, genes, file)
    # Remarks come last: bad input is to end in one line.
    if remark:
        note(remark)
    _tell_repeated(genes)
    _tell_fractions(counts, genes)
    totals = np.asarray(counts.sum(axis=1), np.float64).ravel()
    return CountTable(file.name[: -len(ending)], counts, genes, totals)


def _ending(file: Path) -> str:
    for ending in sorted(_READERS, key=len, reverse=True):
        if file.name.lower().endswith(ending):
            return file.name[-len(ending) :].lower()
    raise InputError(f"{file}: unknown format; give one of {', '.join(_READERS)}")


def _read(file: Path, ending: str, layer: str | None) -> Labelled:
    if not file.exists():
        raise InputError(f"{file}: no such file; check the path")
    if file.is_dir():
        raise InputError(f"{file}: is a directory; give a file")
    try:
        return _READERS[ending](file, layer)
    except (InputError, KeyboardInterrupt):
        raise
    except Exception as error:
        # A damaged file can raise nearly anything from zlib, zipfile, HDF5 or a parser.
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"{file}: not a readable {ending} file ({reason[:200]})") from error


def _as_csr(matrix: Any, file: Path) -> Any:
    if not sparse.issparse(matrix):
        matrix = np.asarray(matrix)
    if matrix.ndim != 2 or 0 in matrix.shape:
        raise InputError(f"{file}: the matrix is empty (shape {matrix.shape}): nothing to fit")
    if matrix.dtype.kind not in "buif":
        raise InputError(f"{file}: holds {matrix.dtype}, not numbers")
    counts = sparse.csr_array(matrix)
    counts.sum_duplicates()
    return counts


def _gene_names(genes: Names, count: int) -> NDArray[np.str_]:
    if genes is None:
        return np.array([f"gene_{column}" for column in range(1, count + 1)])
    return genes


def _check_values(counts: Any, genes: NDArray[np.str_], file: Path) -> None:
    values = counts.data
    for bad, what, remedy in (
        (~np.isfinite(values), "NaN or infinite", "fill in or drop the missing values"),
        (values < 0, "negative", "give raw counts, not scaled or log-ratio values"),
    ):
        if bad.any():
            raise InputError(f"{file}: {what} counts ({_first(bad, counts, genes)}): {remedy}")
    if not counts.count_nonzero():
        raise InputError(f"{file}: all counts are zero: nothing to fit")


def _tell_repeated(genes: NDArray[np.str_]) -> None:
    names, repeats = np.unique(genes, return_counts=True)
    if repeats.max() > 1:
        many, example = int(np.sum(repeats > 1)), names[np.argmax(repeats)]
        note(f"{many} gene names occur more than once, such as {example}; all columns are kept")


def _tell_fractions(counts: Any, genes: NDArray[np.str_]) -> None:
    fractional = counts.data != np.floor(counts.data)
    if fractional.any():
        note(
            f"{np.mean(fractional):.1%} of the non-zero entries are not integers "
            f"({_first(fractional, counts, genes)}): are these normalised data? "
            f"The laws are for raw counts"
        )


def _first(chosen: NDArray[np.bool_], counts: Any, genes: NDArray[np.str_]) -> str:
    """The first of some entries of a CSR matrix, and where it is."""
    at = int(np.argmax(chosen))
    row = int(np.searchsorted(counts.indptr, at, side="right"))
    return f"{counts.data[at]:g} in cell {row}, gene {genes[counts.indices[at]]}"
