"""Nothing is lost and nothing replaced that is not a file, whatever the names and pipes are."""

import os
import resource
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from jaxnb._errors import InputError
from jaxnb.cli.outputs import Output, default_name, planned_output, say, written_whole


def write(named: Path, text: str = "new", inputs: tuple[Path, ...] = ()) -> Output:
    output = planned_output(named, inputs=inputs, size=100)
    with written_whole(output) as draft:
        draft.write_text(text)
    return output


def files(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir())


def test_a_new_file(tmp_path: Path) -> None:
    assert not write(tmp_path / "t.csv").overwrites
    assert files(tmp_path) == ["t.csv"]
    assert (tmp_path / "t.csv").read_text() == "new"
    plain = tmp_path / "plain"
    plain.write_text("")
    assert (tmp_path / "t.csv").stat().st_mode == plain.stat().st_mode


def test_whoever_reads_the_old_file_goes_on_reading_it(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("old and longer")
    with (tmp_path / "t.csv").open() as reader:
        write(tmp_path / "t.csv")
        assert reader.read() == "old and longer"
    assert (tmp_path / "t.csv").read_text() == "new"


@pytest.mark.quick
def test_an_old_file_is_overwritten_and_keeps_its_mode(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("old")
    (tmp_path / "t.csv").chmod(0o640)
    assert "overwrote" in write(tmp_path / "t.csv").remark
    assert (tmp_path / "t.csv").read_text() == "new"
    assert stat.S_IMODE((tmp_path / "t.csv").stat().st_mode) == 0o640


@pytest.mark.quick
def test_a_failure_leaves_the_old_file(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("old")
    output = planned_output(tmp_path / "t.csv", inputs=(), size=100)

    def fail() -> None:
        with written_whole(output) as draft:
            draft.write_text("half")
            raise OSError(28, "No space left on device")

    with pytest.raises(InputError, match="No space left"):
        fail()
    assert files(tmp_path) == ["t.csv"]
    assert (tmp_path / "t.csv").read_text() == "old"


@pytest.mark.parametrize("exists", [True, False])
def test_a_symbolic_link_is_followed(tmp_path: Path, exists: bool) -> None:
    place = tmp_path / "elsewhere"
    place.mkdir()
    if exists:
        (place / "real.csv").write_text("old")
    link = tmp_path / "t.csv"
    link.symlink_to(place / "real.csv")
    assert write(link).overwrites == exists
    assert link.is_symlink()
    assert (place / "real.csv").read_text() == "new"
    assert files(tmp_path) == ["elsewhere", "t.csv"]
    assert files(place) == ["real.csv"]


def test_symbolic_links_in_a_circle(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to(tmp_path / "b")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    with pytest.raises(InputError, match="cannot be written"):
        write(tmp_path / "a")


@pytest.mark.parametrize("device", ["/dev/null", "/dev/full", "fifo", "link"])
def test_devices_and_pipes_are_refused(tmp_path: Path, device: str) -> None:
    path = Path(device) if device.startswith("/") else tmp_path / device
    if device == "fifo":
        os.mkfifo(path)
    elif device == "link":
        path.symlink_to("/dev/null")
    before = path.stat().st_mode
    with pytest.raises(InputError, match="is a device or a pipe; name a file, or 'none'"):
        write(path)
    assert path.stat().st_mode == before


def test_names_may_be_as_long_as_the_file_system_allows(tmp_path: Path) -> None:
    longest = os.pathconf(tmp_path, "PC_NAME_MAX")
    write(tmp_path / ("t" * longest))
    assert files(tmp_path) == ["t" * longest]
    with pytest.raises(InputError, match="name too long") as raised:
        write(tmp_path / ("t" * (longest + 1)))
    assert len(str(raised.value)) < 200


@pytest.fixture
def little_space() -> Iterator[None]:
    """No file can grow beyond 1,000 bytes, as on a full disk."""
    old, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (old, hard))


@pytest.mark.usefixtures("little_space")
def test_a_full_disk_is_found_beforehand(tmp_path: Path) -> None:
    planned_output(tmp_path / "t.csv", inputs=(), size=500)
    with pytest.raises(InputError, match="cannot be written"):
        planned_output(tmp_path / "t.csv", inputs=(), size=5000)
    assert files(tmp_path) == []


@pytest.mark.quick
def test_inputs_are_not_written_to(tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text("counts")
    (tmp_path / "twin.csv").hardlink_to(tmp_path / "m.csv")
    (tmp_path / "link.csv").symlink_to(tmp_path / "m.csv")
    (tmp_path / "m.zarr").mkdir()
    inputs = (tmp_path / "m.csv", tmp_path / "m.zarr")
    for name in ("m.csv", "twin.csv", "link.csv", "m.zarr/t.csv"):
        with pytest.raises(InputError, match="is the input, or in it"):
            write(tmp_path / name, inputs=inputs)
    assert (tmp_path / "m.csv").read_text() == "counts"


def test_default_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    assert default_name(Path("m.h5ad"), "m", None) == "m"
    assert default_name(Path("m.h5ad"), "m", "counts") == "m_counts"
    assert default_name(Path("m.h5ad"), "m", "a/b c") == "m_a-b-c"
    assert default_name(Path("data/m.h5ad"), "m", None) == "data_m"
    assert default_name(Path("A/outs/filtered_feature_bc_matrix.h5"), "x", None) == "A_outs_x"
    assert default_name(here.parent / "other" / "m.csv", "m", None) == "other_m"


def _pipe_to_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    reads, writes = os.pipe()
    os.close(reads)
    monkeypatch.setattr(sys, "stdout", os.fdopen(writes, "w"))


def test_whoever_read_stdout_may_be_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    _pipe_to_nobody(monkeypatch)
    say("the table")
    say("the summary")
    sys.stdout.close()


def test_stdout_on_a_full_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", open("/dev/full", "w"))
    with pytest.raises(InputError, match="stdout: cannot be written"):
        say("the table")
    sys.stdout.close()


def test_no_stdout_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    say("the table")


def test_help_for_a_reader_that_stops() -> None:
    reads, writes = os.pipe()
    os.close(reads)
    done = subprocess.run(
        [sys.executable, "-m", "jaxnb", "fit", "--help"],
        stdout=writes,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    os.close(writes)
    assert done.returncode == 0
    assert done.stderr == ""
