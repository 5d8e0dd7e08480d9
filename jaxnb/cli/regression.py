"""The regression and the test that the options of ``de`` ask for."""

import argparse
import csv
import sys
import warnings
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from jaxnb._errors import InputError
from jaxnb.cli.outputs import note
from jaxnb.cli.samples import obs_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd

    from jaxnb.glm import GLMFit
    from jaxnb.io import CountMatrix

__all__ = ["parts_of_contrast", "tested"]

# Fewer rows are taken for samples, and sums of cells, not cells.
_FEW_ROWS = 100


def parts_of_contrast(contrast: str) -> list[str]:
    """Factor and levels; one part is a sum of coefficients."""
    return next(csv.reader([contrast], skipinitialspace=True))


def tested(options: argparse.Namespace, data: "CountMatrix") -> tuple["GLMFit", "pd.DataFrame"]:
    """Read what is known of the rows, fit, test, and say what the user should know.

    Raises:
        InputError: see `jaxnb.glm.fit` and `jaxnb.glm.GLMFit.test`.
    """
    import pandas as pd

    from jaxnb import glm
    from jaxnb.cli.de_report import remarks_on_rows

    with _noted_warnings(), _as_input_errors():
        matrix, genes, obs = _whole(data.counts), pd.Index(data.genes), obs_of(options.obs, data)
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
            size_factors=_size_factors(options, obs, len(obs)),
            dispersion=options.dispersion,
            filter_low=not options.no_filter and len(obs) < _FEW_ROWS,
            progress=sys.stderr is not None and sys.stderr.isatty(),
        )
        if options.reduced is not None:
            table = fit.test(reduced=options.reduced, method=options.method)
        elif options.test is not None:
            table = fit.test(options.test, method=options.method, shrink=True)
        else:
            table = _contrasted(fit, options)
    table.index = genes
    for remark in (*remarks_on_rows(fit, table), *_remarks_on_genes(options, data, obs, fit)):
        note(remark)
    return fit, table


@contextmanager
def _noted_warnings() -> "Iterator[None]":
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
def _as_input_errors() -> "Iterator[None]":
    try:
        yield
    except InputError:
        raise
    except ValueError as error:
        raise InputError(str(error)) from error


def _contrasted(fit: "GLMFit", options: argparse.Namespace) -> "pd.DataFrame":
    parts = parts_of_contrast(options.contrast)
    if len(parts) == 3:
        return fit.test(*parts, method=options.method, shrink=True)
    return fit.test(contrast=parts[0], method=options.method, shrink=True)


def _whole(counts: Any) -> Any:
    """Estimated counts rounded, as DESeq2 rounds those of salmon."""
    from jaxnb.io.values import fractions

    if not fractions(counts.data):
        return counts
    rounded = counts.copy()
    rounded.data = rounded.data.round()
    rounded.eliminate_zeros()
    note("estimated counts are rounded to whole numbers")
    return rounded


def _remarks_on_genes(
    options: argparse.Namespace, data: "CountMatrix", obs: "pd.DataFrame", fit: "GLMFit"
) -> "Iterator[str]":
    """Totals over a part of the genes, which bend every fold change."""
    import numpy as np

    from jaxnb.cli.inputs import remarks_on_totals

    if fit.size_factors_from == "total" and not options.pseudobulk:
        fields = {str(name): np.asarray(obs[name]) for name in obs.columns}
        mean_total = float(data.counts.sum(axis=1).mean())
        yield from remarks_on_totals(replace(data, obs=fields), None, mean_total)


def _size_factors(options: argparse.Namespace, obs: "pd.DataFrame", rows: int) -> Any:
    import numpy as np

    how = options.size_factors
    if how is None and options.counts is None and not options.pseudobulk:
        how = "obs:total_counts"
    if how in (None, "total", "median-ratio"):
        return how
    if how == "none":
        return np.ones(rows)
    if how.startswith("obs:"):
        field = how.removeprefix("obs:")
        if field not in obs:
            known = ", ".join(map(str, obs.columns)) or "no fields"
            raise InputError(f"--size-factors {how}: no such field; there are {known}")
        values = obs[field]
        return values / values.mean() if values.dtype.kind in "iuf" else values
    try:
        return np.loadtxt(how, ndmin=1)
    except (OSError, ValueError) as error:
        raise InputError(f"--size-factors {how}: cannot be read ({error})") from error
