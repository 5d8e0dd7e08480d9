"""torch.compile, torch.export, torch.jit.trace, fake and meta tensors."""

import subprocess
import sys

import jax
import jax.numpy as jnp
import pytest
from nightly import nightly_but
from torch_bridge.cases import bridge, one_case, parameters, torch

quiet = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")


@quiet
@one_case()
@pytest.mark.parametrize("dynamic", [False, pytest.param(True, marks=pytest.mark.slow)])
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


X, MU = torch.tensor([0.0, 3.0]), torch.tensor([1.0, 5.0])


def log_likelihood(mu):
    return bridge.log_nb_positive(X, mu, 2.0).sum()


def compiled(function, **options):
    torch._dynamo.reset()
    return torch.compile(function, backend="aot_eager", **options)


def rows(mu):
    return torch.stack([mu, mu + 1])


TRANSFORMS = {
    "grad": torch.func.grad,
    "jvp": lambda f: lambda mu: torch.func.jvp(f, (mu,), (X,))[1],
    "jacrev": torch.func.jacrev,
    "hessian": torch.func.hessian,
    "vmap": lambda f: lambda mu: torch.func.vmap(f)(rows(mu)),
    "vmap-grad": lambda f: lambda mu: torch.func.vmap(torch.func.grad(f))(rows(mu)),
    "grad-vmap": lambda f: torch.func.grad(lambda mu: torch.func.vmap(f)(rows(mu)).sum()),
}


@quiet
@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor")  # the compiler asks for it
@pytest.mark.parametrize("name", nightly_but(["grad", "vmap"], TRANSFORMS))
def test_transforms_of_compiled_functions_and_compiled_transforms(name):
    transform = TRANSFORMS[name]
    expected = transform(log_likelihood)(MU)
    torch.testing.assert_close(transform(compiled(log_likelihood))(MU), expected)
    torch.testing.assert_close(compiled(transform(log_likelihood))(MU), expected)


@quiet
def test_a_whole_graph_cannot_hold_torch_func_grad_and_says_so():
    vmapped = compiled(TRANSFORMS["vmap"](log_likelihood), fullgraph=True)
    torch.testing.assert_close(vmapped(MU), TRANSFORMS["vmap"](log_likelihood)(MU))
    gradient = compiled(torch.func.grad(log_likelihood), fullgraph=True)
    with pytest.raises(Exception, match=r"functions of jaxnb\.torch_bridge outside of compiled"):
        gradient(MU)


@quiet
def test_modes_and_draws_in_compiled_code():
    def function(mu):
        d = bridge.NegativeBinomial(mu=mu, theta=torch.tensor(4.0))
        return d.mode + mu, d.sample() + mu

    torch.manual_seed(0)
    expected = function(MU)
    torch.manual_seed(0)
    for ours, theirs in zip(compiled(function)(MU), expected, strict=True):
        assert torch.equal(ours, theirs)
    mode = compiled(lambda mu: bridge.NegativeBinomial(mu=mu, theta=mu).mode, fullgraph=True)
    assert torch.equal(mode(MU), torch.tensor([0.0, 4.0]))


@quiet
def test_arrays_in_compiled_code():
    """JAX's functions are called and not looked into, the first time too."""

    def function(mu):
        return bridge.to_torch(jax.jit(lambda a: jnp.cumsum(a) - 7)(bridge.to_jax(mu))) + mu

    torch.testing.assert_close(compiled(function)(MU), torch.cumsum(MU, 0) - 7 + MU)


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
d = torch_bridge.NegativeBinomial(mu=mu, theta=theta)
for result in (d.mode, d.sample()):
    assert result.shape == (4, 3) and result.device.type == "meta"
with FakeTensorMode():
    d = torch_bridge.NegativeBinomial(mu=torch.ones(4, 1), theta=torch.ones(3))
    assert d.mode.shape == (4, 3) and d.sample((2,)).shape == (2, 4, 3)
try:
    torch_bridge.to_jax(mu.detach())
except TypeError as error:
    assert "has no values" in str(error)
else:
    raise AssertionError("no error")
"""


def test_fake_and_meta_tensors_have_shapes_and_do_not_crash():
    subprocess.run([sys.executable, "-c", FAKE], check=True, timeout=120)
