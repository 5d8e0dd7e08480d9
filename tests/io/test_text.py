"""Text in every layout that can be told apart, and what is said where it cannot."""

import gzip
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from jaxnb.io import CountMatrix, InputError, read_counts

GENES = [f"G{number}" for number in range(6)]
COUNTS = np.random.default_rng(4).negative_binomial(1, 0.2, (12, 6))

Rows = list[list[str]]


def write(path: Path, rows: Rows, separator: str = ",") -> Path:
    text = ("\n".join(separator.join(row) for row in rows) + "\n").encode()
    path.write_bytes(gzip.compress(text) if path.suffix == ".gz" else text)
    return path


def plain() -> Rows:
    return [[str(value) for value in row] for row in COUNTS]


def with_names(corner: str = "cell") -> Rows:
    return [[corner, *GENES], *([f"c{at}", *row] for at, row in enumerate(plain()))]


def check(data: CountMatrix, genes: list[str] | None = GENES) -> None:
    np.testing.assert_array_equal(data.counts.toarray(), COUNTS)
    assert list(data.genes) == (genes or [f"gene_{number}" for number in range(1, 7)])


@pytest.mark.parametrize("name", ["m.csv", "m.csv.gz", "m.tsv", "m.txt", "m.txt.gz", "M.CSV"])
@pytest.mark.parametrize("separator", [",", "\t", ";", " "])
def test_any_separator_in_any_file(tmp_path: Path, name: str, separator: str) -> None:
    data = read_counts(write(tmp_path / name, with_names(), separator))
    check(data)
    assert data.cells is not None
    assert list(data.cells[:2]) == ["c0", "c1"]
    assert data.notes == (f"{name}: read with names in the first line, names in the first column",)


LAYOUTS: dict[str, tuple[Callable[[], Rows], bool, bool]] = {
    "no names": (plain, False, False),
    "genes": (lambda: [GENES, *plain()], True, False),
    "cells": (lambda: with_names()[1:], False, True),
    "as R writes": (lambda: [GENES, *with_names()[1:]], True, True),
    "numbered cells": (
        lambda: [["", *GENES], *([str(at), *row] for at, row in enumerate(plain()))],
        True,
        True,
    ),
    "other corner": (lambda: with_names("my cells"), True, True),
    "blank lines": (lambda: [[""], *with_names()[:4], ["  "], *with_names()[4:], [""]], True, True),
    "blanks around": (
        lambda: [[f" {field} " for field in row] for row in with_names()],
        True,
        True,
    ),
    "floats": (
        lambda: [
            with_names()[0],
            *([row[0], *(f"{v}.0" for v in row[1:])] for row in with_names()[1:]),
        ],
        True,
        True,
    ),
}


@pytest.mark.quick
@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts(tmp_path: Path, layout: str) -> None:
    rows, genes, cells = LAYOUTS[layout]
    data = read_counts(write(tmp_path / "m.csv", rows()))
    check(data, GENES if genes else None)
    assert (data.cells is not None) == cells


def test_one_gene(tmp_path: Path) -> None:
    data = read_counts(write(tmp_path / "m.csv", [["1"], ["0"], ["3"]]))
    np.testing.assert_array_equal(data.counts.toarray(), [[1], [0], [3]])


def test_genes_in_rows(tmp_path: Path) -> None:
    rows = [list(row) for row in zip(*with_names(), strict=True)]
    check(read_counts(write(tmp_path / "m.csv", rows), transpose=True))


def test_metadata_is_kept_apart(tmp_path: Path) -> None:
    rows = [[*row, "type" if at == 0 else f"t{at % 2}"] for at, row in enumerate(with_names())]
    for columns in (["cell", "type"], ["1", "8"]):
        data = read_counts(write(tmp_path / "m.csv", rows), index_columns=columns)
        check(data)
        assert list(data.obs) == ["type"]
        assert list(data.obs["type"][:3]) == ["t1", "t0", "t1"]
    with pytest.raises(InputError, match="no column 'kind'; it has cell, G0"):
        read_counts(tmp_path / "m.csv", index_columns=["kind"])


def test_larger_than_one_chunk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jaxnb.io.text._ELEMENTS_AT_ONCE", 20)
    check(read_counts(write(tmp_path / "m.csv", with_names())))


def replaced(line: int, field: int, text: str) -> Rows:
    rows = with_names()
    rows[line - 1][field] = text
    return rows


BAD: dict[str, tuple[Rows, str]] = {
    "word": (replaced(5, 2, "many"), "line 5, 'G1': 'many' is not a number"),
    "underscore": (replaced(5, 2, "1_000"), "line 5, 'G1': '1_000' is not a number"),
    "missing": (replaced(7, 2, ""), "line 7, 'G1': '' is a missing count"),
    "negative": (replaced(5, 2, "-3"), "negative counts (-3 in cell 4, gene G1"),
    "nan": (replaced(5, 2, "nan"), "'nan' is a missing count"),
    "short line": ([*with_names()[:9], with_names()[9][:-1]], "line 10 has 6 fields where 7"),
    "long line": ([*with_names()[:9], [*with_names()[9], "1"]], "line 10 has 8 fields where 7"),
    "no cells": (with_names()[:1], "empty"),
    "nothing": ([[""]], "the file is empty"),
    "unnamed cell": ([["G", *GENES], *replaced(9, 0, "4")[1:]], "line 9 begins with the number"),
    "all zero": ([with_names()[0], ["c", *"000000"]], "all counts are zero"),
    "line numbers": (
        [["X", *GENES], *([str(at), *row] for at, row in enumerate(plain(), start=1))],
        "the first column, 'X', numbers the lines: is it names? Say so by --index-columns X",
    ),
    "metadata": (
        [[*row, "x"] for row in with_names()],
        "the column 'x' holds text ('x' in line 2)",
    ),
}


@pytest.mark.quick
@pytest.mark.parametrize("case", BAD)
def test_bad_text(tmp_path: Path, case: str) -> None:
    rows, says = BAD[case]
    with pytest.raises(InputError) as raised:
        read_counts(write(tmp_path / "m.csv", rows))
    assert says in str(raised.value)
    assert "\n" not in str(raised.value)


def test_infinity_is_no_count(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="inf"):
        read_counts(write(tmp_path / "m.csv", replaced(5, 2, "inf")))
