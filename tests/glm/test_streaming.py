"""Regression of a file that is read in blocks."""

import pickle

import anndata
import numpy as np
import pandas as pd
import pytest

from jaxnb import glm
from jaxnb.glm import streaming
from jaxnb.glm.design import design_of
from jaxnb.io import open_counts
from jaxnb.io.rows import some_cells

# anndata and what it imports warn about themselves.
pytestmark = pytest.mark.filterwarnings("default")

RNG = np.random.default_rng(3)
OBS = pd.DataFrame({"type": list("ab") * 80, "day": np.repeat([1, 2, 4, 8], 40)})
OBS.index = [f"cell{i}" for i in range(160)]
COUNTS = RNG.negative_binomial(2, 0.3, (160, 25))


@pytest.fixture
def file(tmp_path):
    var = pd.DataFrame(index=[f"GENE{j}" for j in range(25)])
    anndata.AnnData(COUNTS.astype(np.float32), OBS, var).write_h5ad(tmp_path / "m.h5ad")
    return tmp_path / "m.h5ad"


def test_the_same_as_in_memory(file, monkeypatch):
    monkeypatch.setattr(streaming, "BLOCK", 33)
    got = glm.fit_file(file, "~ type + day", obs=OBS.iloc[::-1], checkpoint=file.parent / "kept")
    whole = glm.fit(COUNTS, "~ type + day", obs=OBS)
    pd.testing.assert_frame_equal(
        got.test("type", "b", "a").reset_index(drop=True),
        whole.test("type", "b", "a"),
        rtol=1e-9,
        atol=1e-9,
        check_index_type=False,
    )
    np.testing.assert_allclose(got.size_factors, whole.size_factors)
    assert got.source.depth == pytest.approx(whole.source.depth, rel=1e-12)
    kept = pickle.loads(pickle.dumps(got))
    pd.testing.assert_frame_equal(kept.test("day"), got.test("day"))
    assert got.source.genes[0] == "GENE0"
    assert got.design.described()[1:] == whole.design.described()[1:]


@pytest.mark.quick
def test_levels_are_those_in_memory(tmp_path):
    """Numbers that are names of groups stay names, and levels have the order they were given."""
    days = pd.Categorical(np.repeat([4.5, 1, np.nan, 8], 40), [8, 4.5, 1])
    obs = OBS.assign(day=days, type=pd.Categorical(OBS["type"], ["c", "b", "a"], ordered=True))
    data = anndata.AnnData(COUNTS.astype(np.float32), obs)
    data.write_h5ad(tmp_path / "m.h5ad")
    known = obs["day"].notna().to_numpy()
    with open_counts(tmp_path / "m.h5ad", check_orientation=False) as opened:
        lines = streaming.lines_of(opened, None)
        grouped = streaming.grouped_cells("~ type + day", lines[known])
        fewer = some_cells(opened, known)
    assert lines["day"].isna().sum() == 40
    expected = ["Intercept", "type[T.a]", "day[T.4.5]", "day[T.1.0]"]
    assert grouped.design.columns == design_of("~ type + day", obs[known]).columns == expected
    assert streaming.lines_of(fewer, None)["day"].tolist() == days[known].tolist()


@pytest.mark.quick
@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"design": "~ scale(day)"}, "depend on all cells"),
        ({"design": "~ age", "obs": OBS.assign(age=np.arange(160.0))}, "160 distinct rows for 160"),
        ({"size_factors": "median-ratio"}, "takes the whole matrix .0 genes"),
        ({"size_factors": "depth"}, "is none of 'total', .* nor a column of obs .type, day"),
        ({"obs": OBS.iloc[:5]}, "5 lines, the counts have 160 rows"),
        ({"dispersion": "map"}, "none of 'auto'"),
    ],
)
def test_one_clear_message(file, words, message):
    arguments = {"design": "~ type", **words}
    with pytest.raises(ValueError, match=message):
        glm.fit_file(file, **arguments)


def test_the_default_size_factors_are_those_of_the_whole(file, monkeypatch):
    monkeypatch.setattr("jaxnb.glm.size_factors._ENOUGH_GENES", 0)
    with pytest.raises(streaming.MatrixNeeded, match="genes have counts in every cell"):
        glm.fit_file(file, "~ type")
