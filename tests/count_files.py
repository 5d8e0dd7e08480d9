"""Tiny files of the same 60 cells × 8 genes, written as real tools write them, right and wrong."""

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

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
_NORMALIZED = np.log1p(1e4 * COUNTS / COUNTS.sum(axis=1, keepdims=True)).astype(np.float32)


class Case(NamedTuple):
    """A file and how the command line is told about it.

    Attributes:
        write: makes the file in a folder and returns what to give to the command.
        options: other words of the command.
        says: a part of the error message, for files that are wrong.
        named: gene names are stored.
    """

    write: Callable[[Path], Path]
    options: tuple[str, ...] = ()
    says: str = ""
    named: bool = True


def annotated(x: Any = COUNTS, **more: Any) -> anndata.AnnData:
    obs = pd.DataFrame({"total_counts": COUNTS.sum(axis=1)}, index=BARCODES)
    obs["cell_type"] = pd.Categorical(["B", "T"] * 30)
    return anndata.AnnData(x, obs, pd.DataFrame({"gene_ids": IDS}, index=GENES), **more)


def h5ad(x: Any = COUNTS, name: str = "m.h5ad", **more: Any) -> Callable[[Path], Path]:
    return lambda folder: _h5ad(folder / name, annotated(x, **more))


def _h5ad(path: Path, data: anndata.AnnData) -> Path:
    data.write_h5ad(path)
    return path


def _raw(folder: Path) -> Path:
    data = annotated()
    data.raw = data
    data.X = _NORMALIZED
    return _h5ad(folder / "m.h5ad", data)


def _transposed_by_fields(folder: Path) -> Path:
    """No name tells, but the fields do."""
    data = annotated().T
    data.obs_names = [f"row{at}" for at in range(8)]
    data.var_names = [f"column{at}" for at in range(60)]
    return _h5ad(folder / "m.h5ad", data)


def _old_anndata(folder: Path) -> Path:
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


def _zarr(folder: Path) -> Path:
    annotated(sparse.csr_matrix(COUNTS)).write_zarr(folder / "m.zarr")
    return folder / "m.zarr"


def _other_zarr(folder: Path) -> Path:
    zarr.open_group(str(folder / "m.zarr"), mode="w").create_group("images")
    return folder / "m.zarr"


def _text(path: Path, text: str) -> Path:
    content = text.encode()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


def _mtx(path: Path, matrix: np.ndarray) -> Path:
    plain = path.with_name("plain.tmp.mtx")
    mmwrite(plain, sparse.coo_matrix(matrix), field="integer")
    _text(path, plain.read_text())
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
    _mtx(place / f"{prefix}matrix.mtx{end}", matrix.T)
    _text(place / f"{prefix}{'features' if version == 3 else 'genes'}.tsv{end}", features)
    _text(place / f"{prefix}barcodes.tsv{end}", "".join(f"{name}\n" for name in BARCODES[:cells]))
    return place


def _without(path: Path, name: str) -> Path:
    (path / name).unlink()
    return path


def _cut(path: Path, share: float = 0.6) -> Path:
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    return path


def _spoiled(path: Path, at: int) -> Path:
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
    return lambda folder: _text(folder / name, frame.to_csv(**how))


def r_csv(folder: Path) -> Path:
    """``write.csv(as.matrix(counts))``: genes in rows, names quoted, "-1" turned into ".1"."""
    header = ",".join(f'"{name.replace("-", ".")}"' for name in ["", *BARCODES])
    rows = [f'"{gene}",{",".join(map(str, COUNTS[:, at]))}' for at, gene in enumerate(GENES)]
    return _text(folder / "m.csv", "\n".join([header, *rows]) + "\n")


def r_table(folder: Path) -> Path:
    """``write.table(counts)``: spaces, and no title above the names."""
    rows = [f'"{gene}" {" ".join(map(str, COUNTS[:, at]))}' for at, gene in enumerate(GENES)]
    header = " ".join(f'"{name}"' for name in BARCODES)
    return _text(folder / "m.txt", "\n".join([header, *rows]) + "\n")


def feature_counts(folder: Path) -> Path:
    frame = table().T.reset_index(names="Geneid")
    frame.insert(1, "Chr", "chr1;chr1")
    frame.insert(2, "Length", range(1000, 1008))
    text = frame.to_csv(sep="\t", index=False)
    return _text(folder / "m.txt", f"# Program:featureCounts v2.0.3\n{text}")


def replaced(row: int, column: int, text: str, name: str = "m.csv", sep: str = ",") -> Any:
    frame = table().astype(object)
    frame.iloc[row, column] = text
    return as_csv(frame, name, sep=sep)


