"""NUTS on data drawn at theta = 1e6: sound here, and shown to fail on the difference of gammas."""

import pytest
from benchmarks.poisson_limit import LAWS, draw_data, log_normal, root_dispersion, sample

DATA = draw_data(500)


@pytest.mark.parametrize(
    "prior", [log_normal, pytest.param(root_dispersion, marks=pytest.mark.slow)]
)
def test_no_divergences_and_a_step_size_to_move_with(prior):
    found = sample(LAWS["jaxnb"], prior, DATA, draws=200)
    assert found.divergences == 0
    assert found.step_size > 0.05
    assert found.steps < 50
    # into the Poisson limit and out of it: a chain that stands still covers nothing
    assert found.theta[1] > 20 * found.theta[0]


@pytest.mark.slow
def test_numpyros_own_is_halted_by_noise_in_float32():
    """Its float64 chain shows that it is noise, and no fault of the posterior's shape."""
    found = sample(LAWS["NumPyro"], log_normal, DATA, draws=200, depth=6)
    assert found.divergences > 0 or found.step_size < 1e-3
    control = sample(LAWS["NumPyro"], log_normal, DATA, draws=200, x64=True)
    assert control.step_size > 0.05
    assert control.theta[1] > 20 * control.theta[0]
