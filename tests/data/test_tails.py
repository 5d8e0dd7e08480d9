"""Sums over k above 64 by nodes in log k."""

import mpmath
import numpy as np
import pytest
from numpy.testing import assert_allclose

from jaxnb.data.tails import TAIL, tail_sums, whole_panel


@pytest.mark.quick
@pytest.mark.parametrize("count", [65, 174, 175, 3000, 70187, 70188, 10**6, 2**31, 2**45])
@pytest.mark.parametrize("theta", [1e-3, 1.0, 1e4])
def test_sums_over_the_tail_are_ratios_of_gamma_functions(count: int, theta: float) -> None:
    (last,), sums = tail_sums(np.array([count]))
    total = sums[0] @ np.log1p(np.exp(TAIL.at(int(last), 1)) / theta)
    for panel in range(int(last)):
        total += whole_panel(panel) @ np.log1p(np.exp(TAIL.at(panel, 1)) / theta)
    with mpmath.workdps(50):
        exact = mpmath.loggamma(count + theta) - mpmath.loggamma(64 + theta)
        exact -= (count - 64) * mpmath.log(theta)
    assert_allclose(total, float(exact), rtol=1e-14)
