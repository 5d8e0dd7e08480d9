"""What is known of the rows: the fields of the counts' file, and those of a table of samples."""

import gzip
import re
from typing import TYPE_CHECKING

from jaxnb._errors import InputError

if TYPE_CHECKING:
    import pandas as pd

    from jaxnb.io import CountFile, CountMatrix

__all__ = ["obs_of"]

# A name and no number, however it looks: a number would lose its zeros.
_NAME = re.compile(r"[+-]?0\d+")


def obs_of(file: str | None, data: "CountFile | CountMatrix") -> "pd.DataFrame":
    """The fields of the rows, in their order.

    Args:
        file: a table whose first column has the names of the rows; its other columns come before
            fields of the same name in the counts' file.
        data: the counts.

    Raises:
        InputError: the table cannot be read, or its names are not those of the rows.
    """
    import pandas as pd

    rows = data.shape[0]
    index = pd.RangeIndex(rows) if data.cells is None else pd.Index(data.cells)
    own = pd.DataFrame(dict(data.obs), index=index)
    if file is None:
        return own
    table = _read(file)
    if data.cells is None:
        if len(table) != rows:
            raise InputError(
                f"--obs {file}: has {len(table)} lines for {rows} rows of counts without names"
            )
        table.index = index
    else:
        for names, what in ((index, "the counts have"), (table.index, f"--obs {file}: has")):
            if not names.is_unique:
                twice = names[names.duplicated()][0]
                raise InputError(
                    f"{what} several lines of the name {twice}: give every row a name of its own"
                    f"{_where_names_are(index, table, data)}"
                )
        missing = index.difference(table.index)
        if len(missing):
            raise InputError(
                f"--obs {file}: has no line for {missing[0]} ({len(missing)} of {rows} rows); its "
                f"first name is {table.index[0] if len(table) else 'missing'}"
                f"{_where_names_are(index, table, data)}"
            )
        table = table.loc[index]
    return own.drop(columns=own.columns.intersection(table.columns)).join(table)


def _where_names_are(
    index: "pd.Index", table: "pd.DataFrame", data: "CountFile | CountMatrix"
) -> str:
    """What to do if the names of the rows are in another column, or are those of the genes."""
    if len(table) and table.index.isin(data.genes).all():
        return "; the counts have these names in their first line: add --transpose"
    for column in table:
        if index.isin(table[column].map(str)).all():
            return f"; the names of the rows are in its column {column}: put that first"
    return ""


def _read(file: str) -> "pd.DataFrame":
    import pandas as pd

    try:
        table = pd.read_csv(file, sep=_separator(file), dtype=str, encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(
            f"--obs {file}: is not text in UTF-8; save it as CSV in UTF-8, also from Excel"
        ) from error
    except (OSError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"--obs {file}: cannot be read ({reason})") from error
    if not isinstance(table.index, pd.RangeIndex):
        # R's write.table gives the names of the rows no title.
        table = table.reset_index()
    if table.shape[1] < 2:
        raise InputError(
            f"--obs {file}: has one column only; it must have the names of the rows in the first, "
            "and what is known of them in others, between commas, tabs or semicolons"
        )
    names = table.pop(table.columns[0])
    if names.isna().any():
        line = int(names.isna().to_numpy().argmax()) + 2
        raise InputError(f"--obs {file}: line {line} has no name in its first column")
    table.index = pd.Index(names.astype(str).to_numpy(), dtype=object)
    return table.apply(_numbers_if_all_are)


def _separator(file: str) -> str:
    """What is most between the titles in the first line."""
    open_text = gzip.open if file.endswith(".gz") else open
    with open_text(file, "rt", encoding="utf-8-sig") as lines:
        titles = lines.readline()
    best = max((",", "\t", ";"), key=titles.count)
    return best if best in titles or " " not in titles.strip() else r"\s+"


def _numbers_if_all_are(column: "pd.Series") -> "pd.Series":
    import pandas as pd

    known = column.dropna()
    if known.isin(["True", "False"]).all() and len(known) == len(column):
        return column == "True"
    if any(_NAME.fullmatch(text.strip()) for text in known.unique()):
        return column.astype(object)
    try:
        return pd.to_numeric(column)
    except (TypeError, ValueError):
        return column.astype(object)
