"""Counts next to 1, where derivatives in theta nearly vanish with the mean."""

import mpmath
import numpy as np
import pytest
from fuzz import oracle
from likelihoods.programs import SIZE, derivatives

BATCH = 16


@pytest.mark.parametrize("dtype", [pytest.param("float32", marks=pytest.mark.quick), "float64"])
@pytest.mark.parametrize("log_scale", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_fractional_counts_close_to_one(log_scale, dtype):
    rng = np.random.default_rng(5)
    size = 12 * BATCH
    x = (1 + rng.choice([-1, 1], size) * 10 ** rng.uniform(-6, -0.3, size)).astype(dtype)
    mu = (10 ** rng.uniform(-25, 3, size)).astype(dtype)
    theta = (10 ** rng.uniform(-8, 6, size)).astype(dtype)
    if log_scale:
        mu, theta = np.log(mu), np.log(theta)
    filled = (np.resize(a, SIZE) for a in (x, mu, theta))
    _, gradient, hessian = derivatives(
        "negative_binomial", *filled, second=True, log_scale=log_scale
    )
    first, second = [], []
    for i in range(size):
        jet = oracle.evaluated(oracle.nb, float(x[i]), [float(mu[i]), float(theta[i])],
                               [log_scale] * 2)  # fmt: skip
        for found, got, exact in ((first, gradient[1][i], jet.first[1]),
                                  (second, hessian[1][1][i], jet.hessian()[1][1])):  # fmt: skip
            found.append(float(abs(mpmath.mpf(float(got)) / exact - 1)))
    assert np.percentile(first, 90) < 10 * np.finfo(dtype).eps
    assert np.percentile(second, 90) < 10 * np.finfo(dtype).eps
