"""Weights of rows or single counts, and offsets of single counts, checked and put in order."""

from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from jaxnb.data.labels import aligned
from jaxnb.glm.counts import CountData

__all__ = ["offsets_of", "weights_of"]

Floats: TypeAlias = NDArray[np.float64]


def offsets_of(values: Any, counts: CountData) -> Floats | None:
    """Offsets of single counts, ``(rows, genes)``.

    Args:
        values: an array, or a DataFrame with the labels of rows and genes in any order; None for
            none.
        counts: what they are for.

    Raises:
        ValueError: another shape or labels, or numbers that are not finite.
    """
    if values is None:
        return None
    offsets = _in_order(values, counts, "offsets")
    if offsets.shape != counts.matrix.shape:
        raise ValueError(
            f"offsets must have an entry for every row and gene, shape {counts.matrix.shape}, not "
            f"{offsets.shape}; factors of rows are size_factors"
        )
    if not np.all(np.isfinite(offsets)):
        raise ValueError("offsets must be finite: they are logarithms, of lengths above 0")
    return offsets


def weights_of(values: Any, counts: CountData, design: Floats) -> Floats | None:
    """Weights of rows, ``(rows,)``, or of single counts, ``(rows, genes)``.

    Args:
        values: an array, a Series with the labels of the rows, or a DataFrame with those of rows
            and genes, in any order; None for 1.
        counts: what they are for.
        design: ``(rows, coefficients)``.

    Raises:
        ValueError: another shape or labels, numbers that are negative or not finite, or rows of
            positive weight that do not determine the coefficients.
    """
    if values is None:
        return None
    rows, genes = counts.matrix.shape
    weights = _in_order(values, counts, "weights")
    if weights.shape not in ((rows,), (rows, genes)):
        raise ValueError(
            f"weights must have an entry for every row, shape ({rows},), or for every row and "
            f"gene, shape ({rows}, {genes}), not {weights.shape}"
        )
    if not np.all(np.isfinite(weights)) or np.any(weights < 0):
        raise ValueError("weights must be finite and not negative")
    patterns = np.unique(np.atleast_2d((weights > 0).T), axis=0)
    ranks = np.linalg.matrix_rank(design * patterns[:, :, None])
    if np.any(ranks < design.shape[1]):
        raise ValueError(
            "weights of 0 leave rows that do not determine the coefficients of the design"
            + ("" if weights.ndim == 1 else " for some gene")
        )
    return weights


def _in_order(values: Any, counts: CountData, name: str) -> Floats:
    if isinstance(values, (pd.Series, pd.DataFrame)) and len(values) == counts.matrix.shape[0]:
        values = aligned(values, counts.obs.index, name)
    if isinstance(values, pd.DataFrame) and values.shape[1] == counts.matrix.shape[1]:
        values = aligned(values.T, counts.genes, f"the columns of {name}").T
    return np.asarray(values, np.float64)
