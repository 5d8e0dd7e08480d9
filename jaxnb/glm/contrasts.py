"""Contrasts: which linear combination of coefficients a question is about."""

from collections.abc import Mapping
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import pandas as pd
from formulaic.errors import FormulaicError
from formulaic.utils.constraints import LinearConstraints
from numpy.typing import NDArray

from jaxnb.glm.design import Design, levels_of
from jaxnb.glm.formulas import is_factor, one_line

__all__ = ["Contrast", "contrast_of", "reduced_matrix"]

Floats: TypeAlias = NDArray[np.float64]


class Contrast(NamedTuple):
    """A linear combination of coefficients and what it means.

    Attributes:
        vector: shape ``(coefficients,)``.
        words: such as ``"condition: B over A"``.
    """

    vector: Floats
    words: str


def contrast_of(
    design: Design,
    name: str | None = None,
    level: Any = None,
    base: Any = None,
    contrast: Any = None,
) -> Contrast:
    """The contrast of a coefficient, of two levels of a factor, or as it is given.

    Args:
        design: the design.
        name: a coefficient, or a column of obs that the formula uses.
        level: with `base`: the effect of `level` over `base` of the factor `name`.
        base: see `level`.
        contrast: numbers, one per coefficient; a mapping from coefficients to numbers; or a
            formula of coefficients, ``"condition[T.B] - condition[T.C]"``.

    Raises:
        ValueError: none or several of these, an unknown name or level, levels whose difference
            depends on another variable, a vector of another length, of zeros or not finite.
    """
    if (name is None) == (contrast is None):
        raise ValueError(
            "say what to test: a name, as in test('age') or test('condition', 'B', 'A'), or "
            f"contrast=…, or reduced=…. The coefficients are {', '.join(design.columns)}"
        )
    if contrast is not None:
        if level is not None or base is not None:
            raise ValueError("levels are for a factor's name, not for contrast=…")
        return _given(design, contrast)
    if (level is None) != (base is None):
        raise ValueError(f"test({name!r}, B, A) needs both levels: B over A")
    if level is not None:
        return Contrast(_between(design, str(name), level, base), f"{name}: {level} over {base}")
    return _single(design, str(name))


def reduced_matrix(design: Design, vector: Floats) -> Floats:
    """A design of one column less that spans all means for which the contrast is 0."""
    used = np.flatnonzero(vector)
    if used.size == 1:
        return np.delete(design.matrix, used[0], axis=1)
    # The largest entry's coefficient is expressed by the others.
    pivot = int(np.argmax(np.abs(vector)))
    others = np.delete(np.arange(vector.size), pivot)
    found: Floats = design.matrix[:, others] - np.outer(
        design.matrix[:, pivot], vector[others] / vector[pivot]
    )
    return found


def _given(design: Design, contrast: Any) -> Contrast:
    columns = design.columns
    if isinstance(contrast, str):
        try:
            constraints = LinearConstraints.from_spec(contrast, variable_names=columns)
        except (FormulaicError, KeyError, ValueError, RuntimeError) as error:
            raise ValueError(
                f"the contrast {contrast!r} cannot be read: {one_line(error)}. The coefficients "
                f"are {', '.join(columns)}"
            ) from error
        if constraints.constraint_matrix.shape[0] != 1 or np.any(constraints.constraint_values):
            raise ValueError(f"the contrast {contrast!r} must be one combination, tested against 0")
        vector, words = constraints.constraint_matrix[0], contrast
    elif isinstance(contrast, Mapping):
        unknown = [str(name) for name in contrast if name not in columns]
        if unknown:
            raise ValueError(
                f"no coefficient {', '.join(unknown)}: the coefficients are {', '.join(columns)}"
            )
        vector = np.array([contrast.get(name, 0.0) for name in columns])
        words = _in_words(vector, columns)
    else:
        vector = np.asarray(contrast, np.float64)
        if vector.shape != (len(columns),):
            raise ValueError(
                f"the contrast must have {len(columns)} entries, for {', '.join(columns)}; its "
                f"shape is {vector.shape}"
            )
        words = _in_words(vector, columns)
    vector = np.asarray(vector, np.float64)
    if not np.all(np.isfinite(vector)) or not np.any(vector):
        raise ValueError(f"the contrast {words!r} must be finite and not all zeros")
    return Contrast(vector, words)


