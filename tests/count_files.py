"""Tiny files of the same 60 cells × 8 genes, written as real tools write them, right and wrong."""

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anndata
import h5py
import numpy as np
import pandas as pd
import zarr
from scipy import sparse
from scipy.io import mmwrite

GENES = ["ACTB", "GAPDH", "MALAT1", "LYZ", "CD74", "FCN1", "B2M", "MS4A1"]
IDS = [f"ENSG{at:011d}" for at in range(len(GENES))]
_RNG = np.random.default_rng(3)
COUNTS = _RNG.negative_binomial(1, 0.2, (60, 8)).astype(np.int32)
COUNTS[:, 0] += 1  # no cell is empty
BARCODES = ["".join(_RNG.choice(list("ACGT"), 16)) + "-1" for _ in range(60)]
NORMALIZED = np.log1p(1e4 * COUNTS / COUNTS.sum(axis=1, keepdims=True)).astype(np.float32)


def annotated(x: Any = COUNTS, **more: Any) -> anndata.AnnData:
    obs = pd.DataFrame({"total_counts": COUNTS.sum(axis=1)}, index=BARCODES)
    obs["cell_type"] = pd.Categorical(["B", "T"] * 30)
    return anndata.AnnData(x, obs, pd.DataFrame({"gene_ids": IDS}, index=GENES), **more)


def h5ad(x: Any = COUNTS, name: str = "m.h5ad", **more: Any) -> Callable[[Path], Path]:
    return lambda folder: h5ad_file(folder / name, annotated(x, **more))


def h5ad_file(path: Path, data: anndata.AnnData) -> Path:
    data.write_h5ad(path)
    return path


def raw_file(folder: Path) -> Path:
    data = annotated()
    data.raw = data
    data.X = NORMALIZED
    return h5ad_file(folder / "m.h5ad", data)


def transposed_by_fields(folder: Path) -> Path:
    """No name tells, but the fields do."""
    data = annotated().T
    data.obs_names = [f"row{at}" for at in range(8)]
    data.var_names = [f"column{at}" for at in range(60)]
    return h5ad_file(folder / "m.h5ad", data)


def old_anndata(folder: Path) -> Path:
    """As anndata before 0.7 wrote: tables of records, and a sparse group with other attributes."""
    matrix = sparse.csr_matrix(COUNTS)
    with h5py.File(folder / "m.h5ad", "w") as file:
        group = file.create_group("X")
        group.attrs["h5sparse_format"] = "csr"
        group.attrs["h5sparse_shape"] = COUNTS.shape
        for name in ("data", "indices", "indptr"):
            group[name] = getattr(matrix, name)
        for axis, names in (("obs", BARCODES), ("var", GENES)):
            records = np.array([(name.encode(), 1.0) for name in names], "S24,f4")
            records.dtype.names = ("index", "score")
            file[axis] = records
    return folder / "m.h5ad"


def zarr_folder(folder: Path) -> Path:
    annotated(sparse.csr_matrix(COUNTS)).write_zarr(folder / "m.zarr")
    return folder / "m.zarr"


def other_zarr(folder: Path) -> Path:
    zarr.open_group(str(folder / "m.zarr"), mode="w").create_group("images")
    return folder / "m.zarr"


def text_file(path: Path, text: str) -> Path:
    content = text.encode()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


def mtx_file(path: Path, matrix: np.ndarray) -> Path:
    plain = path.with_name("plain.tmp.mtx")
    mmwrite(plain, sparse.coo_matrix(matrix), field="integer")
    text_file(path, plain.read_text())
    plain.unlink()
    return path


def cell_ranger(
    folder: Path,
    *,
    version: int = 3,
    prefix: str = "",
    cells: int = 60,
    extra: tuple[str, ...] = (),
) -> Path:
    """A filtered_feature_bc_matrix; `extra` are antibodies."""
    place = folder / "outs" / "filtered_feature_bc_matrix"
    place.mkdir(parents=True)
    end = ".gz" if version == 3 else ""
    kinds = ["Gene Expression"] * 8 + ["Antibody Capture"] * len(extra)
    rows = zip([*IDS, *extra], [*GENES, *extra], kinds, strict=True)
    keep = 3 if version == 3 else 2
    features = "".join("\t".join(row[:keep]) + "\n" for row in rows)
    matrix = np.hstack([COUNTS, np.full((60, len(extra)), 500, np.int32)])
    mtx_file(place / f"{prefix}matrix.mtx{end}", matrix.T)
    text_file(place / f"{prefix}{'features' if version == 3 else 'genes'}.tsv{end}", features)
    names = "".join(f"{name}\n" for name in BARCODES[:cells])
    text_file(place / f"{prefix}barcodes.tsv{end}", names)
    return place


def without(path: Path, name: str) -> Path:
    (path / name).unlink()
    return path


def cut_file(path: Path, share: float = 0.6) -> Path:
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    return path


def spoiled(path: Path, at: int) -> Path:
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)
    return path


