"""The same fits through dask, through two processes, and on several devices."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse

from jaxnb.fit import CountStatistics, FitResult, fit_nb, statistics_of_dask

RNG = np.random.default_rng(9)
CELLS, GENES = 90, 71  # no multiple of the number of processes
FACTORS = np.exp(RNG.normal(0, 0.5, CELLS))
COUNTS = RNG.poisson(FACTORS[:, None] * RNG.gamma(1, 2, (CELLS, GENES)))


# One device a process is what most have; several, with a mesh of them, is the harder case.
TWO_DEVICES = {"XLA_FLAGS": "--xla_force_host_platform_device_count=2"}


def alike(one: FitResult, other: FitResult) -> None:
    assert_array_equal(one.status, other.status)
    for name in ("mean", "theta", "log_likelihood"):
        assert_allclose(getattr(one, name), getattr(other, name), rtol=1e-9)


@pytest.fixture(scope="module")
def expected() -> FitResult:
    return fit_nb(COUNTS, FACTORS)


def chunked(kind: type = sparse.csr_matrix) -> object:
    array = pytest.importorskip("dask.array")
    return array.from_array(COUNTS, chunks=(25, 30)).map_blocks(kind)


def test_a_dask_array_in_an_anndata(expected: FitResult) -> None:
    var = pd.DataFrame(index=[f"gene{i}" for i in range(GENES)])
    obs = pd.DataFrame({"depth": FACTORS}, index=[f"cell{i}" for i in range(CELLS)])
    adata = anndata.AnnData(chunked(np.asarray), obs=obs, var=var)
    fit = fit_nb(adata, "depth")
    alike(fit, expected)
    assert list(fit.genes) == list(var.index)


@pytest.mark.quick
def test_dask_takes_the_totals_in_a_first_pass() -> None:
    array = pytest.importorskip("dask.array")
    chunks = array.from_array(COUNTS, chunks=(40, GENES)).map_blocks(sparse.csr_array)
    totals = COUNTS.sum(axis=1)
    whole = CountStatistics.of(COUNTS, totals / totals.mean())
    found = statistics_of_dask(chunks)
    for name, stored in whole.arrays().items():
        assert_allclose(found.arrays()[name], stored, rtol=1e-12, atol=1e-12, err_msg=name)


def test_dask_warns_of_a_gene_that_dominates_the_totals() -> None:
    array = pytest.importorskip("dask.array")
    with pytest.warns(UserWarning, match="there are only 3 columns"):
        statistics_of_dask(array.from_array(COUNTS[:, :3], chunks=(40, 3)))
    with pytest.raises(ValueError, match="one column only"):
        statistics_of_dask(array.from_array(COUNTS[:, :1], chunks=(40, 1)))


DASK = """
import os, signal, sys
import numpy as np, dask.array as da
from dask.distributed import Client, LocalCluster
from jaxnb.fit import CountStatistics, statistics_of_dask

def slow(block):
    import time
    time.sleep(0.3)
    return block

if __name__ == "__main__":
    stored = np.load(sys.argv[1])
    cluster = LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
    )
    with cluster, Client(cluster) as client:
        import threading
        counts = da.from_array(stored["counts"], chunks=(9, -1)).map_blocks(slow)
        pids = list(client.run(os.getpid).values())
        threading.Timer(0.7, os.kill, (pids[0], signal.SIGKILL)).start()
        statistics_of_dask(counts, stored["factors"]).save(sys.argv[2])
"""


@pytest.mark.slow
def test_two_dask_workers_one_of_which_is_killed(tmp_path: Path, expected: FitResult) -> None:
    pytest.importorskip("distributed")
    np.savez(tmp_path / "in.npz", counts=COUNTS, factors=FACTORS)
    script = tmp_path / "run.py"
    script.write_text(DASK)
    files = [str(tmp_path / "in.npz"), str(tmp_path / "out.npz")]
    subprocess.run([sys.executable, str(script), *files], check=True, timeout=300)
    alike(fit_nb(CountStatistics.load(tmp_path / "out.npz")), expected)


PROCESS = """
import sys
import jax, numpy as np
rank = int(sys.argv[1])
jax.distributed.initialize(sys.argv[2], 2, rank)
assert jax.local_device_count() == 2
from jaxnb.fit import CountStatistics, fit_in_processes, fit_nb, sum_over_processes
stored = np.load(sys.argv[3])
share = slice(0, 50) if rank == 0 else slice(50, None)
mine = CountStatistics.of(stored["counts"][share], stored["factors"][share])
fit = fit_in_processes(fit_nb, sum_over_processes(mine))
assert fit.mean.dtype == np.float64
names = ("mean", "theta", "log_likelihood", "status")
np.savez(sys.argv[4] + str(rank), **{name: getattr(fit, name) for name in names})
jax.distributed.shutdown()
"""


def test_two_processes_with_two_devices_each(tmp_path: Path, expected: FitResult) -> None:
    np.savez(tmp_path / "in.npz", counts=COUNTS, factors=FACTORS)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    files = [address, str(tmp_path / "in.npz"), str(tmp_path / "out")]
    environment = os.environ | TWO_DEVICES | {"JAX_PLATFORMS": "cpu"}
    runs = [
        subprocess.Popen([sys.executable, "-c", PROCESS, str(rank), *files], env=environment)
        for rank in range(2)
    ]
    assert [run.wait(timeout=300) for run in runs] == [0, 0]
    for rank in range(2):
        stored = np.load(tmp_path / f"out{rank}.npz")
        alike(expected._replace(**{name: stored[name] for name in stored.files}), expected)


DEVICES = """
import sys
import jax, numpy as np
from jaxnb.fit import fit_nb
assert jax.local_device_count() == 4
stored = np.load(sys.argv[1])
fit = fit_nb(stored["counts"], stored["factors"])
names = ("mean", "theta", "log_likelihood", "status")
np.savez(sys.argv[2], **{name: getattr(fit, name) for name in names})
"""


@pytest.mark.slow
def test_four_devices(tmp_path: Path, expected: FitResult) -> None:
    np.savez(tmp_path / "in.npz", counts=COUNTS, factors=FACTORS)
    environment = os.environ | {
        "XLA_FLAGS": "--xla_force_host_platform_device_count=4",
        "JAX_PLATFORMS": "cpu",
    }
    files = [str(tmp_path / "in.npz"), str(tmp_path / "out.npz")]
    subprocess.run(
        [sys.executable, "-c", DEVICES, *files], check=True, env=environment, timeout=300
    )
    stored = np.load(tmp_path / "out.npz")
    alike(expected._replace(**{name: stored[name] for name in stored.files}), expected)
