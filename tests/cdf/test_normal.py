"""The standard normal quantile from logarithms of both tails."""

import jax
import numpy as np
import pytest
from scipy.special import log_ndtr, ndtri_exp

from jaxnb.cdf.normal import normal_quantile


@pytest.mark.quick
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_either_tail_to_where_its_probability_underflows_and_further(dtype):
    """And across the change of methods. SciPy's `ndtri_exp` is 2e3 ulp off at z = -447."""
    with jax.enable_x64(dtype == "float64"):
        log_small = -np.geomspace(1.0, 1e5, 400).astype(dtype)
        log_large = log_ndtr(-ndtri_exp(log_small.astype(float))).astype(dtype)
        lower = np.asarray(jax.jit(normal_quantile)(log_small, log_large))
        upper = np.asarray(jax.jit(normal_quantile)(log_large, log_small))
        nothing, everything = np.array([[-np.inf, 0], [0, -np.inf]], dtype)
        ends = np.asarray(normal_quantile(nothing, everything))
    rtol = 8 * np.finfo(dtype).eps
    np.testing.assert_allclose(log_ndtr(lower.astype(float)), log_small, rtol=rtol)
    np.testing.assert_array_equal(upper, -lower)
    np.testing.assert_array_equal(ends, [-np.inf, np.inf])
