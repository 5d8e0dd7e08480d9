"""The command ``de`` with a random intercept for every donor."""

from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest

from jaxnb import glm
from jaxnb.cli import main

# anndata, zarr and what they import warn about themselves.
pytestmark = pytest.mark.filterwarnings("default")

CELLS, DONORS, GENES = 480, 6, 5
ASKED = ("--design", "~ type", "--contrast", "type,b,a", "--size-factors", "none")
QUIET = ("--plot", "none", "--out", "t.csv")


@pytest.fixture
def cells() -> anndata.AnnData:
    rng = np.random.default_rng(2)
    donor = np.arange(CELLS) % DONORS
    obs = pd.DataFrame(index=[f"cell{i}" for i in range(CELLS)])
    obs["donor"] = pd.Categorical([f"d{code}" for code in donor])
    obs["type"] = np.where(donor < 3, "a", "b")
    eta = 1 + 0.5 * rng.normal(0, 1, (DONORS, GENES))[donor]
    eta[:, 0] += 4 * (donor >= 3)
    counts = rng.poisson(rng.gamma(2, 0.5, eta.shape) * np.exp(eta))
    var = pd.DataFrame(index=[f"GENE{j}" for j in range(GENES)])
    return anndata.AnnData(counts.astype(np.float32), obs, var)


@pytest.mark.slow
def test_from_the_shell(cells: anndata.AnnData, folder: Path, capsys) -> None:
    cells.write_h5ad("m.h5ad")
    assert main(["de", "m.h5ad", *ASKED, "--random", "donor", *QUIET]) == 0
    out, said = capsys.readouterr()
    assert "F test of the likelihood ratio" in out
    assert "5 genes x 6 distinct rows and donor" in said
    assert "too few to moderate" in said
    assert "not replicates" not in said
    table = pd.read_csv("t.csv", index_col=0)
    fit = glm.fit(cells, "~ type", random="donor", size_factors=np.ones(CELLS))
    with pytest.warns(UserWarning, match="too few to moderate"):
        expected = fit.test("type", "b", "a")
    for name in ("log2_fold_change", "p_value", "random_sd"):
        np.testing.assert_allclose(table[name], expected[name], rtol=1e-4, atol=1e-6)
    assert (expected["random_sd"] > 0.1).any()
    assert table["p_value"].idxmin() == "GENE0"


@pytest.mark.quick
@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--random", "who"), "random='who' is not a column of obs"),
        (("--random", "gone"), "2 rows have no gone: leave them out"),
        (("--random", "type"), "cannot be told apart from those of the type"),
        (("--random", "one"), "all rows are from one one (d0)"),
        (("--random", "cell"), "every row has a cell of its own"),
        (("--random", "weight"), "weight holds fractions such as 0.5"),
        (("--random", "(1|donor)"), "one random intercept is fitted"),
        (("--random", "donor", "--pseudobulk", "donor"), "--random goes without --pseudobulk"),
        (("--random", "donor", "--dispersion", "shrunken"), "is not for a random effect"),
    ],
)
def test_one_clear_line(cells, folder: Path, capsys, words, message) -> None:
    cells.obs["one"], cells.obs["cell"] = "d0", np.arange(CELLS)
    cells.obs["weight"] = 0.5 + np.arange(CELLS) % DONORS
    cells.obs["gone"] = [None, None, *cells.obs["donor"][2:].astype(str)]
    cells.write_h5ad("m.h5ad")
    assert main(["de", "m.h5ad", *ASKED, *words, *QUIET]) == 2
    said = capsys.readouterr().err
    assert message in said
    assert "Traceback" not in said


@pytest.mark.quick
def test_more_donors_than_memory_is_meant_for(cells, folder: Path, monkeypatch, capsys) -> None:
    monkeypatch.setattr("jaxnb.glm.mixed.donors._MOST_BYTES", 8 * GENES * DONORS * 20 - 1)
    monkeypatch.setattr("jaxnb.glm.streaming.sums_by_group", None)  # before anything is read
    cells.write_h5ad("m.h5ad")
    assert main(["de", "m.h5ad", *ASKED, "--random", "donor", *QUIET]) == 2
    assert "5 genes and 6 combinations of donor and design need" in capsys.readouterr().err


@pytest.mark.quick
def test_the_warning_names_the_remedy(cells: anndata.AnnData) -> None:
    with pytest.warns(UserWarning, match=r"random='donor' \(--random donor\), or add its rows up"):
        glm.fit(cells, "~ type", size_factors=np.ones(CELLS), dispersion="ml")
