"""Fits against the stored fits at 40 digits (reference/generate.py)."""

import json
import pathlib

import numpy as np
import pytest

from jaxnb import glm

CASES = json.loads((pathlib.Path(__file__).parent / "reference" / "reference.json").read_text())


@pytest.mark.parametrize("method", ["ml", "cox-reid"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_fit_is_the_exact_one(case, method):
    exact = case[method]
    counts, design = np.array(case["counts"])[:, None], np.array(case["design"])
    fit = glm.fit(counts, design, size_factors=case["size_factors"], dispersion=method)
    alpha = float(exact["alpha"])
    assert fit.dispersion[0] == pytest.approx(alpha, rel=1e-8, abs=0)
    np.testing.assert_allclose(fit.coefficients.loc[0], np.float64(exact["beta"]), atol=1e-9)
    np.testing.assert_allclose(
        fit.standard_errors.loc[0], np.float64(exact["standard_errors"]), rtol=1e-8
    )
    assert fit.log_likelihood[0] == pytest.approx(float(exact["log_likelihood"]), abs=1e-8)
    assert fit.status[0] == ("poisson" if alpha == 0 else "converged")
