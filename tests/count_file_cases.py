"""The files of `count_files`, right and wrong, and what the command line says of each."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from count_files import (
    COUNTS,
    NORMALIZED,
    annotated,
    as_csv,
    cell_ranger,
    cell_ranger_2_h5,
    cell_ranger_h5,
    cut_file,
    feature_counts,
    h5ad,
    h5ad_file,
    kallisto,
    loom,
    mtx_file,
    npz_file,
    old_anndata,
    other_h5,
    other_zarr,
    outside,
    r_csv,
    r_table,
    raw_file,
    replaced,
    spoiled,
    table,
    text_file,
    transposed_by_fields,
    with_nan,
    without,
    zarr_folder,
)
from scipy import sparse


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


RIGHT: dict[str, Case] = {
    "scanpy CSR": Case(h5ad(sparse.csr_matrix(COUNTS.astype(np.float32)))),
    "scanpy CSC": Case(h5ad(sparse.csc_matrix(COUNTS))),
    "scanpy dense": Case(h5ad(COUNTS)),
    "scanpy layer": Case(h5ad(NORMALIZED, layers={"counts": COUNTS}), ("--layer", "counts")),
    "scanpy raw": Case(raw_file, ("--raw",)),
    "scanpy transposed": Case(
        lambda folder: h5ad_file(folder / "m.h5ad", annotated().T), ("--transpose",)
    ),
    "anndata 0.6": Case(old_anndata),
    "h5ad called h5": Case(h5ad(name="m.h5")),
    "zarr": Case(zarr_folder),
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
        lambda folder: loom(folder, main=NORMALIZED, spliced=COUNTS), ("--layer", "spliced")
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
    "npz": Case(npz_file, named=False),
    "bare mtx": Case(
        lambda folder: mtx_file(folder / "m.mtx", COUNTS), ("--no-orientation-check",), named=False
    ),
}

WRONG: dict[str, Case] = {
    "transposed": Case(
        lambda folder: h5ad_file(folder / "m.h5ad", annotated().T), says="add --transpose"
    ),
    "transposed by fields": Case(transposed_by_fields, says="fields such as gene_ids"),
    "normalized, layer": Case(
        h5ad(NORMALIZED, layers={"counts": COUNTS, "log": NORMALIZED}),
        says="log(1 + x) of counts that were scaled to 10000 per cell; whole numbers are in "
        "--layer counts, or --allow",
    ),
    "normalized, raw": Case(raw_file, says="whole numbers are in --raw, or --allow"),
    "normalized": Case(h5ad(NORMALIZED), says="give the raw counts"),
    "scaled": Case(
        h5ad(NORMALIZED - 1, layers={"counts": COUNTS}), says="negative counts (-1 in cell"
    ),
    "no layer": Case(h5ad(layers={"counts": COUNTS}), ("--layer", "raw"), "it has counts"),
    "no raw": Case(h5ad(), ("--raw",), "there is no raw.X"),
    "NaN": Case(with_nan, says="NaN or infinite counts (nan in cell 5, gene GAPDH)"),
    "cut h5ad": Case(lambda folder: cut_file(h5ad()(folder)), says="not readable as .h5ad"),
    "index outside": Case(outside, says="not readable as .h5"),
    "zarr of something else": Case(other_zarr, says="no AnnData"),
    "h5 of something else": Case(other_h5, says="its groups are weights"),
    "two genomes": Case(
        lambda folder: cell_ranger_2_h5(folder, "hg19", "mm10"), says="genomes hg19, mm10"
    ),
    "loom without the layer": Case(loom, ("--layer", "x"), "it has no layers"),
    "no features": Case(
        lambda folder: without(without(cell_ranger(folder), "features.tsv.gz"), "barcodes.tsv.gz"),
        says="no features.tsv",
    ),
    "barcodes cut": Case(lambda folder: cell_ranger(folder, cells=41), says="41 names in barcodes"),
    "mtx.gz cut": Case(
        lambda folder: cut_file(cell_ranger(folder) / "matrix.mtx.gz").parent, says="not readable"
    ),
    "mtx of something else": Case(
        lambda folder: text_file(folder / "m.mtx", "%%MatrixMarket matrix nonsense\n"),
        says="not readable as .mtx",
    ),
    "mtx.gz of something else": Case(
        lambda folder: text_file(folder / "m.mtx.gz", "%%MatrixMarket matrix nonsense\n"),
        says="not readable as .mtx.gz",
    ),
    "mtx.gz that is none": Case(
        lambda folder: text_file(folder / "m.mtx", "1 2 3").rename(folder / "m.mtx.gz"),
        says="Not a gzipped file",
    ),
    "mtx.gz with another checksum": Case(
        lambda folder: spoiled(cell_ranger(folder) / "matrix.mtx.gz", -6).parent,
        says="CRC check failed",
    ),
    "the folder above": Case(lambda folder: cell_ranger(folder).parent, says="there is one in"),
    "an empty folder": Case(lambda folder: folder, says="no matrix.mtx"),
    "mtx without names": Case(
        lambda folder: mtx_file(folder / "m.mtx", COUNTS.T),
        says="add --transpose if they are genes",
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
    "cut line": Case(lambda folder: cut_file(as_csv(table())(folder)), says="fields where 9"),
    "no lines": Case(lambda folder: text_file(folder / "m.csv", ""), says="the file is empty"),
    "header only": Case(as_csv(table()[:0]), says="no line of counts"),
    "Excel's own": Case(lambda folder: text_file(folder / "m.xlsx", "PK"), says="unknown format"),
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
