"""The command from end to end: what it prints, what it writes, and what it refuses to start."""

import csv
import importlib.util
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import count_files
import numpy as np
import pytest
from matplotlib.image import imread

from jaxnb.cli import main
from jaxnb.cli.fit import _in_memory
from jaxnb.cli.size_factors import size_factors_of_cells
from jaxnb.io import open_counts

COLUMNS = {
    "gene",
    "mean_observed",
    "variance_observed",
    "zeros_observed",
    "nb_mean",
    "nb_theta",
    "nb_log_likelihood",
    "nb_zeros",
    "nb_status",
    "zinb_mean",
    "zinb_theta",
    "zinb_zero_inflation",
    "zinb_log_likelihood",
    "zinb_zeros",
    "zinb_status",
    "poisson_zeros",
    "lr_statistic",
    "p_value",
    "q_value",
    "bic_choice",
}


@pytest.fixture
def small(tmp_path: Path, counts: np.ndarray) -> Path:
    path = tmp_path / "s" / "small.csv"
    path.parent.mkdir()
    header = ",".join(["cell", "A", "B", "NONE", "D", "E", "F"])
    rows = [",".join([f"c{at}", *map(str, row)]) for at, row in enumerate(counts)]
    path.write_text("\n".join([header, *rows]))
    return path


def rows_of(path: Path) -> dict[str, dict[str, str]]:
    with path.open(newline="") as text:
        return {row["gene"]: row for row in csv.DictReader(text)}


def test_everything_is_printed_and_written(small: Path, run, counts: np.ndarray) -> None:
    result = run(small)
    assert result.status == 0
    assert result.files == ["s_small_fit.csv", "s_small_fit.png"]
    rows = rows_of(result.folder / "s_small_fit.csv")
    assert list(rows) == ["A", "B", "NONE", "D", "E", "F"]
    assert set(rows["A"]) >= COLUMNS
    assert rows["NONE"]["nb_status"] == "all_zeros"
    assert rows["NONE"]["bic_choice"] == "-"
    assert float(rows["A"]["zeros_observed"]) == pytest.approx(np.mean(counts[:, 0] == 0))
    assert float(rows["B"]["p_value"]) < 0.05 < float(rows["A"]["p_value"])
    for text in ("6 genes in 60 cells", "By BIC", "NB fits", "ZINB fits", "s_small_fit.csv"):
        assert text in result.out
    assert "q-value" in result.out
    assert result.out.splitlines()[-2].startswith("next: look at")
    assert "overwrote" not in result.out
    height, width, _ = imread(result.folder / "s_small_fit.png").shape
    assert width > 1000
    assert height > 500
    assert "read 60 cells (c0, c1, c2, ...) x 6 genes (A, B, NONE, ...)" in result.err
    again = run(small, "--family", "nb", "--plot", "none")
    assert (
        "s_small_fit.csv  (one line per gene; --help explains the columns)  (overwrote" in again.out
    )


def test_two_samples_and_two_layers_get_names_of_their_own(small: Path, run) -> None:
    for sample in ("A", "B"):
        Path(sample).mkdir()
        Path(sample, "m.csv").write_text(small.read_text())
        assert run(f"{sample}/m.csv", "--family", "nb", "--plot", "none").status == 0
    assert run(small, "--out", "none", "--plot", "none").files == [
        "A",
        "A_m_fit.csv",
        "B",
        "B_m_fit.csv",
    ]


@pytest.mark.parametrize(("family", "other"), [("nb", "zinb"), ("zinb", "nb")])
def test_one_family_only(small: Path, run, family: str, other: str) -> None:
    result = run(small, "--family", family, "--out", "t.csv", "--plot", "none")
    assert result.status == 0
    assert result.files == ["t.csv"]
    columns = set(rows_of(result.folder / "t.csv")["A"])
    assert f"{family}_mean" in columns
    assert f"{other}_mean" not in columns
    assert "p_value" not in columns


def nb_means(result, table: str) -> list[float]:
    """Of all genes; what was said is shown where nothing was fitted."""
    assert result.status == 0, result.err
    return [float(row["nb_mean"]) for row in rows_of(result.folder / table).values()]


