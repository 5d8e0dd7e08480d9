"""Time and memory of reading, against anndata and pandas.

    python tests/benchmarks/reading.py [cells] [genes] [density]

Writes a matrix in several formats into a temporary folder and reads each in a process of its own.
The ratio is to the format's usual reader; memory is the peak of the process, in MB, less that of a
process that imports both readers and reads nothing.
"""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from scipy import sparse

FILES = ("m.h5ad", "m.zarr", "m.h5", "m.loom", "m.mtx.gz", "m.csv", "m.npz")
REPEATS = 3


def simulated(cells: int, genes: int, density: float) -> sparse.csr_array:
    rng = np.random.default_rng(0)
    matrix = sparse.random_array((cells, genes), density=density, format="csr", rng=rng)
    matrix.data = rng.geometric(0.5, matrix.nnz).astype(np.float32)
    return matrix


def write(folder: Path, matrix: sparse.csr_array) -> None:
    import anndata
    import h5py
    import pandas as pd
    from scipy.io import mmwrite

    cells, genes = matrix.shape
    data = anndata.AnnData(sparse.csr_matrix(matrix))
    data.obs_names = [f"cell{at}" for at in range(cells)]
    data.var_names = [f"gene{at}" for at in range(genes)]
    data.write_h5ad(folder / "m.h5ad")
    data.write_zarr(folder / "m.zarr")
    with h5py.File(folder / "m.h5", "w") as file:
        group = file.create_group("matrix")
        for name in ("data", "indices", "indptr"):
            group.create_dataset(name, data=getattr(matrix, name), compression="gzip")
        group["shape"], group["barcodes"] = (genes, cells), np.array(data.obs_names, "S")
        for name in ("id", "name", "feature_type"):
            group[f"features/{name}"] = np.array(data.var_names, "S")
    with h5py.File(folder / "m.loom", "w") as file:
        file.create_dataset("matrix", data=matrix.toarray().T, chunks=(64, 64), compression="gzip")
        file["row_attrs/Gene"] = np.array(data.var_names, "S")
        file["col_attrs/CellID"] = np.array(data.obs_names, "S")
    mmwrite(folder / "m.mtx", sparse.coo_matrix(matrix), field="integer")
    subprocess.run(["gzip", folder / "m.mtx"], check=True)
    # A tenth of the cells: text of all of them is too long.
    frame = pd.DataFrame(matrix[: cells // 10].toarray().astype(int))
    frame.to_csv(folder / "m.csv")
    sparse.save_npz(folder / "m.npz", matrix)


def theirs(path: Path) -> object:
    import anndata
    import pandas as pd
    from scipy.io import mmread

    readers = {
        ".h5ad": anndata.read_h5ad,
        ".zarr": anndata.read_zarr,
        ".gz": lambda file: sparse.csr_matrix(mmread(file)),
        ".csv": lambda file: sparse.csr_matrix(pd.read_csv(file, index_col=0).to_numpy()),
        ".npz": sparse.load_npz,
    }
    return readers[path.suffix](path) if path.suffix in readers else None


def ours(path: Path) -> object:
    from jaxnb.io import read_counts

    return read_counts(path, check_orientation=False)


def measure(path: str, whose: str) -> None:
    """In a process of its own: seconds of the fastest read, and the peak of memory."""
    import anndata  # noqa: F401
    import pandas as pd  # noqa: F401

    import jaxnb.io  # noqa: F401

    before = peak_memory()
    seconds = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        result = {"ours": ours, "theirs": theirs}[whose](Path(path))
        seconds.append(time.perf_counter() - start)
    peak = peak_memory() - before
    print(json.dumps([None if result is None else min(seconds), peak]))


def peak_memory() -> float:
    """In MB. getrusage would give that of the parent where it was higher."""
    status = Path("/proc/self/status").read_text()
    return int(next(line.split()[1] for line in status.splitlines() if "VmHWM" in line)) / 1024


def main() -> None:
    cells, genes = (int(word) for word in (sys.argv[1:3] or (5000, 20000)))
    density = float(sys.argv[3]) if len(sys.argv) > 3 else 0.05
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder), simulated(cells, genes, density))
        print(
            f"{cells} cells x {genes} genes, {density:.0%}\nfile       s   MB   s/theirs  MB/theirs"
        )
        for name in FILES:
            path = str(Path(folder) / name)
            command = [sys.executable, __file__, "measure", path]
            (s, mb), (their_s, their_mb) = (
                json.loads(
                    subprocess.run([*command, whose], capture_output=True, check=True).stdout
                )
                for whose in ("ours", "theirs")
            )
            ratio = "" if their_s is None else f"{s / their_s:8.2f} {mb / max(their_mb, 1):8.2f}"
            print(f"{name:9} {s:5.2f} {mb:5.0f} {ratio}")


if __name__ == "__main__":
    if sys.argv[1:2] == ["measure"]:
        measure(*sys.argv[2:])
    else:
        main()
