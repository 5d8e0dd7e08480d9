"""Every format is read to the same numbers; every bad input ends in one line and status 2."""

import builtins
import gzip
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from scipy import sparse
from scipy.io import mmwrite

from jaxnb.cli.counts import CountTable, load_counts

GENES = [f"G{number}" for number in range(6)]


def load(path: Path, **options: object) -> CountTable:
    return load_counts(str(path), **({"layer": None, "transpose": False} | options))


def as_text(counts: np.ndarray, separator: str = ",") -> list[list[str]]:
    return [[str(value) for value in row] for row in counts]


def write_text(path: Path, rows: list[list[str]], separator: str = ",") -> Path:
    text = "\n".join(separator.join(row) for row in rows) + "\n"
    if path.suffix == ".gz":
        path.write_bytes(gzip.compress(text.encode()))
    else:
        path.write_text(text)
    return path


def with_names(counts: np.ndarray, corner: str = "cell") -> list[list[str]]:
    body = [[f"c{at}", *row] for at, row in enumerate(as_text(counts))]
    return [[corner, *GENES], *body]


@pytest.mark.parametrize("name", ["m.csv", "m.csv.gz", "m.tsv", "m.tsv.gz", "M.CSV"])
def test_text_with_names(tmp_path: Path, counts: np.ndarray, name: str, capsys) -> None:
    separator = "\t" if ".tsv" in name else ","
    table = load(write_text(tmp_path / name, with_names(counts), separator))
    np.testing.assert_array_equal(table.counts.toarray(), counts)
    assert list(table.genes) == GENES
    assert table.name in ("m", "M")
    assert "names in the first line and names in the first column" in capsys.readouterr().err


def test_text_without_names(tmp_path: Path, counts: np.ndarray) -> None:
    table = load(write_text(tmp_path / "m.csv", as_text(counts)))
    np.testing.assert_array_equal(table.counts.toarray(), counts)
    assert list(table.genes) == [f"gene_{number}" for number in range(1, 7)]


def test_text_with_gene_names_only(tmp_path: Path, counts: np.ndarray) -> None:
    table = load(write_text(tmp_path / "m.csv", [GENES, *as_text(counts)]))
    np.testing.assert_array_equal(table.counts.toarray(), counts)
    assert list(table.genes) == GENES


def test_text_with_cell_names_only(tmp_path: Path, counts: np.ndarray) -> None:
    table = load(write_text(tmp_path / "m.csv", with_names(counts)[1:]))
    np.testing.assert_array_equal(table.counts.toarray(), counts)


def test_text_as_r_writes_it(tmp_path: Path, counts: np.ndarray) -> None:
    rows = with_names(counts)
    table = load(write_text(tmp_path / "m.tsv", [rows[0][1:], *rows[1:]], "\t"))
    np.testing.assert_array_equal(table.counts.toarray(), counts)
    assert list(table.genes) == GENES


def test_text_with_cells_numbered_under_a_title(tmp_path: Path, counts: np.ndarray) -> None:
    rows = [[str(at), *row] for at, row in enumerate(as_text(counts))]
    table = load(write_text(tmp_path / "m.csv", [["", *GENES], *rows]))
    np.testing.assert_array_equal(table.counts.toarray(), counts)


def test_genes_in_rows(tmp_path: Path, counts: np.ndarray) -> None:
    rows = [list(row) for row in zip(*with_names(counts), strict=True)]
    table = load(write_text(tmp_path / "m.csv", rows), transpose=True)
    np.testing.assert_array_equal(table.counts.toarray(), counts)
    assert list(table.genes) == GENES


def test_npz(tmp_path: Path, counts: np.ndarray) -> None:
    sparse.save_npz(tmp_path / "m.npz", sparse.coo_matrix(counts))
    np.testing.assert_array_equal(load(tmp_path / "m.npz").counts.toarray(), counts)


@pytest.mark.parametrize("name", ["m.mtx", "m.mtx.gz"])
def test_mtx_as_10x_writes_it(tmp_path: Path, counts: np.ndarray, name: str, run) -> None:
    plain = tmp_path / "plain.mtx"
    mmwrite(plain, sparse.coo_matrix(counts.T), field="integer")
    text = plain.read_bytes()
    (tmp_path / name).write_bytes(gzip.compress(text) if name.endswith("gz") else text)
    lines = [f"ENSG{at}\t{gene}\tGene Expression\n" for at, gene in enumerate(GENES)]
    (tmp_path / "features.tsv.gz").write_bytes(gzip.compress("".join(lines).encode()))
    table = load(tmp_path / name, transpose=True)
    np.testing.assert_array_equal(table.counts.toarray(), counts)
    assert list(table.genes) == GENES
    refused = run(tmp_path / name)
    assert refused.status == 2
    assert "genes are in rows" in refused.err
    assert "--transpose" in refused.err


