"""Files that are written whole or not at all, and a terminal that may be gone."""

import os
import re
import shutil
import stat
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from jaxnb._errors import InputError

__all__ = [
    "Output",
    "default_name",
    "file_word",
    "note",
    "planned_output",
    "say",
    "written_whole",
]

# Folders that are called the same for every sample: the folder above them is named too.
_USUAL_FOLDERS = frozenset(
    "outs data counts matrix matrices filtered_feature_bc_matrix raw_feature_bc_matrix "
    "filtered_gene_bc_matrices raw_gene_bc_matrices sample_filtered_feature_bc_matrix".split()
)


class Output(NamedTuple):
    """A place to write to, checked.

    Attributes:
        named: the path as the user gave it.
        target: the file itself, behind symbolic links.
        overwrites: there was a file before.
    """

    named: Path
    target: Path
    overwrites: bool

    @property
    def remark(self) -> str:
        """What to say after it was written."""
        return "  (overwrote the file that was there)" if self.overwrites else ""


def file_word(text: str) -> str:
    """The text as a part of a file name."""
    return re.sub(r"[^\w.+-]", "_", text)


def default_name(path: Path, stem: str, part: str | None) -> str:
    """A name for what was read: its folder unless that is the working directory, file, and layer.

    Two samples, or two layers, so get two names.
    """
    words = [stem]
    folder = path.resolve().parent
    while folder != Path.cwd() and folder.name:
        words.insert(0, folder.name)
        if folder.name not in _USUAL_FOLDERS:
            break
        folder = folder.parent
    if part is not None:
        words.append(part)
    return "_".join(re.sub(r"[^\w.+-]+", "-", word).strip("-") or "-" for word in words)


def planned_output(named: Path, *, inputs: Iterable[Path], size: int) -> Output:
    """Check a place to write to now rather than after a long fit.

    Symbolic links are followed, as by a shell's ``>``: the file behind them is replaced, the link
    stays. Devices, pipes and sockets are refused.

    Args:
        named: the path that the user gave.
        inputs: files that were read, and folders: neither they nor what is in them is written to.
        size: bytes that will be needed, about.

    Raises:
        InputError: the file cannot be written there, or must not.
    """
    try:
        target = named.resolve()
        mode = target.stat().st_mode if target.exists() else None
        if mode is not None and stat.S_ISDIR(mode):
            raise InputError(f"{named}: is a directory; name a file to write")
        if mode is not None and not stat.S_ISREG(mode):
            raise InputError(
                f"{named}: is a device or a pipe; name a file, or 'none' to write none"
            )
        if not target.parent.is_dir():
            raise InputError(
                f"{target.parent}: no such directory; make it first, or write elsewhere"
            )
        if mode is not None and not os.access(target, os.W_OK):
            raise InputError(f"{named}: is write-protected; give another name")
        _check_not_read(named, target, inputs)
        _check_space(target, size, exists=mode is not None)
    except (OSError, RuntimeError) as error:
        # RuntimeError: symbolic links in a circle.
        raise _cannot_write(named, error) from error
    return Output(named, target, mode is not None)


@contextmanager
def written_whole(output: Output) -> Iterator[Path]:
    """A path to write to, which takes the place of the output when all went well.

    Raises:
        InputError: it could not be written; what was there before is unchanged.
    """
    # Beside it, because a rename is atomic only within a file system. The name is short: that of
    # the output may be as long as names can be.
    draft = output.target.with_name(f".jaxnb-{os.getpid()}")
    try:
        yield draft
        with draft.open("rb") as written:
            os.fsync(written.fileno())
        if output.overwrites:
            shutil.copymode(output.target, draft)
        draft.replace(output.target)
    except OSError as error:
        raise _cannot_write(output.named, error) from error
    finally:
        draft.unlink(missing_ok=True)


def say(text: str) -> None:
    """Print on stdout; nothing if the reader has gone, as ``| head`` does.

    Raises:
        InputError: stdout is a file on a full disk.
    """
    try:
        print(text, flush=True)
    except BrokenPipeError:
        # From here on, and when Python flushes at exit, into nothing.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise InputError(f"stdout: cannot be written ({error.strerror})") from error


def note(message: str) -> None:
    """Say something on stderr and go on."""
    if sys.stderr is not None:
        print(f"jaxnb: note: {message}", file=sys.stderr)


def _check_not_read(named: Path, target: Path, inputs: Iterable[Path]) -> None:
    for file in inputs:
        same = target.exists() and file.exists() and os.path.samefile(target, file)
        if same or (file.is_dir() and target.is_relative_to(file.resolve())):
            raise InputError(f"{named}: is the input, or in it; give another name to write to")


def _check_space(target: Path, size: int, *, exists: bool) -> None:
    """Write as many bytes as will be needed, and take them back."""
    if not exists:
        # Finds names that are too long or have characters that the file system does not know.
        os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
        target.unlink()
    with tempfile.TemporaryFile(dir=target.parent) as file:
        file.write(bytes(size))
        file.flush()
        os.fsync(file.fileno())


def _cannot_write(named: Path, error: Exception) -> InputError:
    reason = getattr(error, "strerror", None) or str(error)
    name = str(named) if len(str(named)) <= 100 else f"{str(named)[:97]}..."
    return InputError(f"{name}: cannot be written ({reason}); write elsewhere")
