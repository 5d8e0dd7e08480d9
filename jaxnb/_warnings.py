"""Warnings that point at the user's line."""

import sys
import warnings

__all__ = ["warn"]

# Calls of ours pass through NumPyro, such as from a sample statement to the log-probability.
_PASSED = frozenset({"jaxnb", "numpyro"})


def warn(message: str) -> None:
    """Issue a UserWarning at the first caller outside this package and NumPyro."""
    level, frame = 1, sys._getframe()
    while frame.f_back and frame.f_globals.get("__name__", "").partition(".")[0] in _PASSED:
        level, frame = level + 1, frame.f_back
    warnings.warn(message, UserWarning, stacklevel=level)