# anndata and what it imports warn about themselves.
@pytest.mark.filterwarnings("default")
def test_h5ad(tmp_path: Path, counts: np.ndarray, run, capsys) -> None:
    anndata = pytest.importorskip("anndata")
    data = anndata.AnnData(np.log1p(counts), layers={"counts": sparse.csr_matrix(counts)})
    data.var_names = GENES
    data.write_h5ad(tmp_path / "m.h5ad")
    table = load(tmp_path / "m.h5ad", layer="counts")
    np.testing.assert_array_equal(table.counts.toarray(), counts)
    assert list(table.genes) == GENES
    load(tmp_path / "m.h5ad")
    assert "normalised" in capsys.readouterr().err
    refused = run(tmp_path / "m.h5ad", "--layer", "raw")
    assert refused.status == 2
    assert "it has counts" in refused.err


def test_repeated_gene_names_are_kept_and_told(tmp_path: Path, counts, capsys) -> None:
    rows = with_names(counts)
    rows[0][1:4] = ["TWIN", "TWIN", "X"]
    table = load(write_text(tmp_path / "m.csv", rows))
    assert list(table.genes[:3]) == ["TWIN", "TWIN", "X"]
    assert "occur more than once, such as TWIN" in capsys.readouterr().err


def _replaced(rows: list[list[str]], line: int, field: int, text: str) -> list[list[str]]:
    rows = [list(row) for row in rows]
    rows[line - 1][field] = text
    return rows


BAD_TEXT: dict[str, tuple[Callable[[list[list[str]]], list[list[str]]], str]] = {
    "no number": (lambda rows: _replaced(rows, 5, 2, "many"), "line 5: 'many' is not a number"),
    "missing": (lambda rows: _replaced(rows, 7, 2, ""), "line 7: '' is not a number"),
    "negative": (
        lambda rows: _replaced(rows, 5, 2, "-3"),
        "negative counts (-3 in cell 4, gene G1",
    ),
    "nan": (lambda rows: _replaced(rows, 5, 2, "nan"), "NaN or infinite counts"),
    "infinite": (lambda rows: _replaced(rows, 5, 2, "inf"), "NaN or infinite counts"),
    "ragged": (lambda rows: [*rows[:9], rows[9][:-1]], "line 10 has 6 fields where 7"),
    "no cells": (lambda rows: rows[:1], "empty"),
    "nothing": (lambda rows: [[""]], "empty"),
    "unnamed cell": (lambda rows: [["G", *rows[0][1:]], *_replaced(rows, 9, 0, "4")[1:]], "line 9"),
    "all zero": (lambda rows: [rows[0], ["c", *"000000"]], "all counts are zero"),
}


@pytest.mark.parametrize("case", BAD_TEXT)
def test_bad_text(tmp_path: Path, counts: np.ndarray, run, case: str) -> None:
    spoil, says = BAD_TEXT[case]
    result = run(write_text(tmp_path / "m.csv", spoil(with_names(counts))))
    assert result.status == 2
    assert result.err.count("\n") == 1
    assert says in result.err
    assert result.files == []


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("none.csv", None, "no such file"),
        ("m.xlsx", b"", "unknown format; give one of .h5ad"),
        ("m.npz", b"PK\x03\x04 broken", "not a readable .npz file"),
        ("m.mtx", b"%%MatrixMarket matrix nonsense\n", "not a readable .mtx file"),
        ("m.mtx.gz", b"\x1f\x8b\x08 broken", "not a readable .mtx.gz file"),
        ("m.csv.gz", b"plain text", "not a readable .csv.gz file"),
        ("m.tsv", b"\xff\xfe\x00", "not a readable .tsv file"),
        ("m.h5ad", b"no HDF5", "not a readable .h5ad file"),
    ],
)
@pytest.mark.filterwarnings("default")
def test_bad_files(tmp_path: Path, run, name: str, content: bytes | None, says: str) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    result = run(path)
    assert result.status == 2
    assert result.err.count("\n") == 1
    assert result.err.startswith(f"jaxnb: error: {path}")
    assert says in result.err
    assert result.files == []


def test_an_npz_of_something_else(tmp_path: Path, run) -> None:
    np.savez(tmp_path / "m.npz", a=np.ones(3))
    assert "scipy.sparse.save_npz" in run(tmp_path / "m.npz").err


def test_a_directory_is_no_file(tmp_path: Path, run) -> None:
    (tmp_path / "m.csv").mkdir()
    assert "is a directory" in run(tmp_path / "m.csv").err


def test_layers_are_for_h5ad(tmp_path: Path, counts: np.ndarray, run) -> None:
    result = run(write_text(tmp_path / "m.csv", with_names(counts)), "--layer", "counts")
    assert result.status == 2
    assert "--layer is for .h5ad" in result.err


def test_a_missing_anndata_is_named(tmp_path: Path, run, monkeypatch) -> None:
    real = builtins.__import__

    def without_anndata(name: str, *rest: object, **more: object) -> object:
        if name == "anndata":
            raise ImportError(name)
        return real(name, *rest, **more)

    (tmp_path / "m.h5ad").write_bytes(b"")
    monkeypatch.setattr(builtins, "__import__", without_anndata)
    result = run(tmp_path / "m.h5ad")
    assert result.status == 2
    assert 'pip install "jaxnb[anndata]"' in result.err
