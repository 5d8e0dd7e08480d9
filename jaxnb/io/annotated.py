"""AnnData on disk, .h5ad and .zarr: the matrix as it is stored, annotation through anndata."""

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from jaxnb._errors import InputError, optional_module
from jaxnb.io.matrices import InMemory, Matrix, StoredDense, StoredSparse
from jaxnb.io.stored import Fields, Options, Stored

__all__ = ["annotated_group", "is_annotated", "open_zarr"]


@contextmanager
def open_zarr(file: Path, options: Options) -> Iterator[Stored]:
    """An AnnData that was written by ``write_zarr``."""
    zarr = optional_module("zarr", "reading .zarr")
    with warnings.catch_warnings():
        # zarr's and anndata's advice to people who program with them.
        warnings.simplefilter("ignore")
        group = zarr.open_group(str(file), mode="r")
        if not is_annotated(group):
            raise InputError(f"{file}: a zarr folder, but no AnnData (X, obs, var) is in it")
        yield annotated_group(group, file, options)


def is_annotated(group: Mapping[str, Any]) -> bool:
    """Whether a group of an HDF5 or Zarr file is an AnnData."""
    return "obs" in group and "var" in group and ("X" in group or "layers" in group)


def annotated_group(group: Any, file: Path, options: Options) -> Stored:
    """X, a layer or ``raw.X`` of an open AnnData file.

    Raises:
        InputError: there is no such matrix; the message names those that there are.
    """
    optional_module("anndata", f"reading {file.suffix}")
    matrices = _matrices(group)
    wanted = _wanted(options)
    if wanted not in matrices:
        raise InputError(f"{file}: {_missing(options, matrices)}")
    # raw has its own genes, often more than X.
    var = group["raw/var"] if options.raw else group["var"]
    cells, row_fields, unread = _frame(group["obs"])
    genes, column_fields, unread_of_genes = _frame(var)
    part = {"": "", "--raw": "raw.X"}.get(wanted, f"layer {options.layer!r}")
    return Stored(
        matrix=matrices.pop(wanted),
        rows=cells,
        columns=genes,
        row_fields=row_fields,
        column_fields=column_fields,
        part=part,
        others={name or "X itself, without --layer and --raw": at for name, at in matrices.items()},
        files=(file,),
        notes=_left_out(unread + unread_of_genes),
    )


def _wanted(options: Options) -> str:
    if options.raw and options.layer is not None:
        raise InputError("--layer and --raw name two matrices; give one of them")
    if options.raw:
        return "--raw"
    return "" if options.layer is None else f"--layer {options.layer}"


def _missing(options: Options, matrices: dict[str, Matrix]) -> str:
    if options.raw:
        return "there is no raw.X in it; leave --raw out, or name a layer"
    choices = ", ".join(name for name in matrices if name) or "nothing else is in it"
    if options.layer is None:
        return f"X is empty; say where the counts are ({choices})"
    known = ", ".join(name.removeprefix("--layer ") for name in matrices if "--layer" in name)
    return f"no layer {options.layer!r}; it has {known or 'no layers'}"


def _matrices(group: Any) -> dict[str, Matrix]:
    """All matrices of cells by genes, by the option that reads them; X has none."""
    found = {"": group.get("X"), "--raw": group["raw"].get("X") if _has_raw(group) else None}
    for name in group.get("layers", {}):
        found[f"--layer {name}"] = group["layers"][name]
    return {name: _matrix(stored) for name, stored in found.items() if _is_matrix(stored)}


def _has_raw(group: Any) -> bool:
    # A null dataset where there is none, in some versions.
    return "raw" in group and hasattr(group["raw"], "keys")


def _is_matrix(stored: Any) -> bool:
    return stored is not None and (hasattr(stored, "keys") or len(stored.shape or ()) == 2)


def _matrix(stored: Any) -> Matrix:
    if not hasattr(stored, "keys"):
        return StoredDense(stored)
    # "h5sparse_" are the names of anndata before 0.7.
    encoding = stored.attrs.get("encoding-type", stored.attrs.get("h5sparse_format", ""))
    shape = stored.attrs.get("shape", stored.attrs.get("h5sparse_shape"))
    if shape is None or encoding not in ("csr_matrix", "csc_matrix", "csr", "csc"):
        from_anndata = optional_module("anndata", "reading AnnData").io.read_elem(stored)
        return InMemory(np.asarray(from_anndata))
    return StoredSparse(stored, tuple(shape), by_rows=encoding.startswith("csr"))


def _frame(stored: Any) -> tuple[Any, Fields, list[str]]:
    """Names and fields of one axis, and the fields that cannot be read."""
    if hasattr(stored, "keys"):
        read = optional_module("anndata", "reading AnnData").io.read_elem
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                frame = read(stored)
            except Exception:
                return _frame_by_columns(stored, read)
        fields = {str(name): _field(frame[name].array) for name in frame.columns}
        return np.asarray(frame.index, np.str_), fields, []
    # anndata before 0.7 stored a table of records; the names are its first column, "index".
    records = stored[:]
    columns = {name: _text(records[name]) for name in records.dtype.names}
    return columns.pop(records.dtype.names[0]).astype(np.str_), columns, []


def _frame_by_columns(stored: Any, read: Any) -> tuple[Any, Fields, list[str]]:
    """Without the fields of a kind that the installed anndata does not know."""
    index = stored.attrs.get("_index", "_index")
    names = np.asarray(read(stored[index]), np.str_)
    fields: Fields = {}
    unread = []
    for name in map(str, stored.attrs.get("column-order", [])):
        try:
            field = _field(read(stored[name]))
        except Exception:
            unread.append(name)
            continue
        fields[name] = field
    return names, fields, unread


def _field(entries: Any) -> Any:
    """A field as an array; its levels stay what they are, and in their order."""
    return entries if entries.dtype.name == "category" else np.asarray(entries)


def _left_out(fields: list[str]) -> tuple[str, ...]:
    if not fields:
        return ()
    return (f"fields that the installed anndata cannot read are left out: {', '.join(fields)}",)


def _text(entries: Any) -> Any:
    return np.char.decode(entries, "utf-8") if entries.dtype.kind == "S" else entries
