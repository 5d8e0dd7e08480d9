"""Counts with their names and fields, in an open file or in memory."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jaxnb._errors import InputError
from jaxnb.io.matrices import Matrix
from jaxnb.io.names import SUMMARIES, Names
from jaxnb.io.stored import Fields
from jaxnb.io.values import check_counts, check_not_empty, check_values, fractions

__all__ = ["CountFile", "CountMatrix", "genes_only", "readable", "without_summaries"]


@dataclass(frozen=True)
class CountMatrix:
    """Counts in memory, with the names and fields of their file.

    Attributes:
        counts: `scipy.sparse.csr_array`, cells in rows and genes in columns, in the dtype of the
            file.
        cells: a name for every row, or None if the file has none.
        genes: a name for every column; ``gene_1`` and so on if the file has none.
        obs: other fields of the cells, by name, such as their total counts. Each is an array; a
            field of levels in an AnnData is a `pandas.Categorical`.
        var: other fields of the genes.
        source: what was read, for titles and messages: the path, and the layer.
        files: every file that was read.
        notes: what had to be guessed or left out, one sentence each.
    """

    counts: Any
    cells: Names
    genes: NDArray[np.str_]
    obs: Fields
    var: Fields
    source: str
    files: tuple[Path, ...]
    notes: tuple[str, ...]

    @property
    def shape(self) -> tuple[int, int]:
        """Cells and genes."""
        return self.counts.shape[0], self.genes.size


@dataclass(frozen=True)
class CountFile:
    """An open file of counts, cells in rows, whose orientation has been checked.

    Attributes:
        cells: as in `CountMatrix`, like the other attributes of the same names.
    """

    cells: Names
    genes: NDArray[np.str_]
    obs: Fields
    var: Fields
    source: str
    files: tuple[Path, ...]
    notes: tuple[str, ...]
    _file: Path
    _matrix: Matrix
    _kept: NDArray[np.bool_] | None
    _others: dict[str, Matrix]
    _allow_non_integer: bool = False

    @property
    def shape(self) -> tuple[int, int]:
        """Cells and genes."""
        return self._matrix.shape[0], self.genes.size

    @property
    def remarks(self) -> tuple[str, ...]:
        """The notes, and what the names of the genes show."""
        names, repeats = np.unique(self.genes, return_counts=True)
        if repeats.max(initial=0) <= 1:
            return self.notes
        many, example = int(np.sum(repeats > 1)), names[np.argmax(repeats)]
        return (
            *self.notes,
            f"{many} gene names occur more than once, such as {example}; all columns are kept",
        )

    def blocks(self, cells: int, start: int = 0) -> Iterator[Any]:
        """The counts of `cells` cells after the other as `scipy.sparse.csr_array`, in order.

        Only a block is in memory at a time, except from text, Matrix Market and files that are
        compressed by genes. Values are as in the file: see `check`.

        Args:
            cells: in a block.
            start: the first cell to be read.
        """
        blocks = self._matrix.blocks(cells, start)
        while True:
            with readable(self._file):
                block = next(blocks, None)
            if block is None:
                return
            yield block if self._kept is None else block[:, self._kept]

    def check(self, block: Any, first: int) -> None:
        """Refuse a block, whose first cell is number `first`, that cannot be raw counts.

        Raises:
            InputError: see `read_counts`. That there are no counts at all is not found here.
        """
        check_not_empty(self.shape, self.source)
        check_values(
            block,
            self.genes,
            self.source,
            self._others,
            allow_non_integer=self._allow_non_integer,
            first=first,
            cells=self.shape[0],
        )

    def read(self, *, progress: bool = False) -> CountMatrix:
        """All counts, checked.

        Raises:
            InputError: they cannot be raw counts, see `read_counts`.
        """
        with readable(self._file):
            counts = self._matrix.read(progress=progress)
        if self._kept is not None:
            counts = counts[:, self._kept]
        check_counts(
            counts,
            self.genes,
            self.source,
            self._others,
            allow_non_integer=self._allow_non_integer,
        )
        return CountMatrix(
            counts,
            self.cells,
            self.genes,
            self.obs,
            self.var,
            self.source,
            self.files,
            (*self.remarks, *_remarks(counts)),
        )


@contextmanager
def readable(file: Path) -> Iterator[None]:
    """Turn whatever a damaged file makes its reader raise into an `InputError`.

    That can be nearly anything, from zlib, zipfile, HDF5 or a parser.
    """
    try:
        yield
    except InputError:
        raise
    except MemoryError as error:
        raise InputError(f"{file}: does not fit into memory") from error
    except Exception as error:
        ending = "".join(file.suffixes[-2:] if file.suffix == ".gz" else file.suffixes[-1:])
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(
            f"{file}: not readable{ending and ' as '}{ending} ({reason[:200]})"
        ) from error


def genes_only(opened: CountFile) -> CountFile:
    """Without the antibodies, guides and peaks that 10x measures beside the genes."""
    kinds = opened.var.get("feature_types")
    if kinds is None:
        return opened
    kinds = np.asarray(kinds)
    if not np.any(kinds == "Gene Expression"):
        return opened
    kept = kinds == "Gene Expression"
    if kept.all():
        return opened
    left_out = ", ".join(np.unique(kinds[~kept]))
    return _with_genes(
        opened, kept, f"{np.sum(~kept)} features that are not genes ({left_out}) left out"
    )


def without_summaries(opened: CountFile) -> CountFile:
    """Without what tools that count reads write below the genes, such as ``__no_feature``."""
    summaries = np.array([name in SUMMARIES for name in opened.genes.tolist()], bool)
    if not summaries.any() or summaries.all():
        return opened
    names = ", ".join(opened.genes[summaries].tolist())
    return _with_genes(opened, ~summaries, f"{names} left out: reads that are of no gene")


def _with_genes(opened: CountFile, kept: NDArray[np.bool_], note: str) -> CountFile:
    return replace(
        opened,
        genes=opened.genes[kept],
        var={name: field[kept] for name, field in opened.var.items()},
        notes=(*opened.notes, note),
        _kept=kept,
    )


def _remarks(counts: Any) -> Iterator[str]:
    if share := fractions(counts.data):
        yield f"{share:.1%} of the non-zero entries are not whole numbers"
