"""How a text file is laid out: its separator, its line of names, its columns of names."""

import csv
import gzip
import itertools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from jaxnb._errors import InputError

__all__ = ["Layout", "Record", "is_number", "layout_of", "records"]

# What people write above a column of names.
_CORNERS = {
    *("", "barcode", "barcodes", "cell", "cell_id", "cells", "cellid", "id", "index", "sample"),
    *("gene", "genes", "gene_id", "gene_name", "geneid", "symbol", "feature", "unnamed: 0"),
}
# Columns of numbers that are not counts of a gene, as scanpy, Seurat and featureCounts call them.
_METADATA = {
    *("n_counts", "n_genes", "n_genes_by_counts", "total_counts", "pct_counts_mt", "n_cells"),
    *("ncount_rna", "nfeature_rna", "percent.mt", "percent_mito", "leiden", "louvain"),
    *("cluster", "clusters", "seurat_clusters", "chr", "start", "end", "strand", "length"),
}
_SEPARATORS = "\t;,"
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")


class Record(NamedTuple):
    """The fields of one line that is not blank."""

    line: int
    fields: list[str]


class Layout(NamedTuple):
    """What pandas has to be told.

    Attributes:
        separator: between fields.
        skipped: lines before the first record: blank ones and comments.
        header: the names above the matrix, or None.
        names: columns that hold names or other annotation, counted from 0; the first one holds
            the names of the rows.
        titles: what the header calls these columns.
        certain: the first column is known to be names, not only because its first entry is one.
    """

    separator: str
    skipped: int
    header: list[str] | None
    names: tuple[int, ...]
    titles: tuple[str, ...]
    certain: bool

    @property
    def width(self) -> int | None:
        """Fields of a line; None if no header says it."""
        return None if self.header is None else len(self.header) + len(self.names)


def layout_of(file: Path, index_columns: tuple[str, ...] | None) -> Layout:
    """Infer the layout from the first two records.

    Raises:
        InputError: the file is empty, a column of `index_columns` is not in it, or a column has
            the name of usual metadata.
    """
    separator = _separator(file)
    first, second = _first_two(records(file, separator), file)
    titled = first.fields[0].lower() in _CORNERS
    has_header = titled or not all(map(is_number, first.fields[1:] or first.fields))
    # R writes no title above the names: its first line is one shorter.
    untitled = len(second.fields) == len(first.fields) + 1
    header = ["", *first.fields] if untitled else first.fields
    if index_columns is not None:
        names = _positions(index_columns, header if has_header else None, file)
    else:
        beside = titled or untitled or not is_number(second.fields[0])
        names = (0,) if (beside if has_header else not is_number(first.fields[0])) else ()
    above = [title for at, title in enumerate(header) if at not in names]
    if has_header:
        _check_titles(above, file)
    return Layout(
        separator,
        first.line - 1,
        above if has_header else None,
        names,
        tuple(header[at] if has_header else f"column {at + 1}" for at in names),
        titled or untitled or index_columns is not None,
    )


def records(file: Path, separator: str) -> Iterator[Record]:
    """The lines of a text file that are not blank, after comments at its beginning."""
    open_text = gzip.open if file.name.lower().endswith(".gz") else open
    with open_text(file, "rt", encoding="utf-8-sig", newline="") as text:
        reader = csv.reader(text, delimiter=separator)
        seen = False
        for fields in reader:
            comment = not seen and fields and fields[0].startswith("#")
            if not comment and any(field.strip() for field in fields):
                seen = True
                yield Record(reader.line_num, [field.strip() for field in fields])


def is_number(field: str) -> bool:
    """Whether a field is a finite number in every tool: Python alone reads 1_000."""
    return _NUMBER.fullmatch(field) is not None


def _separator(file: Path) -> str:
    """The one that splits the first two lines into the most fields, nearly as many in both."""

    def fields(separator: str) -> int:
        widths = [len(record.fields) for record in itertools.islice(records(file, separator), 2)]
        return min(widths, default=0) if max(widths, default=0) - min(widths, default=0) <= 1 else 0

    best = max(_SEPARATORS, key=fields)
    if fields(best) > 1:
        return best
    # A space only if nothing else separates: names may have spaces in them.
    return " " if fields(" ") > 1 else ","


def _first_two(lines: Iterator[Record], file: Path) -> tuple[Record, Record]:
    first = next(lines, None)
    if first is None:
        raise InputError(f"{file}: the file is empty")
    return first, next(lines, first)


def _positions(wanted: tuple[str, ...], header: list[str] | None, file: Path) -> tuple[int, ...]:
    """Columns by name, or by number counted from 1."""
    positions = []
    for name in wanted:
        if header is not None and name in header:
            positions.append(header.index(name))
        elif name.isdecimal() and 1 <= int(name) <= (len(header) if header else int(name)):
            positions.append(int(name) - 1)
        else:
            known = ", ".join((header or [])[:6]) or "no line of names"
            raise InputError(f"{file}: --index-columns: no column {name!r}; it has {known}")
    return tuple(positions)


def _check_titles(titles: list[str], file: Path) -> None:
    metadata = [title for title in titles if title.lower() in _METADATA]
    if metadata:
        raise InputError(
            f"{file}: the column {metadata[0]!r} is metadata by its name, not counts of a gene; "
            f"set such columns aside by --index-columns NAMES,{','.join(metadata[:4])}, where "
            f"NAMES is the column of the rows' names"
        )
