"""Row totals as size factors: right with many columns, and a word where they are not."""

import numpy as np
import pytest
from scipy import sparse
from scipy.optimize import minimize
from scipy.special import gammaln, xlogy

from jaxnb.data.dominating_column import dominating_column

ROWS, MEAN, THETA = 700, 4.0, 2.0


def simulated(columns: int) -> np.ndarray:
    rng = np.random.default_rng(columns)
    return rng.negative_binomial(THETA, THETA / (THETA + MEAN), (ROWS, columns))


def estimated(x: np.ndarray, factors: np.ndarray) -> float:
    """The maximum-likelihood estimate of theta, by another optimizer."""

    def loss(point: np.ndarray) -> float:
        theta, mu = np.exp(point[0]), np.exp(point[1]) * factors
        rising = gammaln(x + theta) - gammaln(theta)
        return float(np.sum((x + theta) * np.log(theta + mu) - xlogy(x, mu) - rising)) - (
            x.size * theta * point[0]
        )

    start = np.log([THETA, x.mean()])
    return float(np.exp(minimize(loss, start, method="Nelder-Mead").x[0]))


@pytest.mark.quick
@pytest.mark.parametrize("columns", [2, 5, 20, 100, 500])
def test_no_wrong_theta_without_a_word(columns: int) -> None:
    counts = simulated(columns)
    totals = counts.sum(axis=1)
    found = dominating_column(counts)
    # The median of a few columns, because every theta is noisy.
    theta = np.median([estimated(x, totals / totals.mean()) for x in counts.T[:8]])
    expected = THETA / (1 - 1 / columns) ** 2
    assert theta == pytest.approx(expected, rel=0.3 if columns == 2 else 0.1)
    if columns <= 20:
        assert found is not None
        assert f"there are only {columns} columns" in found.described()
    else:
        assert found is None
        assert theta == pytest.approx(THETA, rel=0.1)


def test_one_column_is_an_error() -> None:
    with pytest.raises(ValueError, match="one column only"):
        dominating_column(simulated(1))


def test_the_column_is_named_with_what_it_does_to_theta() -> None:
    counts = np.ones((100, 400), int)
    counts[:, 3] = 40
    found = dominating_column(counts)
    assert found is not None
    assert found.column == 3
    assert found.share == pytest.approx(40 / 439)
    ending = "size factors contain it: its theta comes out about 1.2 times too large"
    assert found.described("MALAT1") == f"'MALAT1' is 9% of all counts, and row totals as {ending}"
    assert found.described() == f"column 3 is 9% of all counts, and row totals as {ending}"


def test_a_gene_of_a_rare_kind_of_cells() -> None:
    rng = np.random.default_rng(0)
    counts = rng.poisson(0.5, (1000, 300))
    assert dominating_column(counts) is None
    counts[:, 7] = 0
    counts[:5, 7] = 400
    found = dominating_column(sparse.csc_array(counts))
    assert found is not None
    assert found.column == 7
    assert found.share < 0.02
    assert found.share_where_counted == pytest.approx(400 / 550, rel=0.05)
    assert "'HBB' is 73% of the total of those rows" in found.described("HBB")


def test_without_counts() -> None:
    assert dominating_column(np.zeros((3, 40))) is None
    counts = np.ones((4, 30))
    counts[2] = 0
    assert dominating_column(counts) is None
