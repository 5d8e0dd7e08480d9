"""Sums over the numbers that counts exceed: the same as of gamma functions of the counts."""

import numpy as np
import pytest
from scipy import sparse
from scipy.special import gammaln

from jaxnb.data.exceedances import exceedances, exceedances_of_statistics
from jaxnb.data.statistics import CountStatistics

RNG = np.random.default_rng(11)


@pytest.mark.parametrize("largest", [1, 16, 17, 30, 64, 65, 70, 5000, 2_000_000])
def test_sums_over_exceedances_replace_gamma_functions(largest):
    counts = np.append(RNG.integers(0, largest + 1, 30), [0, largest])[:, None]
    found = exceedances(sparse.csc_array(counts))
    for alpha in (1e-3, 0.7, 50.0):
        theta = 1 / alpha
        exact = np.sum(gammaln(counts + theta) - gammaln(theta) + counts * np.log(alpha))
        got = found.weights[0] @ np.log1p(alpha * found.thresholds)
        assert got == pytest.approx(exact, rel=1e-12, abs=1e-10)
    assert found.log_factorials[0] == pytest.approx(gammaln(counts + 1.0).sum(), rel=1e-14)


@pytest.mark.quick
def test_statistics_have_those_of_their_counts():
    counts = RNG.negative_binomial(0.5, [0.5, 0.01, 1e-4], (300, 3))
    of_cells = exceedances(counts)
    statistics = CountStatistics.of(counts, np.ones(300))
    np.testing.assert_array_equal(statistics.squares, np.sum(counts**2.0, axis=0))
    more = CountStatistics.of(np.array([[10**7, 0, 0]]), np.ones(1))
    for found in (
        exceedances_of_statistics(statistics),
        exceedances_of_statistics(statistics, statistics + more),
    ):
        for alpha in (0.01, 3.0):
            np.testing.assert_allclose(
                found.weights @ np.log1p(alpha * found.thresholds),
                of_cells.weights @ np.log1p(alpha * of_cells.thresholds),
                rtol=1e-13,
            )
        np.testing.assert_allclose(found.log_factorials, of_cells.log_factorials, rtol=1e-14)


@pytest.mark.quick
def test_a_count_between_whole_numbers_is_taken_for_both():
    found = exceedances(np.array([[2.25], [80.5]]))
    whole = exceedances(np.array([[2], [3], [80], [81]]), np.array([0.75, 0.25, 0.5, 0.5]))
    np.testing.assert_allclose(found.weights, whole.weights, rtol=1e-14)
    assert found.log_factorials == pytest.approx(whole.log_factorials, rel=1e-14)
