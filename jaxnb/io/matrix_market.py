"""Matrix Market files with the names beside them, as 10x Genomics writes them; scipy's .npz."""

import gzip
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from scipy import sparse
from scipy.io import mmread

from jaxnb._errors import InputError
from jaxnb._progress import progress_bar
from jaxnb.io.matrices import InMemory
from jaxnb.io.stored import Fields, Options, Stored

__all__ = ["open_folder", "open_matrix_market", "open_npz"]

_MATRICES = ("matrix.mtx.gz", "matrix.mtx")
_GENES = ("features.tsv.gz", "features.tsv", "genes.tsv.gz", "genes.tsv")
_CELLS = ("barcodes.tsv.gz", "barcodes.tsv")
# kallisto | bustools: cells_x_genes.mtx, .genes.txt and .barcodes.txt.
_GENES_AFTER, _CELLS_AFTER = (".genes.txt",), (".barcodes.txt",)


class _Beside(NamedTuple):
    """Names that stand in a file beside the matrix."""

    file: Path
    names: Any
    fields: Fields


@contextmanager
def open_folder(folder: Path, options: Options) -> Iterator[Stored]:
    """A folder of Cell Ranger or STARsolo: matrix, features (or genes) and barcodes.

    Raises:
        InputError: there is not exactly one matrix in it, or no names beside it.
    """
    found = [file for name in _MATRICES for file in sorted(folder.glob(f"*{name}"))]
    if not found:
        raise InputError(f"{folder}: no matrix.mtx or matrix.mtx.gz in this folder{_hint(folder)}")
    if len(found) > 1:
        names = ", ".join(file.name for file in found[:4])
        raise InputError(f"{folder}: {len(found)} matrices in this folder; give one: {names}")
    with open_matrix_market(found[0], options) as stored:
        if stored.rows is None and stored.columns is None:
            raise InputError(
                f"{folder}: no features.tsv, genes.tsv or barcodes.tsv (.gz) beside "
                f"{found[0].name}: copy them there"
            )
        yield stored


@contextmanager
def open_matrix_market(file: Path, options: Options) -> Iterator[Stored]:
    """A Matrix Market file; names in files beside it tell which way round it is.

    Raises:
        InputError: the names beside it are more or fewer than its rows and columns, or nothing
            tells which of the two are the cells.
    """
    if options.raw or options.layer is not None:
        raise InputError(f"{file}: a .mtx file has no layers: leave --layer and --raw out")
    genes, cells = _beside(file, _GENES, _GENES_AFTER), _beside(file, _CELLS, _CELLS_AFTER)
    matrix = InMemory(_read(file, options))
    genes_in_rows = _genes_in_rows(file, matrix.shape, genes, cells)
    stored = Stored(
        matrix=matrix,
        rows=None if cells is None else cells.names,
        columns=None if genes is None else genes.names,
        row_fields={} if cells is None else cells.fields,
        column_fields={} if genes is None else genes.fields,
        certain=genes_in_rows is not None,
        files=(file, *(beside.file for beside in (genes, cells) if beside is not None)),
    )
    if not genes_in_rows:
        yield stored
        return
    # Handed out as cells × genes: the names leave no doubt.
    yield replace(stored, matrix=matrix.transposed())


@contextmanager
def open_npz(file: Path, options: Options) -> Iterator[Stored]:
    """A matrix written by `scipy.sparse.save_npz`, which keeps no names."""
    if options.raw or options.layer is not None:
        raise InputError(f"{file}: an .npz file has no layers: leave --layer and --raw out")
    try:
        # Opened here, because numpy leaves the file open when it is broken.
        with file.open("rb") as opened:
            matrix = sparse.load_npz(opened)
    except (KeyError, ValueError) as error:
        raise InputError(f"{file}: no matrix written by scipy.sparse.save_npz") from error
    yield Stored(matrix=InMemory(matrix), files=(file,))


def _read(file: Path, options: Options) -> Any:
    size = file.stat().st_size
    with (
        progress_bar(size, "reading", "B", progress=options.progress) as bar,
        file.open("rb") as stored,
        _opened(file, stored) as text,
    ):
        stream = _Stream(text, lambda: bar.update(stored.tell() - bar.n))
        try:
            matrix = mmread(stream, spmatrix=False)
        except ValueError:
            # What looks like a short file may be a broken archive.
            stream.finish()
            raise
        stream.finish()
    return matrix


