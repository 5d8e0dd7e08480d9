"""The command on files that are read in blocks: the same answers, killed or not, and one line."""

import functools
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import anndata
import count_files
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from jaxnb.data import files
from jaxnb.io import matrices

# anndata, zarr and what they import warn about themselves.
pytestmark = pytest.mark.filterwarnings("default")

COUNTS = count_files.COUNTS
QUIET = ("--family", "nb", "--plot", "none", "--out", "t.csv")


def zarr(folder: Path) -> Path:
    count_files.annotated(sparse.csr_matrix(COUNTS)).write_zarr(folder / "m.zarr")
    return folder / "m.zarr"


FILES: dict[str, Callable[[Path], Path]] = {
    "h5ad, CSR": count_files.h5ad(sparse.csr_matrix(COUNTS)),
    "h5ad, CSC": count_files.h5ad(sparse.csc_matrix(COUNTS)),
    "h5ad, dense": count_files.h5ad(COUNTS),
    "zarr": zarr,
    "10x h5": count_files.cell_ranger_h5,
    "text": count_files.as_csv(count_files.table()),
}


@pytest.mark.parametrize("kind", FILES)
def test_blocks_give_the_table_of_the_whole(tmp_path: Path, run, monkeypatch, kind: str) -> None:
    file = FILES[kind](tmp_path)
    assert run(file, *QUIET).status == 0
    whole = pd.read_csv("t.csv")
    in_blocks = functools.partial(files.sums_of_file, cells=7)
    monkeypatch.setattr(files, "sums_of_file", in_blocks)
    monkeypatch.setattr(matrices, "_ELEMENTS_AT_ONCE", 50)
    result = run(file, *QUIET)
    assert result.status == 0, result.err
    assert "read 60 cells" in result.err
    pd.testing.assert_frame_equal(pd.read_csv("t.csv"), whole, rtol=1e-9)


# The command with blocks of 2 cells, which takes its time over each of them.
SCRIPT = """
import functools, sys, time
from jaxnb.cli import main
from jaxnb.data import files
from jaxnb.fit import CountStatistics
original = CountStatistics.add
def slow(self, *arguments):
    time.sleep(0.02)
    return original(self, *arguments)
CountStatistics.add = slow
files.sums_of_file = functools.partial(files.sums_of_file, cells=2, checkpoint_seconds=0)
print("started", flush=True)
sys.exit(main(sys.argv[1:]))
"""


# By default that of the fit is killed: tests/data/test_files.py.
@pytest.mark.slow
def test_a_killed_command_goes_on_to_the_same_bytes(tmp_path: Path) -> None:
    file = FILES["h5ad, CSR"](tmp_path)
    words = [sys.executable, "-c", SCRIPT, "fit", str(file), *QUIET]
    subprocess.run(words, cwd=tmp_path, check=True, capture_output=True)
    expected = (tmp_path / "t.csv").read_bytes()
    (tmp_path / "t.csv").unlink()
    words += ["--checkpoint", "kept"]
    kills = 0
    for wait in (0.05, 0.5, 0.3):
        run = subprocess.Popen(words, cwd=tmp_path, stdout=subprocess.PIPE)
        assert run.stdout is not None
        run.stdout.readline()
        time.sleep(wait)
        run.send_signal(signal.SIGKILL)
        kills += run.wait() == -signal.SIGKILL
        run.stdout.close()
    assert kills
    assert not (tmp_path / "t.csv").exists()
    subprocess.run(words, cwd=tmp_path, check=True, capture_output=True)
    assert (tmp_path / "t.csv").read_bytes() == expected


def refused(result, says: str) -> None:
    assert result.status == 2
    assert says in result.err
    assert result.err.count("\n") == 1


def test_a_checkpoint_of_another_run(tmp_path: Path, run) -> None:
    file = FILES["h5ad, CSR"](tmp_path)
    keep = ("--checkpoint", tmp_path / "kept")
    assert run(file, *QUIET, *keep).status == 0
    assert run(file, *QUIET, *keep).status == 0
    refused(run(file, *QUIET, *keep, "--size-factors", "none"), "size factors changed since then")
    refused(run(file, *QUIET[2:], *keep), "options changed since then")
    count_files.h5ad(sparse.csr_matrix(COUNTS + 1))(tmp_path)
    refused(run(file, *QUIET, *keep), "file changed since then")
    assert list((tmp_path / "kept").glob("*.npz"))
    refused(run(*QUIET, *keep), "name one")
    refused(run(file, *QUIET, *keep, "--allow-non-integer"), "goes with none of")


def test_a_full_disk(tmp_path: Path, run, monkeypatch) -> None:
    file = FILES["h5ad, CSR"](tmp_path)
    folder = tmp_path / "kept"
    real = os.fsync

    def full(descriptor: int) -> None:
        if str(folder) in os.readlink(f"/proc/self/fd/{descriptor}"):
            raise OSError(28, "No space left on device")
        real(descriptor)

    monkeypatch.setattr(os, "fsync", full)
    refused(run(file, *QUIET, "--checkpoint", folder), "No space left on device")
    assert not Path("t.csv").exists()


@pytest.mark.quick
def test_a_file_that_ends_too_early(tmp_path: Path, run) -> None:
    rng = np.random.default_rng(0)
    path = tmp_path / "m.h5ad"
    anndata.AnnData(
        rng.poisson(1, (300, 200)).astype(np.float32),
        var=pd.DataFrame(index=[f"GENE{at}" for at in range(200)]),
    ).write_h5ad(path)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    refused(run(path, *QUIET), "not readable as .h5ad")
