"""The regression and the test that the options of ``de`` ask for."""

import argparse
import warnings
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from jaxnb._errors import InputError
from jaxnb.cli.arguments import parts_of_contrast
from jaxnb.cli.inputs import remarks_on_totals
from jaxnb.cli.outputs import note
from jaxnb.cli.rows import key_of_reading
from jaxnb.cli.size_factors import size_factors_asked

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd

    from jaxnb.glm import GLMFit, MixedFit
    from jaxnb.glm.design import GroupedDesign
    from jaxnb.glm.levels import Outcome
    from jaxnb.io import CountFile

__all__ = [
    "as_input_errors",
    "grouped_rows",
    "note_on_sums",
    "noted_warnings",
    "size_factors",
    "tested",
    "totals_remarks",
    "with_reference",
]

# Fewer rows are taken for samples, and sums of cells, not cells.
_FEW_ROWS = 100


def tested(
    options: argparse.Namespace,
    opened: "CountFile",
    obs: "pd.DataFrame",
    *,
    sums: "Outcome | None",
) -> tuple["GLMFit | MixedFit", list["pd.DataFrame"]]:
    """Fit, test, and say what the user should know.

    Args:
        options: of the command.
        opened: the counts.
        obs: what is known of the rows.
        sums: over the cells, if they have been made already.

    Raises:
        InputError: see `jaxnb.glm.fit` and `jaxnb.glm.GLMFit.test`.
    """
    import pandas as pd

    from jaxnb.cli.de_report import remarks_on_rows

    with noted_warnings(), as_input_errors():
        obs = with_reference(obs, options.reference)
        found = _streamed(options, opened, obs, sums) or _in_memory(options, opened, obs)
        fit = found.fit
        tables = [_asked(fit, options, contrast) for contrast in options.contrast or [None]]
    for table in tables:
        table.index = pd.Index(opened.genes)
    for remark in (
        *remarks_on_rows(fit, tables[0]),
        *totals_remarks(found.mean_total, opened, obs),
    ):
        note(remark)
    return fit, tables


class _Fitted(NamedTuple):
    """A fit and, if totals of the rows are the size factors, their mean."""

    fit: "GLMFit | MixedFit"
    mean_total: float | None


def grouped_rows(options: argparse.Namespace, obs: "pd.DataFrame") -> "GroupedDesign | None":
    """The groups of cells to add up; None where the fit takes the matrix.

    That is so for few rows, for which a fit is of the rows themselves, and where the design has
    nearly as many distinct rows as there are.
    """
    from jaxnb.glm.streaming import MatrixNeeded, grouped_cells

    if options.pseudobulk or options.allow_non_integer or len(obs) < _FEW_ROWS:
        return None
    try:
        also = [options.reduced] if options.reduced else []
        return grouped_cells(options.design, obs, also, options.random)
    except MatrixNeeded:
        return None


def note_on_sums(options: argparse.Namespace, genes: int, rows: int, size: int) -> None:
    """Say how much memory the sums take."""
    what = "rows of the design" if options.random is None else f"rows and {options.random}"
    note(f"{genes} genes x {rows} distinct {what}: {size / 1e6:.0f} MB of sums")


def _streamed(
    options: argparse.Namespace, opened: "CountFile", obs: "pd.DataFrame", sums: "Outcome | None"
) -> _Fitted | None:
    """The fit from sums over cells; None where it takes the matrix."""
    from jaxnb.glm.streaming import MatrixNeeded, bytes_of_sums, fit_opened

    rows, genes = opened.shape
    grouped = grouped_rows(options, obs)
    if grouped is None:
        return None
    if options.checkpoint is not None and not opened.files:
        raise InputError("--checkpoint is for a file of counts: name one")
    if sums is None:
        note_on_sums(options, genes, len(grouped.lines), bytes_of_sums(genes, len(grouped.lines)))
    try:
        if isinstance(sums, ValueError):
            raise sums
        fit, found = fit_opened(
            opened,
            grouped,
            obs,
            size_factors(options, obs, rows),
            dispersion=options.dispersion,
            random=options.random,
            checkpoint=options.checkpoint,
            progress=True,
            options=key_of_reading(options),
            sums=sums,
        )
    except MatrixNeeded:
        return None
    return _Fitted(fit, found.mean_total)


