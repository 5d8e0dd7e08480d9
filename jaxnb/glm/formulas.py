"""Formulas: which columns of obs they use, checked, and the design matrix they make of them."""

import ast
import re
from collections.abc import Iterator
from typing import Any, NamedTuple, TypeAlias

import formulaic
import numpy as np
import pandas as pd
from formulaic.errors import FormulaicError
from formulaic.parser.types import Factor
from formulaic.transforms import TRANSFORMS
from formulaic.utils.code import sanitize_variable_names
from numpy.typing import NDArray

from jaxnb._warnings import warn

__all__ = [
    "Applied",
    "Parsed",
    "applied_formula",
    "is_factor",
    "one_line",
    "parsed_formula",
    "warn_of_like_levels",
]

Floats: TypeAlias = NDArray[np.float64]
Ints: TypeAlias = NDArray[np.int64]

# Whole numbers with as few distinct values as these may be the names of groups.
_FEW_VALUES = 10
# A number with a decimal comma.
_COMMA = re.compile(r"\s*[+-]?\d+,\d+\s*")
# The codes that color a terminal: formulaic marks the place of an error with them.
_COLORS = re.compile(r"\x1b\[[0-9;]*m")


class Applied(NamedTuple):
    """A formula applied to the lines of obs.

    Attributes:
        matrix: shape ``(rows, coefficients)``.
        columns: names of the coefficients.
        used: the columns of obs that the formula uses.
        spec: formulaic's record of how.
    """

    matrix: Floats
    columns: list[str]
    used: pd.DataFrame
    spec: Any


class Parsed(NamedTuple):
    """A formula and the columns of obs that it uses, checked.

    Attributes:
        formula: as it was given.
        parsed: what formulaic makes of it.
        used: the columns of obs.
        by_lines: whether a row of the design depends on its own line alone. Of functions only
            ``C`` is known not to look at the other lines, as ``scale`` and ``poly`` do.
    """

    formula: str
    parsed: Any
    used: pd.DataFrame
    by_lines: bool


def parsed_formula(formula: str, obs: pd.DataFrame) -> Parsed:
    """Read a formula such as ``"~ batch + poly(age, 2)"``.

    Raises:
        ValueError: the formula cannot be read or has a left side; a column or a function that
            there is not; missing or infinite values.

    Warns:
        UserWarning: whole numbers of few distinct values are taken as numbers, or numbers with
            decimal commas as groups; levels that differ in blanks or capitals alone.
    """
    if "~" in formula and formula.split("~", 1)[0].strip():
        raise ValueError(
            f"the formula {formula!r} must begin with '~': the counts are its left side"
        )
    try:
        parsed = formulaic.Formula(formula)
    except (FormulaicError, SyntaxError) as error:
        raise ValueError(f"the formula {formula!r} cannot be read: {one_line(error)}") from error
    if not isinstance(parsed, formulaic.SimpleFormula):
        raise ValueError(f"the formula {formula!r} must have one part, as '~ batch + condition'")
    factors = {factor.expr: factor for term in parsed for factor in term.factors}
    names = _columns_used(formula, factors, obs)
    used = pd.DataFrame({name: _checked(obs[name], name) for name in names}, obs.index)
    for name in names:
        if name in factors:
            _warn_of_whole_numbers(used[name], name)
        warn_of_like_levels(used[name], name)
        _warn_of_commas(used[name], name)
    called = {name for expression in factors for name in _called(factors[expression])}
    return Parsed(formula, parsed, used, called <= {"C"})


def applied_formula(formula: Parsed, lines: Ints | None = None) -> Applied:
    """The design matrix of a formula.

    Args:
        formula: from `parsed_formula`.
        lines: of obs, to which it is applied; None for all.

    Raises:
        ValueError: it cannot be applied to these values.
    """
    used = formula.used if lines is None else formula.used.iloc[lines]
    try:
        # Without context: formulaic would look up names among the variables of this function.
        matrix = formulaic.model_matrix(formula.parsed, used, context={}, na_action="raise")
        values = np.asarray(matrix, np.float64).reshape(len(used), -1)
    except (FormulaicError, ValueError, TypeError) as error:
        raise ValueError(
            f"the formula {formula.formula!r} cannot be applied to obs: {one_line(error)}"
        ) from error
    return Applied(values, [str(name) for name in matrix.columns], used, matrix.model_spec)


def _called(factor: Any) -> set[str]:
    """The functions that a factor of a formula calls."""
    if factor.eval_method.value != "python":
        return set()
    return _names_in(factor.expr)[1]


def is_factor(spec: Any, name: str) -> bool:
    """Whether some term of a formula takes the column as groups, whatever its dtype."""
    for factor in spec.factors:
        kind = spec.encoder_state.get(str(factor), (None, None))[0]
        variables = {str(variable) for variable in spec.factor_variables[factor]}
        if kind is Factor.Kind.CATEGORICAL and name in variables:
            return True
    return False


def one_line(error: Exception) -> str:
    """The message of an error without colors and line breaks."""
    return " ".join(_COLORS.sub("", str(error)).split())


