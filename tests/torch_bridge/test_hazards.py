"""What goes wrong between two libraries that share memory and threads, each met by name."""

import importlib
import os
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from torch_bridge.cases import bridge, torch

from jaxnb.torch_bridge import exchange


def test_inputs_overwritten_after_the_call_do_not_reach_the_result():
    mu = torch.rand(512, 4000) + 0.5
    x, theta = torch.poisson(mu), torch.rand(4000) + 0.5
    expected = bridge.log_nb_positive(x, mu, theta)
    assert torch.isfinite(expected).all()
    for _ in range(20):
        copies = [t.clone() for t in (x, mu, theta)]
        value = bridge.log_nb_positive(*copies)
        for copy in copies:
            copy.fill_(torch.nan)
        assert torch.equal(value, expected)


def test_without_torch_the_error_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.delitem(sys.modules, "jaxnb.torch_bridge")
    with pytest.raises(ImportError) as raised:
        importlib.import_module("jaxnb.torch_bridge")
    assert str(raised.value) == 'jaxnb.torch_bridge needs torch: pip install "jaxnb[torch]"'


CHILD = """
import os, sys, time, warnings
warnings.simplefilter("ignore")

def status_of_child():
    child = os.fork()
    if child == 0:
        import torch
        from jaxnb import torch_bridge
        x = torch.ones(3)
        try:
            torch_bridge.log_nb_positive(x, x, x)
        except RuntimeError as error:
            os._exit(3 if "spawn" in str(error) else 4)
        os._exit(0)
    for _ in range(20_000):
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.01)
    os.kill(child, 9)
    return "hangs"
"""

BEFORE_AND_AFTER_A_CALL = """
import torch
from jaxnb import torch_bridge
from jax._src import xla_bridge
assert not xla_bridge.backends_are_initialized(), "the import has initialized a backend"
before = status_of_child()
d = torch_bridge.NegativeBinomial(mu=torch.ones(3, requires_grad=True), theta=torch.ones(3))
d.log_prob(torch.ones(3)).sum().backward()
d.mode
assert "numpyro" not in sys.modules, "the bridge has imported NumPyro"
print(before, status_of_child())
"""

AFTER_JAX_ALONE = """
import jax
before = status_of_child()
jax.numpy.ones(3).block_until_ready()
print(before, status_of_child())
"""


@pytest.mark.parametrize(
    "program",
    [
        BEFORE_AND_AFTER_A_CALL,
        pytest.param(
            AFTER_JAX_ALONE,
            marks=[
                pytest.mark.skipif(sys.platform != "linux", reason="needs Linux's /proc"),
                pytest.mark.slow,
            ],
        ),
    ],
    ids=["bridge", "without-bridge"],
)
@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_forked_child_raises_instead_of_hanging(program):
    """Where JAX ran in the parent it raises, also if only the child imports the bridge."""
    child = subprocess.run(
        [sys.executable, "-c", CHILD + program], check=True, stdout=subprocess.PIPE, text=True
    )
    assert child.stdout.split() == ["0", "3"]


SETTINGS = {
    "x64": lambda: jax.enable_x64(True),
    "device": lambda: jax.default_device("cpu"),
    "guard": lambda: jax.transfer_guard("disallow"),
    "explicit": lambda: jax.transfer_guard("disallow_explicit"),
}


@pytest.mark.parametrize(
    "dtype", [torch.float32, pytest.param(torch.float64, marks=pytest.mark.slow)], ids=str
)
@pytest.mark.parametrize("setting", SETTINGS)
def test_the_callers_settings_of_jax_do_not_matter(setting, dtype):
    x, mu = torch.tensor([0, 7]), torch.tensor([2.0, 5.0], dtype=dtype, requires_grad=True)
    d = bridge.NegativeBinomial(mu=mu, theta=torch.tensor(3.0, dtype=dtype), eps=1e-8)

    def found():
        torch.manual_seed(0)
        value = d.log_prob(x)
        return value, *torch.autograd.grad(value.sum(), mu), d.mode, d.sample()

    with jax.enable_x64(False):
        expected = found()
        with SETTINGS[setting]():
            for ours, theirs in zip(found(), expected, strict=True):
                assert ours.dtype == dtype
                assert torch.equal(ours, theirs)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_inside_a_trace_of_jax_tensors_are_constants(dtype):
    mu = torch.tensor([2.0, 5.0], dtype=dtype, requires_grad=True)
    expected = bridge.log_nb_positive(torch.tensor([0, 7]), mu, 3.0)
    found = []

    @jax.jit
    def function(a):
        value = bridge.log_nb_positive(torch.tensor([0, 7]), mu, 3.0)
        found.append((value, torch.autograd.grad(value.sum(), mu)[0]))
        return a + bridge.to_jax(value.detach().float())

    result = function(jnp.ones(2))
    np.testing.assert_allclose(result, 1 + expected.detach().float().numpy(), rtol=1e-6)
    assert torch.equal(found[0][0], expected)
    assert torch.equal(found[0][1], torch.autograd.grad(expected.sum(), mu)[0])


