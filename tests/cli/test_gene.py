"""The command for one gene: what it draws, and what it says of a gene that is not there."""

from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread


@pytest.fixture
def small(tmp_path: Path, counts: np.ndarray) -> Path:
    path = tmp_path / "s" / "small.csv"
    path.parent.mkdir()
    header = ",".join(["cell", "CD3D", "CD3E", "NONE", "HLA-DRA", "TWICE", "TWICE"])
    rows = [",".join([f"c{at}", *map(str, row)]) for at, row in enumerate(counts)]
    path.write_text("\n".join([header, *rows]))
    return path


@pytest.mark.slow
@pytest.mark.parametrize("family", ["nb", "both"])
def test_one_gene_is_fitted_and_drawn(small: Path, run, family: str) -> None:
    result = run(small, "--gene", "HLA-DRA", "--dark", "--family", family)
    assert result.status == 0, result.err
    assert result.files == ["s_small_HLA-DRA_fit.png"]
    assert "CD3D" not in result.out
    assert "Lowest BIC: " in result.out
    assert "NB fit: " in result.out
    picture = imread(result.folder / result.files[0])
    assert picture.shape[0] > 1000
    assert picture[:5].mean() < 0.5 + 0.25  # an alpha of 1 on black


@pytest.mark.slow
def test_the_table_is_written_if_it_is_named(small: Path, run) -> None:
    result = run(small, "--gene", "CD3D", "--family", "nb", "--out", "one.csv", "--plot", "none")
    assert result.files == ["one.csv"]
    assert (result.folder / "one.csv").read_text().count("\n") == 2


@pytest.mark.quick
@pytest.mark.parametrize(
    ("gene", "says"),
    [
        ("CD3", "no such gene among the 6; similar names: CD3"),
        ("hla-dra", "similar names: HLA-DRA"),
        ("XYZ99", "no such gene among the 6\n"),
        ("TWICE", "2 genes have that name"),
    ],
)
def test_a_gene_that_is_not_there(small: Path, run, gene, says) -> None:
    result = run(small, "--gene", gene)
    assert result.status == 2
    assert says in result.err
    assert result.files == []
