"""Times of the regression, see glm.py: warm, cold, compilation, and against the number of cells."""

import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
import pandas as pd
from glm_data import bulk, cells, cpu
from scipy import sparse
from scipy.io import mmwrite
from timing import machine

from jaxnb import glm
from jaxnb.fit import CountStatistics

SCRIPT = Path(__file__).with_suffix(".R")
DISPERSIONS = ("ml", "cox-reid")
ROUNDS = 3


class Job(NamedTuple):
    """Counts with a design and size factors, and one of ours to fit them."""

    name: str
    counts: Any
    formula: str
    obs: pd.DataFrame
    size_factors: Any

    def fit(self, dispersion: str) -> glm.GLMFit:
        """Preparation, restarts and all."""
        return glm.fit(
            self.counts, self.formula, obs=self.obs, size_factors=self.size_factors,
            dispersion=dispersion,
        )  # fmt: skip

    def write(self, folder: str) -> None:
        """For R: the same counts, design and size factors."""
        fit = glm.fit(
            self.counts[:, :20], self.formula, obs=self.obs, dispersion="ml",
            size_factors=self.size_factors,
        )  # fmt: skip
        mmwrite(f"{folder}/counts.mtx", sparse.coo_array(self.counts), field="integer")
        for name, table in (("design", fit.design.matrix), ("size_factors", fit.size_factors)):
            np.savetxt(Path(folder) / f"{name}.csv", table, delimiter=",", fmt="%.17g")


def jobs(genes: int) -> list[Job]:
    single, obs, _ = cells(genes, count=5000, seed=1, groups=4)
    few = single[:, : max(genes // 10, 20)]
    samples, groups, _ = bulk(5 * genes // 2, seed=1, share=0.1)
    samples = samples[:, samples.sum(axis=0) > 0]
    return [
        Job("5,000 cells, factors", single, "~ batch + group", obs, "depth"),
        Job("5,000 cells, a covariate", few, "~ batch + group + age", obs, "depth"),
        Job("8 samples", samples, "~ condition", groups, np.ones(len(groups))),
    ]


def speed(genes: int, *, with_r: bool) -> None:
    """Milliseconds of CPU a gene, smallest of the rounds; each round runs everything."""
    print(machine())
    for job in jobs(genes):
        first = {name: cpu(lambda name=name, job=job: job.fit(name))[0] for name in DISPERSIONS}
        ours: dict[str, list[float]] = {name: [] for name in DISPERSIONS}
        theirs: dict[str, list[float]] = {name: [] for name in DISPERSIONS}
        with tempfile.TemporaryDirectory() as folder:
            if with_r:
                job.write(folder)
            for _ in range(ROUNDS):
                for name in DISPERSIONS:
                    ours[name].append(cpu(lambda name=name, job=job: job.fit(name))[0])
                if with_r:
                    for name, seconds in glmgampoi(folder).items():
                        theirs[name].append(seconds)
        count = job.counts.shape[1]
        for name in DISPERSIONS:
            best = min(ours[name])
            line = f"{job.name:26s} {count:6d} genes {name:9s} {1e3 * best / count:7.3f} ms a gene"
            if with_r:
                other = min(theirs[name])
                line += f"; glmGamPoi {1e3 * other / count:7.3f}, ratio {other / best:5.1f}"
            print(f"{line}; first call {first[name] - best:.1f} s more", flush=True)


def glmgampoi(folder: str) -> dict[str, float]:
    """Seconds inside R, of the fit alone."""
    words = ["Rscript", str(SCRIPT), folder, *DISPERSIONS]
    lines = subprocess.run(words, capture_output=True, text=True, check=True).stdout.splitlines()
    return {name: float(seconds) for name, seconds in (line.split() for line in lines)}


def _children(call: Callable[[], object]) -> tuple[float, float]:
    """CPU seconds (user and system) and wall seconds of the processes that a call runs."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    call()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return spent, time.perf_counter() - start


def cold(genes: int) -> None:
    """From the shell, nothing compiled before: read the matrix, fit, test and write the table."""
    print(machine())
    job = jobs(genes)[0]
    with tempfile.TemporaryDirectory() as folder:
        job.write(folder)
        place = Path(folder)
        job.obs.index = pd.Index([f"c{i}" for i in range(len(job.obs))])
        job.obs.to_csv(place / "obs.csv")
        words = [
            sys.executable, "-m", "jaxnb", "de", "counts.mtx", "--obs", "obs.csv",
            "--design", job.formula, "--contrast", "group,D,A", "--size-factors", "obs:depth",
            "--plot", "none", "--no-orientation-check", "--out", "ours.csv",
        ]  # fmt: skip
        environment = {k: v for k, v in os.environ.items() if k != "JAX_COMPILATION_CACHE_DIR"}
        commands = {
            "jaxnb de": (words, environment),
            "glmGamPoi": (["Rscript", str(SCRIPT), folder, "command"], dict(os.environ)),
        }
        for _ in range(2):
            for name, (command, setting) in commands.items():
                spent, wall = _children(
                    lambda c=command, e=setting: subprocess.run(
                        c, cwd=place, env=e, check=True, capture_output=True
                    )
                )
                print(f"{name:10s} {spent:6.1f} s of CPU, {wall:6.1f} s", flush=True)
                (place / "ours.csv").unlink(missing_ok=True)


def compilation(genes: int) -> None:
    """What the first call costs over the second, for designs of several shapes."""
    jax.config.update("jax_enable_compilation_cache", False)
    rng = np.random.default_rng(1)
    counts = rng.poisson(rng.gamma(1, 1, (400, max(genes // 10, 20))) * 2)
    for size in (2, 5, 10, 20):
        levels = pd.DataFrame({"level": rng.integers(0, size, 400).astype(str)})
        for name in DISPERSIONS:
            call = lambda n=name, o=levels: glm.fit(  # noqa: E731
                counts, "~ level", obs=o, size_factors=np.ones(400), dispersion=n
            )
            jax.clear_caches()
            first, second = cpu(call)[0], cpu(call)[0]
            print(f"{size} coefficients, {name}: compilation {first - second:.1f} s of CPU")


def scaling(genes: int) -> None:
    """The fit after preparation, from statistics of 5,000 cells added up again and again."""
    counts, obs, _ = cells(max(genes // 10, 20), count=5000, seed=2, groups=4)
    keys = ["batch", "group"]
    rows = obs[keys].drop_duplicates().sort_values(keys, ignore_index=True)
    group = obs[keys].merge(rows.reset_index(), on=keys, how="left")["index"].to_numpy()
    statistics = CountStatistics.of(counts, obs["depth"].to_numpy(), group)
    size = 5000
    flat: list[float] = []
    for copies in (1, 10, 20):  # 5,000, 50,000 and 1,000,000 cells
        total = statistics
        for _ in range(copies - 1):
            total = total + statistics
        statistics, size = total, size * copies
        fit = glm.fit(statistics, "~ batch + group", obs=rows)
        flat.append(min(cpu(lambda fit=fit: fit.regression.fit(cox_reid=True))[0] for _ in "1234"))
        whole = min(
            cpu(lambda s=statistics: glm.fit(s, "~ batch + group", obs=rows))[0] for _ in "12"
        )
        print(f"{size:9,d} cells: fit {flat[-1]:.3f} s of CPU, from statistics {whole:.3f}")
    print(f"largest over smallest: {max(flat) / min(flat):.2f}")
