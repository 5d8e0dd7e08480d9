"""CPU time and memory of the markers of every group of cells, against scanpy.

    python tests/benchmarks/markers.py [cells] [genes] [groups]

Writes a simulated .h5ad, compressed as scanpy writes it, and runs ``jaxnb de --markers`` and
scanpy's `rank_genes_groups` with both of its usual tests, after reading, normalizing and taking
logarithms, each in a process of its own, with nothing compiled before. scanpy is optional.
"""

import importlib.util
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
from command_line import simulated
from timing import machine

DENSITY = 0.05
SCANPY = """
import sys, warnings
warnings.simplefilter("ignore")
import scanpy
data = scanpy.read_h5ad("m.h5ad")
scanpy.pp.normalize_total(data)
scanpy.pp.log1p(data)
scanpy.tl.rank_genes_groups(data, "group", method=sys.argv[1])
scanpy.get.rank_genes_groups_df(data, None).to_csv("theirs.csv")
"""


def run(words: list[str], folder: str) -> str:
    """What a process took."""
    start = time.perf_counter()
    nothing_compiled = {k: v for k, v in os.environ.items() if k != "JAX_COMPILATION_CACHE_DIR"}
    pid = subprocess.Popen(words, cwd=folder, stdout=subprocess.DEVNULL, env=nothing_compiled).pid
    _, status, usage = os.wait4(pid, 0)
    return (
        f"exit status {status >> 8}, {usage.ru_utime + usage.ru_stime:.0f} s of CPU, "
        f"{time.perf_counter() - start:.0f} s, peak {usage.ru_maxrss / 1e6:.1f} GB"
    )


def main() -> None:
    """Write the file, run the three, and say what they took."""
    cells, genes, groups = (int(word) for word in (sys.argv[1:4] or (100_000, 5000, 30)))
    rng = np.random.default_rng(1)
    with tempfile.TemporaryDirectory() as folder:
        group = np.char.add("g", rng.integers(0, groups, cells).astype(str))
        obs = pd.DataFrame({"group": group}, [f"cell{at}" for at in range(cells)])
        matrix = simulated(cells, genes, DENSITY)
        var = pd.DataFrame(index=[f"gene{at}" for at in range(genes)])
        anndata.AnnData(matrix, obs, var).write_h5ad(Path(folder) / "m.h5ad", compression="gzip")
        print(machine())
        print(f"{cells} cells x {genes} genes, {matrix.nnz / cells / genes:.1%} nonzero, {groups}")
        del matrix
        ours = ["-m", "jaxnb", "de", "m.h5ad", "--markers", "group", "--out", "ours.csv"]
        commands = {
            "jaxnb": [*ours, "--plot", "none"],
            "scanpy, t-test": ["-c", SCANPY, "t-test"],
            "scanpy, Wilcoxon": ["-c", SCANPY, "wilcoxon"],
        }
        for name, words in commands.items():
            if name != "jaxnb" and not importlib.util.find_spec("scanpy"):
                continue
            print(f"{name:17s} {run([sys.executable, *words], folder)}", flush=True)


if __name__ == "__main__":
    main()
