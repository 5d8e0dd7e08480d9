"""The zero-truncated and hurdle log-likelihoods where they differ from the others: near zero."""

import jax
import numpy as np
import pytest
from torch_bridge.cases import CASES, COUNTS, bridge, parameters, torch

ZERO_TRUNCATED, HURDLE = (
    next(case for case in CASES if repr(case) == f"{name}_negative_binomial")
    for name in ("zero_truncated", "hurdle")
)


@pytest.mark.parametrize(
    "case", [HURDLE, pytest.param(ZERO_TRUNCATED, marks=pytest.mark.slow)], ids=repr
)
def test_zeros_and_tiny_means_have_the_values_of_the_functions_on_arrays(case):
    arguments = [COUNTS.double(), *parameters(case)]
    arguments[1][0] = 1e-300
    with jax.enable_x64(True):
        expected = jax.jit(case.arrays.log_prob)(*(a.numpy() for a in arguments))
    np.testing.assert_array_equal(case(*arguments), expected)


@pytest.mark.quick
def test_the_log_scale_and_the_floor():
    x, theta = torch.tensor([1.0, 3.0]), torch.tensor(2.0)
    log_mu = torch.tensor([-300.0, 0.5], requires_grad=True)
    value = bridge.log_zero_truncated_nb(x, log_mu=log_mu, theta=theta)
    (gradient,) = torch.autograd.grad(value.sum(), log_mu)
    assert abs(value[0]) < 2e-11
    assert torch.isfinite(gradient).all()
    floored = bridge.log_zero_truncated_nb(x, torch.zeros(2), theta, eps=1e-3)
    same = bridge.log_zero_truncated_nb(x, torch.full((2,), 1e-3), theta, eps=1e-30)
    torch.testing.assert_close(floored, same)
    with pytest.raises(TypeError, match="log_hurdle_nb needs pi"):
        bridge.log_hurdle_nb(x, torch.ones(2), theta)
    with pytest.raises(TypeError, match="exactly one of mu and log_mu"):
        bridge.log_zero_truncated_nb(x, theta=theta)
