"""Fits against the stored fits at 40 digits (reference/generate.py)."""

import json
import pathlib

import numpy as np
import pytest
from nightly import nightly_but

from jaxnb import glm

CASES = json.loads((pathlib.Path(__file__).parent / "reference" / "reference.json").read_text())
DESIGNS = sorted({json.dumps(case["design"]) for case in CASES})


@pytest.mark.parametrize("method", [pytest.param("ml", marks=pytest.mark.slow), "cox-reid"])
@pytest.mark.parametrize(
    "design",
    nightly_but(DESIGNS[:2], DESIGNS),
    ids=lambda design: f"{len(json.loads(design))} rows",
)
def test_fit_is_the_exact_one(design, method):
    """The genes of one design are fitted together, once with each of their size factors."""
    cases = [case for case in CASES if json.dumps(case["design"]) == design]
    counts = np.array([case["counts"] for case in cases]).T
    fits = {}
    for case in cases:
        factors = tuple(case["size_factors"])
        if factors not in fits:
            fits[factors] = glm.fit(
                counts, np.array(case["design"]), size_factors=factors, dispersion=method
            )
    for gene, case in enumerate(cases):
        check(fits[tuple(case["size_factors"])], gene, case[method], case["name"])


def check(fit, gene, exact, name):
    alpha = float(exact["alpha"])
    assert fit.dispersion[gene] == pytest.approx(alpha, rel=1e-8, abs=0), name
    np.testing.assert_allclose(
        fit.coefficients.loc[gene], np.float64(exact["beta"]), rtol=0, atol=1e-9, err_msg=name
    )
    np.testing.assert_allclose(
        fit.standard_errors.loc[gene], np.float64(exact["standard_errors"]), rtol=1e-8, err_msg=name
    )
    expected = pytest.approx(float(exact["log_likelihood"]), abs=1e-8)
    assert fit.log_likelihood[gene] == expected, name
    assert fit.status[gene] == ("poisson" if alpha == 0 else "converged"), name


@pytest.mark.quick
def test_the_stored_fits_are_of_all_kinds():
    assert {len(case["counts"]) for case in CASES} == {8, 40, 366}
    assert {float(case["ml"]["alpha"]) == 0 for case in CASES} == {False, True}
