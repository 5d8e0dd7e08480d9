"""What a command reads, and what there is to say about it."""

import argparse
import difflib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jaxnb._errors import InputError
from jaxnb.cli.outputs import default_name
from jaxnb.cli.size_factors import OTHER_CHOICES
from jaxnb.data.dominating_column import DominatingColumn
from jaxnb.datasets import pbmc68k
from jaxnb.io import CountFile, CountMatrix, open_counts
from jaxnb.io.matrices import InMemory
from jaxnb.io.names import listed
from jaxnb.io.reading import stem_of

__all__ = [
    "described",
    "gene_column",
    "name_of_counts",
    "opened_counts",
    "reading_options",
    "remarks_on_totals",
]

# What scanpy and Seurat call the total counts of a cell.
_TOTALS = ("total_counts", "n_counts", "nCount_RNA")


def reading_options(options: argparse.Namespace) -> dict[str, Any]:
    """The options of `jaxnb.cli.arguments.add_counts` as those of `jaxnb.io.open_counts`."""
    return {
        "layer": options.layer,
        "raw": options.raw,
        "transpose": options.transpose,
        "index_columns": options.index_columns,
        "check_orientation": not options.no_orientation_check,
        "allow_non_integer": options.allow_non_integer,
    }


@contextmanager
def opened_counts(options: argparse.Namespace) -> Iterator[CountFile]:
    """The file that the options name, or the bundled counts as if they were one.

    Raises:
        InputError: see `jaxnb.io.open_counts`.
    """
    if options.counts is not None:
        with open_counts(options.counts, progress=True, **reading_options(options)) as opened:
            yield opened
        return
    data = pbmc68k()
    yield CountFile(
        cells=None,
        genes=data.genes,
        obs={"total_counts": data.total_counts, "cell_type": data.labels},
        var={},
        source="pbmc68k",
        files=(),
        notes=(),
        _file=Path("pbmc68k"),
        _matrix=InMemory(data.counts),
        _kept=None,
        _others={},
    )


def name_of_counts(options: argparse.Namespace) -> str:
    """What to call the results."""
    if options.counts is None:
        return "pbmc68k"
    path = Path(options.counts)
    return default_name(path, stem_of(path), "raw" if options.raw else options.layer)


def described(data: CountFile | CountMatrix, shape: tuple[int, int]) -> str:
    """Size and first names, by which a user sees whether the matrix was read as it was meant."""
    return (
        f"read {shape[0]} cells ({listed(data.cells, 3)}) x {shape[1]} genes "
        f"({listed(data.genes, 3)}) from {data.source}"
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
    hint = f"; similar names: {', '.join(folded[name] for name in near)}" if near else ""
    raise InputError(f"--gene {gene}: no such gene among the {genes.size}{hint}")


def remarks_on_totals(
    opened: CountFile | CountMatrix, found: DominatingColumn | None, mean_total: float
) -> Iterator[str]:
    """What the user should know about totals as size factors.

    Args:
        opened: the counts.
        found: the gene that makes up too much of them.
        mean_total: their mean.
    """
    if found is not None:
        yield f"{found.described(str(opened.genes[found.column]))}; consider {OTHER_CHOICES}"
    for name in _TOTALS:
        wider = opened.obs.get(name)
        if wider is not None and wider.dtype.kind in "iuf" and wider.mean() > 1.05 * mean_total:
            yield (
                f"the field {name!r} of the cells has totals over more genes ({wider.mean():.4g} "
                f"on average, {mean_total:.4g} here): consider --size-factors obs:{name}"
            )
            return
