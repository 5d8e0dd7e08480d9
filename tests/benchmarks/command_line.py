"""Time and memory of ``jaxnb fit`` on a simulated .h5ad, from the shell.

python tests/benchmarks/command_line.py [cells] [genes] [density] [options of fit ...]
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import anndata
import numpy as np
from scipy import sparse


def simulated(cells: int, genes: int, density: float) -> sparse.csr_array:
    """Negative binomial counts with log-normal means, the share of nonzeros about `density`."""
    rng = np.random.default_rng(0)
    mean = density * np.exp(rng.normal(-0.7, 1.2, genes))
    theta = np.exp(rng.normal(0, 1, genes))
    size = np.exp(rng.normal(0, 0.4, (cells, 1)))
    return sparse.vstack(
        [
            sparse.csr_array(rng.poisson(part * mean * rng.gamma(theta) / theta).astype(np.float32))
            for part in size
        ],
        format="csr",
    )


def main() -> None:
    """Write the file, run the command, and say what it took."""
    cells, genes = (int(word) for word in (sys.argv[1:3] or (5000, 20000)))
    density = float(sys.argv[3]) if len(sys.argv) > 3 else 0.05
    with tempfile.TemporaryDirectory() as folder:
        matrix = simulated(cells, genes, density)
        anndata.AnnData(matrix).write_h5ad(Path(folder) / "m.h5ad")
        share = matrix.nnz / (cells * genes)
        del matrix
        command = [sys.executable, "-m", "jaxnb", "fit", "m.h5ad", "--out", "t.csv", *sys.argv[4:]]
        start = time.perf_counter()
        pid = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL).pid
        _, status, usage = os.wait4(pid, 0)
        seconds = time.perf_counter() - start
    print(
        f"{cells} cells x {genes} genes, {share:.1%} nonzero: exit status {status >> 8}, "
        f"{seconds:.0f} s, {usage.ru_utime + usage.ru_stime:.0f} s of CPU, "
        f"peak {usage.ru_maxrss / 1024:.0f} MB"
    )


if __name__ == "__main__":
    main()
