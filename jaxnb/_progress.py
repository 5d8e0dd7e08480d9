"""Progress on stderr if it is a terminal, and nothing otherwise."""

import os
import sys
from typing import Any

from tqdm import tqdm

__all__ = ["progress_bar"]


def progress_bar(total: int, title: str, unit: str, *, progress: bool) -> Any:
    """A tqdm bar with rate and time left, to be used in a ``with`` statement.

    Args:
        total: number of units.
        title: to the left of the bar.
        unit: what is counted.
        progress: False for no bar. True shows it if stderr is a terminal.
    """
    return tqdm(
        total=total,
        desc=title,
        unit=unit,
        unit_scale=True,
        leave=False,
        **_size(),
        disable=None if progress else True,
    )


def _size() -> dict[str, int]:
    """Nothing lets tqdm find the size out.

    A terminal that does not know its size, as in many containers, says 0, and tqdm draws nothing.
    """
    try:
        columns = os.get_terminal_size(sys.stderr.fileno()).columns
    except (AttributeError, OSError, ValueError):
        return {}
    return {} if columns else {"ncols": 80, "nrows": 24}
