"""Designs whose columns nearly depend on each other: where a covariate is 0, and its unit."""

import numpy as np
import pandas as pd
import pytest

from jaxnb import glm
from jaxnb.glm.conditioning import conditioned

RNG = np.random.default_rng(8)
ROWS, GENES = 24, 60
Z = RNG.normal(0, 1, ROWS)
GROUP = np.tile([0, 1], ROWS // 2)
COUNTS = RNG.poisson(
    RNG.gamma(4, 1 / 4, (ROWS, GENES)) * np.exp(2 + np.outer(Z, RNG.normal(0, 0.3, GENES)))
)
COUNTS[GROUP == 1, 0] = 0
COUNTS[:, 1] = 0
SMOOTH = "log2_fold_change", "se", "log2_fold_change_shrunken"


def fitted(dispersion, zero=0.0, unit=1.0):
    obs = pd.DataFrame({"date": zero + unit * Z, "group": np.where(GROUP == 1, "B", "A")})
    ones = np.ones(ROWS)
    return glm.fit(COUNTS, "~ date + group", obs=obs, size_factors=ones, dispersion=dispersion)


@pytest.mark.quick
def test_a_basis_has_the_same_means_and_contrasts():
    design = np.column_stack([np.ones(ROWS), 2e7 + Z, GROUP, 3e7 + 2 * Z + 1e-4 * Z**2])
    design = np.vstack([design, design])
    basis = conditioned(design)
    assert np.linalg.cond(basis.matrix / np.linalg.norm(basis.matrix, axis=0)) < 10
    np.testing.assert_array_equal(basis.matrix[:ROWS], basis.matrix[ROWS:])
    np.testing.assert_array_equal(basis.matrix[:, [0, 2]], design[:, [0, 2]])
    np.testing.assert_allclose(basis.matrix @ basis.triangle, design, rtol=1e-15)
    beta, vector = RNG.normal(0, 1, (2, 3, 4))
    inner = basis.inner(beta)
    np.testing.assert_allclose(basis.outer(inner)[:, 1:], beta[:, 1:], rtol=1e-9)
    vector[:, 0] = 0
    contrast = np.einsum("ga,ga->g", basis.contrasts(vector), inner)
    np.testing.assert_allclose(contrast, np.einsum("ga,ga->g", vector, beta), rtol=1e-7)


@pytest.mark.quick
def test_ordinary_columns_stay_as_they_are():
    design = np.column_stack([np.ones(ROWS), 40 + 10 * Z, GROUP])
    assert conditioned(design).matrix is design
    small = conditioned(design * [1, 1e-3, 1])
    np.testing.assert_array_equal(small.matrix, design * [1, 1e-3 * 2**4, 1])
    np.testing.assert_array_equal(small.triangle, np.diag([1, 2.0**-4, 1]))


@pytest.fixture(
    scope="module", params=["cox-reid", pytest.param("shrunken", marks=pytest.mark.slow)]
)
def expected(request):
    return fitted(request.param)


@pytest.mark.parametrize(
    ("zero", "unit"),
    [
        (0.0, 1e-3),
        pytest.param(20240115.0, 1.0, marks=pytest.mark.slow),
        pytest.param(1e6, 0.1, marks=pytest.mark.slow),
        pytest.param(0.0, 1e5, marks=pytest.mark.slow),
    ],
)
def test_where_a_covariate_is_zero_and_its_unit_do_not_matter(expected, zero, unit):
    fit = fitted(expected.dispersion_method, zero, unit)
    assert fit.status.tolist() == expected.status.tolist()
    np.testing.assert_allclose(fit.log_likelihood, expected.log_likelihood, rtol=1e-9)
    np.testing.assert_allclose(
        fit.coefficients["date"] * unit, expected.coefficients["date"], atol=1e-7
    )
    np.testing.assert_array_equal(fit.coefficients["group[T.B]"][:1], -np.inf)
    methods = ("wald", "ql") if fit.prior else ("wald", "lr")
    for column in ("date", "group[T.B]"):
        size = unit if column == "date" else 1.0
        for method in methods:
            here = fit.test(column, method=method, shrink=True)
            there = expected.test(column, method=method, shrink=True)
            for name in SMOOTH:
                here[name] *= size
            numbers = here.select_dtypes(np.number).columns
            np.testing.assert_allclose(here[numbers], there[numbers], rtol=1e-5, atol=1e-7)
    beyond = fit.test("date", threshold=0.1 / unit), expected.test("date", threshold=0.1)
    np.testing.assert_allclose(*(table["p_value"] for table in beyond), rtol=1e-5)
