"""What Python code gets from a file: counts, names, fields, blocks, and errors."""

import builtins
import gzip
from pathlib import Path

import count_files
import h5py
import numpy as np
import pytest
from count_file_cases import RIGHT
from scipy import sparse

from jaxnb.io import InputError, open_counts, read_counts

# anndata, zarr and what they import warn about themselves.
pytestmark = pytest.mark.filterwarnings("default", "error:::jaxnb")

COUNTS = count_files.COUNTS


def test_names_and_fields_of_anndata(tmp_path: Path) -> None:
    data = read_counts(count_files.h5ad(layers={"counts": COUNTS})(tmp_path), layer="counts")
    assert isinstance(data.counts, sparse.csr_array)
    assert data.counts.dtype == COUNTS.dtype
    assert list(data.cells) == count_files.BARCODES
    np.testing.assert_array_equal(data.obs["total_counts"], COUNTS.sum(axis=1))
    assert list(data.obs["cell_type"][:2]) == ["B", "T"]
    assert list(data.var["gene_ids"]) == count_files.IDS
    assert data.source == f"{tmp_path / 'm.h5ad'}, layer 'counts'"
    assert data.files == (tmp_path / "m.h5ad",)


@pytest.mark.quick
def test_only_genes_of_cell_ranger(tmp_path: Path) -> None:
    data = read_counts(count_files.cell_ranger(tmp_path, extra=("CD3", "CD4")))
    np.testing.assert_array_equal(data.counts.toarray(), COUNTS)
    assert list(data.genes) == count_files.GENES
    assert list(data.var["gene_ids"]) == count_files.IDS
    assert data.notes == ("2 features that are not genes (Antibody Capture) left out",)
    assert {file.name for file in data.files} == {
        "matrix.mtx.gz",
        "features.tsv.gz",
        "barcodes.tsv.gz",
    }


STORED = {
    "csr": sparse.csr_matrix(COUNTS),
    "csc": sparse.csc_matrix(COUNTS),
    "dense": COUNTS,
}


@pytest.mark.quick
@pytest.mark.parametrize("rows", [1, 7, 60, 1000])
@pytest.mark.parametrize("kind", STORED)
def test_blocks_are_the_matrix(tmp_path: Path, kind: str, rows: int) -> None:
    path = count_files.h5ad(STORED[kind])(tmp_path)
    with open_counts(path) as opened:
        blocks = list(opened.blocks(rows))
        assert opened.shape == COUNTS.shape
        rest = list(opened.blocks(rows, 14))
    np.testing.assert_array_equal(sparse.vstack(rest).toarray(), COUNTS[14:])
    assert all(isinstance(block, sparse.csr_array) for block in blocks)
    assert [block.shape[0] for block in blocks[:-1]] == [rows] * (len(blocks) - 1)
    np.testing.assert_array_equal(sparse.vstack(blocks).toarray(), COUNTS)


@pytest.mark.parametrize("kind", STORED)
def test_blocks_of_a_transposed_file(tmp_path: Path, kind: str) -> None:
    data = count_files.annotated(STORED[kind]).T
    data.write_h5ad(tmp_path / "m.h5ad")
    with open_counts(tmp_path / "m.h5ad", transpose=True) as opened:
        blocks = list(opened.blocks(25))
        whole = opened.read().counts
    for read in (sparse.vstack(blocks), whole):
        np.testing.assert_array_equal(read.toarray(), COUNTS)


def test_blocks_of_every_format(tmp_path: Path) -> None:
    for at, (write, options, _, _) in enumerate(RIGHT.values()):
        if options:
            continue
        folder = tmp_path / str(at)
        folder.mkdir()
        with open_counts(write(folder)) as opened:
            np.testing.assert_array_equal(sparse.vstack(list(opened.blocks(23))).toarray(), COUNTS)


def test_reading_stored_arrays_in_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jaxnb.io.matrices._ELEMENTS_AT_ONCE", 50)
    for kind, stored in STORED.items():
        data = read_counts(count_files.h5ad(stored, f"{kind}.h5ad")(tmp_path))
        np.testing.assert_array_equal(data.counts.toarray(), COUNTS)


def test_entries_that_are_given_twice_are_added(tmp_path: Path) -> None:
    (tmp_path / "m.mtx").write_text(
        "%%MatrixMarket matrix coordinate integer general\n2 2 3\n1 1 2\n1 1 3\n2 2 1\n"
    )
    data = read_counts(tmp_path / "m.mtx", check_orientation=False)
    np.testing.assert_array_equal(data.counts.toarray(), [[5, 0], [0, 1]])
    assert data.counts.nnz == 2


def test_entries_that_an_h5ad_gives_twice_are_added(tmp_path: Path) -> None:
    stored = sparse.csr_matrix(COUNTS)
    path = count_files.h5ad(stored)(tmp_path)
    twice = np.repeat(stored.data, 2).astype(np.float32)
    with h5py.File(path, "a") as file:
        for name, values in (
            ("data", twice),
            ("indices", np.repeat(stored.indices, 2)),
            ("indptr", 2 * stored.indptr),
        ):
            del file["X"][name]
            file["X"][name] = values
    data = read_counts(path)
    np.testing.assert_array_equal(data.counts.toarray(), 2 * COUNTS)
    assert data.counts.nnz == np.count_nonzero(COUNTS)


def test_the_checksum_behind_the_last_entry_is_read(tmp_path: Path) -> None:
    text = b"%%MatrixMarket matrix coordinate integer general\n2 2 2\n1 1 3\n2 2 1\n"
    archive = bytearray(gzip.compress(text + b"\n" * 3_000_000))
    archive[-6] ^= 1
    (tmp_path / "m.mtx.gz").write_bytes(archive)
    with pytest.raises(InputError, match="CRC check failed"):
        read_counts(tmp_path / "m.mtx.gz", check_orientation=False)


