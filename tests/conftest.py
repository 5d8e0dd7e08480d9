"""Compiled programs: kept between the processes and the runs, freed after each module."""

import ctypes
import gc
import os
import resource
import shutil
import sys
from collections.abc import Iterator

import pytest

# JAX reads these when it is imported; the workers and the tests' own subprocesses inherit them.
_CACHE = "JAX_COMPILATION_CACHE_DIR"
_LEAST_SECONDS = "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"
_LARGEST = 500_000_000  # bytes of programs kept for the next run; one run makes about a fifth
_peaks = pytest.StashKey[dict[str, int]]()


def pytest_configure(config: pytest.Config) -> None:
    """Give all processes of this run and of the next ones one directory of compiled programs."""
    config.stash[_peaks] = {}
    if _CACHE not in os.environ and hasattr(config, "cache") and config.cache is not None:
        folder = config.cache.mkdir("compiled_programs")
        if sum(entry.stat().st_size for entry in os.scandir(folder)) > _LARGEST:
            shutil.rmtree(folder)
        os.environ[_CACHE] = str(folder)
        os.environ.setdefault(_LEAST_SECONDS, "0")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A case of a quick test that is marked as slow is not run by `-m quick`."""
    for item in items:
        if item.get_closest_marker("slow"):
            item.own_markers = [mark for mark in item.own_markers if mark.name != "quick"]


def pytest_collection_finish() -> None:
    """What is imported by now stays: no later collection of garbage looks at it."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True, scope="module")
def _free_programs() -> Iterator[None]:
    """Drop what a module compiled: a process that keeps it all grows beyond 3 GB."""
    yield
    if "jax" in sys.modules:
        import jax

        jax.clear_caches()
        gc.collect()
        if sys.platform == "linux":  # glibc would keep for itself what was freed
            getattr(ctypes.CDLL(None), "malloc_trim", lambda _: None)(0)


def _peak() -> int:
    """The largest resident size of this process so far, in bytes."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Send the memory that a worker needed to the process that prints it."""
    output = getattr(session.config, "workeroutput", None)
    if output is not None:
        output["peak"] = _peak()


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: pytest.Item, error: object) -> None:
    """Keep the memory of a worker that ended."""
    output = getattr(node, "workeroutput", {})
    if "peak" in output:
        node.config.stash[_peaks][node.gateway.id] = output["peak"]  # type: ignore[attr-defined]


def pytest_terminal_summary(terminalreporter: "pytest.TerminalReporter") -> None:
    """Print the processor time of the run and the memory of its processes."""
    config = terminalreporter.config
    peaks = config.stash[_peaks] or {"this process": _peak()}
    times = os.times()
    seconds = times.user + times.system + times.children_user + times.children_system
    memory = ", ".join(f"{name} {peak / 1e9:.1f} GB" for name, peak in sorted(peaks.items()))
    terminalreporter.write_line(f"processor time {seconds:.0f} s; largest memory: {memory}")
