"""Statistics that were added up over cells give the same fits and tests as the cells."""

import numpy as np
import pandas as pd
import pytest

from jaxnb import glm
from jaxnb.fit import CountStatistics

RNG = np.random.default_rng(21)
GROUP = RNG.integers(0, 4, 1200)
ROWS = pd.DataFrame({"condition": list("AABB"), "batch": list("xyxy")})
FACTORS = np.exp(RNG.normal(0, 0.5, 1200))
MEAN = FACTORS[:, None] * np.array([0.2, 3.0, 150.0, 1.0, 0.0])
COUNTS = RNG.poisson(RNG.gamma(2, 0.5, MEAN.shape) * MEAN)
COUNTS[GROUP >= 2, 3] = 0


@pytest.mark.slow
def test_the_same_as_cells():
    half = 700
    statistics = CountStatistics.of(COUNTS[:half], FACTORS[:half], GROUP[:half])
    statistics = statistics + CountStatistics.of(COUNTS[half:], FACTORS[half:], GROUP[half:])
    names = list("abcde")
    got = glm.fit(statistics, "~ batch + condition", obs=ROWS, genes=names)
    cells = glm.fit(
        pd.DataFrame(COUNTS, columns=names),
        "~ batch + condition",
        obs=ROWS.iloc[GROUP].reset_index(drop=True),
        size_factors=FACTORS,
    )
    assert got.status.tolist() == cells.status.tolist()
    assert got.status.iloc[3] == "separated"
    np.testing.assert_allclose(got.dispersion, cells.dispersion, rtol=1e-8)
    np.testing.assert_allclose(got.coefficients, cells.coefficients, atol=1e-9)
    for method in ("lr", "wald"):
        pd.testing.assert_frame_equal(
            got.test("condition", "B", "A", method=method),
            cells.test("condition", "B", "A", method=method),
            rtol=1e-6,
        )


@pytest.mark.quick
@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"obs": ROWS.iloc[:2]}, ValueError, "2 lines for 4 groups"),
        ({"genes": ["a"]}, ValueError, "1 names for 5 genes"),
        ({"size_factors": "total"}, TypeError, "statistics have their own"),
        ({"data": CountStatistics(5, groups=4)}, ValueError, "group 0 .* no cells"),
    ],
)
def test_one_clear_message(changes, error, message):
    arguments = {"data": CountStatistics.of(COUNTS, FACTORS, GROUP), "obs": ROWS} | changes
    with pytest.raises(error, match=message):
        glm.fit(design="~ batch", **arguments)