# The totals in other units, so that the fit's program is compiled once.
def test_size_factors_from_a_file_are_used_as_they_are(
    small: Path, run, tmp_path: Path, counts: np.ndarray
) -> None:
    totals = counts.sum(axis=1)
    np.savetxt(tmp_path / "twice.txt", 2 * totals / totals.mean())
    options = ("--family", "nb", "--plot", "none")
    means = nb_means(run(small, *options, "--out", "1.csv"), "1.csv")
    given = run(small, *options, "--size-factors", tmp_path / "twice.txt", "--out", "2.csv")
    assert 2 * np.array(nb_means(given, "2.csv")) == pytest.approx(means, rel=1e-5)


def test_no_size_factors_are_ones(small: Path) -> None:
    with open_counts(small) as opened:
        np.testing.assert_array_equal(size_factors_of_cells("none", opened), np.ones(60))
        assert size_factors_of_cells("total", opened) == "total"
        assert size_factors_of_cells(None, opened) == "total"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("1\n" * 59, "59 size factors for 60 cells"),
        ("1\n" * 59 + "0\n", "line 60: size factors must be positive"),
        ("1\nx\n", "line 2: 'x' is not a number"),
        (None, "cannot be read"),
    ],
)
def test_bad_size_factors(small: Path, run, tmp_path: Path, content: str | None, says: str) -> None:
    if content is not None:
        (tmp_path / "factors.txt").write_text(content)
    result = run(small, "--size-factors", tmp_path / "factors.txt")
    assert result.status == 2
    assert says in result.err
    assert result.files == []


def test_totals_of_one_gene_are_refused(run, tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text("cell,A\n" + "".join(f"c{at},{at}\n" for at in range(60)))
    result = run(tmp_path / "m.csv")
    assert result.status == 2
    assert "one column only" in result.err
    assert "--size-factors ones, obs:FIELD" in result.err
    assert result.files == []


def test_totals_of_few_genes_are_told(small: Path, run) -> None:
    result = run(small, "--family", "nb", "--out", "none", "--plot", "none")
    assert result.status == 0
    assert re.search(
        r"'.' is \d\d% of all counts \(there are only 6 columns\), and .* theta comes out about "
        r"[12].\d times too large; consider --size-factors ones",
        result.err,
    )


def test_size_factors_from_a_field_are_divided_by_their_mean(
    small: Path, run, counts: np.ndarray
) -> None:
    options = ("--family", "nb", "--plot", "none")
    means = nb_means(run(small, *options, "--out", "1.csv"), "1.csv")
    depth = ["depth", *(3 * counts.sum(axis=1))]
    rows = zip(small.read_text().splitlines(), depth, strict=True)
    small.write_text("\n".join(f"{row},{value}" for row, value in rows))
    options = ("--index-columns", "cell,depth", *options)
    result = run(small, *options, "--size-factors", "obs:depth", "--out", "2.csv")
    assert nb_means(result, "2.csv") == pytest.approx(means, rel=1e-5)
    assert "of all counts" not in result.err
    unknown = run(small, *options, "--size-factors", "obs:total")
    assert "no such field; there are depth" in unknown.err


@pytest.mark.filterwarnings("default")
def test_totals_over_more_genes_are_pointed_to(run, tmp_path: Path) -> None:
    data = count_files.annotated()
    data[:, :6].copy().write_h5ad(tmp_path / "m.h5ad")
    result = run(tmp_path / "m.h5ad", "--family", "nb", "--out", "none", "--plot", "none")
    assert result.status == 0
    assert "consider --size-factors obs:total_counts" in result.err


def test_cells_without_counts_are_left_out_and_told(small: Path, run) -> None:
    small.write_text(small.read_text() + "\nempty,0,0,0,0,0,0\n")
    result = run(small, "--family", "nb", "--plot", "none")
    assert result.status == 0
    assert "1 cells without any count are left out" in result.err
    assert "6 genes in 60 cells" in result.out


@pytest.mark.slow
def test_estimated_counts_have_to_be_allowed(small: Path, run) -> None:
    small.write_text(small.read_text().replace(",5", ",5.5"))
    refused = run(small)
    assert refused.status == 2
    assert "--allow-non-integer" in refused.err
    assert refused.files == []
    small.write_text(small.read_text() + "\nempty,0,0,0,0,0,0\n")
    result = run(small, "--allow-non-integer", "--plot", "none", "--family", "nb")
    assert result.status == 0
    assert "1 cells without any count are left out" in result.err
    assert "are not whole numbers" in result.err


@pytest.mark.quick
@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--out", "nowhere/t.csv"], "no such directory"),
        (["--out", "."], "is a directory"),
        (["--plot", "nowhere/p.png"], "no such directory"),
        (["--out", "t.png", "--plot", "t.png"], "both the table and the figure"),
        (["--out", "/dev/null"], "is a device or a pipe"),
        (["--plot", "p.jpg"], "give one of .png, .pdf, .svg"),
        (["--out", "t" * 300], "name too long"),
        (["--size-factors", "obs:total"], "no such field; there are no fields"),
    ],
)
def test_bad_outputs_are_refused_before_the_fit(small: Path, run, options, says, monkeypatch):
    monkeypatch.setattr("jaxnb.fit.fit_nb", lambda *_, **__: pytest.fail("was fitted"))
    result = run(small, *options)
    assert result.status == 2
    assert says in result.err
    assert result.err.count("jaxnb: error") == 1
    assert result.files == []


