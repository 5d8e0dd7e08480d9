"""Counts of any kind are taken apart in one way, for fits and regression."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal
from scipy import sparse

from jaxnb import glm
from jaxnb.data.matrices import unpacked
from jaxnb.fit import fit_poisson

pytestmark = pytest.mark.quick

COUNTS = np.random.default_rng(2).poisson(20, (8, 30))
FRAME = pd.DataFrame(COUNTS, columns=[f"g{i}" for i in range(30)])
GROUP = pd.DataFrame({"group": list("abababab")})


def _sparse_columns() -> pd.DataFrame:
    return FRAME.astype(pd.SparseDtype(np.int64, 0))


@pytest.mark.parametrize(
    "frame", [FRAME, FRAME.astype("Int64"), _sparse_columns(), FRAME.astype(np.float32)]
)
def test_frames_of_every_type_of_number(frame: pd.DataFrame) -> None:
    assert_array_equal(fit_poisson(frame).mean, fit_poisson(COUNTS).mean)
    found = glm.fit(frame, "~ group", obs=GROUP, size_factors="ones").coefficients
    whole = glm.fit(FRAME, "~ group", obs=GROUP, size_factors="ones").coefficients
    pd.testing.assert_frame_equal(found, whole)


@pytest.mark.parametrize("form", ["lil", "dok", "coo", "bsr", "csr", "csc"])
def test_every_sparse_format(form: str) -> None:
    matrix = sparse.csr_array(COUNTS).asformat(form)
    assert_array_equal(fit_poisson(matrix).mean, fit_poisson(COUNTS).mean)
    assert_array_equal(glm.fit(matrix, "~ 1").coefficients, glm.fit(COUNTS, "~ 1").coefficients)


@pytest.mark.parametrize("of", [fit_poisson, lambda data: glm.fit(data, "~ 1")])
@pytest.mark.parametrize(
    ("data", "message"),
    [
        (FRAME.assign(g1="a", g2="b"), "not numbers: g1, g2"),
        (np.ma.masked_equal(COUNTS, COUNTS[2, 3]), "masked entries: leave these rows"),
        (-FRAME, "must not be negative: the smallest is"),
        (FRAME + np.inf, "must be finite"),
        (COUNTS.astype(object), "must be numbers, not object"),
        (COUNTS[0], r"must be a matrix with rows \(cells or samples\).* of shape \(30,\)"),
        (COUNTS[:0], r"of shape \(0, 30\)"),
    ],
)
def test_the_same_errors(of, data, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        of(data)


def test_layers_are_for_anndata() -> None:
    with pytest.raises(TypeError, match="layer='counts' is for AnnData; the data is ndarray"):
        unpacked(COUNTS, layer="counts")
    with pytest.raises(TypeError, match="raw is for AnnData; the data is DataFrame"):
        unpacked(FRAME, raw=True)
