"""Design matrices from formulas or as they are, checked, and contrasts of their coefficients."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from jaxnb.data.labels import aligned
from jaxnb.glm.formulas import applied_formula, is_factor, parsed_formula
from jaxnb.glm.grouping import Groups, groups_of

__all__ = ["Design", "GroupedDesign", "design_of", "design_of_groups", "levels_of"]

Floats: TypeAlias = NDArray[np.float64]

# Relative size of a singular value that counts as zero, and of an entry in a dependence.
_ZERO = 1e-9


@dataclass(frozen=True)
class Design:
    """A design matrix of full rank.

    Attributes:
        matrix: shape ``(rows, coefficients)``.
        columns: names of the coefficients.
        obs: the lines that a formula was applied to.
        spec: formulaic's record of how, None for a matrix.
        formula: None for a matrix.
        sizes: how many rows each line of `obs` stands for; None for one.
    """

    matrix: Floats
    columns: list[str]
    obs: pd.DataFrame
    spec: Any = None
    formula: str | None = None
    sizes: NDArray[np.int64] | None = None

    def described(self) -> list[str]:
        """What the design takes the columns of obs for: the levels of factors, and numbers."""
        lines = [f"{len(self.columns)} coefficients: {', '.join(self.columns)}"]
        if self.spec is None:
            return lines
        for name in map(str, self.obs.columns):
            column = self.obs[name]
            if column.dtype == bool or is_factor(self.spec, name):
                rows = pd.Series(1 if self.sizes is None else self.sizes, column.index)
                sizes = rows.groupby(column, observed=False).sum().reindex(levels_of(column))
                words = ", ".join(f"{_shown(level)} {size}" for level, size in sizes.items())
                lines.append(f"{name}, rows per level: {words}")
            else:
                numbers = column.astype(np.float64)
                lines.append(f"{name}, a number from {numbers.min():g} to {numbers.max():g}")
        return lines


def levels_of(column: pd.Series) -> Sequence[Any]:
    """The levels of a factor, in their order."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        return list(column.cat.categories)
    return sorted(column.unique().tolist())


def _shown(level: Any) -> str:
    """With quotes where blanks would not be seen."""
    return repr(level) if isinstance(level, str) and level != level.strip() else str(level)


def design_of(design: Any, obs: pd.DataFrame, *, rows: int | None = -1) -> Design:
    """Make a design from a formula such as ``"~ batch + condition"``, or check a matrix.

    Args:
        design: a formula on the columns of `obs`, or a DataFrame or array with a row per row of
            the counts.
        obs: what is known of the rows.
        rows: how many cells or samples there are, if not one per line of `obs`; None if there
            need not be more of them than coefficients.

    Raises:
        ValueError: a column that is missing or has missing values, a formula that cannot be read,
            a matrix of another length or not of finite numbers, no coefficients, no more rows
            than coefficients, or columns that depend on each other (they are named).
    """
    if isinstance(design, str):
        applied = applied_formula(parsed_formula(design, obs))
        found = Design(applied.matrix, applied.columns, applied.used, applied.spec, design)
    else:
        found = _from_matrix(design, obs)
    _check(found, len(found.matrix) if rows == -1 else rows)
    return found


class GroupedDesign(NamedTuple):
    """The groups of rows that a formula does not tell apart, and their design.

    Attributes:
        design: with a row per group.
        groups: of the rows.
        lines: of obs, a line per group, with all columns by which the groups were made.
    """

    design: Design
    groups: Groups
    lines: pd.DataFrame


def design_of_groups(
    formula: str, obs: pd.DataFrame, also: Sequence[str] = ()
) -> GroupedDesign | None:
    """The design of the groups of rows that a formula does not tell apart.

    Args:
        formula: as in `design_of`.
        obs: what is known of the rows.
        also: smaller formulas, which will be applied to the lines of the groups too.

    Returns:
        None where the rows of a design depend on all lines of `obs`, as with ``scale(age)``.

    Raises:
        ValueError: as in `design_of`.
    """
    parsed = parsed_formula(formula, obs)
    others = [parsed_formula(entry, obs) for entry in also]
    if not all(entry.by_lines for entry in (parsed, *others)):
        return None
    used = pd.concat([entry.used for entry in (parsed, *others)], axis=1)
    used = used.loc[:, ~used.columns.duplicated()]
    groups = groups_of(used) if used.shape[1] else groups_of(np.zeros(len(obs)))
    applied = applied_formula(parsed, groups.first)
    sizes = np.bincount(groups.of_row)
    found = Design(applied.matrix, applied.columns, applied.used, applied.spec, formula, sizes)
    _check(found, len(obs))
    return GroupedDesign(found, groups, used.iloc[groups.first])


def _check(found: Design, rows: int | None) -> None:
    size = found.matrix.shape[1]
    if size == 0:
        raise ValueError(f"the design {found.formula or ''} has no coefficients: '~ 1' has one")
    if rows is not None and rows <= size:
        raise ValueError(
            f"{rows} rows for {size} coefficients ({', '.join(found.columns)}): the dispersion "
            "can only be estimated from replicates. Use more rows or a smaller design"
        )
    _check_rank(found)


def _from_matrix(design: Any, obs: pd.DataFrame) -> Design:
    if isinstance(design, pd.DataFrame):
        if len(design) == len(obs):
            design = aligned(design, obs.index, "the design matrix")
        columns = [str(name) for name in design.columns]
    else:
        design = np.asarray(design)
        columns = [f"x{i}" for i in range(design.shape[1])] if design.ndim == 2 else []
    try:
        matrix = np.asarray(design, np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(
            "a design matrix must hold numbers; for factors pass a formula such as "
            f"'~ batch + condition' ({error})"
        ) from error
    if matrix.ndim != 2 or len(matrix) != len(obs):
        raise ValueError(
            f"the design matrix must have shape ({len(obs)}, coefficients), a row per row of the "
            f"counts, not {matrix.shape}"
        )
    if not np.all(np.isfinite(matrix)):
        column = columns[int(np.argmax(~np.isfinite(matrix).all(axis=0)))]
        raise ValueError(f"column {column!r} of the design has a NaN or an infinity")
    return Design(matrix, columns, obs)


def _check_rank(design: Design) -> None:
    lengths = np.linalg.norm(design.matrix, axis=0)
    if np.any(lengths == 0):
        column = design.columns[int(np.argmin(lengths))]
        raise ValueError(f"column {column!r} of the design is zero in every row: remove it")
    rows = np.unique(design.matrix, axis=0)
    # The triangular factor: the decomposition of all rows would hold a square matrix of them.
    triangle = np.linalg.qr(rows / np.linalg.norm(rows, axis=0), mode="r")
    _, values, directions = np.linalg.svd(triangle, full_matrices=True)
    rank = int(np.sum(values > _ZERO * values.max()))
    if rank == len(design.columns):
        return
    involved = np.abs(directions[rank:]).max(axis=0) > np.sqrt(_ZERO)
    names = [name for name, is_in in zip(design.columns, involved, strict=True) if is_in]
    raise ValueError(
        f"the columns {', '.join(names)} of the design depend on each other (rank {rank} of "
        f"{len(design.columns)}), so their effects cannot be told apart: remove a term. "
        f"{_reason(names)}"
    )


def _reason(names: list[str]) -> str:
    if any(name.startswith(("cr(", "cs(", "cc(")) for name in names):
        return "The splines cr and cc hold a constant unless they are given constraints='center'"
    return (
        "Are conditions confounded with batches? Give a column of donors as random= (--random) "
        "instead"
    )
