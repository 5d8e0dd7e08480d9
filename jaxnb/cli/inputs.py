"""What a command reads: the counts, and the size factors of the cells."""

import argparse
import difflib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from jaxnb._errors import InputError
from jaxnb.cli.outputs import default_name
from jaxnb.datasets import pbmc68k
from jaxnb.fit.dominating_column import dominating_column
from jaxnb.io import CountMatrix, read_counts
from jaxnb.io.names import listed
from jaxnb.io.reading import stem_of

__all__ = ["described", "gene_column", "load_counts", "name_of_counts", "size_factors"]


# What scanpy and Seurat call the total counts of a cell.
_TOTALS = ("total_counts", "n_counts", "nCount_RNA")


def load_counts(options: argparse.Namespace) -> CountMatrix:
    """The matrix that the options of `jaxnb.cli.arguments.add_counts` name, or the bundled one.

    Raises:
        InputError: see `jaxnb.io.read_counts`.
    """
    if options.counts is not None:
        return read_counts(
            options.counts,
            layer=options.layer,
            raw=options.raw,
            transpose=options.transpose,
            index_columns=options.index_columns,
            check_orientation=not options.no_orientation_check,
            allow_non_integer=options.allow_non_integer,
            progress=True,
        )
    data = pbmc68k()
    return CountMatrix(
        counts=data.counts,
        cells=None,
        genes=data.genes,
        obs={"total_counts": data.total_counts, "cell_type": data.labels},
        var={},
        source="pbmc68k",
        files=(),
        notes=(),
    )


def name_of_counts(options: argparse.Namespace) -> str:
    """What to call the results."""
    if options.counts is None:
        return "pbmc68k"
    path = Path(options.counts)
    return default_name(path, stem_of(path), "raw" if options.raw else options.layer)


def described(data: CountMatrix) -> str:
    """Size and first names, by which a user sees whether the matrix was read as it was meant."""
    cells, genes = data.counts.shape
    return (
        f"read {cells} cells ({listed(data.cells, 3)}) x {genes} genes ({listed(data.genes, 3)})"
        f" from {data.source}"
    )


def gene_column(gene: str, genes: NDArray[np.str_]) -> int:
    """The column of a gene.

    Raises:
        InputError: there is none of that name, with those of similar names; or several.
    """
    columns = np.flatnonzero(genes == gene)
    if columns.size == 1:
        return int(columns[0])
    if columns.size > 1:
        raise InputError(f"--gene {gene}: {columns.size} genes have that name")
    folded: dict[str, str] = {}
    for name in genes.tolist():
        folded.setdefault(name.casefold(), name)
    wanted = gene.casefold()
    near = difflib.get_close_matches(wanted, folded, n=5, cutoff=0.7)
    near += sorted(name for name in folded if name.startswith(wanted) and name not in near)[:5]
    hint = f"; like it: {', '.join(folded[name] for name in near)}" if near else ""
    raise InputError(f"--gene {gene}: no such gene among the {genes.size}{hint}")


def size_factors(how: str | None, data: CountMatrix) -> tuple[NDArray[np.float64], tuple[str, ...]]:
    """One factor per cell: from the totals, all 1, from a field of the cells, or from a file.

    Args:
        how: "total", "none", "obs:FIELD", or the path of a text file; None for the default, which
            is "total" but for the bundled data, whose cells have totals over more genes.
        data: the counts.

    Returns:
        The factors, and what the user should know about them.

    Raises:
        InputError: the field or the file cannot be read, an entry is not a positive number, or
            their number is not that of the cells; or there is one gene only and the totals would
            be its counts.
    """
    cells = data.counts.shape[0]
    if how is None and not data.files:
        how = "obs:total_counts"
    if how in (None, "total"):
        return _from_totals(data)
    if how == "none":
        return np.ones(cells), ()
    if how.startswith("obs:"):
        return _from_field(how.removeprefix("obs:"), data), ()
    factors = np.array(_numbers(Path(how)))
    if factors.size != cells:
        raise InputError(f"{how}: {factors.size} size factors for {cells} cells; give one per cell")
    return factors, ()


def _from_totals(data: CountMatrix) -> tuple[NDArray[np.float64], tuple[str, ...]]:
    choices = "--size-factors none, obs:FIELD (a field of the cells), or a text file"
    try:
        found = dominating_column(data.counts)
    except ValueError as error:
        raise InputError(f"{data.source}: {error}; choose {choices}") from error
    remarks = []
    if found is not None:
        what = found.described(str(data.genes[found.column]))
        remarks.append(f"{what}; consider {choices}")
    totals = np.asarray(data.counts.sum(axis=1), np.float64).ravel()
    for name in _TOTALS:
        wider = data.obs.get(name)
        if wider is not None and wider.dtype.kind in "iuf" and wider.mean() > 1.05 * totals.mean():
            remarks.append(
                f"the field {name!r} of the cells has totals over more genes ({wider.mean():.4g} "
                f"on average, {totals.mean():.4g} here): consider --size-factors obs:{name}"
            )
            break
    return totals / totals.mean(), tuple(remarks)


def _from_field(name: str, data: CountMatrix) -> NDArray[np.float64]:
    if name not in data.obs:
        known = ", ".join(list(data.obs)[:12]) or "no fields"
        raise InputError(f"--size-factors obs:{name}: no such field of the cells; it has {known}")
    try:
        values = np.asarray(data.obs[name], np.float64)
    except ValueError as error:
        raise InputError(f"--size-factors obs:{name}: the field holds text, not numbers") from error
    bad = ~(np.isfinite(values) & (values > 0))
    if bad.any():
        at = int(np.argmax(bad))
        raise InputError(
            f"--size-factors obs:{name}: must be positive, but is {values[at]:g} in cell {at + 1}"
        )
    factors: NDArray[np.float64] = values / values.mean()
    return factors


def _numbers(file: Path) -> list[float]:
    try:
        lines = file.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"--size-factors {file}: cannot be read ({error}); give 'total', 'none', 'obs:FIELD' "
            f"or a text file"
        ) from error
    numbers = []
    for at, line in enumerate(map(str.strip, lines), start=1):
        if not line:
            continue
        try:
            # float reads 1_000; no other tool does.
            numbers.append(float(line if "_" not in line else "?"))
        except ValueError:
            raise InputError(f"{file}: line {at}: {line!r} is not a number") from None
        if not 0 < numbers[-1] < np.inf:
            raise InputError(f"{file}: line {at}: size factors must be positive, not {line}")
    return numbers
