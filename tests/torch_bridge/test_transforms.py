"""Draws and modes, which have no derivatives, under the transforms of `torch.func`."""

import pytest
from nightly import nightly_but
from torch_bridge.cases import CLASSES, torch
from torch_bridge.classes import MIX, NB, made

MU, THETA = torch.tensor([1.0, 5.0, 40.0]), torch.tensor(4.0)
one_class = pytest.mark.parametrize("name", nightly_but(["negative_binomial"], CLASSES))


def mode(mu):
    return NB(mu=mu, theta=THETA).mode


def draws(mu, shape=()):
    return NB(mu=mu, theta=THETA).sample(shape)


@pytest.mark.quick
def test_modes():
    expected = mode(MU)
    assert torch.equal(torch.func.vmap(mode)(MU), expected)
    assert torch.equal(torch.func.grad(lambda mu: (mode(mu) * mu).sum())(MU), expected)
    value, tangent = torch.func.jvp(lambda mu: mode(mu) * mu, (MU,), (torch.ones(3),))
    assert torch.equal(value, expected * MU)
    assert torch.equal(tangent, expected)
    hessian = torch.func.hessian(lambda mu: (mode(mu) * mu**2).sum())(MU)
    assert torch.equal(hessian, torch.diag(2 * expected))


@one_class
def test_modes_of_every_class_have_no_derivatives(name):
    kind, parameters = CLASSES[name]
    leaves = {n: p.clone().requires_grad_() for n, p in parameters.items()}
    assert not kind(**leaves).mode.requires_grad
    assert torch.equal(kind(**leaves).mode, made(name).mode)

    def batch_first(p):
        return p.expand(3, 2)

    mapped = torch.func.vmap(lambda given: kind(**given).mode)
    assert torch.equal(mapped({n: batch_first(p) for n, p in parameters.items()}), made(name).mode)


def test_draws_are_constants_to_every_derivative():
    def weighted(mu):
        torch.manual_seed(0)
        return (draws(mu) * mu).sum()

    torch.manual_seed(0)
    expected = draws(MU)
    assert torch.equal(torch.func.grad(weighted)(MU), expected)
    assert torch.equal(torch.func.jvp(weighted, (MU,), (torch.ones(3),))[1], expected.sum())
    with torch.autograd.forward_ad.dual_level():
        dual = torch.autograd.forward_ad.make_dual(MU, torch.ones(3))
        assert torch.autograd.forward_ad.unpack_dual(draws(dual)).tangent is None


def test_different_draws_for_every_example():
    many = torch.full((1000,), 1000.0)
    torch.manual_seed(0)
    found = torch.func.vmap(draws, randomness="different")(many)
    assert found.shape == (1000,)
    assert abs(found.mean() - 1000) < 4 * (1000 + 1000**2 / 4) ** 0.5 / 1000**0.5
    assert len(found.unique()) > 500
    torch.manual_seed(0)
    assert torch.equal(torch.func.vmap(draws, randomness="different")(many), found)


def test_the_same_draws_for_every_example():
    found = torch.func.vmap(lambda mu: draws(mu, (24,)), randomness="same")(torch.ones(3))
    assert found.shape == (3, 24)
    assert len(found[0].unique()) > 1
    assert torch.equal(found, found[:1].expand(3, 24))


def test_draws_are_refused_where_vmap_is_not_told_which():
    with pytest.raises(RuntimeError, match="randomness error mode"):
        torch.func.vmap(draws)(MU)


def test_axes_of_examples_and_of_samples():
    """Axes of vmap anywhere, of some parameters only, and one inside another."""

    def of(mu1, mu2):
        d = MIX(mu1, mu2, torch.tensor(1e6), torch.tensor([0.0, 30.0]))
        return d.sample((5,))

    mu1 = torch.tensor([[1e4, 2e4, 3e4], [4e4, 5e4, 6e4]])
    mapped = torch.func.vmap(of, in_dims=(1, None), randomness="different")
    found = mapped(mu1, torch.tensor(1e8))
    assert found.shape == (3, 5, 2)
    torch.testing.assert_close(found[:, :, 1], mu1[1][:, None].expand(3, 5), rtol=0.05, atol=0)
    nested = torch.func.vmap(
        torch.func.vmap(draws, randomness="different"), randomness="different"
    )(mu1)
    assert nested.shape == (2, 3)


def test_invalid_parameters_are_refused_under_transforms():
    with pytest.raises(ValueError, match="mu must be >= 0, and 1 of 3"):
        torch.func.grad(lambda mu: (draws(mu) * mu).sum())(torch.tensor([1.0, -1.0, 2.0]))


def test_counts_are_checked_under_transforms():
    def log_prob(x):
        return NB(mu=MU[0], theta=THETA, validate_args=True).log_prob(x)

    found = torch.func.vmap(log_prob)(torch.tensor([1.0, 0.5, -1.0]))
    assert torch.equal(
        found, torch.stack([log_prob(torch.tensor(1.0)), *[-torch.tensor(torch.inf)] * 2])
    )
