"""What every reader yields: a matrix, not read yet where that is possible, and its annotation."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jaxnb.io.matrices import Matrix
from jaxnb.io.names import Names

__all__ = ["Fields", "Options", "Stored"]

Fields = dict[str, Any]


@dataclass(frozen=True)
class Options:
    """What the user said about a file, as `jaxnb.io.open_counts` takes it."""

    layer: str | None = None
    raw: bool = False
    transpose: bool = False
    index_columns: tuple[str, ...] | None = None
    progress: bool = False


@dataclass(frozen=True)
class Stored:
    """A matrix as its file has it.

    Attributes:
        matrix: rows and columns as in the file.
        rows: a name for every row, or None.
        columns: a name for every column, or None.
        row_fields: other annotation of the rows, by name.
        column_fields: of the columns.
        genes_in_rows: what the format says about its orientation.
        certain: the names that are stored with the matrix fit no other orientation.
        part: which part of the file this is, such as "layer 'counts'"; empty for the usual one.
        others: the file's other matrices of this shape, by the option that reads them.
        files: every file that was read; none of them may be written to.
        notes: what had to be guessed or left out.
    """

    matrix: Matrix
    rows: Names = None
    columns: Names = None
    row_fields: Fields = field(default_factory=dict)
    column_fields: Fields = field(default_factory=dict)
    genes_in_rows: bool = False
    certain: bool = False
    part: str = ""
    others: dict[str, Matrix] = field(default_factory=dict)
    files: tuple[Path, ...] = ()
    notes: tuple[str, ...] = ()
