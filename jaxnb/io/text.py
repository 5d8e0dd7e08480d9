"""Count matrices as text, through pandas; what it cannot read is explained line by line."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from scipy import sparse

from jaxnb._errors import InputError, optional_module
from jaxnb._progress import progress_bar
from jaxnb.io.layout import Layout, is_number, layout_of, records
from jaxnb.io.matrices import InMemory
from jaxnb.io.stored import Options, Stored

__all__ = ["open_text_file"]

# pandas spends most of its time on columns, however short: few large pieces.
_ELEMENTS_AT_ONCE = 1 << 24
_FEW_LINES = 4  # fewer may be 0, 1, 2 by chance
_MISSING = {"", "na", "n/a", "nan", "null", "none", "#n/a"}


@contextmanager
def open_text_file(file: Path, options: Options) -> Iterator[Stored]:
    """A .csv, .tsv or .txt file, gzipped or not: comma, tab, semicolon or space between fields.

    The first line is names if it holds anything but numbers. The first column is names if its
    first entry is not a number, if it has a usual title such as "cell", or as `index_columns`
    says.

    Raises:
        InputError: with the line, for a field that is not a number or a line of another length;
            with the column, where it is metadata.
    """
    if options.raw or options.layer is not None:
        raise InputError(
            f"{file}: --layer and --raw are for .h5ad, .zarr and .loom files: leave them out"
        )
    layout = layout_of(file, options.index_columns)
    matrix, annotation = _read(file, layout, options)
    if matrix.shape[0] == 0:
        raise InputError(f"{file}: the matrix is empty: no line of counts")
    _check_first_column(file, matrix, layout)
    names = annotation[0] if annotation else None
    above = "no names" if layout.header is None else "names"
    beside = "names" if layout.names else "no names"
    yield Stored(
        matrix=InMemory(matrix),
        rows=names,
        columns=None if layout.header is None else np.array(layout.header, np.str_),
        row_fields=dict(zip(layout.titles[1:], annotation[1:], strict=True)),
        files=(file,),
        notes=(f"{file.name}: read with {above} in the first line, {beside} in the first column",),
    )


def _read(file: Path, layout: Layout, options: Options) -> tuple[Any, list[Any]]:
    """The matrix, and the columns of names and annotation."""
    pandas = optional_module("pandas", "reading text")
    with file.open("rb") as text:
        width = len(next(records(file, layout.separator)).fields)
        with progress_bar(file.stat().st_size, "reading", "B", progress=options.progress) as bar:
            try:
                chunks = pandas.read_csv(
                    text,
                    sep=layout.separator,
                    header=None,
                    skiprows=layout.skipped + (layout.header is not None),
                    index_col=False,
                    compression="gzip" if file.name.lower().endswith(".gz") else None,
                    encoding="utf-8-sig",
                    # Nothing is taken for missing: an empty field is an error here.
                    keep_default_na=False,
                    dtype=dict.fromkeys(layout.names, str),
                    skipinitialspace=True,
                    chunksize=max(_ELEMENTS_AT_ONCE // max(width, 1), 1),
                )
                parts = []
                for chunk in chunks:
                    parts.append(_converted(chunk, layout))
                    bar.update(text.tell() - bar.n)
            except pandas.errors.EmptyDataError:
                parts = []
            except (pandas.errors.ParserError, _NotNumbersError):
                _explain(file, layout)
    if not parts:
        return sparse.csr_array((0, width)), []
    matrix = sparse.vstack([matrix for matrix, _ in parts], format="csr")
    return matrix, [
        np.concatenate(columns) for columns in zip(*(names for _, names in parts), strict=True)
    ]


def _check_first_column(file: Path, matrix: Any, layout: Layout) -> None:
    """R calls a column of line numbers "X": it is not a gene."""
    if layout.names or layout.header is None or matrix.shape[0] < _FEW_LINES:
        return
    first = matrix[:, [0]].toarray().ravel()
    if np.array_equal(first - first[0], np.arange(first.size)) and first[0] in (0, 1):
        raise InputError(
            f"{file}: the first column, {layout.header[0]!r}, numbers the lines: is it names? Say "
            f"so by --index-columns {layout.header[0]} (in Python, index_columns=[...])"
        )


class _NotNumbersError(Exception):
    """Some field is not a number."""


def _converted(chunk: Any, layout: Layout) -> tuple[Any, list[Any]]:
    if layout.width not in (None, chunk.shape[1]):
        raise _NotNumbersError
    names = [np.char.strip(chunk[at].to_numpy().astype(np.str_)) for at in layout.names]
    counts = chunk.drop(columns=list(layout.names))
    if any(dtype.kind not in "iuf" for dtype in counts.dtypes):
        raise _NotNumbersError
    if names and not layout.certain and any(map(is_number, names[0])):
        raise _NotNumbersError
    return sparse.csr_array(counts.to_numpy()), names


def _explain(file: Path, layout: Layout) -> NoReturn:
    """Read the file again to say in which line it is wrong, and how."""
    body = list(records(file, layout.separator))[layout.header is not None :]
    width = layout.width or len(body[0].fields)
    for line, fields in body:
        if len(fields) != width:
            raise InputError(
                f"{file}: line {line} has {len(fields)} fields where {width} are expected"
            )
    header = list(layout.header or ())
    for at in (at for at in range(width) if at not in layout.names):
        column = header.pop(0) if header else f"column {at + 1}"
        wrong = [record for record in body if not is_number(record.fields[at])]
        if wrong:
            line, text = wrong[0].line, wrong[0].fields[at]
            if len(wrong) > len(body) / 2 and text.lower() not in _MISSING:
                _metadata_column(file, column, text, line, layout)
            _not_a_number(file, line, text, column)
    for line, fields in body:
        if layout.names and is_number(fields[layout.names[0]]):
            raise InputError(
                f"{file}: line {line} begins with the number {fields[layout.names[0]]!r} where "
                f"others begin with a name; give all rows a name, or none, or say which columns "
                f"are names by --index-columns"
            )
    raise InputError(f"{file}: not a table of numbers that pandas can read")


def _metadata_column(file: Path, column: str, text: str, line: int, layout: Layout) -> NoReturn:
    first = (layout.titles[0] or "1") if layout.titles else "1"
    raise InputError(
        f"{file}: the column {column!r} holds text ({text!r} in line {line}): is it metadata? Set "
        f"it aside by --index-columns {first},{column} (in Python, index_columns=[...])"
    )


def _not_a_number(file: Path, line: int, text: str, column: str) -> NoReturn:
    if text.lower() in _MISSING:
        what, remedy = "a missing count", "fill it in, or drop the cell or the gene"
    elif re.fullmatch(r"\d+,\d+", text):
        what, remedy = "a decimal comma or a thousands separator", "write numbers as 1234.5"
    else:
        what, remedy = "not a number", "correct it"
    raise InputError(f"{file}: line {line}, {column!r}: {text!r} is {what}; {remedy}")
