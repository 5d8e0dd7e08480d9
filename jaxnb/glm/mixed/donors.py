"""Who each cell is from: the column of donors, checked against the design."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from jaxnb._warnings import warn
from jaxnb.data.labels import aligned
from jaxnb.glm.design import Design
from jaxnb.glm.formulas import warn_of_like_levels
from jaxnb.glm.pseudo_cells import distinct_rows

__all__ = ["Donors", "check_memory", "donor_column", "donors_of"]

Floats: TypeAlias = NDArray[np.float64]

# Bytes of the counts' weights in memory, and about the nodes of a donor's row of the design.
_MOST_BYTES, _NODES_OF_A_ROW = 8 << 30, 20
# Two donors in each of two conditions have so many.
_FEW_DEGREES = 2


@dataclass(frozen=True)
class Donors:
    """The donors of the rows.

    Attributes:
        name: of the column.
        labels: of the donors, in their order.
        codes: the number of every row's donor, ``(rows,)``.
        between: how many dimensions of the design are constant within donors.
    """

    name: str
    labels: pd.Index
    codes: NDArray[np.int64]
    between: int

    @property
    def degrees(self) -> int:
        """Degrees of freedom among donors: donors minus dimensions of the design among them."""
        return len(self.labels) - self.between


def donors_of(random: Any, obs: pd.DataFrame, design: Design, rows: int) -> Donors:
    """The donors from a column of obs or an array, one entry per row.

    Args:
        random: the name of a column of `obs`, or an array.
        obs: what is known of the rows, or of groups of rows.
        design: the design of the fixed effects, with a row per line of `obs`.
        rows: how many cells there are.

    Raises:
        TypeError: several random effects.
        ValueError: no such column, missing values, another length, fractions, one donor, a donor
            per row, donors in the design, or as many donors as conditions.

    Warns:
        UserWarning: fewer than 2 degrees of freedom among donors; fewer than two rows per donor on
            average; or names of donors that differ in blanks or capitals alone.
    """
    name, column = donor_column(random, obs)
    if column.dtype.kind == "f" and not np.all(np.mod(column.to_numpy(), 1) == 0):
        raise ValueError(
            f"{name} holds fractions such as {column[np.mod(column, 1) != 0].iloc[0]}: a random "
            "effect is for labels of donors. A number belongs into the design"
        )
    codes, labels = pd.factorize(column, sort=True)
    labels = pd.Index(labels)
    if len(labels) == 1:
        raise ValueError(
            f"all rows are from one {name} ({labels[0]}): there is no random effect to estimate. "
            "Leave random out, or add cells of others"
        )
    if len(labels) == rows:
        raise ValueError(
            f"every row has a {name} of its own: rows are replicates then. Leave random out"
        )
    warn_of_like_levels(column, name)
    between = _between(codes, design.matrix)
    found = Donors(name, labels, codes.astype(np.int64), between)
    if found.degrees < 1:
        raise ValueError(
            f"{len(labels)} values of {name} for {between} coefficients that are constant within "
            f"each of them ({_some(design.columns)}): their effects cannot be told apart from "
            f"those of the {name}. Use a smaller design or more of {name}"
        )
    if found.degrees < _FEW_DEGREES:
        warn(
            f"{len(labels)} values of {name} leave 1 degree of freedom for what they differ by: "
            "tests need at least 2 per condition"
        )
    if 2 * len(labels) > rows:
        warn(
            f"{rows} rows of {len(labels)} values of {name}: with fewer than two each, differences "
            "between them can hardly be told apart from those within them. If the rows are "
            "replicates, leave random out"
        )
    return found


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")


def check_memory(genes: int, combinations: int, rows: int, name: str) -> None:
    """Refuse what needs more memory than a fit is meant for.

    Args:
        genes: how many.
        combinations: of donors and rows of the design.
        rows: of the counts.
        name: of the column of donors.

    Raises:
        ValueError: more than 8 GiB.
    """
    needed = 8 * genes * min(combinations * _NODES_OF_A_ROW, rows)
    if needed > _MOST_BYTES:
        raise ValueError(
            f"{genes} genes and {combinations} combinations of {name} and design need "
            f"{needed / 2**30:.0f} GiB, more than {_MOST_BYTES >> 30}: fit the genes in parts, "
            "with the same size_factors, or use a design of fewer distinct rows"
        )


def donor_column(random: Any, obs: pd.DataFrame) -> tuple[str, pd.Series]:
    """The name and the values of the column of donors, of which none is missing.

    Raises:
        TypeError: several random effects.
        ValueError: no such column, another length, or missing values.
    """
    name, column = _column(random, obs)
    missing = int(column.isna().sum())
    blank = [label for label in column.unique() if isinstance(label, str) and not label.strip()]
    missing += int(column.isin(blank).sum())
    if missing:
        raise ValueError(
            f"{missing} rows have no {name}: leave them out, or give each of them the {name} it "
            "is from"
        )
    return name, column


def _column(random: Any, obs: pd.DataFrame) -> tuple[str, pd.Series]:
    if isinstance(random, str):
        if any(sign in random for sign in "|+:/*,") and random not in obs.columns:
            raise _several(random)
        if random not in obs.columns:
            raise ValueError(
                f"random={random!r} is not a column of obs "
                f"({', '.join(map(str, obs.columns)) or 'it has none'})"
            )
        return random, obs[random]
    if isinstance(random, (list, tuple, set, dict)) and len(random) != len(obs):
        raise _several(random)
    if isinstance(random, pd.Series):
        values = aligned(random, obs.index, "random") if len(random) == len(obs) else random
    else:
        values = np.asarray(random)
    if np.ndim(values) != 1 or len(values) != len(obs):
        raise ValueError(
            f"random must name a column of obs, or have one entry per row, shape ({len(obs)},), "
            f"not {np.shape(values)}"
        )
    name = getattr(random, "name", None) or "donor"
    return str(name), pd.Series(np.asarray(values), obs.index)


def _several(random: Any) -> TypeError:
    return TypeError(
        f"random={random!r}: one random intercept is fitted, random='donor'. Put batches or other "
        "groups into the design; for nested groups take the outer one, or add up the cells of the "
        "inner one with jaxnb.glm.pseudobulk"
    )


def _between(codes: NDArray[Any], matrix: Floats) -> int:
    """Dimensions that the design's columns and the donors' indicators have in common."""
    rows, _ = distinct_rows(np.column_stack([codes, matrix]))
    codes, matrix = rows[:, 0].astype(np.int64), rows[:, 1:]
    # What of every column is left within donors has a rank of p minus the dimensions shared.
    sizes = np.bincount(codes)
    means = np.stack([np.bincount(codes, column) / sizes for column in matrix.T], axis=1)
    within = matrix - means[codes]
    norms = np.linalg.norm(matrix, axis=0)
    return int(matrix.shape[1] - np.linalg.matrix_rank(within / norms, tol=1e-9))
