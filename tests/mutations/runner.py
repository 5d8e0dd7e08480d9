"""Runs of pytest in copies of the repository, in one of whose files there is a fault."""

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from fault import Fault

__all__ = ["ROOT", "Runner", "planted"]

ROOT = Path(__file__).resolve().parents[2]
_WHERE = "import jaxnb, pathlib; print(pathlib.Path(jaxnb.__file__).resolve().parent)"
_BEGUN = r"^(tests/\S+::.*?)(?: (?:PASSED|SKIPPED|XFAIL).*)?$"
_WHATEVER_MARKS = ["-m", "not scvi"]  # and not those that pyproject.toml leaves out
_PASSED, _NOTHING_TO_RUN = 0, 5  # statuses of pytest


class Runner:
    """Runs tests in copies of a repository, and ends what runs when it is stopped."""

    def __init__(self, source: Path) -> None:
        self._source, self._stopped = source, False
        self._running: set[subprocess.Popen[str]] = set()
        self._sound: dict[str, bool] = {}

    def first_failure(self, fault: Fault | None, words: list[str], seconds: float) -> str | None:
        """The test of a run of pytest that fails because of the fault; None if all pass.

        Raises:
            RuntimeError: It fails without the fault as well, or more time is needed.
        """
        with tempfile.TemporaryDirectory(prefix="jaxnb-mutation-") as folder:
            copy = Path(folder).resolve() / "repository"
            shutil.copytree(self._source, copy)
            found = self._output([sys.executable, "-c", _WHERE], copy, Path("/"), seconds)[1]
            if Path(found.strip()) != copy / "jaxnb":
                raise RuntimeError(f"subprocesses of the tests would import {found}")
            if fault is not None:
                (copy / "jaxnb" / fault.file).write_text(planted(fault, copy), encoding="utf-8")
            status, output = self._pytest(words, copy, seconds)
            late = ""
            if status is None:
                # By itself, because the others may have taken the time.
                begun = re.findall(_BEGUN, output, re.MULTILINE)
                alone = [begun[-1].strip(), *_WHATEVER_MARKS] if begun else words
                status, output = self._pytest(alone, copy, seconds)
                if status in (_PASSED, _NOTHING_TO_RUN):
                    raise RuntimeError(f"{seconds:.0f} s are too few")
                late = f"{alone[0]} (took too long)" if status is None else ""
        if status in (_PASSED, _NOTHING_TO_RUN):
            return None
        failed = re.search(r"^(?:FAILED|ERROR) (.+?)(?: - .*)?$", output, re.MULTILINE)
        if not failed and not late and "ImportError while loading conftest" not in output:
            raise RuntimeError(f"pytest ended with {status}: {output[-2000:]}")
        test = alone[0] if late else failed[1] if failed else ""
        if fault is not None and test and not self._passes_without(test, seconds):
            raise RuntimeError(f"{test} fails without a fault as well")
        return late or test or "conftest.py"

    def stop(self) -> None:
        """End everything that runs."""
        self._stopped = True
        for process in list(self._running):
            _end(process)

    def _passes_without(self, test: str, seconds: float) -> bool:
        if test not in self._sound:
            words = [test, *_WHATEVER_MARKS]
            self._sound[test] = self.first_failure(None, words, seconds) is None
        return self._sound[test]

    def _pytest(self, words: list[str], copy: Path, seconds: float) -> tuple[int | None, str]:
        command = [sys.executable, "-m", "pytest", "-x", "-v", "--tb=short", "--color=no"]
        return self._output([*command, *words], copy, copy, seconds)

    def _output(
        self, command: list[str], copy: Path, cwd: Path, seconds: float
    ) -> tuple[int | None, str]:
        """Status and output of a command for which the copy is the package; None for too long."""
        if self._stopped:
            raise KeyboardInterrupt
        kept = {
            "JAX_COMPILATION_CACHE_DIR": str(ROOT / ".pytest_cache" / "mutations"),
            "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        }
        process = subprocess.Popen(
            command, cwd=cwd, env=kept | os.environ | {"PYTHONPATH": str(copy)}, text=True,
            errors="replace", stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            start_new_session=True,
        )  # fmt: skip
        self._running.add(process)
        try:
            output = process.communicate(timeout=seconds)[0]
            return process.returncode, output
        except subprocess.TimeoutExpired:
            _end(process)
            return None, process.communicate()[0]
        finally:
            _end(process)
            self._running.discard(process)
            if self._stopped:
                raise KeyboardInterrupt


def _end(process: subprocess.Popen[str]) -> None:
    """Kill a command and what it has started: the group is its own."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass


def planted(fault: Fault, root: Path) -> str:
    """The text of the file with the fault.

    Raises:
        ValueError: Its place is not there, or not the only one; or a test is not there.
        SyntaxError: With it the file is no program.
    """
    text = (root / "jaxnb" / fault.file).read_text(encoding="utf-8")
    if text.count(fault.old) != 1 or fault.new == fault.old:
        raise ValueError(f"its place is {text.count(fault.old)} times in the file")
    if missing := [test for test in fault.tests if not (root / "tests" / test).exists()]:
        raise ValueError(f"there is no tests/{missing[0]}")
    changed = text.replace(fault.old, fault.new)
    compile(changed, fault.file, "exec")
    return changed
