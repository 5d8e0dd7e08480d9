"""The parser of all commands, and the exit status."""

import argparse
import os
import sys
from collections.abc import Sequence
from contextlib import suppress

import jaxnb
from jaxnb._errors import InputError
from jaxnb.cli import de, fit
from jaxnb.cli.interrupt import INTERRUPTED, MESSAGE, prompt_interrupt
from jaxnb.cli.outputs import say

__all__ = ["command", "main"]

# Each has `add_parser(commands)`, which sets `run`, and imports nothing slow at its top.
_COMMANDS = (fit, de)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status: 0, or 2 for bad input.

    Args:
        arguments: the words after the program's name; None for those of this process.
    """
    try:
        options = _parser().parse_args(arguments)
        with prompt_interrupt():
            options.run(options)
    except InputError as error:
        if sys.stderr is not None:
            print(f"jaxnb: error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        if sys.stderr is not None:
            print(MESSAGE, file=sys.stderr)
        return INTERRUPTED
    return 0


def command(arguments: Sequence[str] | None = None) -> int:
    """`main` as a process of its own: after Ctrl-C it ends without what Python does at its end.

    To free memory and to unload JAX takes seconds, and everything that was written is on the disk.
    """
    status = main(arguments)
    if status == INTERRUPTED:
        for stream in filter(None, (sys.stdout, sys.stderr)):
            with suppress(OSError):
                stream.flush()
        os._exit(status)
    return status


_DESCRIPTION = "Count distributions of every gene of a count matrix: fits, and differences."


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="jaxnb", description=_DESCRIPTION)
    parser.add_argument("--version", action="version", version=f"jaxnb {jaxnb.__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in _COMMANDS:
        command.add_parser(commands)
    return parser


class _Parser(argparse.ArgumentParser):
    """Prints help for readers that may stop reading, as ``| head`` does."""

    def print_help(self, file: object = None) -> None:
        say(self.format_help().rstrip())
