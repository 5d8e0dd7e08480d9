"""The density of scaled F variates, and priors that do not depend on the order of rows."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from jaxnb import glm
from jaxnb.glm.scaled_f import ScaledF, minimum

RNG = np.random.default_rng(7)


@pytest.mark.quick
@pytest.mark.parametrize(("log_scale", "log_prior"), [(0.3, 1.0), (-2.0, 6.0), (0.0, -1.6)])
def test_density_and_derivatives(log_scale, log_prior):
    phi, degrees = RNG.gamma(1, 2, 9), RNG.choice([2.5, 3, 6], 9)
    estimates = ScaledF(phi, degrees)
    found = estimates.log_density(log_scale, log_prior)
    expected = stats.f.logpdf(phi / np.exp(log_scale), degrees, np.exp(log_prior))
    np.testing.assert_allclose(found.value, expected + np.log(phi) - log_scale, atol=1e-11)
    step = np.array([1e-5, 0])
    for derivative, (a, b) in ((found.by_log_scale, step), (found.by_log_prior, step[::-1])):
        above, below = (
            estimates.log_density(log_scale + sign * a, log_prior + sign * b).value
            for sign in (1, -1)
        )
        np.testing.assert_allclose(derivative, (above - below) / 2e-5, atol=1e-7)


def test_a_minimum_is_found_where_a_sum_over_many_genes_is_nearly_flat():
    curvature, lowest = np.array([5e3, 20.0, 0.5]), np.array([0.3, -1.0, 2.0])

    def loss(v):
        away = v - lowest
        return 1e4 + float(curvature @ (np.cosh(away) - 1)), curvature * np.sinh(away)

    found = minimum(loss, [0.0, 0.0, 0.0], [(-10.0, 10.0)] * 3)
    np.testing.assert_allclose(found, lowest, atol=1e-5)


def test_p_values_do_not_depend_on_the_order_of_the_rows():
    obs = pd.DataFrame({"c": list("aaaabbbb")}, [f"s{i}" for i in range(8)])
    counts = RNG.negative_binomial(5, 5 / (5 + RNG.gamma(2, 200, 150)), (8, 150))
    counts[2, 0] *= 60
    data = pd.DataFrame(counts, obs.index)
    one, other = (
        glm.fit(data.iloc[::step], "~ c", obs=obs.iloc[::step]).test("c", "b", "a")
        for step in (1, -1)
    )
    assert one["outliers"].sum() == 1
    pd.testing.assert_frame_equal(one, other, check_exact=False, rtol=1e-6, atol=1e-12)
