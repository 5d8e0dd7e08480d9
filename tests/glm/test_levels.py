"""Sums of the cells of several levels, from one pass over a file."""

import anndata
import numpy as np
import pandas as pd
import pytest

from jaxnb.data.separate import SeparateStatistics
from jaxnb.fit import CountStatistics
from jaxnb.glm import levels, streaming
from jaxnb.glm.levels import LevelCells, sums_by_level
from jaxnb.io import open_counts
from jaxnb.io.rows import some_cells

# anndata and what it imports warn about themselves.
pytestmark = [pytest.mark.filterwarnings("default"), pytest.mark.quick]

CELLS, GENES = 240, 120
RNG = np.random.default_rng(5)
OBS = pd.DataFrame(
    {
        "level": RNG.choice(["B", "empty", "NK", "none"], CELLS, p=[0.3, 0.2, 0.3, 0.2]),
        "group": RNG.choice(list("xyz"), CELLS),
        "depth": np.exp(RNG.normal(0, 1, CELLS)),
    },
    [f"cell{i}" for i in range(CELLS)],
)
COUNTS = RNG.negative_binomial(2, 0.6 / (1 + np.linspace(0, 3, GENES)), (CELLS, GENES))
COUNTS[np.flatnonzero(OBS["level"] == "empty")[3]] = 0


@pytest.fixture
def file(tmp_path, monkeypatch):
    monkeypatch.setattr(streaming, "BLOCK", 33)
    monkeypatch.setattr(streaming, "_CELLS_OF_A_GROUP", 1)
    anndata.AnnData(COUNTS.astype(np.float32), OBS).write_h5ad(tmp_path / "m.h5ad")
    return tmp_path / "m.h5ad"


def planned(size_factors):
    found = {}
    for name in ("NK", "empty", "B"):
        mine = OBS[OBS["level"] == name]
        grouped = streaming.grouped_cells("~ group", mine)
        rows = np.flatnonzero(OBS["level"] == name)
        factors = mine["depth"] / mine["depth"].mean() if size_factors == "depth" else size_factors
        found[name] = LevelCells(rows, mine, grouped, factors)
    return found


@pytest.mark.parametrize("size_factors", ["total", "depth", None])
def test_the_sums_of_a_level_are_those_of_its_cells_alone(file, size_factors):
    asked = planned(size_factors)
    with open_counts(file) as opened:
        got = dict(zip(asked, sums_by_level(opened, list(asked.values())), strict=True))
        for name in ("B", "NK"):
            kept = (OBS["level"] == name).to_numpy()
            grouped = asked[name].grouped
            expected = streaming.sums_by_group(
                some_cells(opened, kept),
                CountStatistics(GENES, groups=len(grouped.lines)),
                OBS[kept],
                grouped.groups.of_row,
                asked[name].size_factors,
            )
            assert got[name][2:] == expected[2:]
            np.testing.assert_array_equal(got[name].size_factors, expected.size_factors)
            parts = got[name].statistics.arrays(), expected.statistics.arrays()
            for key in set(parts[0]) - {"names"}:
                np.testing.assert_allclose(*(part[key] for part in parts), rtol=1e-12, atol=1e-14)
    if size_factors == "depth":
        assert got["empty"].statistics.cells.sum() == (OBS["level"] == "empty").sum()
    else:
        assert "has no counts at all" in str(got["empty"])


def test_one_pass_is_for_all_levels(file, monkeypatch):
    passes = []
    blocks = levels.FilePasses._blocks
    monkeypatch.setattr(
        levels.FilePasses, "_blocks", lambda self, start: passes.append(1) or blocks(self, start)
    )
    for size_factors, expected in (("depth", 1), ("total", 2)):
        passes.clear()
        with open_counts(file) as opened:
            sums_by_level(opened, list(planned(size_factors).values()))
        assert len(passes) == expected


def test_median_ratios_are_decided_for_each_level(file, monkeypatch):
    where = np.flatnonzero(OBS["level"] == "B")
    everywhere = (COUNTS[where] > 0).all(axis=0).sum()
    assert everywhere > (COUNTS > 0).all(axis=0).sum()
    monkeypatch.setattr("jaxnb.glm.size_factors._ENOUGH_GENES", everywhere)
    with open_counts(file) as opened:
        got = sums_by_level(opened, list(planned(None).values()))
    assert isinstance(got[2], streaming.MatrixNeeded)


@pytest.mark.parametrize("fatal", [5, 12])
def test_a_killed_pass_goes_on_to_the_same_sums(file, tmp_path, monkeypatch, fatal):
    asked = list(planned("total").values())
    kept = {"checkpoint": tmp_path / "kept", "checkpoint_seconds": 0}
    with open_counts(file) as opened:
        expected = sums_by_level(opened, asked)
        blocks, read = levels.FilePasses._blocks, []

        def killed(self, start):
            for entry in blocks(self, start):
                read.append(1)
                if len(read) == fatal:
                    raise KeyboardInterrupt
                yield entry

        monkeypatch.setattr(levels.FilePasses, "_blocks", killed)
        with pytest.raises(KeyboardInterrupt):
            sums_by_level(opened, asked, **kept)
        got = sums_by_level(opened, asked, **kept)
        assert len(read) < fatal + 2 * len(range(0, CELLS, 33))
        with pytest.raises(ValueError, match="of another run"):
            sums_by_level(opened, asked[::-1], **kept)
    for number in (0, 2):
        ours, theirs = got[number].statistics.arrays(), expected[number].statistics.arrays()
        for key in set(ours) - {"names"}:
            np.testing.assert_array_equal(ours[key], theirs[key])


def test_cells_without_a_part_are_left_out():
    sums = SeparateStatistics(GENES, [2, 1])
    number = np.tile([1, -1, 2, 0], CELLS // 4)
    sums.add(COUNTS, np.ones(CELLS), number)
    np.testing.assert_array_equal(sums.parts[0].totals[:, 1], COUNTS[number == 1].sum(axis=0))
    np.testing.assert_array_equal(sums.parts[1].totals[:, 0], COUNTS[number == 2].sum(axis=0))
    assert [part.groups for part in SeparateStatistics.from_arrays(sums.arrays()).parts] == [2, 1]
