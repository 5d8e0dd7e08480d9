"""A simulated ``.h5ad`` of any size, written block by block."""

import argparse
from pathlib import Path

import h5py
import numpy as np
from scipy import sparse

DENSITY = 0.05
ROWS = 5000


def write_matrix(path: Path, cells: int, genes: int) -> None:
    """Negative binomial counts with 5 % nonzeros, theta 0.7 and log-normal size factors."""
    rng = np.random.default_rng(1)
    mean = rng.gamma(0.5, 2, genes)
    mean *= DENSITY / mean.mean()
    with h5py.File(path, "w") as file:
        group = file.create_group("X")
        group.attrs.update({"encoding-type": "csr_matrix", "encoding-version": "0.1.0"})
        group.attrs["shape"] = np.array([cells, genes])
        data = group.create_dataset("data", (0,), "f4", maxshape=(None,), chunks=(1 << 18,))
        indices = group.create_dataset("indices", (0,), "i4", maxshape=(None,), chunks=(1 << 18,))
        indptr = [0]
        for start in range(0, cells, ROWS):
            n = min(ROWS, cells - start)
            factors = np.exp(rng.normal(0, 0.5, (n, 1)))
            dispersed = rng.standard_gamma(0.7, (n, genes), np.float32) / 0.7 * factors * mean
            block = sparse.csr_array(rng.poisson(dispersed))
            for dataset, values in ((data, block.data), (indices, block.indices)):
                dataset.resize(dataset.shape[0] + block.nnz, axis=0)
                dataset[-block.nnz :] = values
            indptr.extend((indptr[-1] + block.indptr[1:]).tolist())
        group["indptr"] = np.array(indptr)
        file.attrs.update({"encoding-type": "anndata", "encoding-version": "0.1.0"})
        for name, count, prefix in (("obs", cells, "cell"), ("var", genes, "gene")):
            _write_names(file.create_group(name), [f"{prefix}{i}" for i in range(count)])


def _write_names(frame: h5py.Group, names: list[str]) -> None:
    frame.attrs.update(
        {
            "encoding-type": "dataframe",
            "encoding-version": "0.2.0",
            "_index": "_index",
            "column-order": np.array([], "S1"),
        }
    )
    frame.create_dataset("_index", data=names, dtype=h5py.string_dtype())
    frame["_index"].attrs.update({"encoding-type": "string-array", "encoding-version": "0.2.0"})


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("path", type=Path)
    parser.add_argument("cells", type=int)
    parser.add_argument("genes", type=int)
    options = parser.parse_args()
    write_matrix(options.path, options.cells, options.genes)
