"""Pieces of docstrings."""

import textwrap
from collections.abc import Iterator

from jaxnb.declaration import Declaration, Parameter

__all__ = ["described", "floor", "paragraph", "wrapped"]

_WIDTH = 100

_FLOORS = {
    True: "Floor on every mean, eps >= 0: a smaller mean is raised to eps, and the derivative with "
    "respect to it is 0. By default 1e-30 in float32 and 1e-290 in float64, and no floor for a "
    "mean passed as its logarithm; 0 means no floor.",
    False: "Floor on the mean. By default, and with 0, there is none, since none is needed.",
}
_NO_FLOOR = "Without effect, because no parameter is a mean."


def floor(declared: Declaration) -> str:
    """What `eps` is."""
    return _FLOORS[declared.has_floor] if declared.has_mean else _NO_FLOOR


def described(parameter: Parameter, keyword: str) -> str:
    """What a parameter is, under the name that it has here, and its other name."""
    text = parameter.description.replace(parameter.name, keyword)
    other = parameter.name if keyword == parameter.attribute else parameter.attribute
    if parameter.has_log_scale or keyword == other:
        return text
    return f"{text} Also accepted as `{other}`."


def paragraph(text: str) -> Iterator[str]:
    """An empty line and the text, or several of both."""
    for part in text.split("\n\n"):
        yield ""
        yield from wrapped(part)


def wrapped(text: str, first: str = "", rest: str | None = None) -> list[str]:
    """Lines that fit behind the four spaces in front of a docstring."""
    return textwrap.wrap(
        text,
        _WIDTH - 4,
        initial_indent=first,
        subsequent_indent=first if rest is None else rest,
        break_long_words=False,
        break_on_hyphens=False,
    )
