"""P-values adjusted for many genes."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["q_values"]


def q_values(p_values: ArrayLike) -> NDArray[np.float64]:
    """P-values adjusted for the false discovery rate, in the same order.

    NaN stays NaN, and does not count. The tables of `jaxnb.glm` have these in their column
    ``p_adjusted``.

    References:
        Y. Benjamini & Y. Hochberg (1995), *Controlling the false discovery rate*, JRSS B 57,
        289–300.
    """
    p = np.asarray(p_values, np.float64)
    adjusted = np.full_like(p, np.nan)
    known = np.flatnonzero(~np.isnan(p))
    order = known[np.argsort(p[known])[::-1]]
    scaled = p[order] * order.size / np.arange(order.size, 0, -1)
    adjusted[order] = np.minimum.accumulate(scaled)
    return adjusted