def _opened(file: Path, stored: BinaryIO) -> Any:
    return gzip.GzipFile(fileobj=stored) if file.suffix == ".gz" else nullcontext(stored)


class _Stream:
    """A binary file for scipy's parser, which is C++ and ends the process if `seek` raises.

    It seeks only to leave the file where it stopped; errors of `read` reach it as the end of the
    file, and are raised by `finish`.
    """

    def __init__(self, file: BinaryIO, progress: Callable[[], None]) -> None:
        self._file, self._progress = file, progress
        self._error: Exception | None = None

    def read(self, size: int = -1) -> bytes:
        try:
            part = self._file.read(size)
        except Exception as error:
            self._error = self._error or error
            return b""
        self._progress()
        return part

    def seek(self, *_: int) -> int:
        return 0

    def tell(self) -> int:
        return 0

    def finish(self) -> None:
        """Read what is left, because the checksum of an archive comes last."""
        while self.read(1 << 20):
            pass
        if self._error is not None:
            raise self._error


def _beside(file: Path, names: tuple[str, ...], endings: tuple[str, ...]) -> _Beside | None:
    """The first of the usual files with names; GEO puts the sample before them all."""
    stem = file.name.removesuffix(".gz").removesuffix(".mtx")
    candidates = [file.with_name(stem + ending) for ending in endings]
    candidates += [file.with_name(stem.removesuffix("matrix") + name) for name in names]
    candidates += [file.with_name(name) for name in names if stem == "matrix"]
    for candidate in candidates:
        if candidate.is_file():
            return _names(candidate)
    return None


def _names(file: Path) -> _Beside:
    open_text = gzip.open if file.suffix == ".gz" else open
    with open_text(file, "rt", encoding="utf-8") as lines:
        fields = [
            [_unquoted(field) for field in line.rstrip("\r\n").split("\t")]
            for line in lines
            if line.strip()
        ]
    width = len(fields[0]) if fields else 0
    for at, line in enumerate(fields, start=1):
        if len(line) != width:
            raise InputError(
                f"{file}: line {at} has {len(line)} fields where the first has {width}: every line "
                f"must have as many, separated by tabs"
            )
    columns = [np.array(column, np.str_) for column in zip(*fields, strict=True)]
    if not columns:
        raise InputError(f"{file}: is empty")
    # Genes have an identifier, a symbol and, since Cell Ranger 3, a kind; people look for symbols.
    titles = ("gene_ids", "gene_symbols", "feature_types")
    named = dict(zip(titles, columns, strict=False))
    if len(columns) == 1:
        return _Beside(file, columns[0], {})
    return _Beside(file, named.pop("gene_symbols"), named)


def _unquoted(field: str) -> str:
    """R's write.table puts quotes around fields, Cell Ranger does not."""
    quoted = len(field) > 1 and field[0] == field[-1] == '"'
    return field[1:-1].replace('""', '"') if quoted else field


def _genes_in_rows(
    file: Path, shape: tuple[int, int], genes: _Beside | None, cells: _Beside | None
) -> bool | None:
    """What the number of names says; None if there are no names."""
    lengths = tuple(None if beside is None else beside.names.size for beside in (genes, cells))
    if lengths == (None, None):
        return None
    as_10x, exchanged = shape, shape[::-1]
    for axes, answer in ((as_10x, True), (exchanged, False)):
        if all(length in (None, size) for length, size in zip(lengths, axes, strict=True)):
            return answer
    found = " and ".join(
        f"{beside.names.size} names in {beside.file.name}" for beside in (genes, cells) if beside
    )
    raise InputError(
        f"{file}: {shape[0]} rows and {shape[1]} columns, but {found}: the files belong to "
        f"different matrices, or one was cut short"
    )


def _hint(folder: Path) -> str:
    """The folder one step down, if that is what was meant."""
    below = sorted(
        file.parent for name in _MATRICES for file in folder.glob(f"*/{name}") if file.is_file()
    )
    return f"; there is one in {', '.join(map(str, below[:3]))}" if below else ""
