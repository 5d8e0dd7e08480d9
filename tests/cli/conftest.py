"""Small files to read, a place to write, and the command as a function."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from jaxnb.cli import main


class Run(NamedTuple):
    """What the command left behind."""

    status: int
    out: str
    err: str
    folder: Path

    @property
    def files(self) -> list[str]:
        return sorted(file.name for file in self.folder.iterdir())


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory, beside the inputs."""
    place = tmp_path / "here"
    place.mkdir()
    monkeypatch.chdir(place)
    return place


@pytest.fixture
def run(folder: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., Run]:
    """Run ``jaxnb fit`` with the words given, in the empty directory."""

    def call(*words: object) -> Run:
        status = main(["fit", *map(str, words)])
        printed = capsys.readouterr()
        return Run(status, printed.out, printed.err, folder)

    return call


@pytest.fixture(scope="session")
def counts() -> np.ndarray:
    """Six genes, one of them never seen, in 60 cells: one shape, so that it compiles once."""
    rng = np.random.default_rng(4)
    table = rng.negative_binomial(1, 0.2, (60, 6))
    table[:, 2] = 0
    table[::2, 1] = 0
    return table
