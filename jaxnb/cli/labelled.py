"""What every reader returns: a matrix and the names that its file has for rows and columns."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Labelled", "Names"]

Names = NDArray[np.str_] | None


class Labelled(NamedTuple):
    """A matrix as its file has it, unchecked.

    Attributes:
        matrix: dense or scipy sparse.
        rows: a name for every row, or None.
        columns: a name for every column, or None.
        remark: how the file was understood, where that had to be guessed.
    """

    matrix: Any
    rows: Names
    columns: Names
    remark: str = ""
