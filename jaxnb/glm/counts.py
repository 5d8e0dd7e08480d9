"""Counts of any kind, checked once: a sparse matrix and its labels."""

from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from jaxnb._errors import layer_names
from jaxnb._warnings import warn
from jaxnb.data.matrices import check_matrix, is_anndata, is_dask, some_of, unpacked
from jaxnb.io.names import SUMMARIES

__all__ = ["CountData", "count_data", "without_offsets"]

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
    raw = layer == "raw"
    found = unpacked(data, layer=None if raw else layer, raw=raw)
    matrix = found.matrix.compute() if is_dask(found.matrix) else found.matrix
    if sparse.issparse(matrix):
        matrix = sparse.csc_array(matrix)
        matrix.sum_duplicates()
    check_matrix(matrix)
    genes = pd.RangeIndex(matrix.shape[1]) if found.genes is None else pd.Index(found.genes)
    if summaries := [str(name) for name in genes if name in SUMMARIES]:
        warn(
            f"{some_of(summaries)}: reads that are of no gene are tested like genes, and are part "
            "of the totals; leave these columns out"
        )
    own_obs = pd.DataFrame(index=found.rows) if found.obs is None else found.obs
    obs = _matching(obs, None if found.rows is None else own_obs, matrix.shape[0])
    if matrix.dtype == np.float16:  # which scipy.sparse does not have
        matrix = matrix.astype(np.float32)
    x = sparse.csc_array(matrix)
    whole = _check_whole(x.data, data, layer, allow_non_integer)
    x = x.astype(np.int64 if whole else np.float64)
    x.eliminate_zeros()
    return CountData(x, genes, obs)


def without_offsets(counts: CountData, offsets: NDArray[np.float64] | None) -> CountData:
    """Counts over the factors of single counts: what size factors are found from."""
    if offsets is None:
        return counts
    return replace(counts, matrix=sparse.csc_array(counts.matrix.multiply(np.exp(-offsets))))


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


def _check_whole(
    values: NDArray[Any], data: Any, layer: str | None, allow_non_integer: bool
) -> bool:
    """Refuse fractions, unless they are accepted, and counts too large; whether all are whole."""
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
    if not is_anndata(data):
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
