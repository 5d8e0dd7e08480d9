"""The cells or samples that a command is about, and what is known of them."""

import argparse
import csv
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np

from jaxnb._errors import InputError
from jaxnb.cli.inputs import described, opened_counts, reading_options
from jaxnb.cli.outputs import note
from jaxnb.cli.samples import obs_of
from jaxnb.io.names import listed
from jaxnb.io.rows import some_cells

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from jaxnb.io import CountFile

__all__ = ["chosen_rows", "kept_of", "key_of_reading"]

_LEVELS_SHOWN = 8


@contextmanager
def chosen_rows(options: argparse.Namespace) -> "Iterator[tuple[CountFile, pd.DataFrame]]":
    """The counts, opened, and the fields of their rows; with ``--where`` of some of them.

    Raises:
        InputError: see `jaxnb.io.open_counts` and `jaxnb.cli.samples.obs_of`; or no row is left.
    """
    with opened_counts(options) as opened:
        for remark in (described(opened, opened.shape), *opened.remarks):
            note(remark)
        obs = obs_of(options.obs, opened)
        if options.where:
            kept = _kept(options.where, obs)
            note(f"--where: {int(kept.sum())} of {kept.size} rows")
            opened, obs = kept_of(opened, obs, kept)
        yield opened, obs


def kept_of(
    opened: "CountFile", obs: "pd.DataFrame", kept: "NDArray[np.bool_]"
) -> "tuple[CountFile, pd.DataFrame]":
    """Some of the rows, as if there were no others."""
    fields = obs[kept]
    if opened.cells is None:
        fields = fields.reset_index(drop=True)
    return some_cells(opened, kept), fields


def key_of_reading(options: argparse.Namespace) -> str:
    """What the sums over a file depend on besides the file: a checkpoint of another is refused."""
    return repr((reading_options(options), options.where))


def _kept(choices: list[str], obs: "pd.DataFrame") -> "NDArray[np.bool_]":
    """Which rows agree with every ``FIELD=LEVEL,...``.

    Raises:
        InputError: there is no such field or level, or no row has all of them.
    """
    kept = np.ones(len(obs), bool)
    for choice in choices:
        name, _, levels = choice.partition("=")
        if not levels or name not in obs:
            fields = ", ".join(map(str, obs.columns)) or "no fields"
            raise InputError(
                f"--where {choice}: must be FIELD=LEVEL or FIELD=LEVEL,LEVEL; there are {fields}"
            )
        column = obs[name]
        if column.dtype.name == "category":  # of numbers too
            column = column.astype(np.asarray(column).dtype)
        text = column.map(str)
        wanted = next(csv.reader([levels], skipinitialspace=True))
        if column.dtype.kind == "f":  # 30 is 30.0
            text, wanted = text.str.removesuffix(".0"), [w.removesuffix(".0") for w in wanted]
        known = sorted(set(text[column.notna()]))
        for level in wanted:
            if level not in known:
                raise InputError(
                    f"--where {choice}: {name} has no {level!r}, only "
                    f"{listed(np.array(known), _LEVELS_SHOWN)}"
                )
        kept &= (text.isin(wanted) & column.notna()).to_numpy(bool)
    if not kept.any():
        raise InputError(f"no row has {' and '.join(choices)}")
    return kept
