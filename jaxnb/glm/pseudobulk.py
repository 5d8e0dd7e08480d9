"""Pseudobulk: raw counts added up over the cells of one donor and one cell type."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from jaxnb._warnings import warn
from jaxnb.glm.counts import count_data

__all__ = ["pseudobulk"]

_NAMED = 5  # groups that are left out


def pseudobulk(
    data: Any,
    by: str | Sequence[str],
    *,
    obs: pd.DataFrame | None = None,
    layer: str | None = None,
    min_cells: int = 10,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Add up raw counts over all cells that agree in some columns of obs.

    Cells of one donor are not replicates of a condition: they share what is particular to the
    donor, and a test that treats them as independent finds differences everywhere. Sums per donor
    (and cell type) are replicates.

    Args:
        data: counts of cells, as for `jaxnb.glm.fit`.
        by: columns of ``obs``, for instance ``["donor", "cell_type"]``.
        obs: as for `jaxnb.glm.fit`.
        layer: as for `jaxnb.glm.fit`.
        min_cells: sums of fewer cells are left out, with a warning that names them.

    Returns:
        The sums, one line per group, and their ``obs``, with every column that is constant within
        all groups, and ``cells``, how many there are. Pass both to `jaxnb.glm.fit`, with
        ``size_factors="median-ratio"`` or ``"total"``.

    Warns:
        UserWarning: sums that are left out.

    Raises:
        ValueError: a missing column, missing values in it, or no group with enough cells.
    """
    counts = count_data(data, layer=layer, obs=obs)
    names = [by] if isinstance(by, str) else list(by)
    missing = [name for name in names if name not in counts.obs.columns]
    if missing or not names:
        raise ValueError(
            f"obs has no {', '.join(map(str, missing)) or 'columns to group by'}, only "
            f"{', '.join(map(str, counts.obs.columns))}"
        )
    holes = [name for name in names if counts.obs[name].isna().any()]
    if holes:
        raise ValueError(f"obs has missing values in {', '.join(holes)}")
    lines = counts.obs.reset_index(drop=True)
    groups = lines.groupby(names, observed=True, sort=True)
    number = groups.ngroup().to_numpy()
    sizes = np.bincount(number)
    enough = np.flatnonzero(sizes >= min_cells)
    if not enough.size:
        raise ValueError(
            f"no group has {min_cells} cells: the largest has {sizes.max()}. Lower min_cells, or "
            "add up more cells"
        )
    indicator = sparse.csr_array(
        (np.ones(number.size, np.int64), (number, np.arange(number.size))),
        shape=(sizes.size, number.size),
    )
    sums = (indicator @ counts.matrix).toarray()[enough]
    constant = [name for name in lines if (groups[name].nunique(dropna=False) == 1).all()]
    first = lines.loc[
        pd.Series(number).drop_duplicates().index, [*dict.fromkeys([*names, *constant])]
    ]
    order = np.argsort(number[first.index])
    described = first.iloc[order].iloc[enough].assign(cells=sizes[enough])
    _warn_of_left_out(lines.loc[first.index[order], names], sizes, min_cells)
    labels = described[names].astype(str).agg("_".join, axis=1).to_numpy()
    described.index = pd.Index(labels)
    return pd.DataFrame(sums, described.index, counts.genes), described


def _warn_of_left_out(groups: pd.DataFrame, sizes: NDArray[np.int64], min_cells: int) -> None:
    few = np.flatnonzero(sizes < min_cells)
    if not few.size:
        return
    names = ["_".join(map(str, groups.iloc[group])) for group in few[:_NAMED]]
    listed = ", ".join(f"{name} ({sizes[group]})" for name, group in zip(names, few, strict=False))
    more = f" and {few.size - _NAMED} more" if few.size > _NAMED else ""
    warn(
        f"{few.size} of {sizes.size} sums are left out, of fewer than {min_cells} cells: "
        f"{listed}{more}"
    )
