"""What needs a device other than the CPU; skipped where there is none."""

import importlib.util

import pytest
from torch_bridge.cases import NEGATIVE_BINOMIAL, all_cases, bridge, parameters, torch

from jaxnb.torch_bridge import cuda as exchange

cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no CUDA device")
two = pytest.mark.skipif(torch.cuda.device_count() < 2, reason="torch sees fewer than two devices")
xla = pytest.mark.skipif(
    importlib.util.find_spec("torch_xla") is None, reason="torch_xla is not installed"
)


@pytest.mark.quick
@cuda
@all_cases
def test_cuda_agrees_with_the_cpu(case):
    x, tensors = case.counts(torch.float32), parameters(case, torch.float32, requires_grad=True)
    moved = [t.detach().cuda().requires_grad_() for t in tensors]
    value = case(x.cuda(), *moved)
    assert value.device == moved[0].device
    torch.testing.assert_close(value.cpu(), case(x, *tensors), rtol=1e-5, atol=1e-6)
    value.sum().backward()
    case(x, *tensors).sum().backward()
    for ours, expected in zip(moved, tensors, strict=True):
        torch.testing.assert_close(ours.grad.cpu(), expected.grad, rtol=1e-4, atol=1e-5)


def large(value, device="cuda"):
    return torch.full((4096, 2000), value, device=device)


@cuda
def test_a_call_does_not_wait_on_the_host():
    x, theta = large(1.0), torch.ones(2000, device="cuda", requires_grad=True)
    bridge.log_nb_positive(x, large(2.0), theta).sum().backward()  # compiles
    torch.cuda.synchronize()
    finished = torch.cuda.Event()
    torch.cuda._sleep(2_000_000_000)  # about a second
    torch.cuda.set_sync_debug_mode("error")
    try:
        bridge.log_nb_positive(x, large(2.0), theta).sum().backward()
        finished.record()
        assert not finished.query()
    finally:
        torch.cuda.set_sync_debug_mode("default")
    finished.synchronize()


@cuda
def test_the_stream_that_writes_an_input_is_waited_for():
    stream = torch.cuda.Stream()
    mu = large(torch.nan)
    torch.cuda.synchronize()
    with torch.cuda.stream(stream):
        torch.cuda._sleep(100_000_000)
        mu.fill_(2.0)
        value = bridge.log_nb_positive(torch.ones_like(mu), mu, 3.0)
    stream.synchronize()
    assert torch.isfinite(value).all()


@cuda
def test_inputs_overwritten_or_freed_after_the_call_do_not_reach_the_result():
    expected = bridge.log_nb_positive(large(1.0), large(2.0), 3.0)
    for _ in range(50):
        x, mu = large(1.0), large(2.0)
        value = bridge.log_nb_positive(x, mu, 3.0)
        x.fill_(torch.nan)
        del mu
        other = large(torch.nan)  # takes the memory of mu
        assert torch.equal(value, expected)
        del other


@cuda
def test_results_are_not_overwritten_while_another_stream_reads_them():
    streams = [torch.cuda.Stream() for _ in range(2)]
    sums = [[], []]
    for turn in range(20):
        for place, stream in enumerate(streams):
            with torch.cuda.stream(stream):
                value = bridge.log_nb_positive(large(1.0), large(2.0 + place), 3.0)
                torch.cuda._sleep(1_000_000 * (turn % 3))
                sums[place].append(value.mean())
                del value
    torch.cuda.synchronize()
    for place in range(2):
        expected = bridge.log_nb_positive(torch.tensor(1.0), torch.tensor(2.0 + place), 3.0)
        assert all(abs(s.item() - expected.item()) < 1e-5 for s in sums[place])


@cuda
def test_memory_does_not_grow():
    import jax

    theta = torch.ones(2000, device="cuda", requires_grad=True)
    for step in range(300):
        bridge.log_nb_positive(large(1.0), large(2.0), theta).sum().backward()
        if step == 20:
            arrays, reserved = len(jax.live_arrays()), torch.cuda.memory_reserved()
    assert len(jax.live_arrays()) < arrays + 20
    assert torch.cuda.memory_reserved() <= reserved
    held = sum(size for _, _, size in exchange.freed_results()._held)
    assert held <= exchange._HELD_BYTES


@cuda
def test_capture_of_a_graph_is_refused():
    mu = torch.ones(8, device="cuda")
    bridge.log_nb_positive(mu, mu, 2.0)
    with (
        pytest.raises(RuntimeError, match="cannot be captured in a CUDA graph"),
        torch.cuda.graph(torch.cuda.CUDAGraph()),
    ):
        bridge.log_nb_positive(mu, mu, 2.0)


@cuda
@pytest.mark.parametrize("mode", ["default", "reduce-overhead"])
def test_compiled_code(mode):
    mu = torch.full((64, 128), 2.0, device="cuda", requires_grad=True)

    @torch.compile(mode=mode)
    def loss(m):
        return -bridge.log_nb_positive(torch.ones_like(m), 2 * m, 3.0).sum()

    for _ in range(4):
        (gradient,) = torch.autograd.grad(loss(mu), mu)
    expected = -bridge.log_nb_positive(torch.ones_like(mu), 2 * mu, 3.0).sum()
    torch.testing.assert_close(gradient, torch.autograd.grad(expected, mu)[0])


@cuda
@pytest.mark.parametrize("copy", [True, False])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.int32], ids=str)
def test_arrays_there_and_back(copy, dtype):
    tensor = torch.arange(1024, device="cuda").to(dtype)
    array = bridge.to_jax(tensor, copy=copy)
    assert (array.unsafe_buffer_pointer() == tensor.data_ptr()) != copy
    assert torch.equal(bridge.to_torch(array, copy=copy), tensor)


@cuda
def test_cuda_draws():
    d = bridge.NegativeBinomial(mu=torch.full((1000,), 3.0, device="cuda"), theta=2.0)
    assert d.sample((5,)).device.type == "cuda"


@two
def test_a_device_that_is_not_the_current_one():
    mu = torch.full((64,), 2.0, device="cuda:1")
    value = bridge.log_nb_positive(torch.ones_like(mu), mu, 3.0)
    assert value.device == mu.device
    assert torch.cuda.current_device() == 0


@xla
def test_xla_agrees_with_the_cpu():
    import torch_xla

    x, (mu, theta) = (
        NEGATIVE_BINOMIAL.counts(torch.float32),
        parameters(NEGATIVE_BINOMIAL, torch.float32),
    )
    device = torch_xla.device()
    value = bridge.log_nb_positive(x.to(device), mu.to(device), theta.to(device))
    torch.testing.assert_close(value.cpu(), bridge.log_nb_positive(x, mu, theta))