def test_a_loom_file_can_be_read_as_it_is_stored(tmp_path: Path) -> None:
    data = read_counts(count_files.loom(tmp_path), transpose=True, check_orientation=False)
    np.testing.assert_array_equal(data.counts.toarray(), COUNTS.T)
    assert list(data.cells) == count_files.GENES


@pytest.mark.parametrize("names", [7, 9])
def test_a_file_with_another_number_of_names_is_damaged(tmp_path: Path, names: int) -> None:
    path = count_files.loom(tmp_path)
    with h5py.File(path, "a") as file:
        del file["row_attrs/Gene"]
        file["row_attrs"].create_dataset("Gene", data=[f"g{i}" for i in range(names)])
    with pytest.raises(InputError, match=f"{names} names for 8 "):
        read_counts(path, check_orientation=False)


def test_the_mark_that_excel_writes_is_no_part_of_the_first_title(tmp_path: Path) -> None:
    frame = count_files.table()
    frame.to_csv(tmp_path / "m.csv", index_label="cell", encoding="utf-8-sig")
    data = read_counts(tmp_path / "m.csv", index_columns=["cell"])
    np.testing.assert_array_equal(data.counts.toarray(), COUNTS)


def test_the_callers_own_errors_are_not_the_files(tmp_path: Path) -> None:
    with (
        pytest.raises(ZeroDivisionError),
        open_counts(count_files.h5ad()(tmp_path)) as opened,
    ):
        _ = opened.shape[0] / 0


def test_estimated_counts(tmp_path: Path) -> None:
    path = count_files.h5ad(COUNTS + 0.25)(tmp_path)
    data = read_counts(path, allow_non_integer=True)
    np.testing.assert_array_equal(data.counts.toarray(), COUNTS + 0.25)
    assert data.notes == ("100.0% of the non-zero entries are not whole numbers",)
    with pytest.raises(InputError, match="they look normalized; give the raw counts, or --allow"):
        read_counts(path)


@pytest.mark.quick
def test_the_message_names_the_cell_whose_first_entry_is_refused(tmp_path: Path) -> None:
    wrong = COUNTS.astype(np.float32)
    wrong[41, :2] = 0, -3
    with pytest.raises(InputError, match=r"negative counts \(-3 in cell 42, gene GAPDH\)"):
        read_counts(count_files.h5ad(sparse.csr_matrix(wrong))(tmp_path))


@pytest.mark.parametrize("kind", STORED)
def test_a_matrix_without_cells_is_refused_as_such(tmp_path: Path, kind: str) -> None:
    path = count_files.h5ad_file(tmp_path / "m.h5ad", count_files.annotated(STORED[kind])[:0])
    with pytest.raises(InputError, match=r"the matrix is empty \(shape \(0, 8\)\)"):
        read_counts(path)


def test_raw_has_genes_of_its_own(tmp_path: Path) -> None:
    data = count_files.annotated()
    data.raw = data
    data = data[:, :5].copy()  # as after the choice of highly variable genes
    data.var["gene_ids"] = [f"X{at}" for at in range(5)]
    read = read_counts(count_files.h5ad_file(tmp_path / "m.h5ad", data), raw=True)
    assert list(read.genes) == count_files.GENES
    assert list(read.var["gene_ids"]) == count_files.IDS
    np.testing.assert_array_equal(read.counts.toarray(), COUNTS)


def test_counts_per_ten_thousand_are_recognized(tmp_path: Path) -> None:
    scaled = 1e4 * COUNTS / COUNTS.sum(axis=1, keepdims=True)
    with pytest.raises(InputError, match="they were scaled to 10000 per cell"):
        read_counts(count_files.h5ad(scaled)(tmp_path))


def test_repeated_gene_names_are_kept_and_told(tmp_path: Path) -> None:
    frame = count_files.table()
    frame.columns = ["TWIN", "TWIN", *count_files.GENES[2:]]
    frame.to_csv(tmp_path / "m.csv")
    data = read_counts(tmp_path / "m.csv")
    assert list(data.genes[:3]) == ["TWIN", "TWIN", "MALAT1"]
    assert "1 gene names occur more than once, such as TWIN; all columns are kept" in data.notes


def test_the_check_of_the_orientation_can_be_turned_off(tmp_path: Path) -> None:
    data = read_counts(count_files.r_csv(tmp_path), check_orientation=False)
    np.testing.assert_array_equal(data.counts.toarray(), COUNTS.T)


@pytest.mark.parametrize(
    ("module", "case", "command"),
    [
        ("h5py", "scanpy CSR", 'pip install "jaxnb[io]"'),
        ("anndata", "scanpy CSR", 'pip install "jaxnb[anndata]"'),
        ("zarr", "zarr", "pip install zarr"),
        ("pandas", "pandas", 'pip install "jaxnb[io]"'),
    ],
)
def test_a_missing_module_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: str, case: str, command: str
) -> None:
    path = RIGHT[case].write(tmp_path)
    real = builtins.__import__

    def without(name: str, *rest: object, **more: object) -> object:
        if name.partition(".")[0] == module:
            raise ImportError(name)
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    monkeypatch.setattr("importlib.import_module", without)
    with pytest.raises(InputError) as raised:
        read_counts(path)
    assert f"needs {module}: {command}" in str(raised.value)


def test_a_missing_file_is_an_ordinary_error() -> None:
    with pytest.raises(ValueError, match="no such file; check the path"):
        read_counts("nowhere.h5ad")
