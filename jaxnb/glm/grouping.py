"""Rows that agree in some labels, numbered as the groups of `jaxnb.fit.CountStatistics`."""

from typing import Any, NamedTuple, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

__all__ = ["Groups", "groups_of"]

Ints: TypeAlias = NDArray[np.int64]


class Groups(NamedTuple):
    """Groups of rows.

    Attributes:
        of_row: the number of every row's group, ``(rows,)``.
        first: a row of every group, its first, ``(groups,)``.
    """

    of_row: Ints
    first: Ints


def groups_of(*labels: Any) -> Groups:
    """The groups of rows that agree in all labels, sorted by the first labels, then the next.

    ``CountStatistics.of(counts, size_factors, groups_of(design).of_row)`` has what a regression on
    the design needs; ``groups_of(obs["donor"], design)`` keeps donors apart as well.

    Args:
        labels: each an array or a Series of shape ``(rows,)``, or several as the columns of a
            matrix or DataFrame, of numbers or names.

    Raises:
        ValueError: there are no labels, they differ in length, or some are missing.
    """
    columns = [column for entry in labels for column in _columns(entry)]
    if len({len(column) for column in columns}) != 1:
        raise ValueError(
            f"labels of {', '.join(str(len(column)) for column in columns) or 'no'} rows: give one "
            "per row"
        )
    of_row = np.zeros(len(columns[0]), np.int64)
    for column in columns:
        codes, levels = pd.factorize(column, sort=True)
        if codes.min(initial=0) < 0:
            raise ValueError(f"row {int(np.argmin(codes))} has no label")
        # Numbered anew after every column, so that the numbers stay small.
        _, of_row = np.unique(of_row * len(levels) + codes, return_inverse=True)
    _, first = np.unique(of_row, return_index=True)
    return Groups(of_row.astype(np.int64), first)


def _columns(labels: Any) -> list[Any]:
    if isinstance(labels, pd.DataFrame):
        return [labels[name] for name in labels.columns]
    if isinstance(labels, pd.Series | pd.Categorical):
        return [labels]
    array = np.asarray(labels)
    return list(array.T) if array.ndim == 2 else [array]
