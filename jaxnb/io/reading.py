"""Count matrices of every usual format, checked: cells in rows, genes in columns, raw counts."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import replace
from os import PathLike
from pathlib import Path

import numpy as np

from jaxnb._errors import InputError
from jaxnb.io.annotated import open_zarr
from jaxnb.io.count_file import CountFile, CountMatrix, genes_only, readable, without_summaries
from jaxnb.io.hdf5 import open_hdf5
from jaxnb.io.matrix_market import open_folder, open_matrix_market, open_npz
from jaxnb.io.names import refuse_transposed
from jaxnb.io.stored import Options, Stored
from jaxnb.io.text import open_text_file

__all__ = ["FORMATS", "open_counts", "read_counts", "stem_of"]

Opener = Callable[[Path, Options], AbstractContextManager[Stored]]

_OPENERS: dict[str, Opener] = {
    ".h5ad": open_hdf5,
    ".h5": open_hdf5,
    ".hdf5": open_hdf5,
    ".loom": open_hdf5,
    ".zarr": open_zarr,
    ".npz": open_npz,
    ".mtx": open_matrix_market,
    ".mtx.gz": open_matrix_market,
    **{
        f".{kind}{compression}": open_text_file
        for kind in ("csv", "tsv", "txt")
        for compression in ("", ".gz")
    },
}
FORMATS = (*_OPENERS, "a folder of Cell Ranger")


def read_counts(
    path: str | PathLike[str],
    *,
    layer: str | None = None,
    raw: bool = False,
    transpose: bool = False,
    index_columns: Sequence[str] | None = None,
    check_orientation: bool = True,
    allow_non_integer: bool = False,
    progress: bool = False,
) -> CountMatrix:
    """Read a matrix of raw counts, cells in rows and genes in columns.

    Formats: AnnData (``.h5ad``, ``.zarr``), 10x Genomics (the folder with ``matrix.mtx``, or the
    ``.h5`` file of any version of Cell Ranger), ``.loom``, Matrix Market (``.mtx``), scipy's
    ``.npz``, and text (``.csv``, ``.tsv``, ``.txt``; comma, tab, semicolon or space); ``.mtx`` and
    text gzipped or not. HDF5 files are recognized by what is in them. Of 10x's features only
    genes are kept; ``__no_feature`` and the other summaries of htseq-count and STAR are left out.

    Args:
        path: file, or folder of Cell Ranger or Zarr.
        layer: the layer to read from AnnData or Loom; the genome, from the ``.h5`` files of
            Cell Ranger 1 and 2 that have several.
        raw: read ``raw.X`` of an AnnData file.
        transpose: genes are in rows where the format has cells there. Without effect where the
            format leaves no doubt, as 10x's do.
        index_columns: columns of a text file that are not counts, by name or by number from 1: the
            first has the names of the rows, the others are annotation.
        check_orientation: refuse a matrix whose names or fields say that it is transposed.
        allow_non_integer: accept estimated counts, such as those of salmon.
        progress: show a progress bar if stderr is a terminal.

    Returns:
        A `CountMatrix`.

    Raises:
        InputError: (a `ValueError`) there is no such file, it is broken, of an unknown format or
            needs a module that is not installed; the matrix is probably transposed; or it is
            empty, or holds NaN, negative or (without `allow_non_integer`) fractional numbers. The
            message is one line that says what to do.

    Example:
        >>> from jaxnb.fit import fit_nb
        >>> from jaxnb.io import read_counts
        >>> data = read_counts("filtered_feature_bc_matrix.h5")  # doctest: +SKIP
        >>> fit = fit_nb(data.counts)  # doctest: +SKIP
    """
    with open_counts(
        path,
        layer=layer,
        raw=raw,
        transpose=transpose,
        index_columns=index_columns,
        check_orientation=check_orientation,
        allow_non_integer=allow_non_integer,
        progress=progress,
    ) as opened:
        return opened.read(progress=progress)


@contextmanager
def open_counts(
    path: str | PathLike[str],
    *,
    layer: str | None = None,
    raw: bool = False,
    transpose: bool = False,
    index_columns: Sequence[str] | None = None,
    check_orientation: bool = True,
    allow_non_integer: bool = False,
    progress: bool = False,
) -> Iterator[CountFile]:
    """Open a matrix of counts to read it in blocks of cells; a context manager.

    Arguments and errors are those of `read_counts`.
    """
    file = Path(path)
    options = Options(
        layer, raw, transpose, None if index_columns is None else tuple(index_columns), progress
    )
    with ExitStack() as stack:
        # Not around the yield: what the caller raises there is not about the file.
        with readable(file):
            stored = stack.enter_context(_opener(file)(file, options))
            opened = _count_file(
                file,
                stored,
                transpose=transpose,
                check=check_orientation,
                allow_non_integer=allow_non_integer,
            )
        yield opened


def stem_of(path: str | PathLike[str]) -> str:
    """The name of a file without the ending that tells its format; of a folder, its name."""
    file = Path(path)
    name = file.resolve().name
    return name[: len(name) - len(_ending(file))] or name


def _opener(file: Path) -> Opener:
    try:
        is_folder, exists = file.is_dir(), file.exists()
    except OSError as error:
        raise InputError(f"{str(file)[:80]}: {error.strerror}; check the path") from error
    if not exists:
        raise InputError(f"{file}: no such file; check the path")
    ending = _ending(file)
    if is_folder and ending != ".zarr":
        return open_folder
    if ending not in _OPENERS:
        raise InputError(f"{file}: unknown format; give one of {', '.join(FORMATS)}")
    return _OPENERS[ending]


def _ending(file: Path) -> str:
    """The longest known ending; empty if there is none."""
    matching = (ending for ending in _OPENERS if file.name.lower().endswith(ending))
    return max(matching, key=len, default="")


def _count_file(
    file: Path, stored: Stored, *, transpose: bool, check: bool, allow_non_integer: bool
) -> CountFile:
    exchanged = not stored.certain and transpose
    if _says_nothing(file, stored) and check and not transpose:
        raise InputError(
            f"{file}: no names beside it (features.tsv, barcodes.tsv) that tell what its rows are: "
            f"add --transpose if they are genes, as 10x writes them, or --no-orientation-check "
            f"(check_orientation=False) if they are cells"
        )
    turned = _turned(stored) if exchanged != stored.genes_in_rows else stored
    source = f"{file}, {stored.part}" if stored.part else str(file)
    if check and not stored.certain:
        refuse_transposed(
            source,
            turned.rows,
            turned.columns,
            (turned.row_fields, turned.column_fields),
            transpose=transpose,
        )
    _check_lengths(source, turned)
    genes = turned.columns
    if genes is None:
        columns = turned.matrix.shape[1]
        genes = np.array([f"gene_{column}" for column in range(1, columns + 1)], np.str_)
    opened = CountFile(
        turned.rows,
        genes,
        turned.row_fields,
        turned.column_fields,
        source,
        turned.files,
        turned.notes,
        file,
        turned.matrix,
        None,
        turned.others,
        allow_non_integer,
    )
    return genes_only(opened) if stored.certain else without_summaries(opened)


def _says_nothing(file: Path, stored: Stored) -> bool:
    return ".mtx" in file.name.lower() and stored.rows is None and stored.columns is None


def _turned(stored: Stored) -> Stored:
    return replace(
        stored,
        matrix=stored.matrix.transposed(),
        rows=stored.columns,
        columns=stored.rows,
        row_fields=stored.column_fields,
        column_fields=stored.row_fields,
    )


def _check_lengths(source: str, stored: Stored) -> None:
    for names, size, axis in zip(
        (stored.rows, stored.columns), stored.matrix.shape, ("cells", "genes"), strict=True
    ):
        if names is not None and names.size != size:
            raise InputError(f"{source}: {names.size} names for {size} {axis}: the file is damaged")
