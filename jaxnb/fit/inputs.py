"""From whatever holds counts in Python to checked columns and size factors."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from jaxnb._errors import layer_names
from jaxnb._types import ArrayLike
from jaxnb._warnings import warn
from jaxnb.fit.columns import Columns
from jaxnb.fit.processes import statistics_of_dask
from jaxnb.fit.size_factors import resolve_size_factors
from jaxnb.fit.statistics import CountStatistics

__all__ = ["columns_of", "matrix_and_names"]


def columns_of(
    counts: Any,
    size_factors: ArrayLike | str | None,
    *,
    layer: str | None = None,
    use_raw: bool = False,
    zero_inflation: bool = False,
) -> Columns:
    """Check counts and size factors; the arguments are those of `fit_nb`."""
    if isinstance(counts, CountStatistics):
        if size_factors is not None or layer is not None or use_raw:
            raise ValueError("statistics hold their size factors: give nothing beside them")
        return Columns(None, None, statistics=counts)
    matrix, names = matrix_and_names(counts, layer=layer, use_raw=use_raw)
    if hasattr(matrix, "to_delayed"):
        return _columns_of_dask(counts, matrix, names, size_factors, zero_inflation)
    check_counts(matrix)
    totals = np.asarray(matrix.sum(axis=1), dtype=np.float64).ravel()
    if isinstance(size_factors, str) and size_factors != "ones":
        size_factors = _named_factors(counts, size_factors)
    factors = resolve_size_factors(size_factors, totals, matrix, names)
    informative = np.flatnonzero(factors > 0)
    if informative.size < factors.size:
        matrix, factors = matrix[informative], factors[informative]
    columns = Columns(matrix, factors, zero_inflation=zero_inflation, names=names)
    if columns.fractional.size:
        warn(
            f"{columns.fractional.size} of {columns.count} columns hold numbers that are not "
            f"whole, {_named(columns.fractional, names)} among them: normalized data follow no "
            "count distribution. Fit the raw counts, of an AnnData often in layers['counts'] or "
            "in raw",
        )
    return columns


def matrix_and_names(
    counts: Any, *, layer: str | None = None, use_raw: bool = False
) -> tuple[Any, NDArray[np.str_] | None]:
    """The matrix and the names of its columns, if it has any.

    AnnData and DataFrames are recognized by what they have, so that neither need be imported.
    """
    names = None
    if hasattr(counts, "layers") and hasattr(counts, "var_names"):
        source = counts
        if use_raw:
            if layer is not None:
                raise ValueError("give layer= or use_raw=, not both: raw has no layers")
            source = counts.raw
            if source is None:
                raise ValueError("use_raw=True, but this AnnData has no raw")
        if layer is not None and layer not in counts.layers:
            raise ValueError(
                f"there is no layer {layer!r}; this AnnData has {layer_names(counts) or 'none'}"
            )
        names = np.asarray(source.var_names).astype(str)
        counts = source.X if layer is None else counts.layers[layer]
        if hasattr(counts, "to_memory"):  # an AnnData that is backed by a file
            counts = counts.to_memory()
        if counts is None:
            raise ValueError("this AnnData has no X: name a layer")
    elif layer is not None or use_raw:
        raise ValueError("layer= and use_raw= are for AnnData")
    elif hasattr(counts, "columns") and hasattr(counts, "to_numpy"):
        names = np.asarray(counts.columns).astype(str)
        counts = counts.to_numpy()
    if hasattr(counts, "to_delayed"):  # a dask array
        return counts, names
    if sparse.issparse(counts):
        return sparse.csr_array(counts), names
    if np.ma.is_masked(counts):
        raise ValueError("the counts have masked entries: leave these rows or columns out")
    return np.asarray(counts), names


def _columns_of_dask(
    counts: Any,
    matrix: Any,
    names: NDArray[np.str_] | None,
    size_factors: ArrayLike | str | None,
    zero_inflation: bool,
) -> Columns:
    if isinstance(size_factors, str):
        ones = size_factors == "ones"
        size_factors = np.ones(matrix.shape[0]) if ones else _named_factors(counts, size_factors)
    statistics = statistics_of_dask(matrix, size_factors, zero_inflation=zero_inflation)
    statistics.names = names
    return Columns(None, None, statistics=statistics)


def check_counts(matrix: Any) -> None:
    """Raise ValueError for what is not a matrix of counts."""
    if matrix.ndim != 2 or 0 in matrix.shape:
        raise ValueError(
            f"counts must be a matrix with at least one row and one column, not of shape "
            f"{matrix.shape}"
        )
    values = matrix.data if sparse.issparse(matrix) else matrix
    if values.dtype.kind not in "buif":
        raise ValueError(f"counts must be numbers, not {values.dtype}")
    if not np.all(np.isfinite(values)):
        raise ValueError("counts must be finite: there is a NaN or an infinity among them")
    if values.size and values.min() < 0:
        raise ValueError(f"counts must not be negative: the smallest is {values.min()}")


def _named_factors(counts: Any, name: str) -> NDArray[np.float64]:
    obs = getattr(counts, "obs", None)
    if obs is None or name not in obs:
        known = "" if obs is None else f"; obs has {list(obs.columns)}"
        raise ValueError(f"size_factors={name!r} is neither 'ones' nor a column of obs{known}")
    return np.asarray(obs[name], np.float64)


def _named(columns: NDArray[np.int64], names: NDArray[np.str_] | None) -> str:
    first = int(columns[0])
    return f"column {first}" if names is None else repr(str(names[first]))
