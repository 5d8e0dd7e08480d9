"""Files read in blocks: the same sums, also after the run was killed."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import anndata
import h5py
import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal
from scipy import sparse

from jaxnb.data.checkpoint import Checkpoint
from jaxnb.data.dominating_column import SharesOfTotals
from jaxnb.fit import CountStatistics, read_statistics
from jaxnb.io import InputError, open_counts

RNG = np.random.default_rng(5)
COUNTS = sparse.csr_array(RNG.poisson(0.3, (500, 40)))
GENES = [f"GENE{i}" for i in range(40)]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "counts.h5ad"
    obs = pd.DataFrame({"depth": np.linspace(1, 2, 500)}, index=[f"cell{i}" for i in range(500)])
    x = sparse.csr_matrix(COUNTS.astype(np.float32))
    var = pd.DataFrame(index=GENES)
    anndata.AnnData(x, obs=obs, var=var, layers={"spliced": 2 * x}).write_h5ad(path)
    return path


def equal(one: CountStatistics, other: CountStatistics) -> None:
    for name, array in one.arrays().items():
        assert_array_equal(array, other.arrays()[name], err_msg=name)


@pytest.mark.quick
def test_a_file_gives_the_statistics_of_its_matrix(file: Path) -> None:
    totals = np.asarray(COUNTS.sum(axis=1), np.float64).ravel()
    expected = CountStatistics.of(COUNTS, totals / totals.mean(), zero_inflation=True)
    actual = read_statistics(file)
    assert list(actual.names) == GENES
    expected.names = actual.names
    equal(actual, expected)
    by_field = read_statistics(file, "depth", zero_inflation=False, cells=64)
    assert by_field.factor_sums[0] == pytest.approx(750)


@pytest.mark.filterwarnings("ignore:Writing zarr v2 data")
def test_zarr(file: Path, tmp_path: Path) -> None:
    anndata.read_h5ad(file).write_zarr(tmp_path / "counts.zarr")
    equal(read_statistics(tmp_path / "counts.zarr", cells=77), read_statistics(file, cells=77))


SCRIPT = """
import sys, time
import jaxnb.data.files as streaming
from jaxnb.fit import CountStatistics
original = CountStatistics.add
def slow(self, *arguments):
    time.sleep(0.02)
    return original(self, *arguments)
CountStatistics.add = slow
print("started", flush=True)
found = streaming.read_statistics(
    sys.argv[1], cells=20, checkpoint=sys.argv[2], checkpoint_seconds=0
)
found.save(sys.argv[3])
"""


@pytest.mark.parametrize(
    "waits",
    [(0.15, 0.3), pytest.param((0.02, 0.15, 0.05, 0.3, 0.1), marks=pytest.mark.slow)],
    ids=["twice", "five times"],
)
def test_a_killed_run_goes_on_to_the_same_bytes(
    file: Path, tmp_path: Path, waits: tuple[float, ...]
) -> None:
    expected = tmp_path / "expected.npz"
    read_statistics(file, cells=20).save(expected)
    out, folder = tmp_path / "out.npz", tmp_path / "kept"
    command = [sys.executable, "-c", SCRIPT, str(file), str(folder), str(out)]
    kills = 0
    for wait in waits:
        run = subprocess.Popen(command, stdout=subprocess.PIPE)
        assert run.stdout is not None
        run.stdout.readline()
        time.sleep(wait)
        run.send_signal(signal.SIGKILL)
        kills += run.wait() == -signal.SIGKILL
        run.stdout.close()
    assert kills
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    assert out.read_bytes() == expected.read_bytes()


@pytest.mark.quick
@pytest.mark.parametrize("sums", [SharesOfTotals, CountStatistics], ids=["totals", "statistics"])
def test_an_interrupted_pass_goes_on_where_it_was(
    sums: type, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = read_statistics(file, cells=60)
    options = {"cells": 60, "checkpoint": tmp_path / "kept", "checkpoint_seconds": 0}
    added, original = [], sums.add

    def interrupted(self, *arguments):
        if len(added) == 3:
            raise KeyboardInterrupt
        added.append(arguments)
        return original(self, *arguments)

    monkeypatch.setattr(sums, "add", interrupted)
    with pytest.raises(KeyboardInterrupt):
        read_statistics(file, **options)
    monkeypatch.undo()
    equal(read_statistics(file, **options), expected)


def test_a_changed_file_or_other_options_are_refused(file: Path, tmp_path: Path) -> None:
    folder = tmp_path / "kept"
    read_statistics(file, checkpoint=folder)
    read_statistics(file, checkpoint=folder)
    for changed in ({"cells": 100}, {"layer": "spliced"}):
        with pytest.raises(InputError, match="options changed"):
            read_statistics(file, checkpoint=folder, **changed)
    with h5py.File(file, "a") as opened:
        opened["X/data"][0] += 1
    with pytest.raises(InputError, match="file changed"):
        read_statistics(file, checkpoint=folder)


def test_only_its_own_files_are_removed(file: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.npz").write_bytes(b"mine")
    read_statistics(file, cells=100, checkpoint=tmp_path, checkpoint_seconds=0)
    assert {path.name for path in tmp_path.glob("*.npz")} == {
        "mine.npz",
        "jaxnb-statistics-500.npz",
    }


def test_a_truncated_file_is_one_error(file: Path) -> None:
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match="not readable"):
        read_statistics(file)


@pytest.mark.parametrize("before", [0, 2])  # in the arrays, and in what names them
def test_a_full_disk_is_one_error_and_loses_nothing(
    before: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "kept"
    kept = Checkpoint(folder, {"a": 1}, seconds=0)
    kept.write("totals", 3, {"x": np.arange(3)})

    calls = iter(range(10))

    def full(descriptor: int) -> None:
        if next(calls) >= before:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(InputError, match="No space left on device"):
        kept.write("totals", 6, {"x": np.arange(6)})
    assert Checkpoint(folder, {"a": 1}, seconds=0).rows == 3
    assert not list(folder.glob("*.part"))


@pytest.mark.parametrize("columns", [1, 2, 40])
def test_totals_of_few_genes(tmp_path: Path, columns: int) -> None:
    path = tmp_path / "counts.h5ad"
    part = sparse.csr_matrix(COUNTS[:, :columns])
    anndata.AnnData(part, var=pd.DataFrame(index=GENES[:columns])).write_h5ad(path)
    if columns == 1:
        with pytest.raises(InputError, match="one column only"):
            read_statistics(path)
    elif columns == 2:
        with pytest.warns(UserWarning, match="'GENE[01]' is 5.% of all counts"):
            read_statistics(path, cells=64)
    else:
        read_statistics(path, cells=64)
    read_statistics(path, "ones")


def test_a_resumed_pass_does_not_read_again(file: Path) -> None:
    with open_counts(file) as opened:
        parts = list(opened.blocks(100, 300))
        assert [part.shape[0] for part in parts] == [100, 100]
        assert_array_equal(sparse.vstack(parts).toarray(), COUNTS[300:].toarray())


def test_bad_counts_name_their_cells(tmp_path: Path) -> None:
    path = tmp_path / "counts.h5ad"
    x = np.ones((30, 3), np.float32)
    x[25, 1] = 0.5
    anndata.AnnData(x).write_h5ad(path)
    with pytest.raises(InputError, match=r"of cells 21 to 30 are not whole numbers \(0.5 in c"):
        read_statistics(path, "ones", cells=10, check_orientation=False)
    with pytest.raises(InputError, match=r"is none of .* nor a column of obs"):
        read_statistics(path, "depth", check_orientation=False)
