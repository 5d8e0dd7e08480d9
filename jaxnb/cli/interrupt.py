"""Ctrl-C that ends the command at once, also while a program is being compiled."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["INTERRUPTED", "MESSAGE", "prompt_interrupt"]

INTERRUPTED = 130  # as shells call what SIGINT ended
MESSAGE = "jaxnb: interrupted, nothing more was written"
# Python's handler runs between two instructions of Python, and a long call of a library has none.
_SECONDS = 1.5


@contextmanager
def prompt_interrupt() -> Iterator[None]:
    """End the process if it is not done 1.5 s after Ctrl-C.

    Outputs are written under another name first, so that they are whole or not there. Where someone
    else handles the signal, or in another thread than the main one, nothing is changed.
    """
    main = threading.current_thread() is threading.main_thread()
    if not main or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    done = threading.Event()
    # Python writes the number of a signal there when it arrives, whatever the main thread is doing.
    before = signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    watcher = threading.Thread(target=_watch, args=(reading, done), daemon=True)
    watcher.start()
    try:
        yield
    finally:
        done.set()
        signal.set_wakeup_fd(before)
        os.close(writing)
        watcher.join()
        os.close(reading)


def _watch(reading: int, done: threading.Event) -> None:
    while signals := os.read(reading, 64):
        if signal.SIGINT in signals and not done.wait(_SECONDS):
            os.write(2, f"{MESSAGE}\n".encode())
            os._exit(INTERRUPTED)
