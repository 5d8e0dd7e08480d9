"""What the command ``de`` prints: the genes that differ most, a summary, and what to do next."""

from collections.abc import Iterator
from textwrap import fill
from typing import Any

import numpy as np
import pandas as pd

from jaxnb.glm.low_counts import rows_needed

__all__ = ["counted", "next_step", "remarks_on_rows", "report"]

_SIGNIFICANT = 0.05
_WIDEST_NAME = 18
_GENES_IN_A_LINE = 5
_LINE = 100
# Rows that are named with the outliers that they have.
_ROWS_SHOWN = 4
# With fewer rows, tests other than the quasi-likelihood one reject too often.
_FEW_ROWS = 100
# With fewer donors these reject too often. For normal means of so many donors, and two conditions,
# they reject 5.9 and 5.8 % at 5 %, by the distribution of t.
_DONORS_FOR_WALD, _DONORS_FOR_RATIOS = 60, 40
_METHODS = {
    "wald": "Wald test",
    "lr": "likelihood-ratio test",
    "ql": "quasi-likelihood F test",
    "moderated": "moderated t test of the donors' scores",
    "sandwich": "t test of the donors' scores",
    "lr-f": "F test of the likelihood ratio",
}


def report(fit: Any, table: pd.DataFrame, top: int) -> str:
    """The first genes by p-value under a line that says what was tested, and a summary."""
    rows, genes = fit.source.rows, len(fit.source.genes)
    tested, method = table.attrs["tested"], table.attrs["method"]
    found = table["p_adjusted"] < _SIGNIFICANT
    lines = [
        f"{tested}: {_METHODS[method]}, {genes} genes in {rows} rows, dispersions "
        f"{fit.dispersion_method}, size factors {fit.size_factors_from}",
        *(fill(f"  {line}", _LINE, subsequent_indent="    ") for line in fit.design.described()),
        "",
        _first(table, top),
        "",
        f"{int(found.sum())} of {genes} genes differ at a false discovery rate of "
        f"{_SIGNIFICANT:.0%}{_directions(table[found])}.",
    ]
    counts = table["status"].value_counts()
    if fit.enough_counts is not None:
        tested, needed = int(fit.enough_counts.sum()), rows_needed(fit.design.matrix)
        lines.append(
            f"Adjusted for the {tested} genes with enough counts (10 in {needed:.3g} rows of "
            f"median depth); the {genes - tested} others have a p-value alone. --no-filter adjusts "
            "for all."
        )
    if "random_sd" not in table:
        lines.extend(_outliers(fit))
    lines.append(
        "Fits: " + ", ".join(f"{number} {label}" for label, number in counts.items()) + "."
    )
    return "\n".join(lines)


def counted(table: pd.DataFrame) -> str:
    """How many genes differ, and the first of those that are higher, in one line."""
    differ = table["p_adjusted"] < _SIGNIFICANT
    if "log2_fold_change" not in table:
        return f"{int(differ.sum())} genes differ"
    higher = table[differ & (table["log2_fold_change"] > 0)]
    order = [name for name in ("p_value", "log2_fold_change_shrunken") if name in table]
    first = higher.sort_values(order, ascending=[True, False][: len(order)], kind="stable")
    names = [str(name) for name in first.get("symbol", first.index)]
    shown = ", ".join(names[:_GENES_IN_A_LINE])
    more = ", ..." if len(names) > _GENES_IN_A_LINE else ""
    return (
        f"{len(higher)} genes up, {int(differ.sum()) - len(higher)} down"
        f"{': ' if shown else ''}{shown}{more}"
    )


def _outliers(fit: Any) -> Iterator[str]:
    """How many counts were left out, and whether they are of few rows."""
    found = fit.outliers
    if not len(found):
        return
    of_row = found["row"].value_counts()
    words = ", ".join(f"{row} {number}" for row, number in of_row.head(_ROWS_SHOWN).items())
    yield (
        f"Left out as outliers: {len(found)} counts of {found['gene'].nunique()} genes; by row "
        f"{words}{', ...' if len(of_row) > _ROWS_SHOWN else ''}. --keep-outliers keeps them."
    )


