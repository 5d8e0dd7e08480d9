"""Count matrices as text: what is a name and what is a number is inferred, and said."""

import csv
import gzip
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from scipy import sparse

from jaxnb.cli.labelled import Labelled
from jaxnb.cli.messages import InputError

__all__ = ["read_delimited"]

# What people write above a column of cell names.
_CORNERS = {"", "barcode", "barcodes", "cell", "cell_id", "cells", "id", "index", "sample"}


class _Line(NamedTuple):
    number: int
    fields: list[str]


class _Layout(NamedTuple):
    """Whether there is a line of gene names, a column of cell names, and how sure that is."""

    genes: list[str] | None
    cell_names: bool
    cell_names_certain: bool


def read_delimited(file: Path, layer: str | None = None) -> Labelled:
    """A .csv or .tsv file, gzipped or not, as a sparse matrix.

    The first line is gene names if it holds anything but numbers. The first column is cell names
    if its first entry is not a number, or if it stands under a usual title such as "cell".

    Raises:
        InputError: with the line's number, for a cell that is no number or a line of another
            length.
    """
    lines = list(_lines(file))
    layout = _layout(lines)
    body = lines if layout.genes is None else lines[1:]
    if not body:
        raise InputError(f"{file}: the matrix is empty: no line of counts")
    skipped = int(layout.cell_names)
    width = len(body[0].fields) if layout.genes is None else len(layout.genes) + skipped
    rows = [_numbers(line, width, layout, file) for line in body]
    columns = None if layout.genes is None else np.array(layout.genes, np.str_)
    names = np.array([line.fields[0] for line in body], np.str_) if layout.cell_names else None
    remark = f"{file.name}: {_described(layout)}"
    return Labelled(sparse.vstack(rows, format="csr"), names, columns, remark)


def _lines(file: Path) -> Iterator[_Line]:
    compressed = file.name.lower().endswith(".gz")
    tabs = ".tsv" in file.name.lower()[-7:]
    open_text = gzip.open if compressed else open
    with open_text(file, "rt", encoding="utf-8-sig", newline="") as text:
        reader = csv.reader(text, delimiter="\t" if tabs else ",")
        for fields in reader:
            if any(field.strip() for field in fields):
                yield _Line(reader.line_num, [field.strip() for field in fields])


def _layout(lines: list[_Line]) -> _Layout:
    if not lines:
        return _Layout(None, False, True)
    first = lines[0].fields
    second = lines[1].fields if len(lines) > 1 else first
    titled = first[0].lower() in _CORNERS
    has_genes = titled or not all(map(_is_number, first[1:] or first))
    if not has_genes:
        return _Layout(None, not _is_number(first[0]), False)
    # R writes no title above the names: its first line is one shorter.
    untitled = len(second) == len(first) + 1
    cell_names = titled or untitled or not _is_number(second[0])
    genes = first[1:] if cell_names and not untitled else first
    return _Layout(genes, cell_names, titled or untitled)


def _described(layout: _Layout) -> str:
    above = "no names" if layout.genes is None else "names"
    beside = "names" if layout.cell_names else "no names"
    return f"read with {above} in the first line and {beside} in the first column"


def _numbers(line: _Line, width: int, layout: _Layout, file: Path) -> Any:
    fields = line.fields
    if len(fields) != width:
        raise InputError(
            f"{file}: line {line.number} has {len(fields)} fields where {width} are expected"
        )
    if layout.cell_names:
        if not layout.cell_names_certain and _is_number(fields[0]):
            # The column looked like names in the first row only.
            raise InputError(
                f"{file}: line {line.number} begins with the number {fields[0]!r} where the lines "
                f"before begin with a cell name; give all cells a name, or none"
            )
        fields = fields[1:]
    try:
        return sparse.csr_array(np.array([fields], dtype=np.float64))
    except ValueError:
        bad = next(field for field in fields if not _is_number(field))
        raise InputError(
            f"{file}: line {line.number}: {bad!r} is not a number; fill it in or correct it"
        ) from None


def _is_number(field: str) -> bool:
    try:
        float(field)
    except ValueError:
        return False
    return True
