"""The table of `jaxnb.glm.markers` in the form of scanpy's results."""

from typing import Any

import numpy as np
import pandas as pd

__all__ = ["rank_genes_groups"]


def rank_genes_groups(table: pd.DataFrame) -> dict[str, Any]:
    """What ``scanpy.tl.rank_genes_groups`` leaves in ``adata.uns["rank_genes_groups"]``.

    With ``adata.uns["rank_genes_groups"] = rank_genes_groups(table)``, ``scanpy.get`` and the plots
    of ``scanpy.pl.rank_genes_groups…`` work as after scanpy's own tests. The genes of a group are
    sorted by score, those that are higher in the group first and genes without a test last. The
    score is the root of the statistic with the sign of the fold change (that of the Wald test as it
    is).

    Args:
        table: from `markers`, against the rest or one reference.

    Raises:
        ValueError: comparisons with several references: a group has one place there.
    """
    if "reference" in table and table["reference"].nunique() > 1:
        raise ValueError(
            "all pairs have no place in rank_genes_groups: a group is compared with one reference"
        )
    columns: dict[str, dict[str, Any]] = {
        name: {} for name in ("names", "scores", "pvals", "pvals_adj", "logfoldchanges")
    }
    for group, lines in table.groupby("group", sort=False):
        score = _scores(lines, table.attrs.get("method"))
        order = np.argsort(-score, kind="stable")
        lines = lines.iloc[order]
        found = {
            "names": lines["gene"].astype(str).to_numpy(object),
            "scores": score[order].astype(np.float32),
            "pvals": lines["p_value"].to_numpy(np.float64),
            "pvals_adj": lines["p_adjusted"].to_numpy(np.float64),
            "logfoldchanges": lines["log2_fold_change"].to_numpy(np.float32),
        }
        for name, values in found.items():
            columns[name][str(group)] = values
    reference = table["reference"].iloc[0] if "reference" in table else "rest"
    params = {
        "groupby": table.attrs.get("tested", "group"),
        "reference": reference,
        "method": f"jaxnb {table.attrs.get('method', '')}".strip(),
        "use_raw": False,
        "layer": None,
        "corr_method": "benjamini-hochberg",
    }
    return {"params": params} | {name: _records(fields) for name, fields in columns.items()}


def _scores(lines: pd.DataFrame, method: str | None) -> Any:
    statistic = lines["statistic"].to_numpy(np.float64)
    if method == "wald":
        return statistic
    return np.sign(lines["log2_fold_change"].to_numpy(np.float64)) * np.sqrt(statistic)


def _records(fields: dict[str, Any]) -> Any:
    """A structured array with a field per group."""
    return np.rec.fromarrays(
        list(fields.values()), dtype=[(name, values.dtype) for name, values in fields.items()]
    )