def _columns_used(formula: str, factors: dict[str, Any], obs: pd.DataFrame) -> list[str]:
    columns: set[str] = set()
    functions: set[str] = set()
    for expression, factor in factors.items():
        if factor.eval_method.value == "lookup":
            columns.add(expression)
        elif factor.eval_method.value == "python":
            values, called = _names_in(expression)
            columns |= values
            functions |= called
    # Constants such as np.pi are of formulaic; a column of the same name comes first.
    missing = sorted(name for name in columns if name not in obs.columns and name not in TRANSFORMS)
    if missing:
        known = ", ".join(map(str, obs.columns)) or "no columns"
        raise ValueError(
            f"the formula {formula!r} uses {', '.join(missing)}; obs has {known}"
            f"{_backticks(formula, obs)}"
        )
    if unknown := sorted(functions - set(TRANSFORMS)):
        raise ValueError(
            f"the formula {formula!r} calls {', '.join(unknown)}; the functions of formulas are "
            f"{', '.join(sorted(TRANSFORMS))} (np.sqrt and so on)"
        )
    if both := sorted(functions & columns & set(map(str, obs.columns))):
        raise ValueError(
            f"in the formula {formula!r}, {both[0]} is a column of obs and a function: rename the "
            "column"
        )
    return sorted(name for name in columns if name in obs.columns)


def _names_in(expression: str) -> tuple[set[str], set[str]]:
    """The names of values and of functions in a Python expression, columns in backticks too."""
    aliases: dict[str, str] = {}
    tree = ast.parse(sanitize_variable_names(expression, {}, aliases).strip(), mode="eval")
    called = {id(_root(node.func)) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    values: set[str] = set()
    functions: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            (functions if id(node) in called else values).add(aliases.get(node.id, node.id))
        elif isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Q":
            # patsy's way to quote the name of a column
            values |= {str(entry.value) for entry in node.args if isinstance(entry, ast.Constant)}
    return values, functions


def _root(node: ast.AST) -> ast.AST:
    """``np`` of ``np.log``."""
    while isinstance(node, ast.Attribute):
        node = node.value
    return node


def _backticks(formula: str, obs: pd.DataFrame) -> str:
    odd = [str(name) for name in obs.columns if not str(name).replace(".", "_").isidentifier()]
    found = [name for name in odd if name in formula]
    return f": write `{max(found, key=len)}` in backticks" if found else ""


def _checked(column: pd.Series, name: str) -> pd.Series:
    """A column without missing or infinite values, in a dtype of numpy or categorical."""
    absent = column.isna()
    if absent.any():
        raise ValueError(
            f"obs[{name!r}] has {int(absent.sum())} missing values, the first in row "
            f"{column.index[int(np.argmax(absent))]} (in text also NA, None and null are missing): "
            "fill them in or remove those rows"
        )
    if isinstance(column.dtype, pd.CategoricalDtype):
        return column.cat.remove_unused_categories()
    if not isinstance(column.dtype, np.dtype):
        # "string", "Int64" and their like: formulaic knows those of numpy.
        plain = {"O": object, "U": object, "b": bool, "i": np.int64, "u": np.int64, "f": np.float64}
        column = column.astype(plain.get(column.dtype.kind, object))
    if column.dtype.kind in "OUS" and column.nunique() < 2:
        raise ValueError(
            f"obs[{name!r}] is {column.iloc[0]!r} in all rows: it cannot be in the design"
        )
    if column.dtype.kind == "f" and not np.all(np.isfinite(column)):
        raise ValueError(f"obs[{name!r}] has an infinite value")
    return column


def _warn_of_whole_numbers(column: pd.Series, name: str) -> None:
    if isinstance(column.dtype, pd.CategoricalDtype) or column.dtype.kind not in "iu":
        return
    values = np.unique(column)
    # Two values have the same means as numbers and as groups.
    if 2 < values.size <= min(_FEW_VALUES, len(column) // 2):
        warn(
            f"obs[{name!r}] holds the whole numbers {', '.join(map(str, values))} and is taken as "
            f"a number, with one coefficient per unit: if they are names of groups, write C({name})"
        )


def _warn_of_commas(column: pd.Series, name: str) -> None:
    if column.dtype.kind not in "OUS":
        return
    with_comma = [level for level in column.unique() if _COMMA.fullmatch(str(level))]
    if len(with_comma) > 1:
        warn(
            f"obs[{name!r}] has values such as {with_comma[0]!r} and is taken as names of groups: "
            "if they are numbers, write a point for the decimal comma"
        )


def warn_of_like_levels(column: pd.Series, name: str) -> None:
    """Warn of levels that differ in blanks or capitals alone."""
    for levels in _alike(column):
        warn(
            f"obs[{name!r}] has the levels {' and '.join(map(repr, levels))}, which differ in "
            "blanks or capitals alone and are taken as different groups"
        )


def _alike(column: pd.Series) -> Iterator[list[str]]:
    if not isinstance(column.dtype, pd.CategoricalDtype) and column.dtype.kind not in "OUS":
        return
    groups: dict[str, list[str]] = {}
    for level in map(str, column.unique()):
        groups.setdefault("".join(level.split()).casefold(), []).append(level)
    yield from (levels for levels in groups.values() if len(levels) > 1)