def _single(design: Design, name: str) -> Contrast:
    named = [design.columns.index(name)] if name in design.columns else []
    mine = named or _columns_of(design, name)
    if len(mine) == 1:
        position = mine[0]
        words = f"{design.columns[position]}{_place(design, position)}"
        return Contrast(np.eye(len(design.columns))[position], words)
    levels = levels_of(design.obs[name]) if name in design.obs else []
    if mine and levels and is_factor(design.spec, name):
        raise ValueError(
            f"{name!r} has the levels {', '.join(map(str, levels))}: say which, as in "
            f"test({name!r}, {levels[1]!r}, {levels[0]!r}), or test all with reduced=…"
        )
    if mine:
        raise ValueError(
            f"{name!r} has several coefficients, {', '.join(design.columns[i] for i in mine)}: "
            "name one of them, or test all with reduced=…"
        )
    raise ValueError(f"there is no {name!r}: the coefficients are {', '.join(design.columns)}")


def _between(design: Design, name: str, level: Any, base: Any) -> Floats:
    if design.spec is None:
        raise ValueError(
            "levels need a formula; the design is a matrix: name a coefficient or pass contrast=…"
        )
    if name not in design.obs:
        raise ValueError(
            f"the formula {design.formula!r} has no {name!r}, only {', '.join(design.obs.columns)}"
        )
    if not _columns_of(design, name):
        raise ValueError(f"no coefficient of {design.formula!r} depends on {name!r}")
    rows = []
    for value in (level, base):
        rows.append(_rows_with(design, name, value))
    difference = rows[0] - rows[1]
    if np.ptp(difference, axis=0).max() > 1e-12 * max(np.abs(difference).max(), 1):
        raise ValueError(
            f"the effect of {name} depends on another variable of {design.formula!r}: pass "
            "contrast=… (--contrast) a sum of coefficients, such as 'a + b' of "
            f"{', '.join(design.columns)}"
        )
    if not np.any(difference[0]):
        raise ValueError(f"{level!r} and {base!r} of {name} have the same mean in this design")
    found: Floats = difference[0]
    return found


def _rows_with(design: Design, name: str, value: Any) -> Floats:
    """The design of all rows, had they this value."""
    column = design.obs[name]
    if is_factor(design.spec, name):
        levels = levels_of(column)
        matching = [known for known in levels if known == value or str(known) == str(value)]
        if not matching:
            raise ValueError(f"{name} has no {value!r}, only {', '.join(map(str, levels))}")
        changed = pd.Series(matching[0], index=column.index, dtype=column.dtype)
    else:
        try:
            number = {"True": 1.0, "False": 0.0}.get(str(value)) if column.dtype == bool else None
            changed = pd.Series(float(value) if number is None else number, index=column.index)
        except (TypeError, ValueError) as error:
            raise ValueError(f"{name} is a number in this design, not {value!r}") from error
    try:
        matrix = design.spec.get_model_matrix(design.obs.assign(**{name: changed}), context={})
    except (FormulaicError, ValueError) as error:
        raise ValueError(
            f"{design.formula!r} cannot be applied where {name} is {value}: {one_line(error)}"
        ) from error
    return np.asarray(matrix, np.float64)


def _columns_of(design: Design, name: str) -> list[int]:
    """The coefficients of the terms that use a column of obs."""
    if design.spec is None:
        return []
    found: list[int] = []
    for term, columns in design.spec.term_indices.items():
        variables = {str(variable) for variable in design.spec.term_variables[term]}
        if name in variables or str(term) == name:
            found.extend(columns)
    return found


def _place(design: Design, position: int) -> str:
    """Where the effect of a coefficient is that of its column alone: " where sex is female".

    Interactions make the effect depend on other columns; the coefficient is the effect where those
    interactions are 0, at the reference level or at 0.
    """
    if design.spec is None:
        return ""
    terms = design.spec.term_indices
    mine = next(term for term, columns in terms.items() if position in columns)
    wider = [term for term in terms if set(mine.factors) < set(term.factors) and mine.factors]
    if str(mine) == "1" or not wider:
        return ""
    columns = [column for term in wider for column in terms[term]]
    at_zero = ~np.any(design.matrix[:, columns], axis=1) & (design.matrix[:, position] != 0)
    own = {str(name) for name in design.spec.term_variables[mine]}
    words = []
    for name in sorted({str(name) for term in wider for name in design.spec.term_variables[term]}):
        if name in own or name not in design.obs:
            continue
        levels = design.obs[name][at_zero].unique()
        if not is_factor(design.spec, name):
            words.append(f"{name} is 0")
        elif len(levels) == 1:
            words.append(f"{name} is {levels[0]}")
        else:
            return f" where {', '.join(design.columns[column] for column in columns)} are 0"
    return f" where {' and '.join(words)}"


def _in_words(vector: Floats, columns: list[str]) -> str:
    parts = [f"{weight:+g}·{name}" for weight, name in zip(vector, columns, strict=True) if weight]
    return " ".join(parts)
