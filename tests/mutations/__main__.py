"""Plants faults in the package, one at a time, and says which test notices each of them.

A test suite can be made faster, or merged, until it notices nothing: this shows that it still does.
Each fault is planted in a copy of the repository, whose tests are run there; a fault that no test
notices is a gap in the tests.

    python tests/mutations --check                          can every fault be planted? (seconds)
    python tests/mutations --only 'io-*' cli-exit-status    some faults
    python tests/mutations --all-tests --out table.md       what its own tests miss: all tests
    python tests/mutations --control --only 'glm-*'         first the same tests without a fault

To add a fault, append it to the list of its area (`of_*.py`), and choose it without looking at the
tests: a change that a reviewer could overlook and that a user would be hit by.

A test that fails is run once more without the fault, and counts only if it passes there. A test
that by itself takes too long counts as noticing the fault, which may have made a loop endless; the
table says so. Compiled programs are kept in .pytest_cache/mutations, since most are the same with
and without a fault.

Exit status: 0 all noticed, 1 some were not, 2 a fault cannot be planted or tests fail without one.
"""

import argparse
import fnmatch
import importlib.util
import shutil
import signal
import sys
import tempfile
import time
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from pathlib import Path

from fault import Fault
from faults import FAULTS
from runner import ROOT, Runner, planted

_LEFT_OUT = shutil.ignore_patterns(".git", ".venv*", ".*_cache", "__pycache__", "_build")
_MARKS = {"quick": ["-m", "quick"], "default": [], "nightly": ["-m", "slow"]}
_LONGER = 6  # all tests may take so many times as long as a fault's own


def tried(runner: Runner, fault: Fault, options: argparse.Namespace) -> tuple[str, str, float]:
    """The test that noticed the fault ("" for none), the run it was in, and the seconds taken."""
    begun = time.monotonic()
    own = [f"tests/{test}" for test in fault.tests]
    # The quick tests first: most faults need no more.
    marks = ["quick", "default"] if options.marks == "default" else [options.marks]
    runs = [(mark, [*own, *_MARKS[mark]], options.seconds) for mark in marks]
    if options.all_tests:
        longer = _LONGER * options.seconds
        others = [f"--ignore={path}" for path in own] if options.marks == "default" else []
        runs += [("default", ["tests", *others], longer)]
        runs += [("nightly", ["tests", *_MARKS["nightly"]], longer)]
    for run, words, seconds in runs:
        if test := runner.first_failure(fault, words, seconds):
            return test, run, time.monotonic() - begun
    return "", runs[-1][0], time.monotonic() - begun


def main() -> int:
    """Plant the faults that are asked for and return the exit status."""
    options = _options()
    faults = [f for f in FAULTS if any(fnmatch.fnmatch(f.name, name) for name in options.only)]
    wrong = []
    for fault in faults:
        try:
            planted(fault, ROOT)
        except (OSError, SyntaxError, ValueError) as error:
            wrong.append(f"{fault.name}: {error}")
    print(*wrong, f"{len(faults) - len(wrong)} of {len(faults)} faults can be planted", sep="\n")
    if options.check or wrong or not faults:
        return 2 if wrong or not faults else 0
    if importlib.util.find_spec("torch") is None:
        print(f"{sum(f.torch for f in faults)} are left out: there is no torch")
        faults = [fault for fault in faults if not fault.torch]
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with tempfile.TemporaryDirectory(prefix="jaxnb-mutations-") as folder:
        source = Path(folder) / "source"  # what is edited in the meantime changes nothing
        shutil.copytree(ROOT, source, ignore=_LEFT_OUT)
        try:
            return _plant(Runner(source), faults, options)
        except KeyboardInterrupt:
            print("interrupted")
            return 130


def _plant(runner: Runner, faults: list[Fault], options: argparse.Namespace) -> int:
    rows: dict[str, str] = {}
    unnoticed, failed = [], []
    pool = ThreadPoolExecutor(options.jobs)
    try:
        if options.control:
            own = sorted({f"tests/{test}" for fault in faults for test in fault.tests})
            words = [*own, *_MARKS[options.marks]]
            if test := runner.first_failure(None, words, _LONGER * options.seconds):
                print(f"without a fault, {test} fails")
                return 2
            print("without a fault, all tests pass")
        futures: dict[Future[tuple[str, str, float]], Fault] = {
            pool.submit(tried, runner, fault, options): fault for fault in faults
        }
        for future in as_completed(futures):
            fault = futures[future]
            try:
                test, run, seconds = future.result()
            except (OSError, RuntimeError, ValueError) as error:
                failed.append(fault.name)
                print(f"{fault.name}: {error}", flush=True)
                continue
            if not test:
                unnoticed.append(fault.name)
            by = f"{test.removeprefix('tests/')}" if test else "**nothing**"
            rows[fault.name] = (
                f"| {fault.name} | {fault.what} | {fault.file} | {by} | {run} | {seconds:.0f} |"
            )
            print(f"{fault.name}: {by} ({run}, {seconds:.0f} s)", flush=True)
    finally:
        runner.stop()
        pool.shutdown(cancel_futures=True)
        if options.out is not None:
            head = "| fault | what | file | first test that fails | run | seconds |"
            lines = [rows[fault.name] for fault in faults if fault.name in rows]
            options.out.write_text("\n".join([head, "|---" * 6 + "|", *lines, ""]))
    print(f"{len(rows) - len(unnoticed)} noticed", end="")
    print(f", not noticed: {', '.join(unnoticed)}" if unnoticed else "", end="")
    print(f", not decided: {', '.join(failed)}" if failed else "")
    return 2 if failed else int(bool(unnoticed))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python tests/mutations", description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    add = parser.add_argument
    add("--only", nargs="+", default=["*"], metavar="NAME", help="names, with * and ?")
    add("--marks", choices=_MARKS, default="default", help="which of a fault's own tests are run")
    add("--all-tests", action="store_true", help="then the default run, and then the slow tests")
    add("--out", type=Path, metavar="FILE", help="write the table here, as Markdown")
    add("--check", action="store_true", help="see whether the faults can be planted, and end")
    add("--control", action="store_true", help="first run the tests without a fault")
    add("--jobs", type=int, default=1, metavar="N", help="faults at a time (default: 1)")
    add("--seconds", type=float, default=1800, metavar="S", help="for a fault's own tests (1800)")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
