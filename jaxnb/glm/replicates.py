"""Cells of one donor are not replicates: seen in obs, and said."""

import pandas as pd

from jaxnb._warnings import warn
from jaxnb.glm.design import Design

__all__ = ["warn_of_pseudoreplication"]

# What columns are called that say from whom a cell is.
_WHO = frozenset(
    "donor patient subject individual participant sample animal mouse replicate".split()
)
_WHO_IN_SEURAT = "orig.ident"


def warn_of_pseudoreplication(design: Design, obs: pd.DataFrame) -> None:
    """Warn if a factor of the design is constant within donors of several rows each.

    A column of obs is taken for donors by its name: ``donor``, ``patient_id``, ``Sample``,
    Seurat's ``orig.ident``, ….
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
        within = design.obs.groupby(obs[column], observed=True).nunique()
        constant = [str(name) for name in design.obs.columns if (within[name] == 1).all()]
        if constant:
            warn(
                f"{', '.join(constant)} is the same in all rows of one {column}, of which obs has "
                f"{donors}: the rows of one {column} are not replicates, and p-values will be far "
                f"too small. Add them up with jaxnb.glm.pseudobulk(data, {str(column)!r}) or "
                f"--pseudobulk {column}",
            )
            return