def test_the_input_is_never_overwritten(small: Path, run) -> None:
    before = small.read_text()
    assert run(small, "--out", small).status == 2
    assert small.read_text() == before


def test_a_failure_while_drawing_leaves_no_half_picture(small: Path, run, monkeypatch) -> None:
    def fail(_figure: object, file: Path, **_: object) -> None:
        file.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("matplotlib.figure.Figure.savefig", fail)
    result = run(small)
    assert result.status == 2
    assert "No space left on device" in result.err
    assert result.files == ["s_small_fit.csv"]


def test_without_matplotlib(small: Path, run, monkeypatch) -> None:
    real = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "matplotlib" else real(name)
    )
    asked = run(small, "--plot", "p.png")
    assert asked.status == 2
    assert 'pip install "jaxnb[plot]"' in asked.err
    assert asked.files == []
    unasked = run(small)
    assert unasked.status == 0
    assert 'pip install "jaxnb[plot]"' in unasked.err
    assert unasked.files == ["s_small_fit.csv"]


@pytest.mark.parametrize("words", [["fit", "--family", "gamma"], ["fit", "--top", "0"], []])
def test_bad_arguments_end_in_status_2(words: list[str], capsys) -> None:
    with pytest.raises(SystemExit) as exit_:
        main(words)
    assert exit_.value.code == 2
    assert "usage" in capsys.readouterr().err


def test_help_has_examples_and_explains_the_table(capsys) -> None:
    with pytest.raises(SystemExit) as exit_:
        main(["fit", "--help"])
    assert exit_.value.code == 0
    text = capsys.readouterr().out
    assert "examples:" in text
    for column in ("theta", "zero_inflation", "p_value", "bic_choice"):
        assert column in text


@pytest.mark.slow
def test_the_bundled_data_as_a_process(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "jaxnb", "fit", "--x64", "--top", "3"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr == (
        "jaxnb: note: read 700 cells (no names) x 765 genes (HES4, TNFRSF4, SSU72, ...) from "
        "pbmc68k\n"
    )
    assert "765 genes in 700 cells; 67.4% of the counts are zero" in done.stdout
    lyz = rows_of(tmp_path / "pbmc68k_fit.csv")["LYZ"]
    assert float(lyz["nb_theta"]) == pytest.approx(0.2094390978, rel=1e-8)
    assert float(lyz["nb_log_likelihood"]) == pytest.approx(-2044.783233, abs=1e-5)


def test_help_waits_for_nothing() -> None:
    program = """
import sys
from jaxnb.cli import main
try:
    main(["fit", "--help"])
finally:
    print([name for name in ("jax", "numpy", "scipy", "pandas") if name in sys.modules])
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert "usage: jaxnb fit" in done.stdout
    assert done.stdout.endswith("[]\n"), done.stderr


@pytest.mark.quick
def test_cells_without_counts_are_no_cells(tmp_path):
    counts = np.random.default_rng(0).poisson(2.0, (30, 25)) + 1
    counts[7] = 0
    np.savetxt(tmp_path / "m.csv", counts, "%d", ",", header=",".join(f"G{i}" for i in range(25)),
               comments="")  # fmt: skip
    with open_counts(tmp_path / "m.csv", check_orientation=False) as opened:
        read = _in_memory(SimpleNamespace(checkpoint=None), opened, "total", None)
    assert read.rows == 29
    assert read.counts.shape == (29, 25)
    assert (read.size_factors > 0).all()
