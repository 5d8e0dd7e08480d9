"""Statistics and fits: cells a second, peak memory, and ratios to statsmodels.

    python tests/benchmarks/fit.py [--cells 100000] [--genes 5000] [--peer-genes 8]

A matrix with 5 % nonzeros is written to an h5ad file in a temporary folder, read back in blocks and
fitted, NB and ZINB, each in a process of its own so that the peak memory is that of the fit. The
first run of a program compiles it; the second is given too.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import h5py
import numpy as np
from scipy import sparse

DENSITY = 0.05
ROWS = 5000


def write_matrix(path: Path, cells: int, genes: int) -> None:
    """Negative binomial counts, in blocks: the matrix is never whole in memory."""
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
            dispersed = rng.gamma(0.7, 1 / 0.7, (n, genes)) * factors * mean
            block = sparse.csr_array(rng.poisson(dispersed))
            for dataset, values in ((data, block.data), (indices, block.indices)):
                dataset.resize(dataset.shape[0] + block.nnz, axis=0)
                dataset[-block.nnz :] = values
            indptr.extend((indptr[-1] + block.indptr[1:]).tolist())
        group["indptr"] = np.array(indptr)
        file.attrs.update({"encoding-type": "anndata", "encoding-version": "0.1.0"})
        for name, count, prefix in (("obs", cells, "cell"), ("var", genes, "gene")):
            frame = file.create_group(name)
            frame.attrs.update(
                {
                    "encoding-type": "dataframe",
                    "encoding-version": "0.2.0",
                    "_index": "_index",
                    "column-order": np.array([], "S1"),
                }
            )
            names = [f"{prefix}{i}" for i in range(count)]
            frame.create_dataset("_index", data=names, dtype=h5py.string_dtype())
            frame["_index"].attrs.update(
                {"encoding-type": "string-array", "encoding-version": "0.2.0"}
            )


def measure(path: str, family: str) -> None:
    """In a process of its own."""
    began = time.perf_counter()
    from jaxnb.fit import fit_nb, fit_zinb, read_statistics

    imported = time.perf_counter()
    statistics = read_statistics(path, zero_inflation=family == "zinb")
    summed = time.perf_counter()
    fit = {"nb": fit_nb, "zinb": fit_zinb}[family]
    first = fit(statistics)
    fitted = time.perf_counter()
    fit(statistics)
    again = time.perf_counter()
    # Not getrusage, whose maximum a process inherits from its parent.
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    peak = int(status["VmHWM"].split()[0]) / 1024
    cells = int(statistics.cells[0])
    print(
        f"{family}: import {imported - began:.1f} s, sums {summed - imported:.1f} s "
        f"({cells / (summed - imported):,.0f} cells/s), first fit {fitted - summed:.1f} s, "
        f"second {again - fitted:.2f} s, peak {peak:.0f} MB, statuses "
        f"{np.bincount(first.status, minlength=6).tolist()}"
    )


def against_statsmodels(path: Path, genes: int) -> None:
    """The same genes by `statsmodels.discrete.discrete_model.NegativeBinomial`."""
    import statsmodels.api as sm

    from jaxnb.fit import fit_nb
    from jaxnb.io import read_counts

    counts = read_counts(path).counts
    factors = np.asarray(counts.sum(axis=1), np.float64).ravel()
    factors /= factors.mean()
    chosen = np.linspace(0, counts.shape[1] - 1, genes).astype(int)
    part = counts[:, chosen]
    fit_nb(part, factors)
    began = time.perf_counter()
    ours = fit_nb(part, factors)
    own = time.perf_counter() - began
    began = time.perf_counter()
    deficits = []
    for j in range(genes):
        x = part[:, [j]].toarray().ravel()
        model = sm.NegativeBinomial(x, np.ones_like(x), exposure=factors)
        theirs = model.fit(disp=False, maxiter=200)
        deficits.append(float(theirs.llf - ours.log_likelihood[j]))
    peer = time.perf_counter() - began
    print(
        f"statsmodels, {genes} genes: {peer:.1f} s, ours from the cells {own:.2f} s, ratio "
        f"{peer / own:.0f}; their log-likelihood less ours from {min(deficits):.1e} to "
        f"{max(deficits):.1e}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cells", type=int, default=100_000)
    parser.add_argument("--genes", type=int, default=5000)
    parser.add_argument("--peer-genes", type=int, default=8)
    parser.add_argument("--measure", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        measure(*options.measure)
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "counts.h5ad"
        write_matrix(path, options.cells, options.genes)
        print(f"{options.cells} x {options.genes}, {path.stat().st_size / 1e6:.0f} MB", flush=True)
        for family in ("nb", "zinb"):
            command = [sys.executable, __file__, "--measure", str(path), family]
            subprocess.run(command, check=True)
        if options.peer_genes:
            against_statsmodels(path, options.peer_genes)


if __name__ == "__main__":
    main()
