"""Sums of a long pass over a file, kept so that a killed run can go on where it was.

A folder holds one ``.npz`` file with the sums and ``jaxnb-manifest.json``, which names it and says
how many rows it holds and of what. Both are written under another name, flushed to the disk and
renamed over the old ones, the sums first: whenever the run is killed, the manifest names a whole
file.
"""

import hashlib
import json
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, cast

import numpy as np
from numpy.typing import NDArray

from jaxnb._errors import InputError

__all__ = ["Checkpoint", "file_key"]

_MANIFEST = "jaxnb-manifest.json"
_EDGE = 1 << 20


class Checkpoint:
    """The state of a pass in a folder.

    Args:
        folder: made if it is not there; None to keep nothing.
        key: of the input and the options. Sums of another key are refused.
        seconds: between two writes.

    Raises:
        InputError: the folder holds the sums of another key, or cannot be read or made.
    """

    def __init__(self, folder: Path | None, key: Mapping[str, Any], *, seconds: float) -> None:
        self._folder, self._key, self._seconds = folder, dict(key), seconds
        self._last = time.monotonic()
        self.rows, self.phase = 0, ""
        self.arrays: dict[str, NDArray[Any]] = {}
        if folder is not None:
            self._read(folder)

    def _read(self, folder: Path) -> None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if not (folder / _MANIFEST).exists():
                return
            manifest = json.loads((folder / _MANIFEST).read_text(encoding="utf-8"))
            differing = [
                name for name, value in self._key.items() if manifest["key"].get(name) != value
            ]
            if differing:
                raise InputError(
                    f"checkpoint {folder}: is of another run ({', '.join(differing)} changed since "
                    "then): remove the folder or name another"
                )
            with np.load(folder / manifest["file"]) as stored:
                self.arrays = {name: stored[name] for name in stored.files}
            self.phase, self.rows = manifest["phase"], int(manifest["rows"])
        except InputError:
            raise
        except Exception as error:
            raise InputError(f"checkpoint {folder}: cannot be used ({error})") from error

    def due(self) -> bool:
        """Whether it is time to write."""
        return self._folder is not None and time.monotonic() - self._last >= self._seconds

    def write(self, phase: str, rows: int, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Keep the state.

        Raises:
            InputError: it cannot be written; what was written before stays.
        """
        if self._folder is None:
            return
        name = f"jaxnb-{phase}-{rows}.npz"
        manifest = {"key": self._key, "phase": phase, "rows": rows, "file": name}
        try:
            with _replacing(self._folder / name) as file:
                # without allow_pickle: before NumPy 2.1 that is one more array
                np.savez(file, **cast(dict[str, Any], arrays))
            with _replacing(self._folder / _MANIFEST) as file:
                file.write(json.dumps(manifest, indent=1).encode())
            # By our prefix: the folder may hold files of the user.
            for old in self._folder.glob("jaxnb-*.npz"):
                if old.name != name:
                    old.unlink()
        except OSError as error:
            raise InputError(
                f"checkpoint {self._folder}: cannot be written ({error.strerror or error}); "
                "what was kept before is still there"
            ) from error
        self._last = time.monotonic()


@contextmanager
def _replacing(path: Path) -> Iterator[IO[bytes]]:
    """A file that takes its place only when it is whole and on the disk."""
    draft = path.with_name(f"{path.name}.part")
    try:
        with open(draft, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(draft, path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def file_key(path: Path) -> str:
    """Changes when the file does: from sizes, times of change, and the first and last megabyte."""
    digest = hashlib.sha256()
    files = sorted(path.rglob("*")) if path.is_dir() else [path]
    for file in files:
        if not file.is_file():
            continue
        state = file.stat()
        digest.update(f"{file.name} {state.st_size} {state.st_mtime_ns}\n".encode())
        if not path.is_dir():
            with open(file, "rb") as opened:
                digest.update(opened.read(_EDGE))
                opened.seek(max(state.st_size - _EDGE, 0))
                digest.update(opened.read(_EDGE))
    return digest.hexdigest()
