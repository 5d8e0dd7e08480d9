"""``de --markers``: a table with a line for every group and gene."""

from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from jaxnb.cli import main

# anndata and what it imports warn about themselves.
pytestmark = pytest.mark.filterwarnings("default")

NAMES = [f"GENE{j}" for j in range(12)]


@pytest.fixture
def file(tmp_path: Path, folder: Path) -> Path:
    rng = np.random.default_rng(6)
    obs = pd.DataFrame(
        {"guide": rng.choice(["ctrl", "g1", "g2"], 240)}, [f"c{i}" for i in range(240)]
    )
    mean = np.full((240, 12), 3.0)
    mean[obs["guide"] == "g2", 4] = 9
    counts = sparse.csr_matrix(rng.poisson(mean).astype(np.float32))
    var = pd.DataFrame({"feature_name": list("abcdefghijkl")}, NAMES)
    var["other"] = var["feature_name"].str.upper()
    anndata.AnnData(counts, obs, var).write_h5ad(tmp_path / "m.h5ad")
    return tmp_path / "m.h5ad"


@pytest.mark.slow
def test_tables_of_markers_and_perturbations(file: Path, capsys) -> None:
    assert main(["de", str(file), "--markers", "guide", "--out", "t.csv"]) == 0
    said = capsys.readouterr()
    assert "12 genes x 3 groups of cells" in said.err
    assert "g2 (" in said.out
    table = pd.read_csv("t.csv")
    assert table.columns[:3].tolist() == ["group", "gene", "symbol"]
    assert len(table) == 36
    best = table.loc[table.groupby("group")["p_value"].idxmin()].set_index("group")
    assert best.loc["g2", "gene"] == "GENE4"
    assert best.loc["g2", "log2_fold_change"] > 1
    assert (
        table["symbol"] == table["gene"].map(dict(zip(NAMES, "abcdefghijkl", strict=True)))
    ).all()
    words = ["--reference", "ctrl", "--out", "r.tsv", "--checkpoint", "kept", "--symbols", "other"]
    for _ in range(2):
        assert main(["de", str(file), "--markers", "guide", *words]) == 0
        table = pd.read_csv("r.tsv", sep="\t")
        assert table["symbol"][:12].tolist() == list("ABCDEFGHIJKL")
        assert table[["group", "reference"]].drop_duplicates().values.tolist() == [
            ["g1", "ctrl"],
            ["g2", "ctrl"],
        ]


@pytest.mark.quick
@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--markers", "kind"], "obs has no 'kind', only guide"),
        (["--markers", "guide", "--reference", "g7"], "no 'g7', only ctrl, g1, g2"),
        (["--markers", "guide", "--pairwise", "--reference", "g1"], "not both"),
        (["--markers", "guide", "--design", "~ guide"], "--markers goes without --design"),
        (["--markers", "guide", "--plot", "a.png"], "--markers goes without --plot"),
        (["--markers", "guide", "--symbols", "id"], "there are feature_name, other"),
        (["--pairwise"], "goes with --markers FIELD"),
    ],
)
def test_one_clear_message(file: Path, capsys, words, message) -> None:
    assert main(["de", str(file), *words]) == 2
    assert message in capsys.readouterr().err
    assert not list(Path().iterdir())
