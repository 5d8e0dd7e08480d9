"""Some of the cells of an open file, as if it had no others; and a file that is read once."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from jaxnb.io.count_file import CountFile
from jaxnb.io.matrices import Matrix

__all__ = ["read_once", "some_cells"]


def some_cells(opened: CountFile, kept: NDArray[np.bool_]) -> CountFile:
    """The file with those cells alone; it is read in blocks as before.

    Args:
        opened: from `jaxnb.io.open_counts`.
        kept: which cells, shape ``(cells,)``.
    """
    return replace(
        opened,
        cells=None if opened.cells is None else opened.cells[kept],
        obs={name: field[kept] for name, field in opened.obs.items()},
        source=f"{opened.source}, {int(kept.sum())} of its {kept.size} cells",
        _matrix=_SomeRows(opened._matrix, kept),
    )


def read_once(opened: CountFile) -> CountFile:
    """The file, whose matrix stays in memory once all of it has been read."""
    return replace(opened, _matrix=_ReadOnce(opened._matrix))


class _ReadOnce:
    """Another matrix, read at most once."""

    def __init__(self, matrix: Matrix) -> None:
        self._matrix = matrix
        self._whole: Any = None

    @property
    def shape(self) -> tuple[int, int]:
        return self._matrix.shape

    @property
    def by_rows(self) -> bool:
        return self._matrix.by_rows

    def blocks(self, rows: int, start: int = 0) -> Iterator[Any]:
        return self._matrix.blocks(rows, start)

    def read(self, *, progress: bool) -> Any:
        if self._whole is None:
            self._whole = self._matrix.read(progress=progress)
        return self._whole

    def transposed(self) -> Matrix:
        return self._matrix.transposed()

    def sample(self) -> Any:
        return self._matrix.sample()


class _SomeRows:
    """The rows of another matrix for which `kept` is true."""

    def __init__(self, matrix: Matrix, kept: NDArray[np.bool_]) -> None:
        self._matrix, self._kept = matrix, kept
        self.by_rows = matrix.by_rows
        self.shape = (int(kept.sum()), matrix.shape[1])

    def blocks(self, rows: int, start: int = 0) -> Iterator[Any]:
        """Blocks of `rows` rows that are kept; only what they are joined from is in memory."""
        where = np.flatnonzero(self._kept)[start:]
        if not where.size:
            return
        position, waiting, held = int(where[0]), [], 0
        for block in self._matrix.blocks(rows, position):
            some = block[self._kept[position : position + block.shape[0]]]
            position += block.shape[0]
            waiting.append(some)
            held += some.shape[0]
            if held >= rows:
                joined = sparse.vstack(waiting, format="csr")
                yield joined[:rows]
                waiting, held = [joined[rows:]], held - rows
        if held:
            yield sparse.vstack(waiting, format="csr")

    def read(self, *, progress: bool) -> Any:
        return self._matrix.read(progress=progress)[self._kept]

    def transposed(self) -> Matrix:
        raise NotImplementedError("cells are chosen after the orientation is known")

    def sample(self) -> Any:
        return self._matrix.sample()
