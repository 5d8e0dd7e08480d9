"""From whatever holds counts in Python to checked columns and size factors."""

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from jaxnb._types import ArrayLike
from jaxnb._warnings import warn
from jaxnb.data.dask import statistics_of_dask
from jaxnb.data.matrices import Unpacked, check_matrix, is_dask, unpacked
from jaxnb.data.size_factors import (
    Rows,
    factors_from_counts,
    given_factors,
    shares_of,
    warn_of_domination,
)
from jaxnb.data.statistics import CountStatistics
from jaxnb.fit.columns import Columns

__all__ = ["columns_of", "resolve_size_factors"]

Floats: TypeAlias = NDArray[np.float64]


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
    data, names = _checked(counts, layer=layer, use_raw=use_raw)
    if is_dask(data.matrix):
        return _columns_of_dask(data, names, size_factors, zero_inflation)
    matrix = data.matrix
    totals = np.asarray(matrix.sum(axis=1), dtype=np.float64).ravel()
    factors = resolve_size_factors(size_factors, data, totals, names)
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


def _checked(
    counts: Any, *, layer: str | None, use_raw: bool
) -> tuple[Unpacked, NDArray[np.str_] | None]:
    data = unpacked(counts, layer=layer, raw=use_raw)
    names = None if data.genes is None else np.asarray(data.genes).astype(str)
    if sparse.issparse(data.matrix):
        data = data._replace(matrix=sparse.csr_array(data.matrix))
    if not is_dask(data.matrix):
        check_matrix(data.matrix)
    return data, names


def resolve_size_factors(
    size_factors: ArrayLike | str | None,
    data: Unpacked,
    totals: Floats,
    names: NDArray[np.str_] | None = None,
) -> Floats:
    """One factor per row, 0 for those that are left out.

    Args:
        size_factors: as for `fit_nb`.
        data: the counts.
        totals: of the rows.
        names: of the columns, for messages.

    Raises:
        ValueError: there is one column and no size factors; or they do not fit the rows, or are 0
            for one that has counts.

    Warns:
        UserWarning: totals that one column dominates, as it must where there are few.
    """
    rows = Rows(totals.size, data.rows, data.obs)
    # Of fields the default knows nothing, not even of one named like it.
    given = None if size_factors is None else given_factors(size_factors, rows, zeros=True)
    if given is None:
        choice = "total" if size_factors is None else str(size_factors)
        if choice == "total" and totals.any() and totals.size > 1:
            warn_of_domination(shares_of(data.matrix), names)
        return factors_from_counts(choice, data.matrix, totals)
    factors, _ = given
    if not factors.any():
        raise ValueError("size_factors are all 0: there is nothing to fit")
    if np.any((factors == 0) & (totals > 0)):
        row = int(np.argmax((factors == 0) & (totals > 0)))
        raise ValueError(f"the size factor of row {row} is 0, but the row has counts")
    return factors


def _columns_of_dask(
    data: Unpacked,
    names: NDArray[np.str_] | None,
    size_factors: ArrayLike | str | None,
    zero_inflation: bool,
) -> Columns:
    factors = None
    if size_factors is not None:
        given = given_factors(
            size_factors, Rows(data.matrix.shape[0], data.rows, data.obs), zeros=True
        )
        if given is None and size_factors != "total":
            raise ValueError(
                f"size_factors={size_factors!r} takes the whole matrix in memory: choose 'total', "
                "or compute the array"
            )
        factors = None if given is None else given[0]
    statistics = statistics_of_dask(data.matrix, factors, zero_inflation=zero_inflation)
    statistics.names = names
    return Columns(None, None, statistics=statistics)


def _named(columns: NDArray[np.int64], names: NDArray[np.str_] | None) -> str:
    first = int(columns[0])
    return f"column {first}" if names is None else repr(str(names[first]))
