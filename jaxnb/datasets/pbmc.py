"""Seven hundred blood cells: the real data of the examples, the tests and the command line."""

from importlib.resources import as_file, files
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

__all__ = ["CountData", "pbmc68k"]


class CountData(NamedTuple):
    """A count matrix with the names of its rows and columns.

    Attributes:
        counts: `scipy.sparse.csr_array` of int32, cells in rows and genes in columns.
        genes: name of every column, shape ``(genes,)``.
        total_counts: molecules counted in every cell over *all* genes of the experiment, those
            left out of `counts` too: the natural size factor. int32, shape ``(cells,)``.
        labels: cell type of every cell, shape ``(cells,)``.
    """

    counts: Any
    genes: NDArray[np.str_]
    total_counts: NDArray[np.int32]
    labels: NDArray[np.str_]


def pbmc68k() -> CountData:
    """UMI counts of 700 peripheral blood mononuclear cells and 765 genes.

    67.4% of the 535,500 entries are zero, the largest is 259, and the cells' totals run from
    2,141 to 9,497. Ten cell types are labeled. The file is read again at every call (about 20 ms),
    so that the caller may change what it gets.

    Returns:
        The counts as a `CountData`.

    References:
        "Fresh 68k PBMCs (Donor A)", 10x Genomics, distributed under CC BY 4.0; published in
        G. X. Y. Zheng et al. (2017), *Massively parallel digital transcriptional profiling of
        single cells*, Nature Communications 8:14049. The 700 × 765 subset is the one that scanpy
        (BSD-3-Clause) bundles as ``pbmc68k_reduced``. scanpy stores log(1 + counts per 10,000);
        the counts were recovered as ``rint(expm1(stored) · total / 10,000)``, and no entry lay
        further than 0.08 from an integer.
    """
    with as_file(files("jaxnb.datasets") / "pbmc68k.npz") as path, np.load(path) as stored:
        counts = sparse.csr_array(
            (
                stored["data"].astype(np.int32),
                stored["indices"].astype(np.int32),
                stored["indptr"],
            ),
            shape=tuple(stored["shape"]),
        )
        return CountData(
            counts=counts,
            genes=stored["genes"],
            total_counts=stored["total_counts"],
            labels=stored["label_names"][stored["labels"]],
        )
