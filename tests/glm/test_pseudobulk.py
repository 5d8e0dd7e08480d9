"""Sums over donors, and the warning of those who should have made them."""

import numpy as np
import pandas as pd
import pytest

from jaxnb import glm
from jaxnb.glm.design import design_of
from jaxnb.glm.replicates import warn_of_pseudoreplication

RNG = np.random.default_rng(9)
DONOR = np.repeat([f"d{i}" for i in range(6)], [12, 15, 10, 3, 20, 11])
OBS = pd.DataFrame(
    {
        "donor": DONOR,
        "disease": np.where(np.isin(DONOR, ["d0", "d2", "d4"]), "yes", "no"),
        "depth": RNG.uniform(1, 2, DONOR.size),
    }
).sample(frac=1, random_state=0)
COUNTS = RNG.poisson(3, (len(OBS), 30))


def test_sums_and_what_is_known_of_them():
    with pytest.warns(UserWarning, match=r"1 of 6 sums .* fewer than 10 cells: d3 \(3\)"):
        sums, obs = glm.pseudobulk(COUNTS, "donor", obs=OBS)
    assert sums.index.tolist() == obs.index.tolist() == ["d0", "d1", "d2", "d4", "d5"]
    assert obs.columns.tolist() == ["donor", "disease", "cells"]
    assert obs["cells"].tolist() == [12, 15, 10, 20, 11]
    for donor in sums.index:
        mine = (OBS["donor"] == donor).to_numpy()
        np.testing.assert_array_equal(sums.loc[donor], COUNTS[mine].sum(axis=0))
        assert obs.loc[donor, "disease"] == OBS["disease"][mine].iloc[0]
    glm.fit(sums, "~ disease", obs=obs, size_factors="cells")


@pytest.mark.quick
def test_two_columns():
    sums, _ = glm.pseudobulk(COUNTS, ["disease", "donor"], obs=OBS, min_cells=1)
    assert "no_d1" in sums.index
    assert len(sums) == 6
    assert sums.to_numpy().sum() == COUNTS.sum()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"by": "sex"}, "no sex, only donor"),
        ({"by": []}, "no columns to group by"),
        ({"min_cells": 100}, "no group has 100 cells: the largest has 20"),
        ({"obs": OBS.assign(donor=None)}, "missing values in donor"),
    ],
)
def test_one_clear_message(changes, message):
    arguments = {"by": "donor", "obs": OBS} | changes
    with pytest.raises(ValueError, match=message):
        glm.pseudobulk(COUNTS, arguments.pop("by"), **arguments)


# As an error, for the fit that would follow takes long to compile.
@pytest.mark.filterwarnings("error")
def test_cells_of_donors_as_replicates_are_warned_of():
    with pytest.raises(UserWarning, match="disease is the same in all rows of one donor"):
        glm.fit(COUNTS, "~ disease", obs=OBS)
    with pytest.raises(UserWarning, match="disease is the same in all rows of one donor"):
        warn_of_pseudoreplication(design_of("~ depth + disease", OBS), OBS)
    seurat = OBS.rename(columns={"donor": "orig.ident"})
    with pytest.raises(UserWarning, match=r"rows of one orig\.ident, of which obs has"):
        warn_of_pseudoreplication(design_of("~ disease", seurat), seurat)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("formula", ["~ donor", "~ depth"])
def test_no_warning_where_donors_are_in_the_design_or_are_rows(formula):
    warn_of_pseudoreplication(design_of(formula, OBS), OBS)
