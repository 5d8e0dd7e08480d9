"""The zero-truncated and hurdle log-likelihoods on tensors: values, derivatives, bad arguments."""

import jax
import numpy as np
import pytest
from torch_bridge.cases import Case, bridge, parameters, torch

import jaxnb

CASES = [
    Case(bridge.log_zero_truncated_nb, jaxnb.log_zero_truncated_nb, ("mu", "theta")),
    Case(bridge.log_hurdle_nb, jaxnb.log_hurdle_nb, ("mu", "theta", "logit")),
]
by_case = pytest.mark.parametrize("case", CASES, ids=str)
X = torch.tensor([[0.0, 1.0, 2.0], [7.0, 0.0, 31.0]], dtype=torch.float64)


@by_case
def test_values_are_those_on_arrays(case):
    arguments = [X, *parameters(case)]
    arguments[1][0] = 1e-300
    got = case(*arguments)
    with jax.enable_x64(True):
        expected = case.on_arrays(*(a.numpy() for a in arguments))
    np.testing.assert_array_equal(got, expected)
    in_float32 = case(*(a.float() for a in arguments))
    assert in_float32.dtype == torch.float32


@by_case
def test_derivatives_in_the_parameters(case):
    x = X.clamp(min=1) if "truncated" in case.function.__name__ else X
    leaves = parameters(case, requires_grad=True)
    assert torch.autograd.gradcheck(
        lambda *p: case(x, *p), leaves, check_forward_ad=True, check_batched_grad=True
    )
    leaves = [leaf[:1, 1:].detach().requires_grad_() for leaf in leaves]
    assert torch.autograd.gradgradcheck(lambda *p: case(x[:1, 1:], *p), leaves)


def test_the_log_scale_and_the_floor():
    x, theta = torch.tensor([1.0, 3.0]), torch.tensor(2.0)
    log_mu = torch.tensor([-300.0, 0.5], requires_grad=True)
    value = bridge.log_zero_truncated_nb(x, log_mu=log_mu, theta=theta)
    (gradient,) = torch.autograd.grad(value.sum(), log_mu)
    assert abs(value[0]) < 2e-11
    assert torch.isfinite(gradient).all()
    floored = bridge.log_zero_truncated_nb(x, torch.zeros(2), theta, eps=1e-3)
    torch.testing.assert_close(floored, bridge.log_zero_truncated_nb(x, torch.tensor(1e-3), theta))
    with pytest.raises(TypeError, match="log_hurdle_nb needs pi"):
        bridge.log_hurdle_nb(x, torch.ones(2), theta)
    with pytest.raises(TypeError, match="exactly one of mu and log_mu"):
        bridge.log_zero_truncated_nb(x, theta=theta)
