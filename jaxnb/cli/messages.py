"""What the command line says when something is wrong, or worth knowing."""

import sys

__all__ = ["InputError", "missing_extra", "note"]


class InputError(Exception):
    """Bad input: one line that says what is wrong and what to do. Ends in exit status 2."""


def note(message: str) -> None:
    """Say something on stderr and go on."""
    print(f"jaxnb: note: {message}", file=sys.stderr)


def missing_extra(purpose: str, module: str, extra: str) -> InputError:
    """The error for an optional dependency that is not installed."""
    return InputError(f'{purpose} needs {module}: pip install "jaxnb[{extra}]"')
