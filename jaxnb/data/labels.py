"""Values that have labels, put into the order of the rows."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["aligned", "is_labelled"]


def is_labelled(values: Any) -> bool:
    """Whether it is a Series or DataFrame of pandas, which need not be imported for it."""
    return hasattr(getattr(values, "index", None), "equals")


def aligned(values: Any, labels: Any, name: str) -> Any:
    """A Series or DataFrame in the order of the rows' labels; one that has none as it is.

    Args:
        values: as many lines as there are rows.
        labels: of the rows.
        name: of `values`, for the message.

    Raises:
        ValueError: the labels are not those of the rows.
    """
    given, wanted = np.asarray(values.index), np.asarray(labels)
    if np.array_equal(given, wanted):
        return values
    place = {label: at for at, label in enumerate(given.tolist())}
    rows = wanted.tolist()
    missing = [label for label in rows if label not in place]
    if not missing and len(place) == len(given) and len(set(rows)) == len(rows):
        return values.iloc[[place[label] for label in rows]]
    if _numbered(given) or _numbered(wanted):
        return values
    what = f"row {missing[0]} is not among them" if missing else "some occur twice"
    raise ValueError(
        f"the labels of {name} are not those of the rows ({what}): give it the labels of the "
        "rows, or pass an array in their order"
    )


def _numbered(labels: NDArray[Any]) -> bool:
    """Whether the labels are the positions, as where nobody has given any."""
    return labels.dtype.kind in "iu" and np.array_equal(labels, np.arange(labels.size))