@pytest.mark.skipif(torch.cuda.is_available(), reason="JAX may well have this device")
@pytest.mark.parametrize(
    ("device", "message"),
    [("cuda:0", r"tensors are on cuda:0, but JAX only has \[.*\]: install JAX"), ("mps", r"\.cpu")],
)
def test_a_device_that_jax_lacks_is_named(device, message):
    with pytest.raises(RuntimeError, match=message):
        exchange._jax_device(torch.device(device))


def resident_bytes():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.slow
@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="needs Linux's /proc")
def test_memory_does_not_grow_over_100_steps():
    theta = torch.ones(2000, requires_grad=True)
    optimizer = torch.optim.SGD([theta], lr=1e-6)
    mu = torch.rand(128, 2000) + 0.5
    x = torch.poisson(mu)

    def steps(number):
        for _ in range(number):
            optimizer.zero_grad()
            (-bridge.log_nb_positive(x, mu, theta).mean()).backward()
            optimizer.step()

    steps(30)
    arrays, before = len(jax.live_arrays()), resident_bytes()
    steps(100)
    assert len(jax.live_arrays()) == arrays
    assert resident_bytes() - before < 20e6


class TestToJax:
    def test_copies(self):
        tensor = torch.arange(6.0).reshape(2, 3)
        array = bridge.to_jax(tensor)
        tensor.zero_()
        np.testing.assert_array_equal(array, np.arange(6.0).reshape(2, 3))

    @pytest.mark.quick
    def test_shares_if_asked(self):
        tensor = torch.arange(64.0)
        array = bridge.to_jax(tensor, copy=False)
        assert array.unsafe_buffer_pointer() == tensor.data_ptr()

    @pytest.mark.parametrize(
        "dtype",
        [torch.float32, torch.bfloat16, torch.int32, torch.uint8, torch.bool, torch.complex64],
        ids=str,
    )
    def test_keeps_the_dtype_and_the_values_there_and_back(self, dtype):
        tensor = torch.tensor([0, 1, 1, 0]).to(dtype)
        assert torch.equal(bridge.to_torch(bridge.to_jax(tensor)), tensor)
        assert bridge.to_torch(bridge.to_jax(tensor)).dtype == dtype

    @pytest.mark.quick
    def test_resolves_views(self):
        tensor = torch.arange(6.0).reshape(2, 3)
        for view in (tensor.t(), tensor[:, ::2], torch._neg_view(tensor), tensor[:1].expand(4, 3)):
            np.testing.assert_array_equal(bridge.to_jax(view), view.clone().resolve_neg().numpy())
        conjugate = torch.tensor([1 + 2j]).conj()
        np.testing.assert_array_equal(bridge.to_jax(conjugate), np.array([1 - 2j], np.complex64))

    @pytest.mark.parametrize("dtype", [torch.float64, torch.int64, torch.complex128], ids=str)
    def test_does_not_round_silently(self, dtype):
        with jax.enable_x64(False), pytest.raises(ValueError, match="JAX would round torch"):
            bridge.to_jax(torch.ones(2, dtype=dtype))
        with jax.enable_x64(True):
            assert torch.equal(
                bridge.to_torch(bridge.to_jax(torch.ones(2, dtype=dtype))),
                torch.ones(2, dtype=dtype),
            )

    @pytest.mark.parametrize(
        ("tensor", "error", "message"),
        [
            (torch.ones(2, requires_grad=True), ValueError, "requires grad"),
            (torch.ones(2).to_sparse(), TypeError, "to_dense"),
            (torch.ones(2, device="meta"), TypeError, "no values"),
            (np.ones(2), TypeError, "expected a torch tensor, got ndarray"),
        ],
    )
    def test_refuses(self, tensor, error, message):
        with pytest.raises(error, match=message):
            bridge.to_jax(tensor)

    def test_refuses_what_a_transform_has_wrapped(self):
        def function(t):
            bridge.to_jax(t)
            return t.sum()

        with pytest.raises(TypeError, match="being transformed"):
            torch.func.grad(function)(torch.ones(2))

    def test_says_why_memory_cannot_be_shared(self):
        with pytest.raises(ValueError, match="not contiguous"):
            bridge.to_jax(torch.ones(2, 3).t(), copy=False)
        with pytest.raises(ValueError, match="at an offset"):
            bridge.to_jax(torch.ones(65)[1:], copy=False)


class TestToTorch:
    def test_copies(self):
        array = jnp.arange(4.0)
        tensor = bridge.to_torch(array)
        tensor.zero_()
        np.testing.assert_array_equal(array, np.arange(4.0))

    def test_shares_if_asked(self):
        array = jnp.arange(4.0)
        shared = bridge.to_torch(array, copy=False)
        assert shared.data_ptr() == array.unsafe_buffer_pointer()

    def test_refuses_what_is_no_array_with_values(self):
        with pytest.raises(TypeError, match="got ndarray"):
            bridge.to_torch(np.ones(2))
        with pytest.raises(TypeError, match="Tracer"):
            jax.jit(bridge.to_torch)(jnp.ones(2))
