"""Statistics of a file that need not fit into memory."""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from jaxnb._errors import InputError
from jaxnb._warnings import warn
from jaxnb.data.dominating_column import DominatingColumn
from jaxnb.data.passes import BLOCK, SECONDS, FilePasses, digest
from jaxnb.data.size_factors import REMEDY, WHOLE_MATRIX, Rows, given_factors
from jaxnb.data.statistics import CountStatistics
from jaxnb.io import CountFile, open_counts

__all__ = ["FileSums", "read_statistics", "sums_of_file"]


class FileSums(NamedTuple):
    """What `sums_of_file` finds.

    Attributes:
        statistics: with the names of the genes.
        dominating: the gene that bends size factors from totals, if there is one.
        mean_total: counts of a cell on average; None if the size factors were given.
    """

    statistics: CountStatistics
    dominating: DominatingColumn | None
    mean_total: float | None


def read_statistics(
    path: str | PathLike[str],
    size_factors: ArrayLike | str | None = None,
    *,
    zero_inflation: bool = True,
    cells: int = BLOCK,
    checkpoint: str | PathLike[str] | None = None,
    checkpoint_seconds: float = SECONDS,
    progress: bool = False,
    **options: Any,
) -> CountStatistics:
    """Read a file of counts block by block, and keep the sums that fits are made from.

    What is in memory is a block of cells, another that is being read meanwhile by a thread, and the
    statistics, whose size the number of cells does not change. With the totals as size factors,
    the file is read twice.

    Args:
        path: any file that `jaxnb.io.read_counts` reads; HDF5 and Zarr files, compressed by cells,
            are read in blocks, others whole.
        size_factors: as for `fit_nb`, but for ``"median-ratio"`` and ``"tmm"``, which take the
            whole matrix; the fields are those of the file, such as the columns of ``obs``.
        zero_inflation: keep what `fit_zinb` needs.
        cells: in a block.
        checkpoint: a folder in which the sums are kept every `checkpoint_seconds`. After an
            interruption, the same call resumes from there and ends with bitwise the same sums.
        checkpoint_seconds: between two writes.
        progress: show a progress bar if stderr is a terminal.
        **options: of `jaxnb.io.open_counts`, such as `layer`, `raw` and `transpose`.

    Returns:
        The statistics, with the names of the genes; give them to `fit_nb` and `fit_zinb`.

    Raises:
        InputError: (a `ValueError`) the file cannot be read or holds no counts, see
            `jaxnb.io.read_counts`; the size factors do not fit it, or there is one gene and none
            are given; or the checkpoint cannot be written, or is of another file, of one that has
            changed, or of other options.

    Warns:
        UserWarning: totals of which one gene makes up much, see `fit_nb`.
    """
    with open_counts(path, progress=progress, **options) as opened:
        found = sums_of_file(
            opened,
            _given_factors(size_factors, opened),
            zero_inflation=zero_inflation,
            cells=cells,
            checkpoint=checkpoint,
            checkpoint_seconds=checkpoint_seconds,
            progress=progress,
            options=options,
        )
    if found.dominating is not None:
        what = found.dominating.described(str(opened.genes[found.dominating.column]))
        warn(f"{what}; {REMEDY}")
    return found.statistics


def sums_of_file(
    opened: CountFile,
    size_factors: NDArray[np.float64] | None,
    *,
    zero_inflation: bool,
    cells: int = BLOCK,
    checkpoint: str | PathLike[str] | None = None,
    checkpoint_seconds: float = SECONDS,
    progress: bool = False,
    options: Mapping[str, Any] | None = None,
) -> FileSums:
    """`read_statistics` of an open file, whose entries are checked.

    Args:
        opened: from `jaxnb.io.open_counts`.
        size_factors: shape ``(cells,)``, or None for the totals over their mean.
        zero_inflation: as in `read_statistics`, as those that follow.
        cells: in a block.
        checkpoint: folder.
        checkpoint_seconds: between writes.
        progress: bars.
        options: how the file was opened: a checkpoint of other options is refused.

    Raises:
        InputError: as in `read_statistics`.
    """
    key = {
        "size factors": "totals" if size_factors is None else digest(size_factors),
        "options": repr((cells, zero_inflation, sorted((options or {}).items()))),
    }
    passes = FilePasses(
        opened,
        key,
        cells=cells,
        checkpoint=checkpoint,
        seconds=checkpoint_seconds,
        progress=progress,
    )
    dominating, mean_total = None, None
    if size_factors is None:
        found = passes.totals()
        dominating = passes.dominating(found)
        mean_total = float(found.cell_totals.mean())
        size_factors = found.cell_totals / mean_total
    empty = CountStatistics(opened.shape[1], zero_inflation=zero_inflation)
    statistics = passes.statistics(empty, size_factors)
    return FileSums(statistics, dominating, mean_total)


def _given_factors(size_factors: ArrayLike | str | None, opened: CountFile) -> Any:
    if size_factors is None:
        return None
    rows = Rows(opened.shape[0], opened.cells, opened.obs)
    try:
        given = given_factors(size_factors, rows, zeros=True)
    except ValueError as error:
        raise InputError(str(error)) from error
    if given is None and size_factors in WHOLE_MATRIX:
        raise InputError(
            f"size_factors={size_factors!r} takes the whole matrix in memory: choose 'total', or "
            "give what jaxnb.io.read_counts reads to the fit"
        )
    return None if given is None else given[0]
