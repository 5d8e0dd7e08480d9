"""What needs a device other than the CPU; skipped where there is none."""

import importlib.util

import pytest
from torch_bridge.cases import CASES, bridge, counts, parameters, torch

cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no CUDA device")
xla = pytest.mark.skipif(
    importlib.util.find_spec("torch_xla") is None, reason="torch_xla is not installed"
)


@cuda
@pytest.mark.parametrize("case", CASES, ids=repr)
def test_cuda_agrees_with_the_cpu(case):
    x, tensors = counts(torch.float32), parameters(case, torch.float32, requires_grad=True)
    lent = [t.detach().cuda().requires_grad_() for t in tensors]
    value = case(x.cuda(), *lent)
    assert value.device == lent[0].device
    torch.testing.assert_close(value.cpu(), case(x, *tensors), rtol=1e-5, atol=1e-6)
    value.sum().backward()
    case(x, *tensors).sum().backward()
    for ours, expected in zip(lent, tensors, strict=True):
        torch.testing.assert_close(ours.grad.cpu(), expected.grad, rtol=1e-4, atol=1e-5)


@cuda
def test_cuda_waits_for_the_stream_that_writes_the_input():
    stream = torch.cuda.Stream()
    mu = torch.full((4096, 2000), torch.nan, device="cuda")
    with torch.cuda.stream(stream):
        torch.cuda._sleep(100_000_000)
        mu.fill_(2.0)
        value = bridge.log_nb_positive(torch.ones_like(mu), mu, 3.0)
    stream.synchronize()
    assert torch.isfinite(value).all()


@cuda
def test_cuda_draws():
    d = bridge.NegativeBinomial(mu=torch.full((1000,), 3.0, device="cuda"), theta=2.0)
    assert d.sample((5,)).device.type == "cuda"


@xla
def test_xla_agrees_with_the_cpu():
    import torch_xla

    x, (mu, theta) = counts(torch.float32), parameters(CASES[0], torch.float32)
    device = torch_xla.device()
    value = bridge.log_nb_positive(x.to(device), mu.to(device), theta.to(device))
    torch.testing.assert_close(value.cpu(), bridge.log_nb_positive(x, mu, theta))
