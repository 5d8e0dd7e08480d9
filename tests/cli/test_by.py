"""``de --where`` and ``--by``: some of the rows, and each level of a field by itself."""

from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from jaxnb.cli import main
from jaxnb.io.matrices import StoredSparse

# anndata and what it imports warn about themselves.
pytestmark = pytest.mark.filterwarnings("default")

TEST = ["--design", "~ disease", "--contrast", "disease,MS,none", "--plot", "none"]


@pytest.fixture
def file(tmp_path: Path, folder: Path) -> str:
    rng = np.random.default_rng(4)
    obs = pd.DataFrame(
        {
            "donor": np.repeat([f"d{i}" for i in range(6)], 90),
            "cell": np.tile(["B", "NK, old", "only MS"], 180),
            "age": np.repeat([30.0, 40.5, np.nan], 180),
            "stage": pd.Categorical(np.repeat([1, 2, None], 180)),
        },
        [f"c{i}" for i in range(540)],
    )
    obs["disease"] = np.where(obs["donor"] < "d3", "MS", "none")
    obs = obs[(obs["cell"] != "only MS") | (obs["disease"] == "MS")]
    mean = np.full((len(obs), 8), 3.0)
    mean[(obs["cell"] == "B") & (obs["disease"] == "MS"), 2] = 12
    counts = sparse.csr_matrix(rng.poisson(mean).astype(np.float32))
    var = pd.DataFrame(index=[f"GENE{j}" for j in range(8)])
    anndata.AnnData(counts, obs, var).write_h5ad(tmp_path / "cells.h5ad")
    return str(tmp_path / "cells.h5ad")


@pytest.mark.parametrize(
    "how",
    [pytest.param([], marks=pytest.mark.slow), ["--pseudobulk", "donor"]],
    ids=["cells", "sums"],
)
def test_a_level_is_tested_as_if_there_were_no_others(file: str, how: list[str], capsys) -> None:
    assert main(["de", file, *TEST, *how, "--by", "cell", "--out", "by.csv"]) == 0
    said = capsys.readouterr()
    assert "B, disease: MS over none: 1 genes up" in said.out
    assert "GENE2" in said.out
    assert "cell only MS is left out: " in said.err
    table = pd.read_csv("by.csv")
    assert table.columns[:2].tolist() == ["group", "gene"]
    assert table["group"].drop_duplicates().tolist() == ["B", "NK, old"]
    for level, words in (("B", "cell=B"), ("NK, old", 'cell="NK, old"')):
        assert main(["de", file, *TEST, *how, "--where", words, "--out", "one.csv"]) == 0
        one = pd.read_csv("one.csv")
        of_level = table[table["group"] == level].drop(columns="group")
        pd.testing.assert_frame_equal(of_level.reset_index(drop=True), one, rtol=1e-9, atol=1e-12)


@pytest.mark.slow
def test_parts_and_checkpoints_give_the_same_table(file: str, monkeypatch, capsys) -> None:
    words = ["de", file, *TEST, "--by", "cell", "--out", "by.csv"]
    assert main(words) == 0
    assert capsys.readouterr().err.count("MB of sums") == 1
    expected = pd.read_csv("by.csv")
    assert main([*words, "--checkpoint", "kept"]) == 0
    pd.testing.assert_frame_equal(pd.read_csv("by.csv"), expected, check_exact=True)
    monkeypatch.setattr("jaxnb.cli.by._MOST_BYTES", 1)
    capsys.readouterr()
    for _ in range(2):
        assert main([*words, "--checkpoint", "parts"]) == 0
        assert capsys.readouterr().err.count("MB of sums") == 2
        pd.testing.assert_frame_equal(pd.read_csv("by.csv"), expected, check_exact=True)


def test_a_matrix_is_read_once_for_all_levels(file: str, monkeypatch) -> None:
    read = []
    original = StoredSparse.read
    monkeypatch.setattr(
        StoredSparse, "read", lambda self, **how: read.append(1) or original(self, **how)
    )
    words = ["--design", "~ disease", "--contrast", "disease,MS,no", "--plot", "none"]
    assert main(["de", file, *words, "--by", "cell", "--pseudobulk", "donor"]) == 2
    assert len(read) == 1


@pytest.mark.quick
@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--where", "cell=T"], "cell has no 'T', only B, NK, old, only MS"),
        (["--where", "age=30", "--where", "age=40.5"], "no row has age=30 and age=40.5"),
        (["--where", "age=nan"], "age has no 'nan', only 30, 40.5"),
        (["--where", "stage=3"], "stage has no '3', only 1, 2"),
        (["--where", "cell"], "must be FIELD=LEVEL"),
        (["--where", "sex=f"], "there are donor, cell, age, stage, disease"),
        (["--where", "donor=d5", "--where", "disease=MS"], "no row has donor=d5 and disease=MS"),
        (["--where", "donor=d5", "--size-factors", "s.txt"], "from a field of the rows"),
        (["--by", "sex"], "--by sex: no such field; there are donor, cell, age, stage, disease"),
        (["--by", "disease"], "in none of its levels"),
        (["--by", "cell", "--outliers", "o.csv"], "--by goes without --outliers"),
        (["--by", "cell", "--pseudobulk", "donor", "--checkpoint", "k"], "those of no cell are"),
    ],
)
def test_what_cannot_be_chosen_is_told(file: str, words: list[str], message: str, capsys) -> None:
    assert main(["de", file, *TEST, *words]) == 2
    assert message in capsys.readouterr().err
    assert not list(Path().glob("*.csv"))


def test_a_checkpoint_of_other_rows_is_refused(file: str, capsys) -> None:
    words = ["de", file, "--markers", "disease", "--out", "none", "--checkpoint", "kept"]
    assert main([*words, "--where", "donor=d0,d5"]) == 0
    assert main([*words, "--where", "donor=d1,d4"]) == 2
    assert "kept" in capsys.readouterr().err