def kallisto(folder: Path) -> Path:
    _text(folder / "cells_x_genes.genes.txt", "\n".join(IDS) + "\n")
    _text(folder / "cells_x_genes.barcodes.txt", "\n".join(BARCODES) + "\n")
    return _mtx(folder / "cells_x_genes.mtx", COUNTS)


def _npz(folder: Path) -> Path:
    sparse.save_npz(folder / "m.npz", sparse.csr_matrix(COUNTS))
    return folder / "m.npz"


def _with_nan(folder: Path) -> Path:
    x = COUNTS.astype(np.float32)
    x[4, 1] = np.nan
    return h5ad(sparse.csr_matrix(x))(folder)


def _outside(folder: Path) -> Path:
    """An index that points outside the matrix, which scipy would follow."""
    path = cell_ranger_h5(folder)
    with h5py.File(path, "r+") as file:
        file["matrix/indices"][5] = 10**6
    return path


def _other_h5(folder: Path) -> Path:
    with h5py.File(folder / "m.h5", "w") as file:
        file["weights"] = np.zeros(3)
    return folder / "m.h5"


RIGHT: dict[str, Case] = {
    "scanpy CSR": Case(h5ad(sparse.csr_matrix(COUNTS.astype(np.float32)))),
    "scanpy CSC": Case(h5ad(sparse.csc_matrix(COUNTS))),
    "scanpy dense": Case(h5ad(COUNTS)),
    "scanpy layer": Case(h5ad(_NORMALIZED, layers={"counts": COUNTS}), ("--layer", "counts")),
    "scanpy raw": Case(_raw, ("--raw",)),
    "scanpy transposed": Case(
        lambda folder: _h5ad(folder / "m.h5ad", annotated().T), ("--transpose",)
    ),
    "anndata 0.6": Case(_old_anndata),
    "h5ad called h5": Case(h5ad(name="m.h5")),
    "zarr": Case(_zarr),
    "Cell Ranger 3": Case(cell_ranger),
    "Cell Ranger 2": Case(lambda folder: cell_ranger(folder, version=2)),
    "Cell Ranger, antibodies": Case(lambda folder: cell_ranger(folder, extra=("CD3", "CD4"))),
    "Cell Ranger, its mtx": Case(lambda folder: cell_ranger(folder) / "matrix.mtx.gz"),
    "GEO": Case(lambda folder: cell_ranger(folder, prefix="GSM1_") / "GSM1_matrix.mtx.gz"),
    "Cell Ranger 3 h5": Case(cell_ranger_h5),
    "Cell Ranger 3 h5, antibodies": Case(lambda folder: cell_ranger_h5(folder, extra=("CD3",))),
    "Cell Ranger 2 h5": Case(lambda folder: cell_ranger_2_h5(folder, "GRCh38")),
    "Cell Ranger 2 h5, mixed": Case(
        lambda folder: cell_ranger_2_h5(folder, "hg19", "mm10"), ("--layer", "mm10")
    ),
    "kallisto": Case(kallisto, named=False),
    "loompy": Case(loom),
    "loompy layer": Case(
        lambda folder: loom(folder, main=_NORMALIZED, spliced=COUNTS), ("--layer", "spliced")
    ),
    "pandas": Case(as_csv(table())),
    "pandas tsv.gz": Case(as_csv(table(), "m.tsv.gz", sep="\t")),
    "pandas txt": Case(as_csv(table(), "m.txt", sep="\t", index_label="barcode")),
    "Seurat, R": Case(r_csv, ("--transpose",)),
    "R write.table": Case(r_table, ("--transpose",)),
    "Excel": Case(as_csv(table(), sep=";", index_label="cell", lineterminator="\r\n")),
    "featureCounts": Case(feature_counts, ("--transpose", "--index-columns", "Geneid,Chr,Length")),
    "metadata": Case(
        as_csv(table(cell_type="B"), index_label="cell"), ("--index-columns", "cell,cell_type")
    ),
    "npz": Case(_npz, named=False),
    "bare mtx": Case(
        lambda folder: _mtx(folder / "m.mtx", COUNTS), ("--no-orientation-check",), named=False
    ),
}

