"""Writes the functions that follow from the declarations of the distributions.

`python -m jaxnb._generate` writes them, with `--check` it only says whether they are current. They
are ordinary Python files, kept in the repository, so that signatures, docstrings, type checkers and
tracebacks are those of functions written by hand. It needs ruff, which formats them.
"""