def _in_memory(options: argparse.Namespace, opened: "CountFile", obs: "pd.DataFrame") -> _Fitted:
    from jaxnb import glm
    from jaxnb.io.values import fractions

    if options.checkpoint is not None:
        raise InputError(
            "--checkpoint is for cells that are added up by the rows of a design: not for fewer "
            f"than {_FEW_ROWS} rows, --pseudobulk, --allow-non-integer, median ratios, and designs "
            "with nearly as many distinct rows as cells"
        )
    data = opened.read(progress=True)
    for remark in data.notes[len(opened.remarks) :]:
        note(remark)
    matrix = data.counts
    if fractions(matrix.data):
        note("estimated counts: their log-likelihood is linear between whole numbers")
    if options.pseudobulk:
        sums, obs = glm.pseudobulk(
            matrix, options.pseudobulk.split(","), obs=obs, min_cells=options.min_cells
        )
        note(f"{len(sums)} sums of cells that agree in {options.pseudobulk}")
        matrix = sums.to_numpy()
    fit = glm.fit(
        matrix,
        options.design,
        obs=obs,
        size_factors=size_factors(options, obs, len(obs)),
        dispersion=options.dispersion,
        random=options.random,
        filter_low=not options.no_filter and len(obs) < _FEW_ROWS,
        keep_outliers=options.keep_outliers,
        allow_non_integer=True,
        progress=True,
    )
    of_totals = fit.size_factors_from == "total" and not options.pseudobulk
    return _Fitted(fit, float(data.counts.sum(axis=1).mean()) if of_totals else None)


@contextmanager
def noted_warnings() -> "Iterator[None]":
    """Say each warning of the regression once, also where an error follows it."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always", UserWarning)
        try:
            yield
        finally:
            messages = [
                str(warning.message)
                for warning in said
                if issubclass(warning.category, UserWarning)
            ]
            for message in dict.fromkeys(messages):
                note(message)


@contextmanager
def as_input_errors() -> "Iterator[None]":
    """Errors of the regression as those of the input."""
    try:
        yield
    except InputError:
        raise
    except (ValueError, TypeError) as error:
        if isinstance(error, TypeError) and "random intercept" not in str(error):
            raise
        raise InputError(str(error)) from error


def _asked(
    fit: "GLMFit | MixedFit", options: argparse.Namespace, contrast: str | None
) -> "pd.DataFrame":
    """The test of one contrast, or of what was asked for instead."""
    how: dict[str, Any] = {"method": options.method}
    if options.random is None:
        how["threshold"] = options.threshold
    if options.reduced is not None:
        return fit.test(reduced=options.reduced, **how)
    if options.random is None:
        how["shrink"] = True
    if contrast is None:
        return fit.test(options.test, **how)
    parts = parts_of_contrast(contrast)
    if len(parts) == 3:
        return fit.test(*parts, **how)
    return fit.test(contrast=parts[0], **how)


def with_reference(obs: "pd.DataFrame", choice: str | None) -> "pd.DataFrame":
    """A factor with another first level, to which the coefficients of the others refer.

    Raises:
        InputError: there is no such field or level.
    """
    import pandas as pd

    if choice is None:
        return obs
    name, _, level = choice.partition("=")
    if not level or name not in obs:
        known = ", ".join(map(str, obs.columns))
        raise InputError(f"--reference {choice}: must be FIELD=LEVEL, of the fields {known}")
    column = obs[name].astype("category").cat.remove_unused_categories()
    levels = list(column.cat.categories)
    first = [entry for entry in levels if str(entry) == level]
    if not first:
        raise InputError(f"--reference {choice}: {name} has {', '.join(map(str, levels))}")
    ordered = [*first, *(entry for entry in levels if entry not in first)]
    return obs.assign(**{name: pd.Categorical(column, ordered)})


def totals_remarks(
    mean_total: float | None, opened: "CountFile", obs: "pd.DataFrame"
) -> "Iterator[str]":
    """Totals over a part of the genes as size factors, which bend every fold change.

    Args:
        mean_total: of the rows; None if other size factors were used.
        opened: the counts.
        obs: what is known of the rows.
    """
    import numpy as np

    if mean_total is not None:
        fields = {str(name): np.asarray(obs[name]) for name in obs.columns}
        yield from remarks_on_totals(replace(opened, obs=fields), None, mean_total)


def size_factors(options: argparse.Namespace, obs: "pd.DataFrame", rows: int) -> Any:
    """What ``--size-factors`` says, for `jaxnb.glm.fit`.

    Raises:
        InputError: there is no such field, or the file cannot be read.
    """
    how = options.size_factors
    if how is None and options.counts is None and not options.pseudobulk:
        how = "obs:total_counts"
    asked = size_factors_asked(how, rows, obs)
    if isinstance(asked, str) and asked in obs:
        raise InputError(
            f"--size-factors {how}: there is a field of that name, too: give obs:{asked} for the "
            "field, or rename it"
        )
    return asked
