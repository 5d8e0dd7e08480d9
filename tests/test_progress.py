"""Progress is seen in a terminal, whatever it knows of itself, and nowhere else."""

import fcntl
import os
import pty
import struct
import sys
import termios

import pytest

from jaxnb._progress import progress_bar


def shown(size: tuple[int, int] | None, monkeypatch: pytest.MonkeyPatch, progress: bool) -> str:
    """What a bar writes to a terminal of this size, or to a pipe (None)."""
    ours, theirs = os.pipe() if size is None else pty.openpty()
    if size is not None:
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", *size, 0, 0))
    with os.fdopen(theirs, "w") as stderr:
        monkeypatch.setattr(sys, "stderr", stderr)
        with progress_bar(1000, "reading", "row", progress=progress) as bar:
            bar.update(500)
            bar.refresh()
        stderr.write("end")
        stderr.flush()
        text = ""
        # A terminal hands out what it got in pieces.
        while not text.endswith("end"):
            text += os.read(ours, 10_000).decode()
        monkeypatch.undo()
    os.close(ours)
    return text


@pytest.mark.parametrize("size", [(24, 80), (40, 120), (0, 0)])
def test_in_a_terminal(monkeypatch: pytest.MonkeyPatch, size: tuple[int, int]) -> None:
    text = shown(size, monkeypatch, progress=True)
    assert "reading:  50%" in text
    assert "row/s" in text  # the rate, and the time left before it


@pytest.mark.quick
def test_nothing_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    assert shown(None, monkeypatch, progress=True) == "end"
    assert shown((24, 80), monkeypatch, progress=False) == "end"