def remarks_on_rows(fit: Any, table: pd.DataFrame) -> Iterator[str]:
    """Where the test does not hold its level, or gives nothing, for the method that was used."""
    method, rows = table.attrs["method"], fit.source.rows
    if "random_sd" in table:
        yield from _remarks_on_donors(fit, table)
        return
    if method != "ql" and rows < _FEW_ROWS:
        yield (
            f"with {rows} rows the {_METHODS[method]} rejects too often (of genes without a "
            "difference, 9% at 5% for 4 samples against 4): prefer --dispersion shrunken "
            "--method ql"
        )
    infinite = np.isinf(table.get("log2_fold_change", pd.Series(dtype=float)))
    if method == "wald" and infinite.any():
        yield (
            f"{int(infinite.sum())} genes have no counts in a group, and so no Wald test: --method "
            "lr or ql tests them"
        )


def _remarks_on_donors(fit: Any, table: pd.DataFrame) -> Iterator[str]:
    """The same with donors."""
    method, donors = table.attrs["method"], len(fit.donors.labels)
    if (method == "wald" and donors < _DONORS_FOR_WALD) or (
        method == "lr" and donors < _DONORS_FOR_RATIOS
    ):
        yield (
            f"with {donors} of {fit.donors.name} the {_METHODS[method]} rejects too often: prefer "
            "--method moderated"
        )
    infinite = np.isinf(table.get("log2_fold_change", pd.Series(dtype=float)))
    if method not in ("lr", "lr-f") and infinite.any():
        yield (
            f"{int(infinite.sum())} genes have no counts in a group, and so no p-value: --method "
            "lr or lr-f tests them"
        )


def next_step(fit: Any, table: pd.DataFrame) -> str:
    """What is worth doing with these results, one line."""
    rows = fit.source.rows
    if (table["status"] == "not converged").any():
        return "next: look at the genes that have not converged; their numbers are not valid."
    if not (table["p_adjusted"] < _SIGNIFICANT).any():
        return (
            "next: no gene is significant: the figure shows whether fold changes are small or "
            "uncertain (few rows, few counts)."
        )
    if "random_sd" in table:
        return (
            "next: look at the genes with small p_adjusted donor by donor: where random_sd is "
            "large, few donors may make the difference."
        )
    if rows >= 100:
        return (
            "next: if these cells come from several donors, repeat with --random DONOR or "
            "--pseudobulk DONOR: cells of one donor are not replicates."
        )
    return "next: rank by log2_fold_change_shrunken among the genes with small p_adjusted."


def _directions(found: pd.DataFrame) -> str:
    if "log2_fold_change" not in found or not len(found):
        return ""
    up = int((found["log2_fold_change"] > 0).sum())
    return f", {up} up and {len(found) - up} down"


def _first(table: pd.DataFrame, top: int) -> str:
    changes = [name for name in table if name.startswith("log2_fold_change")]
    columns = ["mean", *changes, "p_value", "p_adjusted", "dispersion", "random_sd", "status"]
    columns = [name for name in columns if name in table]
    first = table.sort_values("p_value", kind="stable").head(top)
    shown = first[columns].copy()
    shown.index = [str(name)[:_WIDEST_NAME] for name in first.get("symbol", first.index)]
    formats = {"mean": ".3g", "p_value": ".1e", "p_adjusted": ".1e", "dispersion": ".3g"}
    text = {
        name: [_cell(value, formats.get(name, ".2f")) for value in shown[name]] for name in columns
    }
    titles = {"log2_fold_change": "log2 FC", "log2_fold_change_shrunken": "shrunken"}
    return str(pd.DataFrame(text, shown.index).rename(columns=titles).to_string())


def _cell(value: Any, form: str) -> str:
    if isinstance(value, str):
        return value
    return "-" if np.isnan(value) else f"{value:{form}}"
