"""Compiled programs: shared between the worker processes, and freed after each module."""

import gc
import os
import shutil
import tempfile
from collections.abc import Iterator

import pytest

# JAX reads these when it is imported, the workers and the tests' own subprocesses inherit them.
_CACHE = "JAX_COMPILATION_CACHE_DIR"
_LEAST_SECONDS = "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"
_made = pytest.StashKey[str]()


def pytest_configure(config: pytest.Config) -> None:
    """Give all processes of the run one directory of compiled programs, unless the user has one."""
    if _CACHE not in os.environ:
        config.stash[_made] = os.environ[_CACHE] = tempfile.mkdtemp(prefix="jaxnb-programs-")
        os.environ.setdefault(_LEAST_SECONDS, "0.1")


def pytest_unconfigure(config: pytest.Config) -> None:
    """Remove the directory, in the process that made it."""
    if _made in config.stash:
        shutil.rmtree(config.stash[_made], ignore_errors=True)
        os.environ.pop(_CACHE, None)


@pytest.fixture(autouse=True, scope="module")
def _free_programs() -> Iterator[None]:
    """Drop what a module compiled: a process that keeps it all grows beyond 3 GB."""
    yield
    import jax

    jax.clear_caches()
    gc.collect()