WRONG: dict[str, Case] = {
    "transposed": Case(
        lambda folder: _h5ad(folder / "m.h5ad", annotated().T), says="add --transpose"
    ),
    "transposed by fields": Case(_transposed_by_fields, says="fields such as gene_ids"),
    "normalized, layer": Case(
        h5ad(_NORMALIZED, layers={"counts": COUNTS, "log": _NORMALIZED}),
        says="log(1 + x) of counts that were scaled to 10000 per cell; whole numbers are in "
        "--layer counts, or --allow",
    ),
    "normalized, raw": Case(_raw, says="whole numbers are in --raw, or --allow"),
    "normalized": Case(h5ad(_NORMALIZED), says="give the raw counts"),
    "scaled": Case(
        h5ad(_NORMALIZED - 1, layers={"counts": COUNTS}), says="negative counts (-1 in cell"
    ),
    "no layer": Case(h5ad(layers={"counts": COUNTS}), ("--layer", "raw"), "it has counts"),
    "no raw": Case(h5ad(), ("--raw",), "there is no raw.X"),
    "NaN": Case(_with_nan, says="NaN or infinite counts (nan in cell 5, gene GAPDH)"),
    "cut h5ad": Case(lambda folder: _cut(h5ad()(folder)), says="not readable as .h5ad"),
    "index outside": Case(_outside, says="not readable as .h5"),
    "zarr of something else": Case(_other_zarr, says="no AnnData"),
    "h5 of something else": Case(_other_h5, says="its groups are weights"),
    "two genomes": Case(
        lambda folder: cell_ranger_2_h5(folder, "hg19", "mm10"), says="genomes hg19, mm10"
    ),
    "loom without the layer": Case(loom, ("--layer", "x"), "it has no layers"),
    "no features": Case(
        lambda folder: _without(
            _without(cell_ranger(folder), "features.tsv.gz"), "barcodes.tsv.gz"
        ),
        says="no features.tsv",
    ),
    "barcodes cut": Case(lambda folder: cell_ranger(folder, cells=41), says="41 names in barcodes"),
    "mtx.gz cut": Case(
        lambda folder: _cut(cell_ranger(folder) / "matrix.mtx.gz").parent, says="not readable"
    ),
    "mtx of something else": Case(
        lambda folder: _text(folder / "m.mtx", "%%MatrixMarket matrix nonsense\n"),
        says="not readable as .mtx",
    ),
    "mtx.gz of something else": Case(
        lambda folder: _text(folder / "m.mtx.gz", "%%MatrixMarket matrix nonsense\n"),
        says="not readable as .mtx.gz",
    ),
    "mtx.gz that is none": Case(
        lambda folder: _text(folder / "m.mtx", "1 2 3").rename(folder / "m.mtx.gz"),
        says="Not a gzipped file",
    ),
    "mtx.gz with another checksum": Case(
        lambda folder: _spoiled(cell_ranger(folder) / "matrix.mtx.gz", -6).parent,
        says="CRC check failed",
    ),
    "the folder above": Case(lambda folder: cell_ranger(folder).parent, says="there is one in"),
    "an empty folder": Case(lambda folder: folder, says="no matrix.mtx"),
    "mtx without names": Case(
        lambda folder: _mtx(folder / "m.mtx", COUNTS.T), says="add --transpose if they are genes"
    ),
    "Seurat, R": Case(r_csv, says="names such as ACTB, GAPDH, ..., as genes have; add --transpose"),
    "needless --transpose": Case(as_csv(table()), ("--transpose",), "leave --transpose out"),
    "barcodes above": Case(
        as_csv(table().T.reset_index(drop=True), index=False), says="its genes would have names"
    ),
    "text metadata": Case(
        as_csv(table(cell_type="B cell"), index_label="cell"),
        says="'cell_type' holds text ('B cell' in line 2): is it metadata? Set it aside by "
        "--index-columns cell,cell_type",
    ),
    "numeric metadata": Case(as_csv(table(nCount_RNA=7)), says="'nCount_RNA' is metadata"),
    "featureCounts": Case(feature_counts, ("--transpose",), "--index-columns"),
    "1_000": Case(replaced(3, 2, "1_000"), says="line 5, 'MALAT1': '1_000' is not a number"),
    "missing": Case(replaced(3, 2, ""), says="line 5, 'MALAT1': '' is a missing count"),
    "NA": Case(replaced(3, 2, "NA"), says="'NA' is a missing count"),
    "decimal comma": Case(replaced(3, 2, "1,5", sep=";"), says="'1,5' is a decimal comma"),
    "fractions": Case(replaced(3, 2, "1.5"), says="not whole numbers (1.5 in cell 4, gene MALAT1)"),
    "cut line": Case(lambda folder: _cut(as_csv(table())(folder)), says="fields where 9"),
    "no lines": Case(lambda folder: _text(folder / "m.csv", ""), says="the file is empty"),
    "header only": Case(as_csv(table()[:0]), says="no line of counts"),
    "Excel's own": Case(lambda folder: _text(folder / "m.xlsx", "PK"), says="unknown format"),
    "UTF-16": Case(
        lambda folder: [
            (folder / "m.csv").write_text(table().to_csv(), "utf-16"),
            folder / "m.csv",
        ][1],
        says="not readable as .csv",
    ),
    "not there": Case(lambda folder: folder / "m.h5ad", says="no such file"),
    "name too long": Case(lambda folder: folder / ("m" * 300 + ".csv"), says="name too long"),
}
