"""Counts of any kind, checked once: a sparse matrix and its labels."""

from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from jaxnb._errors import layer_names
from jaxnb._warnings import warn
from jaxnb.io.names import SUMMARIES

__all__ = ["CountData", "aligned", "count_data", "without_offsets"]

Floats: TypeAlias = NDArray[np.float64]

# Of larger counts beside small ones, sums of the log-likelihood's terms are off by more than 1.
_LARGEST = 2**33


@dataclass(frozen=True)
class CountData:
    """A count matrix with its labels.

    Attributes:
        matrix: whole numbers, `scipy.sparse.csc_array`, shape ``(rows, genes)``.
        genes: names of the genes.
        obs: what is known of the rows (cells or samples).
    """

    matrix: Any
    genes: pd.Index
    obs: pd.DataFrame


def count_data(
    data: Any,
    *,
    layer: str | None = None,
    obs: pd.DataFrame | None = None,
    allow_non_integer: bool = False,
) -> CountData:
    """Read counts from AnnData, a DataFrame, a SciPy sparse matrix or an array.

    Args:
        data: rows are cells or samples, columns are genes.
        layer: for AnnData, a name among ``data.layers``, or ``"raw"`` for ``data.raw``; None for
            ``data.X``.
        obs: one line per row of `data`; None for ``data.obs`` of AnnData.
        allow_non_integer: accept estimated counts.

    Warns:
        UserWarning: columns are named like the summaries of htseq-count and STAR.

    Raises:
        TypeError: `layer` without AnnData.
        ValueError: no such layer; no rows or no genes; an `obs` of another length or with other
            labels; counts that are negative, not finite, not whole, masked, or above 2**33.
    """
    matrix, genes, own_obs = _unpacked(data, layer)
    if matrix.ndim != 2 or 0 in matrix.shape:
        raise ValueError(
            f"the counts must be a matrix with rows (cells or samples) and columns (genes), not "
            f"of shape {matrix.shape}"
        )
    if summaries := [str(name) for name in genes if name in SUMMARIES]:
        warn(
            f"{_some(summaries)}: reads that are of no gene are tested like genes, and are part of "
            "the totals; leave these columns out"
        )
    obs = _matching(obs, own_obs, matrix.shape[0])
    if matrix.dtype.kind not in "buif":
        raise ValueError(f"the counts must be numbers, not {matrix.dtype}")
    if matrix.dtype == np.float16:  # which scipy.sparse does not have
        matrix = matrix.astype(np.float32)
    x = sparse.csc_array(matrix)
    x.sum_duplicates()
    whole = _check_values(x.data, data, layer, allow_non_integer)
    x = x.astype(np.int64 if whole else np.float64)
    x.eliminate_zeros()
    return CountData(x, genes, obs)


def without_offsets(counts: CountData, offsets: NDArray[np.float64] | None) -> CountData:
    """Counts over the factors of single counts: what size factors are found from."""
    if offsets is None:
        return counts
    return replace(counts, matrix=sparse.csc_array(counts.matrix.multiply(np.exp(-offsets))))


def aligned(values: Any, index: pd.Index, name: str) -> Any:
    """A Series or DataFrame in the order of the rows' labels; one that has none as it is.

    Args:
        values: as many lines as there are rows.
        index: the labels of the rows.
        name: of `values`, for the message.

    Raises:
        ValueError: the labels are not those of the rows.
    """
    if values.index.equals(index):
        return values
    missing = index.difference(values.index)
    if not len(missing) and values.index.is_unique and index.is_unique:
        return values.loc[index]
    if _numbered(values.index) or _numbered(index):
        return values
    what = f"row {missing[0]} is not among them" if len(missing) else "some occur twice"
    raise ValueError(
        f"the labels of {name} are not those of the rows ({what}): give it the labels of the "
        "rows, or pass an array in their order"
    )


def _numbered(index: pd.Index) -> bool:
    """Whether the labels are the positions, as where nobody has given any."""
    return bool(index.equals(pd.RangeIndex(len(index))))


