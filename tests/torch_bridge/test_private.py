"""The private names of torch and JAX: that they exist, and what is done without them."""

import sys
from pathlib import Path

import jax
import pytest
from torch_bridge.cases import bridge, torch

from jaxnb.torch_bridge import _private

by_name = pytest.mark.parametrize("key", _private.NAMES)
X, MU = torch.tensor([0.0, 3.0]), torch.tensor([1.0, 2.0])


def log_likelihood(mu):
    return bridge.log_nb_positive(X, mu, 2.0)


@pytest.mark.quick
@by_name
def test_the_installed_versions_have_the_name(key):
    assert _private.NAMES[key].find() is not None


@pytest.fixture
def without(monkeypatch):
    def remove(key):
        monkeypatch.setitem(_private._found, key, None)

    return remove


@by_name
def test_values_and_gradients_do_not_need_the_name(key, without):
    without(key)
    leaf = MU.clone().requires_grad_()
    log_likelihood(leaf).sum().backward()
    torch.testing.assert_close(leaf.grad, torch.tensor([-2 / 3, 0.25]))


def test_a_fork_after_a_use_of_the_bridge_is_known_without(without):
    without("backends_are_initialized")
    assert _private.jax_has_run(through_the_bridge=True)
    assert not _private.jax_has_run(through_the_bridge=False)


def process(folder, flags, threads):
    """A folder like Linux's /proc/self; the name in brackets may hold anything."""
    (folder / "stat").write_text(f"12 (a ) 4) S 1 2 3 4 5 {flags} 6 7 8")
    for number, name in enumerate(threads):
        (folder / "task" / str(number)).mkdir(parents=True)
        (folder / "task" / str(number) / "comm").write_text(f"{name}\n")
    return folder


@pytest.mark.parametrize(
    ("flags", "threads", "inherited"),
    [
        (0x400040, ["python"], True),
        (0x400040, ["python", "tf_XLAEigen"], False),  # started by the child itself
        (0x400000, ["python"], False),  # not forked, and the names are others
    ],
)
def test_jax_got_by_a_fork_is_without_its_threads(flags, threads, inherited, tmp_path):
    jax.devices()
    assert _private.inherited_jax(process(tmp_path, flags, threads)) == inherited


def test_jax_started_here_is_not_taken_for_inherited(tmp_path):
    """Its threads are known by their names; where the system tells nothing, so it is."""
    jax.devices()
    assert not _private.inherited_jax()
    assert not _private.inherited_jax(tmp_path / "missing")
    if sys.platform == "linux":
        names = [(task / "comm").read_text() for task in Path("/proc/self/task").iterdir()]
        assert any(name.startswith(_private._XLA_THREADS) for name in names)


@pytest.mark.parametrize("key", ["is_functorch_wrapped_tensor", "peek_interpreter_stack"])
def test_transforms_do_not_need_the_name(key, without):
    expected = torch.func.vmap(torch.func.grad(lambda m: log_likelihood(m).sum()))(MU[:, None])
    without(key)
    found = torch.func.vmap(torch.func.grad(lambda m: log_likelihood(m).sum()))(MU[:, None])
    assert torch.equal(found, expected)
    assert not _private.has_no_values(MU)
    assert _private.has_no_values(torch.ones(2, device="meta"))

    def function(t):
        assert _private.has_no_values(t)
        return t.sum()

    torch.func.grad(function)(MU)


def test_batches_of_gradients_do_not_need_the_name(without):
    without("is_legacy_batchedtensor")
    leaf = MU.clone().requires_grad_()
    (jacobian,) = torch.autograd.grad(
        log_likelihood(leaf), leaf, torch.eye(2), is_grads_batched=True
    )
    torch.testing.assert_close(jacobian, torch.diag(torch.tensor([-2 / 3, 0.25])))


@pytest.mark.parametrize("key", ["len_torch_dispatch_stack", "FakeTensor"])
def test_fake_tensors_do_not_need_the_name(key, without):
    without(key)
    with torch._subclasses.FakeTensorMode():
        fake = torch.ones(4, 2)
        assert _private.has_no_values(fake)
        assert bridge.log_nb_positive(fake, fake, fake).shape == (4, 2)


def forward(mu):
    return torch.func.jvp(lambda m: log_likelihood(m).sum(), (mu,), (torch.ones_like(mu),))[1]


def test_forward_mode_is_known_without_its_level(monkeypatch):
    expected = forward(MU)
    monkeypatch.setattr(_private, "forward_ad", Levelless())
    assert not _private.forward_mode_is_active()
    with torch.autograd.forward_ad.dual_level():
        assert _private.forward_mode_is_active()
    assert torch.equal(forward(MU), expected)


class Levelless:
    """`torch.autograd.forward_ad` without its `_current_level`."""

    def __getattr__(self, name):
        if name == "_current_level":
            raise AttributeError(name)
        return getattr(torch.autograd.forward_ad, name)


def test_the_operator_refuses_forward_mode_without_the_name(without):
    without("is_fwd_grad_enabled")
    tensors, operator = [X, MU, torch.tensor(2.0)], torch.ops.jaxnb.partial_derivatives
    with (
        torch.autograd.forward_ad.dual_level(),
        pytest.raises(RuntimeError, match="no forward-mode derivative"),
    ):
        operator(tensors, "log_nb_positive", [0, 0, 0], None)


def test_forward_mode_says_what_it_lacks(without):
    without("set_fwd_grad_enabled")
    with pytest.raises(
        RuntimeError, match=r"lacks torch\.autograd\.forward_ad\._set_fwd_grad_enabled"
    ):
        forward(MU)


def test_distributions_validate_by_torchs_name():
    d = bridge.NegativeBinomial(mu=MU, theta=MU, validate_args=True)
    assert _private.validates(d)
    assert _private.validates(d.expand((3, 2)))
    assert not _private.validates(bridge.NegativeBinomial(mu=MU, theta=MU))
