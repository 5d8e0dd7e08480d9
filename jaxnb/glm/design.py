"""Design matrices from formulas or as they are, checked, and contrasts of their coefficients."""

from dataclasses import dataclass
from typing import Any, TypeAlias

import formulaic
import numpy as np
import pandas as pd
from formulaic.errors import FormulaicError
from numpy.typing import NDArray

__all__ = ["Design", "design_of"]

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
    """

    matrix: Floats
    columns: list[str]
    obs: pd.DataFrame
    spec: Any = None
    formula: str | None = None


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
        found = _from_formula(design, obs)
    else:
        found = _from_matrix(design, obs)
    lines, size = found.matrix.shape
    rows = lines if rows == -1 else rows
    if size == 0:
        raise ValueError(f"the design {found.formula or ''} has no coefficients: '~ 1' has one")
    if rows is not None and rows <= size:
        raise ValueError(
            f"{rows} rows for {size} coefficients ({', '.join(found.columns)}): the dispersion "
            "can only be estimated from replicates. Use more rows or a smaller design"
        )
    _check_rank(found)
    return found


def _from_formula(formula: str, obs: pd.DataFrame) -> Design:
    if "~" in formula and formula.split("~", 1)[0].strip():
        raise ValueError(
            f"the formula {formula!r} must begin with '~': the counts are its left side"
        )
    try:
        variables = sorted(map(str, formulaic.Formula(formula).required_variables))
    except (FormulaicError, SyntaxError) as error:
        raise ValueError(f"the formula {formula!r} cannot be read: {error}") from error
    missing = [name for name in variables if name not in obs.columns]
    if missing:
        known = ", ".join(map(str, obs.columns)) or "no columns"
        raise ValueError(f"the formula {formula!r} uses {', '.join(missing)}; obs has {known}")
    used = obs[variables].copy()
    for name in variables:
        absent = used[name].isna()
        if absent.any():
            raise ValueError(
                f"obs[{name!r}] has {int(absent.sum())} missing values, the first in row "
                f"{obs.index[int(np.argmax(absent))]}: fill them in or remove those rows"
            )
        if isinstance(used[name].dtype, pd.CategoricalDtype):
            used[name] = used[name].cat.remove_unused_categories()
        elif used[name].dtype.kind in "OUS" and used[name].nunique() < 2:
            raise ValueError(
                f"obs[{name!r}] is {used[name].iloc[0]!r} in all rows: it cannot be in the design"
            )
        elif used[name].dtype.kind == "f" and not np.all(np.isfinite(used[name])):
            raise ValueError(f"obs[{name!r}] has an infinite value")
    try:
        matrix = formulaic.model_matrix(formula, used, na_action="raise")
    except (FormulaicError, ValueError) as error:
        raise ValueError(f"the formula {formula!r} cannot be applied to obs: {error}") from error
    values = np.asarray(matrix, np.float64).reshape(len(obs), -1)
    return Design(values, [str(name) for name in matrix.columns], used, matrix.model_spec, formula)


def _from_matrix(design: Any, obs: pd.DataFrame) -> Design:
    if isinstance(design, pd.DataFrame):
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
        f"{len(design.columns)}), so their effects cannot be told apart: remove a term. Are "
        "conditions confounded with batches?"
    )
