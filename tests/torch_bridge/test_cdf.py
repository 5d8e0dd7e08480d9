"""Distribution functions, quantiles, entropies and the divergence on tensors."""

import jax
import numpy as np
import numpyro.distributions
import pytest
from nightly import nightly_but
from scipy import stats
from torch_bridge.cases import CLASSES, all_cases, bridge, torch
from torch_bridge.classes import FORMS, HURDLE, MIX, NB, ZINB, made, on_arrays

import jaxnb
from jaxnb.families import FAMILIES
from jaxnb.torch_bridge import counts as base
from jaxnb.torch_bridge.functions import FUNCTIONS

X = torch.tensor([0.0, 2.7])
every_class = pytest.mark.parametrize("name", CLASSES)


def doubles(name, requires_grad=False):
    """The distribution in float64, made of leaves, and those."""
    kind, parameters = (CLASSES | FORMS)[name]
    given = {n: torch.as_tensor(p, dtype=torch.float64).clone() for n, p in parameters.items()}
    leaves = [p.requires_grad_(requires_grad) for p in given.values()]
    return kind(**given), leaves


@pytest.mark.parametrize("name", nightly_but(["nb-logits"], ["nb-logits", *CLASSES]))
@pytest.mark.parametrize(
    "function", nightly_but(["log_cdf"], ["log_cdf", "icdf", "log_sf", "cdf", "entropy"])
)
def test_agrees_with_the_class_on_arrays(name, function):
    ours, expected = made(name), on_arrays(made(name))
    arguments = {"entropy": (), "icdf": (torch.tensor([0.2, 0.9]),)}.get(function, (X,))
    got = getattr(ours, function)(*arguments)
    assert got.shape == (3, 2)
    assert got.dtype == torch.float32
    wanted = jax.jit(getattr(expected, function))(*(a.numpy() for a in arguments))
    np.testing.assert_allclose(got, wanted, rtol=2e-6, atol=1e-30)


@pytest.mark.quick
@all_cases
def test_every_class_hands_its_parameters_to_the_function_of_its_distribution(case, monkeypatch):
    """As the function of arrays takes them, which the tests above call for two of them."""
    handed = []

    def evaluated(function, arguments):
        handed.append((function, arguments))
        return torch.zeros(())

    monkeypatch.setattr(base, "evaluated", evaluated)
    kind, given = CLASSES[repr(case)]
    d = kind(**given)
    for of_array, method, first in (
        ("log_cdf", d.log_cdf, ("x",)),
        ("log_sf", d.log_sf, ("x",)),
        ("log_cdf", d.cdf, ("x",)),
        ("quantile", d.icdf, ("q",)),
        ("entropy", d.entropy, ()),
    ):
        method(*(X for _ in first))
        function, arguments = handed.pop()
        assert function == getattr(kind._family, of_array).__name__
        named = {p.name: given[p.attribute].expand(3, 2) for p in case.parameters}
        assert list(arguments) == [*first, *named]
        assert all(torch.equal(arguments[n].expand(3, 2), p) for n, p in named.items())


@pytest.mark.slow
@every_class
def test_probabilities_add_up(name):
    d, _ = doubles(name)
    x = torch.arange(40.0, dtype=torch.float64)[:, None, None]
    summed = d.log_prob(x).exp().cumsum(0)
    torch.testing.assert_close(d.cdf(x), summed, rtol=1e-12, atol=1e-15)
    torch.testing.assert_close(d.log_sf(x).exp(), 1 - summed, rtol=1e-8, atol=1e-12)
    median = d.icdf(0.5)
    assert (d.cdf(median) >= 0.5).all()
    assert (d.cdf(median - 1) < 0.5).all()


@pytest.mark.slow
@every_class
def test_derivatives_in_the_parameters(name):
    kind, parameters = (CLASSES | FORMS)[name]
    _, leaves = doubles(name, requires_grad=True)

    def functions(*leaves):
        d = kind(**dict(zip(parameters, leaves, strict=True)))
        return d.cdf(X.double()), d.log_sf(X.double()), d.entropy()

    assert torch.autograd.gradcheck(functions, leaves, rtol=1e-5, atol=1e-9)


@pytest.mark.slow
def test_second_derivatives():
    _, leaves = doubles("nb", requires_grad=True)
    assert torch.autograd.gradgradcheck(
        lambda mu, theta: NB(mu=mu, theta=theta).log_cdf(X.double()), leaves, rtol=1e-4
    )


@pytest.mark.slow
def test_forward_derivatives():
    _, (mu, theta) = doubles("nb", requires_grad=True)
    along = torch.func.jvp(lambda m: NB(mu=m, theta=theta.detach()).cdf(X), (mu.detach(),), (mu,))
    (back,) = torch.autograd.grad(NB(mu=mu, theta=theta).cdf(X.double()).sum(), mu)
    torch.testing.assert_close(along[1].sum(), (back * mu).sum())


def test_quantiles_have_derivative_zero():
    """In the shapes and the form of the test of values, whose program this shares."""
    kind, given = FORMS["nb-logits"]
    logits = given["logits"].clone().requires_grad_()
    quantile = kind(given["total_count"], logits=logits).icdf(torch.tensor([0.2, 0.9]))
    (gradient,) = torch.autograd.grad(quantile.sum(), logits)
    assert (gradient == 0).all()


