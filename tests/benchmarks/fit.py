"""Time and memory of fits: from the shell, streamed, and of another version.

    python tests/benchmarks/fit.py shell             every command, cold and warm
    python tests/benchmarks/fit.py repeated          the file once, and ten times over, as one
    python tests/benchmarks/fit.py other CHECKOUT    some genes by another version of jaxnb
    python tests/benchmarks/fit.py bundled CHECKOUT  the bundled data, alternating with it

Options: --cells 100000 --genes 5000 --file PATH (made if it is not there) --rounds 3
--some-genes 40 --times 10. Every measurement is in a process of its own, whose peak memory the
kernel reports; the parent imports nothing large, because a child begins with its parent's peak.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parents[2]


@dataclass
class Used:
    """What a process took: seconds by the clock and of the CPU, peak megabytes."""

    wall: float
    cpu: float
    peak: float

    def __str__(self) -> str:
        return f"{self.wall:6.1f} s, {self.cpu:6.1f} s of CPU, peak {self.peak:4.0f} MB"


def measured(
    words: list[str], *, cache: Path, checkout: Path = HERE, folder: Path | None = None
) -> Used:
    """Run Python with `words`, this checkout of jaxnb and a folder of compiled programs."""
    environment = os.environ | {
        "PYTHONPATH": str(checkout),
        "JAX_COMPILATION_CACHE_DIR": str(cache),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    }
    began = time.perf_counter()
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(
            [sys.executable, *words],
            cwd=folder or checkout,
            env=environment,
            stdout=None if "--measure" in words else subprocess.DEVNULL,
            stderr=errors,
        )
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - began
        if status:
            errors.seek(0)
            raise SystemExit(f"{' '.join(words)}:\n{errors.read().decode()}")
    return Used(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def shell(options: argparse.Namespace, folder: Path) -> None:
    """``jaxnb fit`` end to end: with nothing compiled, then again."""
    for what in (["--family", "nb"], ["--family", "zinb"], ["--family", "both"]):
        cache = folder / f"cache-{what[1]}"
        words = ["-m", "jaxnb", "fit", str(options.file), *what, "--out", str(folder / "t.csv")]
        words += ["--plot", "none" if what[1] != "both" else str(folder / "p.png")]
        title = f"{what[1]}{' and picture' if what[1] == 'both' else ''}"
        print(f"{title:16s} cold {measured(words, cache=cache)}", flush=True)
        for _ in range(options.rounds):
            print(f"{title:16s} warm {measured(words, cache=cache)}", flush=True)


def repeated(options: argparse.Namespace, folder: Path) -> None:
    """A file of as many cells as wanted, by reading the same one again and again."""
    for family in ("nb", "zinb"):
        for times in (1, options.times):
            words = [__file__, "--measure", "repeated", str(options.file), family, str(times)]
            used = measured(words, cache=folder / "cache")
            # The first compiles.
            used = measured(words, cache=folder / "cache") if times == 1 else used
            cells = options.cells * times
            print(
                f"{family:4s} {cells:>9,d} cells: {used}, {1e6 * used.wall / cells:.1f} µs a cell "
                "in all",
                flush=True,
            )


def other(options: argparse.Namespace, folder: Path) -> None:
    """Some genes by another version, from the matrix in memory; in proportion, all of them."""
    for family in ("nb", "zinb"):
        for checkout in (options.checkout, HERE):
            words = [__file__, "--measure", "some", str(options.file), family]
            words += [str(options.some_genes)]
            used = measured(words, cache=folder / f"cache-{checkout.name}", checkout=checkout)
            print(f"    {checkout}: {used}", flush=True)


def bundled(options: argparse.Namespace, folder: Path) -> None:
    """The bundled data from the shell: two versions by turns, compiled before."""
    checkouts = (HERE, options.checkout)
    caches = [folder / f"cache-{at}" for at in range(2)]
    found: list[list[Used]] = [[], []]
    for turn in range(options.rounds + 1):
        for at, (checkout, cache) in enumerate(zip(checkouts, caches, strict=True)):
            used = measured(["-m", "jaxnb", "fit"], cache=cache, checkout=checkout, folder=folder)
            print(f"{'cold' if turn == 0 else 'warm'} {checkout}: {used}", flush=True)
            if turn:
                found[at].append(used)
    wall, cpu = (
        [statistics.median(getattr(used, name) for used in times) for times in found]
        for name in ("wall", "cpu")
    )
    print(f"medians, this over the other: wall {wall[0] / wall[1]:.2f}, CPU {cpu[0] / cpu[1]:.2f}")


def measure_repeated(path: str, family: str, times: int) -> None:
    """Sums and a fit of a file several times over, as if it were one file."""
    from dataclasses import replace

    import numpy as np

    from jaxnb.data.files import sums_of_file
    from jaxnb.fit import compare_fits, fit_nb, fit_zinb
    from jaxnb.io import open_counts

    class Repeated:
        by_rows = True

        def __init__(self, matrix):
            self.matrix, self.shape = matrix, (matrix.shape[0] * times, matrix.shape[1])

        def blocks(self, rows, start=0):
            assert start == 0
            for _ in range(times):
                yield from self.matrix.blocks(rows)

    with open_counts(path) as opened:
        # Names for all of them, as a file of that size has.
        cells = np.tile(opened.cells, times)
        longer = replace(opened, _matrix=Repeated(opened._matrix), cells=cells)
        began = time.perf_counter()
        sums = sums_of_file(longer, None, zero_inflation=family == "zinb").statistics
        summed = time.perf_counter()
    fit = fit_nb(sums) if family == "nb" else fit_zinb(sums)
    compare_fits(sums, None, {family.upper(): fit})
    count = int(sums.cells[0])
    print(
        f"     {count:,d} cells, two passes and sums: {summed - began:.1f} s, "
        f"{1e6 * (summed - began) / count:.2f} µs a cell; fit and table "
        f"{time.perf_counter() - summed:.1f} s"
    )


def measure_some(path: str, family: str, genes: int) -> None:
    """Some genes of the matrix in memory, the second time, and all of them in proportion."""
    import h5py
    import numpy as np
    from scipy import sparse

    import jaxnb
    from jaxnb.fit import fit_nb, fit_zinb

    with h5py.File(path) as file:
        shape = tuple(file["X"].attrs["shape"])
        parts = tuple(file["X"][name][:] for name in ("data", "indices", "indptr"))
    counts = sparse.csr_matrix(parts, shape=shape)
    totals = np.asarray(counts.sum(axis=1), np.float64).ravel()
    some = counts[:, np.linspace(0, shape[1] - 1, genes).astype(int)]
    factors = totals / totals.mean()
    fit = {"nb": fit_nb, "zinb": fit_zinb}[family]
    times = []
    for _ in range(2):
        began = time.perf_counter()
        fit(some, factors)
        times.append(time.perf_counter() - began)
    print(
        f"{family}: {genes} of {shape[1]} genes by {Path(jaxnb.__file__).parent}: first "
        f"{times[0]:.2f} s, second {times[1]:.2f} s; all genes, in proportion to the second: "
        f"{times[1] * shape[1] / genes:.0f} s"
    )


def main() -> None:
    if sys.argv[1:2] == ["--measure"]:
        _, _, what, path, family, number = sys.argv
        {"repeated": measure_repeated, "some": measure_some}[what](path, family, int(number))
        return
    jobs = {"shell": shell, "repeated": repeated, "other": other, "bundled": bundled}
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("job", choices=jobs)
    parser.add_argument("checkout", nargs="?", type=Path, help="folder of another version")
    parser.add_argument("--cells", type=int, default=100_000)
    parser.add_argument("--genes", type=int, default=5000)
    parser.add_argument("--file", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--some-genes", type=int, default=40)
    parser.add_argument("--times", type=int, default=10)
    options = parser.parse_args()
    if options.job in ("other", "bundled") and options.checkout is None:
        parser.error(f"{options.job}: name the folder of another version")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        options.file = (options.file or folder / "counts.h5ad").resolve()
        if options.checkout is not None:
            options.checkout = options.checkout.resolve()
        if not options.file.exists() and options.job != "bundled":
            maker = [str(Path(__file__).with_name("synthetic.py")), str(options.file)]
            maker += [str(options.cells), str(options.genes)]
            used = measured(maker, cache=folder)
            print(f"{options.cells} x {options.genes}, made in {used.wall:.0f} s", flush=True)
        jobs[options.job](options, folder)


if __name__ == "__main__":
    main()
