"""Files that are either written whole or not at all."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from jaxnb.cli.messages import InputError

__all__ = ["check_writable", "written_whole"]


def check_writable(file: Path) -> None:
    """Fail now rather than after a long fit.

    Raises:
        InputError: the file is a directory, or its directory does not exist or takes no files.
    """
    if file.is_dir():
        raise InputError(f"{file}: is a directory; name a file to write")
    if not file.parent.is_dir():
        raise InputError(f"{file.parent}: no such directory; make it first, or write elsewhere")
    try:
        with tempfile.TemporaryFile(dir=file.parent):
            pass
    except OSError as error:
        raise InputError(
            f"{file}: cannot be written ({error.strerror}); write elsewhere"
        ) from error


@contextmanager
def written_whole(file: Path) -> Iterator[Path]:
    """A path to write to, which takes the place of `file` when all went well."""
    # Beside it, for a rename is atomic only within a file system; the ending tells the format.
    draft = file.with_name(f".{os.getpid()}.{file.name}")
    try:
        yield draft
        draft.replace(file)
    except OSError as error:
        raise InputError(f"{file}: cannot be written ({error.strerror or error})") from error
    finally:
        draft.unlink(missing_ok=True)
