"""Cells of one donor are not replicates: seen in obs, and said."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from jaxnb._warnings import warn
from jaxnb.glm.design import Design
from jaxnb.glm.grouping import groups_of

__all__ = ["warn_of_pseudoreplication"]

# What columns are called that say from whom a cell is.
_WHO = frozenset(
    "donor patient subject individual participant sample animal mouse replicate".split()
)
_WHO_IN_SEURAT = "orig.ident"


def warn_of_pseudoreplication(
    design: Design, obs: pd.DataFrame, of_row: NDArray[np.int64] | None = None
) -> None:
    """Warn if a factor of the design is constant within donors of several rows each.

    A column of obs is taken for donors by its name: ``donor``, ``patient_id``, ``Sample``,
    Seurat's ``orig.ident``, ….

    Args:
        design: the design.
        obs: what is known of the rows.
        of_row: the line of the design of every row; None where it has a line per row.
    """
    if design.spec is None:
        return
    for column in obs.columns:
        words = str(column).lower().replace("-", "_").replace(".", "_").split("_")
        who = column == _WHO_IN_SEURAT or _WHO.intersection(words)
        if column in design.obs.columns or not who:
            continue
        donors = obs[column].nunique()
        if donors < 2 or 2 * donors > len(obs) or obs[column].isna().any():
            continue
        # Pairs of a donor and a value: as many as donors where the value is theirs.
        lines = np.arange(len(obs)) if of_row is None else of_row
        constant = []
        for name in design.obs.columns:
            values = pd.factorize(design.obs[name])[0][lines]
            if len(groups_of(obs[column], values).first) == donors:
                constant.append(str(name))
        if constant:
            warn(
                f"{', '.join(constant)} is the same in all rows of one {column}, of which obs has "
                f"{donors}: the rows of one {column} are not replicates, and p-values will be far "
                f"too small. Take each {column} into the model with random={str(column)!r} "
                f"(--random {column}), or add its rows up with jaxnb.glm.pseudobulk(data, "
                f"{str(column)!r}) (--pseudobulk {column})",
            )
            return
