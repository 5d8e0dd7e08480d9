"""torch.compile, torch.export, torch.jit.trace, fake and meta tensors."""

import subprocess
import sys

import pytest
from torch_bridge.cases import bridge, one_case, parameters, torch

quiet = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")


@quiet
@one_case()
@pytest.mark.parametrize("dynamic", [False, True])
def test_compile(case, dynamic):
    torch._dynamo.reset()  # its limit on recompilations counts those of the other cases

    @torch.compile(fullgraph=True, dynamic=dynamic, backend="aot_eager")
    def loss(x, *p):
        return -(2 * case(x, *p)).sum()

    for rows in (2, 5):
        x = case.counts(torch.float32).repeat(rows, 1)
        shape = (2 * rows, 3)
        compiled = parameters(case, torch.float32, shape, requires_grad=True)
        eager = parameters(case, torch.float32, shape, requires_grad=True)
        loss(x, *compiled).backward()
        (-2 * case(x, *eager)).sum().backward()
        for ours, expected in zip(compiled, eager, strict=True):
            torch.testing.assert_close(ours.grad, expected.grad)


@quiet
@one_case()
def test_export(case):
    class Module(torch.nn.Module):
        def forward(self, x, *p):
            return case(x, *p)

    x, tensors = case.counts(torch.float32), parameters(case, torch.float32)
    program = torch.export.export(Module(), (x, *tensors))
    assert torch.equal(program.module()(x, *tensors), case(x, *tensors))


@quiet
@one_case()
def test_jit_trace(case):
    x, tensors = case.counts(torch.float32), parameters(case, torch.float32)
    traced = torch.jit.trace(case.__call__, (x, *tensors))
    other = parameters(case, torch.float32, seed=1)
    assert torch.equal(traced(x, *other), case(x, *other))


@quiet
@pytest.mark.quick
def test_compile_with_logarithms():
    x, log_mu = torch.tensor([0.0, 3.0]), torch.tensor([0.5, 1.0])

    def function(a):
        return bridge.log_nb_positive(x, log_mu=a, theta=2.0)

    torch._dynamo.reset()
    compiled = torch.compile(function, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(log_mu), function(log_mu))


FAKE = """
import torch, warnings
from torch._subclasses import FakeTensorMode
from jaxnb import torch_bridge
with FakeTensorMode():
    x, mu, theta = torch.ones(4, 3), torch.ones(4, 3, requires_grad=True), torch.ones(3)
    value = torch_bridge.log_nb_positive(x, mu, theta)
    value.sum().backward()
    assert value.shape == (4, 3) and mu.grad.shape == (4, 3), (value, mu.grad)
x, mu, theta = (torch.ones(s, device="meta") for s in [(4, 3), (4, 1), (3,)])
value = torch_bridge.log_zinb_positive(x, mu.requires_grad_(), theta, 0.0)
value.sum().backward()
assert value.shape == (4, 3) and value.device.type == "meta" and mu.grad.shape == (4, 1)
for function in (torch_bridge.to_jax, torch_bridge.NegativeBinomial(mu=mu, theta=theta).sample):
    try:
        function(mu.detach()) if function is torch_bridge.to_jax else function()
    except TypeError as error:
        assert "has no values" in str(error)
    else:
        raise AssertionError("no error")
"""


def test_fake_and_meta_tensors_have_shapes_and_do_not_crash():
    subprocess.run([sys.executable, "-c", FAKE], check=True, timeout=120)
