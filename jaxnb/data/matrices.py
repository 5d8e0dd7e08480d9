"""Counts of any kind in memory: a matrix, and what is known of its rows and columns."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from scipy import sparse

from jaxnb._errors import layer_names

__all__ = ["Unpacked", "check_matrix", "is_anndata", "is_dask", "some_of", "unpacked"]


class Unpacked(NamedTuple):
    """A matrix and its labels.

    Attributes:
        matrix: a NumPy array, a scipy sparse matrix or a dask array.
        genes: labels of the columns; None if they have none.
        rows: labels of the rows, a pandas index; None if they have none.
        obs: what is known of the rows, a DataFrame; None for nothing.
    """

    matrix: Any
    genes: Any = None
    rows: Any = None
    obs: Any = None


def unpacked(counts: Any, *, layer: str | None = None, raw: bool = False) -> Unpacked:
    """Take counts apart.

    AnnData and DataFrames are recognized by what they have, so that neither need be imported.

    Args:
        counts: AnnData, also backed by a file, a DataFrame, a scipy sparse matrix, a dask array,
            or whatever NumPy makes an array of; rows are cells or samples.
        layer: of an AnnData, in place of its ``X``.
        raw: take the ``raw`` of an AnnData.

    Raises:
        TypeError: `layer` or `raw` without AnnData.
        ValueError: no such layer, no ``raw`` or no ``X``; columns that are not numbers; or masked
            entries.
    """
    if is_anndata(counts):
        return _of_anndata(counts, layer, raw)
    if layer is not None or raw:
        what = "raw" if layer is None else f"layer={layer!r}"
        raise TypeError(f"{what} is for AnnData; the data is {type(counts).__name__}")
    if hasattr(counts, "columns") and hasattr(counts, "to_numpy"):
        return Unpacked(_of_frame(counts), counts.columns, getattr(counts, "index", None))
    return Unpacked(_as_matrix(counts))


def is_anndata(counts: Any) -> bool:
    """Whether it has the parts of an AnnData."""
    return all(hasattr(counts, name) for name in ("X", "obs", "var_names", "layers"))


def is_dask(matrix: Any) -> bool:
    """Whether it is a dask array."""
    return hasattr(matrix, "to_delayed")


def _of_anndata(counts: Any, layer: str | None, raw: bool) -> Unpacked:
    if raw and layer is not None:
        raise ValueError("give layer= or use_raw=, not both: raw has no layers")
    source = counts.raw if raw else counts
    if source is None:
        raise ValueError("the raw counts are asked for, but the AnnData has no .raw")
    if layer is not None and layer not in counts.layers:
        raise ValueError(
            f"there is no layer {layer!r}; the AnnData has {layer_names(counts) or 'none'}"
        )
    matrix = source.X if layer is None else counts.layers[layer]
    if matrix is None:
        raise ValueError("the AnnData has no X: name a layer")
    if hasattr(matrix, "to_memory"):  # backed by a file
        matrix = matrix.to_memory()
    return Unpacked(_as_matrix(matrix), source.var_names, counts.obs.index, counts.obs)


def _of_frame(frame: Any) -> Any:
    # Those of pandas alone can be types that NumPy does not have.
    kinds = dict(frame.dtypes.items()) if hasattr(frame.dtypes, "items") else {}
    if wrong := [str(name) for name, kind in kinds.items() if kind.kind not in "buif"]:
        raise ValueError(f"columns of the counts that are not numbers: {some_of(wrong)}")
    if any(not isinstance(kind, np.dtype) for kind in kinds.values()):
        # "Int64" and its like would become Python objects, and sparse columns too many of them.
        frame = frame.astype(np.float64)
    return frame.to_numpy()


def _as_matrix(counts: Any) -> Any:
    if is_dask(counts) or sparse.issparse(counts):
        return counts
    if np.ma.is_masked(counts):
        raise ValueError(
            "the counts have masked entries: leave these rows or columns out, or, in a regression, "
            "give them a weight of 0 (weights=)"
        )
    return np.asarray(counts)


def check_matrix(matrix: Any) -> None:
    """Refuse what cannot be a matrix of counts, with fractions or without.

    Raises:
        ValueError: it has not two dimensions, or no entries, or they are not numbers, not finite
            or negative.
    """
    if matrix.ndim != 2 or 0 in matrix.shape:
        raise ValueError(
            "the counts must be a matrix with rows (cells or samples) and columns (genes), not of "
            f"shape {matrix.shape}"
        )
    values = matrix.data if sparse.issparse(matrix) else matrix
    if values.dtype.kind not in "buif":
        raise ValueError(f"the counts must be numbers, not {values.dtype}")
    if not np.all(np.isfinite(values)):
        raise ValueError("the counts must be finite: there is a NaN or an infinity among them")
    if values.size and values.min() < 0:
        raise ValueError(f"the counts must not be negative: the smallest is {values.min()}")


def some_of(names: list[str]) -> str:
    """The first five names, and how many more there are."""
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
