"""The command line: ``python -m jaxnb fit``."""

from jaxnb.cli.main import main

__all__ = ["main"]
