"""Every group against the rest, one of them, or each other: the same as fits of these cells."""

import anndata
import numpy as np
import pandas as pd
import pytest

from jaxnb import glm

# anndata and what it imports warn about themselves.
pytestmark = pytest.mark.filterwarnings("default")

RNG = np.random.default_rng(8)
CELLS, GENES = 400, 24
TYPE = pd.Categorical(RNG.choice(list("abc"), CELLS, p=[0.6, 0.3, 0.1]), list("cabd"))
FACTORS = np.exp(RNG.normal(0, 0.6, CELLS))
OBS = pd.DataFrame({"type": TYPE, "depth": FACTORS}, [f"cell{i}" for i in range(CELLS)])
NAMES = [f"GENE{j}" for j in range(GENES)]


def _counts():
    mean = FACTORS[:, None] * np.geomspace(0.1, 400, GENES)
    mean[TYPE == "b", 5:8] *= 4
    counts = RNG.poisson(RNG.gamma(1.5, 1 / 1.5, mean.shape) * mean)
    counts[TYPE == "c", 20] = 0
    counts[:, 3] = 0
    return counts


COUNTS = _counts()
DATA = anndata.AnnData(COUNTS.astype(np.float32), OBS, pd.DataFrame(index=NAMES))


def fitted(rows, group):
    """The regression of some cells, with a column that says which of them are of the group."""
    obs = pd.DataFrame({"mine": (group == TYPE)[rows].astype(float)}, OBS.index[rows])
    fit = glm.fit(
        COUNTS[rows], "~ mine", obs=obs, size_factors=FACTORS[rows], dispersion="cox-reid"
    )
    return fit.test("mine", shrink=True)


def compare(table, expected):
    numbers = expected.columns.drop("status")
    pd.testing.assert_frame_equal(
        table[numbers].reset_index(drop=True), expected[numbers].reset_index(drop=True),
        rtol=1e-8, atol=1e-8,
    )  # fmt: skip
    assert table["status"].tolist() == expected["status"].tolist()


def test_against_the_rest_in_memory_and_from_a_file(tmp_path):
    table = glm.markers(DATA, "type", size_factors="depth")
    assert table.columns[:3].tolist() == ["group", "gene", "mean"]
    assert table["group"].unique().tolist() == list("cab")
    assert table["gene"].tolist() == 3 * NAMES
    for level in "cab":
        compare(table[table["group"] == level], fitted(slice(None), level))
    DATA.write_h5ad(tmp_path / "m.h5ad")
    streamed = glm.markers(
        tmp_path / "m.h5ad", "type", size_factors="depth", checkpoint=tmp_path / "kept"
    )
    again = glm.markers(
        tmp_path / "m.h5ad", "type", size_factors="depth", checkpoint=tmp_path / "kept"
    )
    pd.testing.assert_frame_equal(streamed, again, check_exact=True)
    numbers = table.columns.drop(["group", "gene", "status"])
    order = pd.MultiIndex.from_frame(table[["group", "gene"]])
    by_name = streamed.set_index(["group", "gene"]).loc[order].reset_index()
    pd.testing.assert_frame_equal(by_name[numbers], table[numbers], rtol=1e-8, atol=1e-8)


@pytest.mark.slow
def test_against_one_and_in_pairs():
    control = glm.markers(DATA, "type", reference="a", size_factors="depth", dispersion="cox-reid")
    pairs = glm.markers(DATA, "type", pairwise=True, size_factors="depth", dispersion="cox-reid")
    assert control[["group", "reference"]].drop_duplicates().values.tolist() == [
        ["c", "a"],
        ["b", "a"],
    ]
    assert pairs[["group", "reference"]].drop_duplicates().values.tolist() == [
        ["a", "c"],
        ["b", "c"],
        ["b", "a"],
    ]
    for table, group, other in ((control, "c", "a"), (pairs, "a", "c"), (pairs, "b", "a")):
        chosen = (table["group"] == group) & (table["reference"] == other)
        rows = np.flatnonzero((group == TYPE) | (other == TYPE))
        compare(table[chosen], fitted(rows, group))
    one = pairs[pairs["reference"] == "a"].drop(columns="reference")
    other = control[control["group"] == "b"].drop(columns="reference")
    pd.testing.assert_frame_equal(one.reset_index(drop=True), other.reset_index(drop=True))


def test_the_form_of_scanpy(tmp_path):
    data = DATA.copy()
    table = glm.markers(data, "type", size_factors="depth")
    data.uns["rank_genes_groups"] = glm.rank_genes_groups(table)
    data.write_h5ad(tmp_path / "m.h5ad")
    found = anndata.read_h5ad(tmp_path / "m.h5ad").uns["rank_genes_groups"]
    assert found["params"]["groupby"] == "type"
    assert found["params"]["reference"] == "rest"
    assert found["names"].dtype.names == ("c", "a", "b")
    assert set(found["names"]["b"][:3]) == {"GENE5", "GENE6", "GENE7"}
    mine = table[table["group"] == "b"].set_index("gene")
    np.testing.assert_allclose(found["pvals"]["b"][0], mine.loc[found["names"]["b"][0], "p_value"])
    known = ~np.isnan(found["scores"]["b"])
    assert np.all(np.diff(found["scores"]["b"][known]) <= 0)
    signs = np.sign(found["logfoldchanges"]["b"][known])
    np.testing.assert_array_equal(np.sign(found["scores"]["b"][known]), signs)
    assert set(signs) == {-1, 1}
    assert found["names"]["b"][-1] == "GENE3"  # without counts
    with pytest.raises(ValueError, match="pairs"):
        glm.rank_genes_groups(table.assign(reference=["a", "b"] * 36))


@pytest.mark.quick
@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"by": "kind"}, "no 'kind', only type, depth"),
        ({"by": "type", "reference": "d"}, "no 'd', only c, a, b"),
        ({"by": "type", "obs": OBS.assign(type=None)}, "400 missing values"),
        ({"by": "depth"}, "400 levels in 400 rows"),
        ({"by": "type", "obs": OBS.assign(type="x")}, "'x' in all rows"),
        ({"by": "type", "reference": "a", "pairwise": True}, "not both"),
        ({"by": "type", "dispersion": "map"}, "none of 'auto'"),
    ],
)
def test_one_clear_message(words, message):
    with pytest.raises(ValueError, match=message):
        glm.markers(COUNTS, **{"obs": OBS, "size_factors": "depth", **words})
    with pytest.raises(TypeError, match="checkpoint: for files only"):
        glm.markers(COUNTS, "type", obs=OBS, checkpoint="kept")
