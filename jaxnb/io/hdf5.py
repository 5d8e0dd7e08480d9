"""HDF5 files by what is in them: AnnData, 10x Genomics in two layouts, Loom."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from jaxnb._errors import InputError, optional_module
from jaxnb.io.annotated import annotated_group, is_annotated
from jaxnb.io.matrices import Matrix, StoredDense, StoredSparse
from jaxnb.io.names import Names
from jaxnb.io.stored import Fields, Options, Stored

__all__ = ["open_hdf5"]

# What loompy, velocyto and the Human Cell Atlas call the names of their axes, first choice first.
_LOOM_GENES = ("Gene", "gene_name", "gene_names", "var_names", "Accession", "gene_ids")
_LOOM_CELLS = ("CellID", "cell_id", "obs_names", "barcode", "cell_names")


@contextmanager
def open_hdf5(file: Path, options: Options) -> Iterator[Stored]:
    """A .h5ad, .h5 or .loom file.

    Raises:
        InputError: it is HDF5, but none of these layouts.
    """
    h5py = optional_module("h5py", f"reading {file.suffix}")
    with h5py.File(file, "r") as group:
        if is_annotated(group):
            yield annotated_group(group, file, options)
        elif "row_attrs" in group and "matrix" in group:
            yield _loom(group, file, options)
        elif "matrix" in group and "barcodes" in group["matrix"]:
            yield _cell_ranger(group["matrix"], file, options)
        elif genomes := [
            name for name in group if "gene_names" in getattr(group[name], "keys", list)()
        ]:
            yield _cell_ranger_2(group, genomes, file, options)
        else:
            raise InputError(
                f"{file}: HDF5, but no layout known here (AnnData, 10x Genomics, Loom); its "
                f"groups are {', '.join(group) or 'none'}"
            )


def _cell_ranger(group: Any, file: Path, options: Options) -> Stored:
    """Cell Ranger 3 and later: one group for all genomes and kinds of features."""
    _no_layers(file, options, "Cell Ranger's .h5 files")
    features = group["features"]
    stored = {"gene_ids": "id", "feature_types": "feature_type"}
    # Files that other tools wrote, such as CellBender, may lack the kind of the features.
    fields: Fields = {name: _strings(features[at]) for name, at in stored.items() if at in features}
    return Stored(
        matrix=_by_cells(group),
        rows=_strings(group["barcodes"]),
        columns=_strings(features["name" if "name" in features else "id"]),
        column_fields=fields,
        certain=True,
        files=(file,),
    )


def _cell_ranger_2(group: Any, genomes: list[str], file: Path, options: Options) -> Stored:
    """Cell Ranger 1 and 2: one group per genome; `--layer` chooses among several."""
    genome = genomes[0] if options.layer is None and len(genomes) == 1 else options.layer
    if genome not in genomes:
        raise InputError(
            f"{file}: it has the genomes {', '.join(genomes)}; choose one by --layer GENOME"
        )
    chosen = group[genome]
    return Stored(
        matrix=_by_cells(chosen),
        rows=_strings(chosen["barcodes"]),
        columns=_strings(chosen["gene_names"]),
        column_fields={"gene_ids": _strings(chosen["genes"])},
        certain=True,
        part=f"genome {genome}" if len(genomes) > 1 else "",
        files=(file,),
    )


def _by_cells(group: Any) -> StoredSparse:
    # Genes × cells compressed by columns: the same three arrays are cells × genes by rows.
    genes, cells = group["shape"][:]
    return StoredSparse(group, (cells, genes), by_rows=True)


def _loom(group: Any, file: Path, options: Options) -> Stored:
    """Genes in rows and cells in columns, as the Loom specification says."""
    if options.raw:
        raise InputError(f"{file}: --raw is for AnnData; a Loom file has --layer")
    matrices = {"": group["matrix"]}
    matrices |= {name: group["layers"][name] for name in group.get("layers", {}) if name}
    wanted = options.layer or ""
    if wanted not in matrices:
        known = ", ".join(filter(None, matrices)) or "no layers"
        raise InputError(f"{file}: no layer {wanted!r}; it has {known}")
    genes = _loom_fields(group["row_attrs"])
    cells = _loom_fields(group["col_attrs"])
    others: dict[str, Matrix] = {
        f"--layer {name}" if name else "the main matrix, without --layer": StoredDense(stored)
        for name, stored in matrices.items()
        if name != wanted
    }
    return Stored(
        matrix=StoredDense(matrices[wanted]),
        rows=_names_among(genes, _LOOM_GENES),
        columns=_names_among(cells, _LOOM_CELLS),
        row_fields=genes,
        column_fields=cells,
        genes_in_rows=True,
        part=f"layer {wanted!r}" if wanted else "",
        others=others,
        files=(file,),
    )


def _loom_fields(group: Any) -> Fields:
    # Attributes with more than one dimension are embeddings.
    stored = {name: group[name] for name in group if len(group[name].shape) == 1}
    return {
        name: _strings(entry) if entry.dtype.kind in "OS" else entry[:]
        for name, entry in stored.items()
    }


def _names_among(fields: Fields, choices: tuple[str, ...]) -> Names:
    for name in choices:
        if name in fields:
            return np.asarray(fields.pop(name), np.str_)
    return None


def _strings(dataset: Any) -> Any:
    return np.array([str(entry) for entry in dataset.asstr()[:]], np.str_)


def _no_layers(file: Path, options: Options, what: str) -> None:
    if options.raw or options.layer is not None:
        raise InputError(f"{file}: {what} have no layers: leave --layer and --raw out")
