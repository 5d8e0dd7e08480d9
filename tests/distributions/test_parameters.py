"""The parameters that are computed from those given keep their digits."""

import jax
import mpmath
import numpy as np
import pytest

import jaxnb


@pytest.mark.quick
@pytest.mark.parametrize("p", [0.5, 0.50003, 0.4998, 0.25, 0.9, 1e-30, 1 - 2**-24])
def test_log_odds_of_probabilities(p):
    p = np.float32(p)
    logits, derivative = jax.value_and_grad(
        lambda p: jaxnb.ZeroInflatedNegativeBinomial(mu=1.0, theta=1.0, zi_probs=p).zi_logits
    )(p)
    exact = mpmath.mpf(float(p))
    np.testing.assert_allclose(logits, float(mpmath.log(exact / (1 - exact))), rtol=5e-7)
    np.testing.assert_allclose(derivative, float(1 / (exact * (1 - exact))), rtol=5e-7)
