"""Which values of a parameter every run takes, and which the nightly run alone (`-m slow`)."""

from collections.abc import Collection, Iterable
from typing import Any

import pytest

__all__ = ["nightly_but"]


def nightly_but(often: Collection[Any], values: Iterable[Any]) -> list[Any]:
    """The values for `pytest.mark.parametrize`; those that are not among `often` are slow."""
    return [v if v in often else pytest.param(v, marks=pytest.mark.slow) for v in values]
