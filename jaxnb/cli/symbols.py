"""Symbols of genes that are named by their identifiers, carried into the tables."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from jaxnb._errors import InputError

if TYPE_CHECKING:
    from jaxnb.io import CountFile

__all__ = ["symbols_of"]

# What scanpy, CELLxGENE, Seurat's converters and Cell Ranger call the field.
_FIELDS = ("gene_symbols", "gene_symbol", "gene_name", "gene_names", "feature_name", "symbol")


def symbols_of(choice: str | None, opened: "CountFile") -> NDArray[np.object_] | None:
    """A symbol for every gene, or None if there are none, or they are the names themselves.

    Args:
        choice: a field of the genes, ``"none"``, or None for the first of the usual names.
        opened: the counts.

    Raises:
        InputError: there is no such field.
    """
    if choice == "none":
        return None
    if choice is not None and choice not in opened.var:
        known = ", ".join(opened.var) or "no fields"
        raise InputError(f"--symbols {choice}: no such field of the genes; there are {known}")
    name = choice or next((field for field in _FIELDS if field in opened.var), None)
    if name is None:
        return None
    symbols = np.asarray(opened.var[name]).astype(str).astype(object)
    return None if np.array_equal(symbols, opened.genes.astype(object)) else symbols