@pytest.mark.slow
def test_under_vmap_and_dtypes():
    mu, theta = torch.tensor([1.0, 5.0, 20.0]), torch.tensor(2.0)
    rows = torch.func.vmap(lambda mu: NB(mu=mu, theta=theta).cdf(X))(mu)
    expected = NB(mu=mu[:, None], theta=theta).cdf(X)
    torch.testing.assert_close(rows, expected)
    half = NB(mu=mu[:, None].bfloat16(), theta=theta.bfloat16()).cdf(X.bfloat16())
    assert half.dtype == torch.bfloat16
    torch.testing.assert_close(half[:, 0], expected[:, 0].bfloat16())
    assert NB(mu=torch.ones(0, 2), theta=1.0).log_cdf(X).shape == (0, 2)


@pytest.mark.slow
def test_the_entropy_has_the_dtype_of_the_parameters():
    half = torch.tensor(2.0, dtype=torch.bfloat16)
    assert NB(mu=half, theta=half).entropy().dtype == torch.bfloat16


@pytest.mark.slow
def test_in_a_mixture_of_torchs_own():
    weights = torch.distributions.Categorical(torch.tensor([0.3, 0.7]))
    components = NB(mu=torch.tensor([1.0, 50.0]), theta=torch.tensor(2.0))
    mixture = torch.distributions.MixtureSameFamily(weights, components)
    ours = MIX(torch.tensor(1.0), torch.tensor(50.0), torch.tensor(2.0), torch.tensor(3 / 7).log())
    x = torch.arange(60.0)
    torch.testing.assert_close(mixture.cdf(x), ours.cdf(x))


@pytest.mark.slow
def test_divergence():
    p = NB(mu=torch.tensor([2.0, 3.0], dtype=torch.float64), theta=torch.tensor(1.5))
    q = NB(log_mu=torch.tensor([0.5, 0.9], dtype=torch.float64), theta=torch.tensor(4.0))
    got = torch.distributions.kl_divergence(p, q)
    x = np.arange(400.0)
    first = stats.nbinom.logpmf(x, 1.5, 1.5 / (1.5 + np.array([[2.0], [3.0]])))
    second = stats.nbinom.logpmf(x, 4, 4 / (4 + np.exp([[0.5], [0.9]])))
    np.testing.assert_allclose(got, (np.exp(first) * (first - second)).sum(1), rtol=1e-10)
    assert (torch.distributions.kl_divergence(p, p) == 0).all()


@pytest.mark.slow
def test_derivatives_of_the_divergence():
    points = [torch.tensor(v, dtype=torch.float64, requires_grad=True) for v in (3.0, 0.7, 4.0, 2)]

    def divergence(a, b, c, d):
        return torch.distributions.kl_divergence(NB(mu=a, theta=b), NB(mu=c, theta=d))

    assert torch.autograd.gradcheck(divergence, points, rtol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["zinb", "hurdle", "truncated", "poisson"])
def test_divergences_of_other_zeros_are_those_of_the_distributions_of_arrays(name):
    mu, theta, odds = (np.array(p, np.float32) for p in ([0.4, 3], [2, 5], [0.3, -0.3]))

    def pair(library, poisson, array):
        given = {"mu": array(mu), "theta": array(theta)}
        zeros = {"zi_logits": array(odds)}
        return library.ZeroInflatedNegativeBinomial(**given, **zeros), {
            "zinb": lambda: library.ZeroInflatedNegativeBinomial(**given, zi_logits=array(-odds)),
            "hurdle": lambda: library.HurdleNegativeBinomial(**given, **zeros),
            "truncated": lambda: library.ZeroTruncatedNegativeBinomial(**given),
            "poisson": lambda: poisson(array(mu)),
        }[name]()

    one, other = pair(bridge, torch.distributions.Poisson, torch.tensor)
    of_arrays = pair(jaxnb, numpyro.distributions.Poisson, np.asarray)
    got = torch.distributions.kl_divergence(other, one)
    expected = numpyro.distributions.kl_divergence(*reversed(of_arrays))
    np.testing.assert_allclose(got, expected, rtol=1e-6)


def test_no_divergence_is_made_up():
    mixture = MIX(torch.tensor(1.0), torch.tensor(50.0), torch.tensor(2.0), torch.tensor(0.0))
    with pytest.raises(NotImplementedError):
        torch.distributions.kl_divergence(mixture, mixture)
    with pytest.raises(NotImplementedError):
        torch.distributions.kl_divergence(made("nb"), mixture)


def test_every_distribution_has_a_class_with_every_function():
    for family in FAMILIES.values():
        assert family.class_name in bridge.__all__
        assert family.function_name in bridge.__all__
        for function in (family.log_cdf, family.log_sf, family.quantile, family.entropy):
            assert function.__name__ in FUNCTIONS


@pytest.mark.slow
def test_truncated_means_near_zero():
    """There a count is 1, and a hurdle's mean is the probability of passing it."""
    mu = torch.tensor(1e-30)
    d = HURDLE(mu=mu, theta=torch.tensor(2.0), zi_logits=torch.tensor(-0.7))
    torch.testing.assert_close(d.log_prob(torch.tensor(1.0)), torch.tensor(0.7).sigmoid().log())
    assert set(d.sample((50,)).tolist()) == {0.0, 1.0}
    zeros = ZINB(mu=mu, theta=torch.tensor(2.0), zi_logits=torch.tensor(-0.7)).sample((50,))
    assert (zeros == 0).all()
