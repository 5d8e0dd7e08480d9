"""Ctrl-C while a library does not return."""

import signal
import subprocess
import sys
import threading
import time

import pytest

from jaxnb.cli import fit, main
from jaxnb.cli.interrupt import MESSAGE, prompt_interrupt

# A call that holds the main thread for 20 s and cannot be interrupted, as a compiler.
SCRIPT = """
import ctypes, signal, sys
from jaxnb.cli import fit, main
signal.signal(signal.SIGINT, signal.default_int_handler)  # background shells ignore it
def run(options):
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    print("started", flush=True)
    ctypes.CDLL(None).sleep(20)
fit.run = run
sys.exit(main(["fit"]))
"""


@pytest.mark.quick
def test_a_call_that_does_not_return() -> None:
    run = subprocess.Popen(
        [sys.executable, "-c", SCRIPT], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert run.stdout is not None
    assert run.stdout.readline() == "started\n"
    began = time.monotonic()
    run.send_signal(signal.SIGINT)
    _, said = run.communicate()
    assert run.returncode == 130
    assert said == f"{MESSAGE}\n"
    # 1.5 s and what a loaded machine takes; the call itself takes 20.
    assert time.monotonic() - began < 10


# The same without a signal; what Python would do at its end takes 20 s.
AT_THE_END = """
import atexit, time
from jaxnb.cli import command, fit
atexit.register(time.sleep, 20)
def run(options):
    print("said")
    raise KeyboardInterrupt
fit.run = run
import sys
sys.argv = ["jaxnb", "fit"]
command()
"""


@pytest.mark.quick
def test_the_end_of_the_process() -> None:
    began = time.monotonic()
    run = subprocess.run([sys.executable, "-c", AT_THE_END], capture_output=True, text=True)
    assert (run.returncode, run.stdout, run.stderr) == (130, "said\n", f"{MESSAGE}\n")
    assert time.monotonic() - began < 15


def test_nothing_is_left_behind(monkeypatch, capsys) -> None:
    def run(options):
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(fit, "run", run)
    threads = threading.active_count()
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        assert main(["fit"]) == 130
    finally:
        signal.signal(signal.SIGINT, before)
    assert capsys.readouterr().err == f"{MESSAGE}\n"
    assert threading.active_count() == threads
    assert signal.set_wakeup_fd(-1) == -1


def test_handlers_of_others_are_left_alone() -> None:
    other = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with prompt_interrupt():
            assert signal.set_wakeup_fd(-1) == -1
    finally:
        signal.signal(signal.SIGINT, other)
