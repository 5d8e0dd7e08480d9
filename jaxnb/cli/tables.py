"""Tables written in the format that the name of the file says."""

import gzip
import importlib.util
import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING

from jaxnb._errors import InputError
from jaxnb.cli.outputs import Output, planned_output

if TYPE_CHECKING:
    import argparse

    import pandas as pd

    from jaxnb.io import CountFile

__all__ = [
    "check_table_name",
    "opened_table",
    "planned_table",
    "separator_of",
    "stem_of_table",
    "with_contrasts",
    "write_frame",
]

_SEPARATORS = {".csv": ",", ".tsv": "\t", ".txt": "\t"}
_ENDINGS = (
    *_SEPARATORS,
    *(f"{ending}.gz" for ending in _SEPARATORS),
    ".parquet",
    ".xlsx",
)
# What pandas needs for the formats that are not text: any one of these.
_MODULES = {".parquet": ("pyarrow", "fastparquet"), ".xlsx": ("openpyxl", "xlsxwriter")}


def check_table_name(file: Path, *, text_only: bool = False) -> None:
    """Refuse a name whose ending is not that of a table, or that needs a missing module.

    Raises:
        InputError: see above; the message names the endings, or what to install.
    """
    ending = _ending(file)
    known = [name for name in _ENDINGS if name not in _MODULES] if text_only else _ENDINGS
    if ending not in known:
        raise InputError(f"{file}: not a kind of table; give one of {', '.join(known)}")
    modules = _MODULES.get(ending, ())
    if modules and not any(importlib.util.find_spec(name) for name in modules):
        raise InputError(f"{file}: {ending} needs {modules[0]}: pip install {modules[0]}")


def planned_table(
    options: "argparse.Namespace", opened: "CountFile", default: str, size: int
) -> Output | None:
    """Where the table goes that the options name; None for nowhere.

    Args:
        options: with `out`, and the files that must not be written to.
        opened: the counts.
        default: the name if the options give none.
        size: about how many bytes it will have, reserved before the fit.

    Raises:
        InputError: it cannot be written there, or not in the format of its name.
    """
    if options.out == "none":
        return None
    out = Path(options.out or default)
    inputs = [*opened.files, *map(Path, filter(None, [options.obs, options.size_factors]))]
    planned = planned_output(out, inputs=inputs, size=size)
    check_table_name(out)
    return planned


def stem_of_table(file: Path) -> str:
    """The name without the ending, ``r`` of ``r.csv.gz``."""
    ending = _ending(file)
    return file.name[: len(file.name) - len(ending)] if ending else file.stem


def separator_of(file: Path) -> str:
    """Between the fields of a text table of this name."""
    return _SEPARATORS[_ending(file).removesuffix(".gz")]


@contextmanager
def opened_table(draft: Path, named: Path) -> Iterator[IO[str]]:
    """A text table to write to, compressed if its name says so.

    Args:
        draft: where to write.
        named: the name that the table will have.
    """
    with draft.open("wb") as file:
        if not _ending(named).endswith(".gz"):
            with io.TextIOWrapper(file, encoding="utf-8", newline="") as text:
                yield text
            return
        # Without a time and a name: the same table gives the same bytes.
        with (
            gzip.GzipFile(filename="", fileobj=file, mode="wb", mtime=0) as packed,
            io.TextIOWrapper(packed, encoding="utf-8", newline="") as text,
        ):
            yield text


def with_contrasts(tables: "list[pd.DataFrame]") -> "pd.DataFrame":
    """One table, with a column that says of which contrast a line is, if there are several."""
    import pandas as pd

    if len(tables) == 1:
        return tables[0]
    named = []
    for table in tables:
        lines = table.copy()
        lines.insert(0, "contrast", table.attrs["tested"])
        lines.attrs = {}
        named.append(lines)
    return pd.concat(named)


def write_frame(table: "pd.DataFrame", draft: Path, named: Path, *, index: str) -> None:
    """Write a DataFrame in the format of a name.

    Args:
        table: its index becomes the first column.
        draft: where to write.
        named: the name that the file will have.
        index: title of the first column.
    """
    ending = _ending(named)
    if ending not in _MODULES:
        with opened_table(draft, named) as text:
            table.to_csv(text, index_label=index, sep=separator_of(named))
        return
    plain = table.rename_axis(index).reset_index()
    plain[index] = plain[index].astype(str)
    # What attrs say is for Python; of parquet's writers only some can store it.
    plain.attrs = {}
    with draft.open("wb") as file:
        if ending == ".parquet":
            plain.to_parquet(file, index=False)
        else:
            plain.to_excel(file, index=False)


def _ending(file: Path) -> str:
    matching = (ending for ending in _ENDINGS if file.name.lower().endswith(ending))
    return max(matching, key=len, default="")