def cell_ranger_h5(folder: Path, *, extra: tuple[str, ...] = ()) -> Path:
    matrix = sparse.csr_matrix(np.hstack([COUNTS, np.full((60, len(extra)), 500, np.int32)]))
    with h5py.File(folder / "filtered_feature_bc_matrix.h5", "w") as file:
        _sparse_10x(file.create_group("matrix"), matrix)
        features = file.create_group("matrix/features")
        features["id"] = np.array([*IDS, *extra], "S")
        features["name"] = np.array([*GENES, *extra], "S")
        kinds = ["Gene Expression"] * 8 + ["Antibody Capture"] * len(extra)
        features["feature_type"] = np.array(kinds, "S")
    return folder / "filtered_feature_bc_matrix.h5"


def cell_ranger_2_h5(folder: Path, *genomes: str) -> Path:
    with h5py.File(folder / "m.h5", "w") as file:
        for genome in genomes:
            group = file.create_group(genome)
            _sparse_10x(group, sparse.csr_matrix(COUNTS))
            group["genes"], group["gene_names"] = np.array(IDS, "S"), np.array(GENES, "S")
    return folder / "m.h5"


def _sparse_10x(group: h5py.Group, matrix: sparse.csr_matrix) -> None:
    for name in ("data", "indices", "indptr"):
        group[name] = getattr(matrix, name)
    group["shape"], group["barcodes"] = matrix.shape[::-1], np.array(BARCODES, "S")


def loom(folder: Path, **layers: np.ndarray) -> Path:
    """As loompy 3 writes."""
    with h5py.File(folder / "m.loom", "w") as file:
        file["matrix"] = layers.pop("main", COUNTS).T.astype(np.float32)
        for axis in ("row_attrs", "col_attrs", "layers", "row_graphs", "col_graphs", "attrs"):
            file.create_group(axis)
        for name, layer in layers.items():
            file["layers"][name] = layer.T
        strings = h5py.string_dtype()
        file["row_attrs"].create_dataset("Gene", data=GENES, dtype=strings)
        file["row_attrs"].create_dataset("Accession", data=IDS, dtype=strings)
        file["col_attrs"].create_dataset("CellID", data=BARCODES, dtype=strings)
        file["col_attrs"]["UMAP"] = np.zeros((60, 2))
    return folder / "m.loom"


def table(**more: Any) -> pd.DataFrame:
    return pd.DataFrame(COUNTS, index=BARCODES, columns=GENES).assign(**more)


def as_csv(frame: pd.DataFrame, name: str = "m.csv", **how: Any) -> Callable[[Path], Path]:
    return lambda folder: text_file(folder / name, frame.to_csv(**how))


def r_csv(folder: Path) -> Path:
    """``write.csv(as.matrix(counts))``: genes in rows, names quoted, "-1" turned into ".1"."""
    header = ",".join(f'"{name.replace("-", ".")}"' for name in ["", *BARCODES])
    rows = [f'"{gene}",{",".join(map(str, COUNTS[:, at]))}' for at, gene in enumerate(GENES)]
    return text_file(folder / "m.csv", "\n".join([header, *rows]) + "\n")


def r_table(folder: Path) -> Path:
    """``write.table(counts)``: spaces, and no title above the names."""
    rows = [f'"{gene}" {" ".join(map(str, COUNTS[:, at]))}' for at, gene in enumerate(GENES)]
    header = " ".join(f'"{name}"' for name in BARCODES)
    return text_file(folder / "m.txt", "\n".join([header, *rows]) + "\n")


def feature_counts(folder: Path) -> Path:
    frame = table().T.reset_index(names="Geneid")
    frame.insert(1, "Chr", "chr1;chr1")
    frame.insert(2, "Length", range(1000, 1008))
    text = frame.to_csv(sep="\t", index=False)
    return text_file(folder / "m.txt", f"# Program:featureCounts v2.0.3\n{text}")


def replaced(row: int, column: int, text: str, name: str = "m.csv", sep: str = ",") -> Any:
    frame = table().astype(object)
    frame.iloc[row, column] = text
    return as_csv(frame, name, sep=sep)


def kallisto(folder: Path) -> Path:
    text_file(folder / "cells_x_genes.genes.txt", "\n".join(IDS) + "\n")
    text_file(folder / "cells_x_genes.barcodes.txt", "\n".join(BARCODES) + "\n")
    return mtx_file(folder / "cells_x_genes.mtx", COUNTS)


def npz_file(folder: Path) -> Path:
    sparse.save_npz(folder / "m.npz", sparse.csr_matrix(COUNTS))
    return folder / "m.npz"


def with_nan(folder: Path) -> Path:
    x = COUNTS.astype(np.float32)
    x[4, 1] = np.nan
    return h5ad(sparse.csr_matrix(x))(folder)


def outside(folder: Path) -> Path:
    """An index that points outside the matrix, which scipy would follow."""
    path = cell_ranger_h5(folder)
    with h5py.File(path, "r+") as file:
        file["matrix/indices"][5] = 10**6
    return path


def other_h5(folder: Path) -> Path:
    with h5py.File(folder / "m.h5", "w") as file:
        file["weights"] = np.zeros(3)
    return folder / "m.h5"
