"""The command line: ``python -m jaxnb fit``."""

from jaxnb.cli.main import command, main

__all__ = ["command", "main"]
