"""Files as real tools write them: the right ones give the right table, the wrong ones one line."""

import csv
from pathlib import Path

import count_files
import numpy as np
import pytest
from count_file_cases import RIGHT, WRONG

# anndata, zarr and what they import warn about themselves.
pytestmark = pytest.mark.filterwarnings("default")


@pytest.mark.parametrize("case", RIGHT)
def test_right(tmp_path: Path, run, case: str) -> None:
    write, options, _, named = RIGHT[case]
    result = run(write(tmp_path), *options, "--family", "nb", "--plot", "none", "--out", "t.csv")
    assert result.status == 0, result.err
    assert result.files == ["t.csv"]
    with (result.folder / "t.csv").open(newline="") as text:
        rows = list(csv.DictReader(text))
    if named:
        assert [row["gene"] for row in rows] == count_files.GENES
    for title, expected in (
        ("mean_observed", count_files.COUNTS.mean(axis=0)),
        ("variance_observed", count_files.COUNTS.var(axis=0, ddof=1)),
        ("zeros_observed", np.mean(count_files.COUNTS == 0, axis=0)),
    ):
        np.testing.assert_allclose([float(row[title]) for row in rows], expected, rtol=1e-8)


QUICK = ("transposed", "two genomes", "fractions")


@pytest.mark.parametrize(
    "case",
    [pytest.param(case, marks=pytest.mark.quick if case in QUICK else ()) for case in WRONG],
)
def test_wrong(tmp_path: Path, run, case: str) -> None:
    write, options, says, _ = WRONG[case]
    result = run(write(tmp_path), *options)
    assert result.status == 2
    assert says in result.err
    assert result.err.startswith("jaxnb: error: ")
    assert result.err.count("\n") == 1
    assert result.out == ""
    assert result.files == []
