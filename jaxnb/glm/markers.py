"""Every group of cells against the rest, against one of them or against each other: `markers`.

Each comparison is a regression of its own, of the cells that it compares on the intercept and the
difference: what `jaxnb.glm.fit` makes of these cells, to rounding. What they need of the cells is
added up once, for each group by itself. All groups are brought to the same nodes in log size factor
and log count, so that all comparisons run the same compiled programs.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial, reduce
from os import PathLike
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from jaxnb._progress import progress_bar
from jaxnb.data.chebyshev import Panels, nodes_for
from jaxnb.data.exceedances import Exceedances, exceedances_of_statistics
from jaxnb.data.separate import SeparateStatistics
from jaxnb.data.statistics import CountStatistics
from jaxnb.glm.counts import count_data
from jaxnb.glm.design import design_of
from jaxnb.glm.fit import fitted
from jaxnb.glm.grouping import groups_of
from jaxnb.glm.pseudo_cells import TOLERANCE, PseudoCells
from jaxnb.glm.size_factors import size_factors_of
from jaxnb.glm.source import Source
from jaxnb.glm.streaming import lines_of, sums_by_group
from jaxnb.io import CountFile, open_counts

__all__ = ["compared", "labels_of", "markers", "markers_of_file"]

Floats: TypeAlias = NDArray[np.float64]

_ROWS = 1 << 15  # cells that are added up at a time
_FEWEST_CELLS = 2  # of a level, on average
_ROWS_OF_DESIGN = np.array([[1.0, 0.0], [1.0, 1.0]])


def markers(
    data: Any,
    by: str,
    *,
    reference: Any = None,
    pairwise: bool = False,
    obs: pd.DataFrame | None = None,
    layer: str | None = None,
    size_factors: ArrayLike | str | None = None,
    dispersion: str = "auto",
    method: str = "auto",
    progress: bool = False,
    **options: Any,
) -> pd.DataFrame:
    """Test every gene in every group of cells against the rest, from one pass over the counts.

    ``markers(data, "cell_type")`` finds the genes that mark a type; ``markers(data, "guide",
    reference="control")`` compares every perturbation with the controls. A comparison is the
    regression of the cells that it compares: its lines are those of ``fit(cells,
    "~ is_of_group").test("is_of_group")``. Cells of one donor are not replicates: where several
    donors are compared, this shows what differs between these cells.

    Args:
        data: counts of cells as for `fit`, or a file as for `fit_file`.
        by: a column of ``obs``.
        reference: a level of that column, with which every other is compared; None for the cells
            of all other levels.
        pairwise: compare every level with every one before it instead.
        obs: as for `fit` and `fit_file`.
        layer: as for `fit`.
        size_factors: as for `fit` and `fit_file`; those of all cells serve every comparison.
        dispersion: as for `fit`, for each comparison by itself.
        method: of the test, see `GLMFit.test`.
        progress: show progress bars if stderr is a terminal.
        **options: with a file, those of `fit_file`: `checkpoint` and how to read it.

    Returns:
        A DataFrame with a line for each comparison and gene, and with the columns ``group``,
        ``reference`` (unless that is the rest), ``gene``, and those of `GLMFit.test` with the
        shrunken fold change. P-values are adjusted for the genes of each comparison.
        `rank_genes_groups` puts it into the form of scanpy's results.

    Raises:
        ValueError: as for `fit`; there is no such column, or it has missing values; it has one
            level only, or one for nearly every cell; or the reference is none of them.
        TypeError: options of a file for counts in memory, or the layer twice.
    """
    asked: dict[str, Any] = {"dispersion": dispersion, "method": method, "progress": progress}
    if isinstance(data, str | PathLike):
        if layer is not None:
            options["layer"] = layer
        kept = {name: options.pop(name) for name in ("checkpoint",) if name in options}
        with open_counts(data, progress=progress, **options) as opened:
            lines = lines_of(opened, obs)
            return markers_of_file(
                opened, lines, by, reference, size_factors,
                pairwise=pairwise, options=repr(sorted(options.items())), **kept, **asked,
            )  # fmt: skip
    if options:
        raise TypeError(f"{', '.join(options)}: for files only")
    counts = count_data(data, layer=layer, obs=obs)
    levels, of_row = labels_of(counts.obs, by, reference)
    factors, how = size_factors_of(counts, size_factors)
    matrix = counts.matrix.tocsr()
    sums = SeparateStatistics(matrix.shape[1], [1] * len(levels))
    for start in range(0, matrix.shape[0], _ROWS):
        rows = slice(start, start + _ROWS)
        sums.add(matrix[rows], factors[rows], of_row[rows])
    return compared(sums, counts.genes, by, levels, reference, how, pairwise=pairwise, **asked)


def markers_of_file(
    opened: CountFile,
    obs: pd.DataFrame,
    by: str,
    reference: Any,
    size_factors: ArrayLike | str | None,
    *,
    pairwise: bool,
    options: str,
    checkpoint: str | PathLike[str] | None = None,
    **asked: Any,
) -> pd.DataFrame:
    """`markers` of an open file, with what is known of its cells."""
    levels, of_row = labels_of(obs, by, reference)
    into = SeparateStatistics(opened.shape[1], [1] * len(levels))
    sums = sums_by_group(
        opened, into, obs, of_row, size_factors,
        checkpoint=checkpoint, progress=asked["progress"], options=options,
    )  # fmt: skip
    genes, how = pd.Index(opened.genes), sums.size_factors_from
    table = compared(sums.statistics, genes, by, levels, reference, how, pairwise=pairwise, **asked)
    table.attrs["mean_total"] = sums.mean_total
    return table


def labels_of(obs: pd.DataFrame, by: str, reference: Any) -> tuple[list[Any], NDArray[np.int64]]:
    """The levels of a column that occur, and the number of every row's.

    Raises:
        ValueError: see `markers`.
    """
    if by not in obs:
        raise ValueError(f"obs has no {by!r}, only {', '.join(map(str, obs.columns)) or 'nothing'}")
    column = obs[by]
    if missing := int(column.isna().sum()):
        raise ValueError(
            f"obs[{by!r}] has {missing} missing values: give these cells a level, or leave them out"
        )
    of_row, first = groups_of(column)
    levels = column.iloc[first].tolist()
    if len(levels) < 2:
        raise ValueError(f"obs[{by!r}] is {levels[0]!r} in all rows: nothing to compare")
    if len(levels) > max(2, len(column) // _FEWEST_CELLS):
        raise ValueError(
            f"obs[{by!r}] has {len(levels)} levels in {len(column)} rows: it does not tell groups"
        )
    if reference is not None and str(reference) not in map(str, levels):
        raise ValueError(f"obs[{by!r}] has no {reference!r}, only {', '.join(map(str, levels))}")
    return levels, of_row


class _Sums(NamedTuple):
    """What the comparisons need of some cells, on nodes that all groups share; it adds up."""

    number: Any
    exposure: Any
    cells: Floats
    counts: Floats
    totals: Floats
    scaled: Floats
    exceedances: Floats
    log_factorials: Floats

    def plus(self, other: _Sums) -> _Sums:
        return _Sums(*(mine + theirs for mine, theirs in zip(self, other, strict=True)))


class _Pair(NamedTuple):
    group: str
    reference: str
    cells: _Sums
    others: _Sums


def compared(
    sums: SeparateStatistics,
    genes: pd.Index,
    by: str,
    levels: list[Any],
    reference: Any,
    size_factors_from: str,
    *,
    pairwise: bool,
    dispersion: str,
    method: str,
    progress: bool,
) -> pd.DataFrame:
    """The table of `markers`, from statistics of the levels."""
    if pairwise and reference is not None:
        raise ValueError("compare with one reference or all pairs, not both")
    names = [str(level) for level in levels]
    nodes, thresholds, parts = _on_common_nodes(sums)
    count = len(names) * (len(names) - 1) // 2 if pairwise else len(names) - (reference is not None)
    tables: list[pd.DataFrame] = []
    how: dict[str, set[str]] = {"method": set(), "dispersion": set()}
    with progress_bar(count, "comparisons", "comparison", progress=progress) as bar:
        for pair in _pairs(names, parts, reference, pairwise=pairwise):
            obs = pd.DataFrame({by: [pair.reference, pair.group]})
            both = pair.others.plus(pair.cells)
            source = Source(
                genes,
                obs,
                int(both.number),
                both.scaled / both.number,
                float(np.exp(both.cells @ nodes / both.number)),
                both.totals == 0,
                partial(_pseudo_cells, pair, nodes, thresholds),
            )
            columns = ["Intercept", f"{by}: {pair.group} over {pair.reference}"]
            design = pd.DataFrame(_ROWS_OF_DESIGN, obs.index, columns)
            fit = fitted(
                source,
                design_of(design, obs, rows=source.rows),
                dispersion=dispersion,
                size_factors=None,
                size_factors_from=size_factors_from,
            )
            table = fit.test(columns[1], method=method, shrink=True)
            for key, words in how.items():
                words.add(table.attrs[key])
            table = table.rename_axis("gene").reset_index()
            if pairwise or reference is not None:
                table.insert(0, "reference", pair.reference)
            table.insert(0, "group", pair.group)
            table.attrs = {}
            tables.append(table)
            bar.update(1)
    found = pd.concat(tables, ignore_index=True)
    cells = {name: int(part.number) for name, part in zip(names, parts, strict=True)}
    found.attrs = {key: " or ".join(sorted(words)) for key, words in how.items()} | {
        "tested": by, "cells": cells, "reference": None if reference is None else str(reference),
        "size_factors": size_factors_from,
    }  # fmt: skip
    return found


def _pairs(
    names: list[str], parts: list[_Sums], reference: Any, *, pairwise: bool
) -> Iterator[_Pair]:
    if pairwise:
        for later in range(1, len(names)):
            for first in range(later):
                yield _Pair(names[later], names[first], parts[later], parts[first])
    elif reference is not None:
        base = names.index(str(reference))
        for number, name in enumerate(names):
            if number != base:
                yield _Pair(name, names[base], parts[number], parts[base])
    else:
        for name, part, others in zip(names, parts, _all_but_one(parts), strict=True):
            yield _Pair(name, "the rest", part, others)


def _all_but_one(parts: list[_Sums], outside: _Sums | None = None) -> Iterator[_Sums]:
    """For each part the sum of all others, by halves: nothing is subtracted."""
    if len(parts) == 1:
        assert outside is not None
        yield outside
        return
    half = len(parts) // 2
    for mine, others in ((parts[:half], parts[half:]), (parts[half:], parts[:half])):
        sums = reduce(_Sums.plus, others)
        yield from _all_but_one(mine, sums if outside is None else outside.plus(sums))


def _on_common_nodes(sums: SeparateStatistics) -> tuple[Floats, Floats, list[_Sums]]:
    """The nodes, the thresholds, and every group's sums there."""
    everyone: CountStatistics = reduce(lambda one, other: one + other, sums.parts)
    width = float(np.ptp(everyone.nodes))
    panel = Panels(width, nodes_for(width, np.pi, TOLERANCE), float(everyone.nodes.min()))
    nodes = panel.at(0, 1)
    thresholds = exceedances_of_statistics(everyone).thresholds
    parts = []
    for part in sums.parts:
        basis = panel.basis(part.nodes, 0)
        counts = part.count_weights[:, 0]
        exceedances = exceedances_of_statistics(part, everyone)
        parts.append(
            _Sums(
                part.cells[0],
                part.factor_sums[0],
                part.cell_weights[0] @ basis,
                counts @ basis,
                part.totals[:, 0],
                counts @ np.exp(-part.nodes),
                exceedances.weights,
                exceedances.log_factorials,
            )
        )
    return nodes, thresholds, parts


def _pseudo_cells(
    pair: _Pair, nodes: Floats, thresholds: Floats, design: Floats
) -> Iterator[PseudoCells]:
    others, cells = pair.others, pair.cells
    yield PseudoCells(
        design,
        np.repeat([0, 1], nodes.size),
        np.tile(nodes, 2),
        np.concatenate([others.cells, cells.cells]),
        np.hstack([others.counts, cells.counts]),
        Exceedances(
            others.exceedances + cells.exceedances,
            thresholds,
            others.log_factorials + cells.log_factorials,
        ),
        np.array([others.exposure, cells.exposure]),
        np.column_stack([others.totals, cells.totals]),
    )
