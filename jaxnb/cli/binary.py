"""Readers of matrices in scipy's, Matrix Market's and AnnData's formats."""

import gzip
import warnings
from pathlib import Path

import numpy as np
from scipy import sparse
from scipy.io import mmread

from jaxnb.cli.labelled import Labelled, Names
from jaxnb.cli.messages import InputError, missing_extra

__all__ = ["read_h5ad", "read_mtx", "read_npz"]


def read_npz(file: Path, layer: str | None = None) -> Labelled:
    """A matrix written by `scipy.sparse.save_npz`, which keeps no names."""
    try:
        # Opened here, for numpy leaves the file open when it is broken.
        with file.open("rb") as opened:
            return Labelled(sparse.load_npz(opened), None, None)
    except (KeyError, ValueError) as error:
        raise InputError(f"{file}: no matrix written by scipy.sparse.save_npz") from error


def read_mtx(file: Path, layer: str | None = None) -> Labelled:
    """A Matrix Market file, with the gene names that 10x's software writes beside it."""
    matrix, genes = mmread(file), _tenx_genes(file.parent)
    rows, columns = (genes if genes is not None and len(genes) == n else None for n in matrix.shape)
    return Labelled(matrix, rows, columns)


def read_h5ad(file: Path, layer: str | None = None) -> Labelled:
    """X, or a layer, of an AnnData file."""
    try:
        import anndata
    except ImportError as error:
        raise missing_extra("reading .h5ad", "anndata", "anndata") from error
    with warnings.catch_warnings():
        # anndata's advice to people who program with it, such as on names that are not unique.
        warnings.simplefilter("ignore")
        data = anndata.read_h5ad(file)
    if layer is not None and layer not in data.layers:
        known = ", ".join(data.layers) or "none at all"
        raise InputError(f"{file}: no layer {layer!r}; it has {known}")
    matrix = data.X if layer is None else data.layers[layer]
    if matrix is None:
        raise InputError(f"{file}: X is empty; name the layer with the counts by --layer")
    rows, columns = (np.asarray(names, np.str_) for names in (data.obs_names, data.var_names))
    return Labelled(matrix, rows, columns)


def _tenx_genes(folder: Path) -> Names:
    for name in ("features.tsv.gz", "features.tsv", "genes.tsv"):
        file = folder / name
        if file.is_file():
            open_text = gzip.open if name.endswith(".gz") else open
            with open_text(file, "rt", encoding="utf-8") as lines:
                fields = [line.rstrip("\n").split("\t") for line in lines]
            # Identifier, then symbol, then kind of feature: the symbol is what people look for.
            return np.array([field[min(1, len(field) - 1)] for field in fields])
    return None
