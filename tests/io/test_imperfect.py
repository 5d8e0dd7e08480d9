"""Files that tools write and that are not quite as they should be: read with a note, or refused."""

from pathlib import Path

import count_files as files
import h5py
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from jaxnb.io import InputError, open_counts, read_counts


def longer(path: Path, name: str) -> Path:
    """The arrays of a sparse matrix with entries behind the last one that indptr knows."""
    group = "matrix" if name == "10x" else "X"
    with h5py.File(path, "r+") as file:
        for array in ("data", "indices"):
            values = file[group][array][:]
            attributes = dict(file[group][array].attrs)
            del file[group][array]
            file[group][array] = np.append(values, values[:3])
            file[group][array].attrs.update(attributes)
    return path


@pytest.mark.quick
@pytest.mark.parametrize("name", ["csr", "csc", "10x"])
def test_entries_that_indptr_does_not_know_are_refused(tmp_path: Path, name: str) -> None:
    if name == "10x":
        path = files.cell_ranger_h5(tmp_path)
    else:
        path = files.h5ad(sparse.csr_array(files.COUNTS).asformat(name))(tmp_path)
    np.testing.assert_array_equal(read_counts(path).counts.toarray(), files.COUNTS)
    longer(path, name)
    with pytest.raises(InputError, match=r"not readable as .*damaged: \d+ values and \d+ indices"):
        read_counts(path)
    with (
        open_counts(path) as opened,
        pytest.raises(InputError, match="damaged"),
    ):
        next(opened.blocks(10))


def test_quoted_features_are_read_without_their_quotes(tmp_path: Path) -> None:
    folder = files.cell_ranger(tmp_path, version=2, extra=("CD3_TotalSeq",))
    kinds = ["Gene Expression"] * 8 + ["Antibody Capture"]
    rows = zip([*files.IDS, "ab"], [*files.GENES, 'CD3 "a"'], kinds, strict=True)
    text = "".join(
        "\t".join('"' + field.replace('"', '""') + '"' for field in row) + "\n" for row in rows
    )
    (folder / "genes.tsv").write_text(text)
    data = read_counts(folder)
    assert data.genes.tolist() == files.GENES
    assert data.var["gene_ids"].tolist() == files.IDS
    assert "1 features that are not genes (Antibody Capture) left out" in data.notes
    np.testing.assert_array_equal(data.counts.toarray(), files.COUNTS)


def test_a_line_of_features_with_fewer_fields_is_named(tmp_path: Path) -> None:
    folder = files.cell_ranger(tmp_path, version=2)
    lines = (folder / "genes.tsv").read_text().splitlines()
    lines[4] = lines[4].split("\t")[0]
    (folder / "genes.tsv").write_text("\n".join(lines) + "\n")
    with pytest.raises(InputError, match=r"genes.tsv: line 5 has 1 fields where the first has 2"):
        read_counts(folder)


@pytest.mark.parametrize("prefix", ["__", ""])
def test_the_summaries_of_htseq_are_no_genes(tmp_path: Path, prefix: str) -> None:
    table = pd.DataFrame(files.COUNTS, files.BARCODES, files.GENES)
    table.insert(3, f"{prefix}no_feature", 5000)
    table[f"{prefix}ambiguous"] = 300
    table.T.to_csv(tmp_path / "m.tsv", sep="\t", index_label="gene")
    data = read_counts(tmp_path / "m.tsv", transpose=True)
    assert data.genes.tolist() == files.GENES
    np.testing.assert_array_equal(data.counts.toarray(), files.COUNTS)
    assert (
        f"{prefix}no_feature, {prefix}ambiguous left out: reads that are of no gene" in data.notes
    )


@pytest.mark.parametrize("missing", ["feature_type", "name"])
def test_a_10x_file_without_kinds_or_symbols_is_read(tmp_path: Path, missing: str) -> None:
    path = files.cell_ranger_h5(tmp_path)
    with h5py.File(path, "r+") as file:
        del file["matrix/features"][missing]
    data = read_counts(path)
    assert data.genes.tolist() == (files.IDS if missing == "name" else files.GENES)
    np.testing.assert_array_equal(data.counts.toarray(), files.COUNTS)


def test_a_field_that_anndata_cannot_read_is_left_out(tmp_path: Path) -> None:
    data = files.annotated()
    data.obs["odd"] = np.arange(60)
    path = files.h5ad_file(tmp_path / "m.h5ad", data)
    with h5py.File(path, "r+") as file:
        file["obs/odd"].attrs["encoding-type"] = "unheard-of"
    read = read_counts(path)
    assert sorted(read.obs) == ["cell_type", "total_counts"]
    assert read.obs["cell_type"].tolist() == data.obs["cell_type"].tolist()
    assert read.cells is not None
    assert read.cells.tolist() == files.BARCODES
    assert [note for note in read.notes if note.endswith("left out: odd")]
