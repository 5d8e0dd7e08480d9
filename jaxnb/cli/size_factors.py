"""What --size-factors says, for fits and regression."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jaxnb._errors import InputError
from jaxnb.data.size_factors import FROM_COUNTS
from jaxnb.io import CountFile

__all__ = ["OTHER_CHOICES", "size_factors_asked", "size_factors_of_cells"]

OTHER_CHOICES = "--size-factors ones, obs:FIELD (a field of the cells), or a text file"
_CHOICES = ", ".join((*map(repr, FROM_COUNTS), "'ones', 'obs:FIELD' or a text file"))


def size_factors_asked(
    how: str | None, rows: int, fields: Mapping[str, Any]
) -> NDArray[np.float64] | str | None:
    """One factor per row, from a field or a file; or a choice by its name; None for the default.

    Args:
        how: a choice by its name, "obs:FIELD", or the path of a text file.
        rows: how many there are.
        fields: of the rows.

    Raises:
        InputError: the field or the file cannot be read, an entry is not a positive number, or
            their number is not that of the rows.
    """
    if how is None or how in (*FROM_COUNTS, "ones"):
        return how
    if how == "none":  # another name for it
        return "ones"
    if how.startswith("obs:"):
        return _from_field(how.removeprefix("obs:"), fields)
    factors = np.array(_numbers(Path(how)))
    if factors.size != rows:
        raise InputError(f"{how}: {factors.size} size factors for {rows} cells; give one per cell")
    return factors


def size_factors_of_cells(how: str | None, opened: CountFile) -> NDArray[np.float64] | str:
    """What a fit takes: an array, or a choice that is made from the counts.

    Args:
        how: as in `size_factors_asked`; None is "total", but for the bundled data, whose cells
            have totals over more genes.
        opened: the counts.

    Raises:
        InputError: as in `size_factors_asked`; or the totals would be the counts themselves.
    """
    cells, genes = opened.shape
    if how is None:
        how = "total" if opened.files else "obs:total_counts"
    if how == "total" and genes == 1:
        raise InputError(
            f"{opened.source}: there is one column only: row totals as size factors would be the "
            f"counts themselves, and theta inf; choose {OTHER_CHOICES}"
        )
    asked = size_factors_asked(how, cells, opened.obs)
    assert asked is not None
    return np.ones(cells) if isinstance(asked, str) and asked == "ones" else asked


def _from_field(name: str, fields: Mapping[str, Any]) -> NDArray[np.float64]:
    if name not in fields:
        known = ", ".join(map(str, list(fields)[:12])) or "no fields"
        raise InputError(f"--size-factors obs:{name}: no such field; there are {known}")
    try:
        values = np.asarray(fields[name], np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"--size-factors obs:{name}: the field holds text, not numbers") from error
    bad = ~(np.isfinite(values) & (values > 0))
    if bad.any():
        at = int(np.argmax(bad))
        raise InputError(
            f"--size-factors obs:{name}: must be positive, but is {values[at]:g} in row {at + 1}"
        )
    factors: NDArray[np.float64] = values / values.mean()
    return factors


def _numbers(file: Path) -> list[float]:
    try:
        lines = file.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"--size-factors {file}: cannot be read ({error}); give {_CHOICES}"
        ) from error
    numbers = []
    for at, line in enumerate(map(str.strip, lines), start=1):
        if not line:
            continue
        try:
            if "_" in line:  # float reads 1_000; no other tool does
                raise ValueError
            numbers.append(float(line))
        except ValueError:
            raise InputError(f"{file}: line {at}: {line!r} is not a number") from None
        if not 0 < numbers[-1] < np.inf:
            raise InputError(f"{file}: line {at}: size factors must be positive, not {line}")
    return numbers