def _unpacked(data: Any, layer: str | None) -> tuple[Any, pd.Index, pd.DataFrame | None]:
    if _is_anndata(data):
        source = data
        if layer == "raw":
            if data.raw is None:
                raise ValueError("layer='raw', but the AnnData has no .raw")
            source, matrix = data.raw, data.raw.X
        elif layer is not None:
            if layer not in data.layers:
                raise ValueError(
                    f"there is no layer {layer!r}; the AnnData has {layer_names(data)}"
                )
            matrix = data.layers[layer]
        else:
            matrix = data.X
        if hasattr(matrix, "to_memory"):
            matrix = matrix.to_memory()
        elif hasattr(matrix, "compute"):
            matrix = matrix.compute()
        return matrix, pd.Index(source.var_names), data.obs
    if layer is not None:
        raise TypeError(f"layer={layer!r} is for AnnData; the data is {type(data).__name__}")
    if isinstance(data, pd.DataFrame):
        wrong = [str(name) for name, kind in data.dtypes.items() if kind.kind not in "buif"]
        if wrong:
            raise ValueError(f"columns of the counts that are not numbers: {_some(wrong)}")
        if any(not isinstance(kind, np.dtype) for kind in data.dtypes):
            # "Int64" and its like would become Python objects, and sparse columns too many of them.
            values = data.astype(np.float64).to_numpy()
        else:
            values = data.to_numpy()
        return values, pd.Index(data.columns), pd.DataFrame(index=data.index)
    if np.ma.is_masked(data):
        raise ValueError("the counts have masked entries: give these a weight of 0 (weights=)")
    matrix = data if sparse.issparse(data) else np.asarray(data)
    genes = pd.RangeIndex(matrix.shape[1] if matrix.ndim == 2 else 0)
    return matrix, genes, None


def _is_anndata(data: Any) -> bool:
    return all(hasattr(data, name) for name in ("X", "obs", "var_names", "layers"))


def _matching(given: pd.DataFrame | None, own: pd.DataFrame | None, rows: int) -> pd.DataFrame:
    if given is None:
        return own if own is not None else pd.DataFrame(index=pd.RangeIndex(rows))
    if not isinstance(given, pd.DataFrame):
        raise TypeError(f"obs must be a pandas DataFrame, not {type(given).__name__}")
    if len(given) != rows:
        raise ValueError(f"obs has {len(given)} lines, the counts have {rows} rows")
    if own is not None and not given.index.equals(own.index):
        if set(given.index) == set(own.index) and given.index.is_unique:
            raise ValueError(
                "obs has the labels of the counts in another order: pass "
                "obs.loc[counts.index] (obs.loc[adata.obs_names])"
            )
        if not isinstance(given.index, pd.RangeIndex):
            raise ValueError("the labels of obs are not those of the counts")
    return given


def _check_values(
    values: NDArray[Any], data: Any, layer: str | None, allow_non_integer: bool
) -> bool:
    """Refuse values that cannot be counts; whether all are whole."""
    if not np.all(np.isfinite(values)):
        raise ValueError("the counts must be finite: there is a NaN or an infinity among them")
    if values.size and values.min() < 0:
        raise ValueError(f"the counts must not be negative: the smallest is {values.min()}")
    whole = values.dtype.kind != "f" or not np.any(values != np.floor(values))
    if not whole and not allow_non_integer:
        where = "the counts" if layer is None else f"layer {layer!r}"
        raise ValueError(
            f"{where} must be whole numbers: these look normalized or log-transformed. Pass the "
            f"raw counts{_whole_layers(data)}; allow_non_integer=True is for estimated counts such "
            "as salmon's"
        )
    if values.size and values.max() > _LARGEST:
        raise ValueError(f"the counts must be at most 2**33: the largest is {values.max()}")
    return whole


def _whole_layers(data: Any) -> str:
    """Where an AnnData has whole numbers, for an error message."""
    if not _is_anndata(data):
        return ""
    layers = {name: data.layers[name] for name in layer_names(data)}
    if data.raw is not None:
        layers["raw"] = data.raw.X
    found = []
    for name, matrix in layers.items():
        values = matrix.data if sparse.issparse(matrix) else np.asarray(matrix)
        if values.dtype.kind in "buif" and np.array_equal(values, np.floor(values)):
            found.append(f"layer={name!r}")
    return f": {' or '.join(found)} holds whole numbers" if found else ""


def _some(names: list[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
