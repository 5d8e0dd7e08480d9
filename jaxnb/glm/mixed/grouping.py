"""Groups of rows that agree in their design and their donor, for sums over cells."""

from dataclasses import replace

import numpy as np
import pandas as pd

from jaxnb.glm.design import GroupedDesign
from jaxnb.glm.grouping import groups_of
from jaxnb.glm.mixed.donors import donor_column, donors_of

__all__ = ["grouped_with_donors"]


def grouped_with_donors(grouped: GroupedDesign, obs: pd.DataFrame, random: str) -> GroupedDesign:
    """The groups of a design, each divided by donors.

    Args:
        grouped: the groups of the design.
        obs: what is known of the rows.
        random: the column of `obs` that names their donors.

    Raises:
        TypeError: several random effects.
        ValueError: see `jaxnb.glm.mixed.donors.donors_of`.
    """
    name, column = donor_column(random, obs)
    groups = groups_of(column, grouped.groups.of_row)
    line = grouped.groups.of_row[groups.first]
    lines = grouped.lines.iloc[line].assign(**{name: column.iloc[groups.first].to_numpy()})
    design = replace(
        grouped.design,
        matrix=grouped.design.matrix[line],
        obs=grouped.design.obs.iloc[line],
        sizes=np.bincount(groups.of_row),
    )
    # What is wrong with them is said before the counts are read.
    donors_of(name, lines, design, len(obs))
    return GroupedDesign(design, groups, lines)
