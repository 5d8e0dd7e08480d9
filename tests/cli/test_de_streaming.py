"""The command ``de`` on cells that are read in blocks: the same answers, killed or not."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from jaxnb.cli import main, regression
from jaxnb.glm import streaming
from jaxnb.io import matrices

# anndata, zarr and what they import warn about themselves.
pytestmark = pytest.mark.filterwarnings("default")

CELLS, GENES = 300, 8
DESIGN = ("--design", "~ batch + type", "--contrast", "type,b,a")
QUIET = ("--plot", "none", "--out", "t.csv")


def cells() -> anndata.AnnData:
    rng = np.random.default_rng(5)
    obs = pd.DataFrame(index=[f"cell{i}" for i in range(CELLS)])
    obs["type"] = pd.Categorical(rng.choice(list("abc"), CELLS))
    obs["batch"], obs["lane"] = rng.choice(["x", "y"], CELLS), rng.integers(1, 4, CELLS)
    obs["age"] = rng.normal(size=CELLS)
    obs["depth"] = np.exp(rng.normal(0, 0.5, CELLS))
    mean = obs["depth"].to_numpy()[:, None] * np.geomspace(0.3, 150, GENES)
    mean[obs["type"] == "b", 1] *= 3
    counts = rng.poisson(rng.gamma(2, 0.5, mean.shape) * mean)
    counts[obs["type"] == "c", 0] = 0
    counts[:, GENES - 1] = 0
    names = [f"GENE{j}" for j in range(GENES)]
    var = pd.DataFrame({"gene_symbols": [f"symbol{j}" for j in range(GENES)]}, names)
    return anndata.AnnData(sparse.csr_matrix(counts.astype(np.float32)), obs, var)


@pytest.fixture
def file(tmp_path: Path, folder: Path) -> Path:
    cells().write_h5ad(tmp_path / "m.h5ad")
    return tmp_path / "m.h5ad"


@pytest.fixture
def de(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    """The status, the messages and the table of the command, of which blocks are small."""
    monkeypatch.setattr(streaming, "BLOCK", 7)
    monkeypatch.setattr(streaming, "_CELLS_OF_A_GROUP", 1)
    monkeypatch.setattr(matrices, "_ELEMENTS_AT_ONCE", 50)

    def call(*words: object):
        Path("t.csv").unlink(missing_ok=True)
        status = main(["de", *map(str, words), *QUIET])
        table = pd.read_csv("t.csv") if status == 0 else None
        return status, capsys.readouterr().err, table

    return call


# A prior is learned by a search, to 1e-8 of its gradient.
@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "rtol"),
    [
        ((*DESIGN, "--size-factors", "obs:depth"), 1e-9),
        (DESIGN, 1e-9),
        (("--design", "~ batch + C(lane)", "--reduced", "~ batch", "--method", "ql"), 1e-8),
    ],
)
def test_blocks_give_the_table_of_the_whole(file: Path, de, monkeypatch, words, rtol) -> None:
    status, said, table = de(file, *words)
    assert status == 0, said
    assert "distinct rows of the design" in said
    assert table["symbol"][0] == "symbol0"
    monkeypatch.setattr(regression, "_streamed", lambda *_: None)
    _, said, whole = de(file, *words)
    assert "distinct rows of the design" not in said
    pd.testing.assert_frame_equal(table, whole, rtol=rtol, atol=1e-9)


@pytest.mark.quick
@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--design", "~ batch + age", "--test", "age"], "--checkpoint is for cells that are"),
        (["--design", "~ scale(lane)", "--test", "lane"], "--checkpoint is for cells that are"),
        ([*DESIGN, "--pseudobulk", "lane"], "--checkpoint is for cells that are"),
        ([*DESIGN, "--size-factors", "median-ratio"], "--checkpoint is for cells that are"),
        (["--design", "~ sex", "--test", "sex"], "uses sex; obs has type, batch"),
    ],
)
def test_what_takes_the_matrix_has_no_checkpoint(file: Path, de, words, message) -> None:
    status, said, _ = de(file, *words, "--checkpoint", "kept")
    assert status == 2
    assert message in said


@pytest.mark.slow
def test_numbers_and_median_ratios_are_fitted_in_memory(file: Path, de) -> None:
    for words in (
        ("--design", "~ scale(age)", "--test", "scale(age)"),
        (*DESIGN, "--size-factors", "median-ratio"),
    ):
        status, said, table = de(file, *words)
        assert status in (0, 2), said
        assert status == 0 or "needs genes with counts in every row" in said
        assert status == 2 or len(table) == GENES


def test_a_cell_without_counts(tmp_path: Path, folder: Path, de, monkeypatch) -> None:
    data = cells()
    data.X = data.X.multiply(np.arange(CELLS)[:, None] != 4).tocsr()
    data.write_h5ad(tmp_path / "m.h5ad")
    status, said, _ = de(tmp_path / "m.h5ad", *DESIGN)
    assert status == 2
    assert "row cell4 has no counts at all (1 such rows)" in said


@pytest.mark.slow
def test_a_checkpoint_of_another_run(file: Path, de) -> None:
    keep = ("--checkpoint", "kept")
    _, _, first = de(file, *DESIGN, *keep)
    _, _, again = de(file, *DESIGN, *keep)
    pd.testing.assert_frame_equal(first, again, check_exact=True)
    status, said, _ = de(file, "--design", "~ type", "--contrast", "type,b,a", *keep)
    assert status == 2
    assert "design changed since then" in said
    assert de(*DESIGN[:0], *keep)[0] == 2  # the bundled counts are no file


# The command with blocks of few cells, which takes its time over each of them.
SCRIPT = """
import sys, time
from jaxnb.cli import main
from jaxnb.fit import CountStatistics
from jaxnb.glm import streaming
from jaxnb.data.passes import FilePasses
original, kept = CountStatistics.add, FilePasses.__init__
def slow(self, *arguments):
    time.sleep(0.02)
    return original(self, *arguments)
def often(self, *arguments, **options):
    kept(self, *arguments, **{**options, "seconds": 0, "cells": 7})
CountStatistics.add, FilePasses.__init__ = slow, often
print("started", flush=True)
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.slow
def test_a_killed_command_goes_on_to_the_same_bytes(file: Path, tmp_path: Path) -> None:
    words = [sys.executable, "-c", SCRIPT, "de", str(file), *DESIGN, *QUIET]
    subprocess.run(words, cwd=tmp_path, check=True, capture_output=True)
    expected = (tmp_path / "t.csv").read_bytes()
    (tmp_path / "t.csv").unlink()
    words += ["--checkpoint", "kept"]
    kills = 0
    for wait in (2.5, 2.2, 2.4, 2.1, 2.3):
        run = subprocess.Popen(words, cwd=tmp_path, stdout=subprocess.PIPE)
        assert run.stdout is not None
        run.stdout.readline()
        time.sleep(wait)
        run.send_signal(signal.SIGKILL)
        kills += run.wait() == -signal.SIGKILL
        run.stdout.close()
    assert kills
    subprocess.run(words, cwd=tmp_path, check=True, capture_output=True)
    assert (tmp_path / "t.csv").read_bytes() == expected
