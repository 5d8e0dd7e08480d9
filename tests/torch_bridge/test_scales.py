"""Means and thetas given by their logarithms, and the floor on means."""

import jax
import numpy as np
import pytest
from torch_bridge.cases import bridge, one_case, parameters, torch


def on_log_scale(case, which):
    """Keyword arguments, those on the log scale that are selected, as leaves in float64."""
    given = {}
    for parameter, tensor in zip(case.parameters, parameters(case), strict=True):
        if parameter.name.startswith(which) and parameter.log_name:
            given[parameter.log_name] = tensor.log().requires_grad_()
        else:
            given[parameter.name] = tensor.requires_grad_()
    return given


def chain_rule_holds(case, which):
    """The values and gradients in logarithms against those in the parameters themselves."""
    given = on_log_scale(case, which)
    value = case.function(case.counts(), **given)
    leaves = parameters(case, requires_grad=True)
    expected = case(case.counts(), *leaves)
    torch.testing.assert_close(value, expected, rtol=1e-12, atol=1e-13)
    value.sum().backward()
    expected.sum().backward()
    for (name, tensor), leaf in zip(given.items(), leaves, strict=True):
        factor = leaf.detach() if name.startswith("log_") else 1
        torch.testing.assert_close(tensor.grad, leaf.grad * factor, rtol=1e-10, atol=1e-12)
    return given, value.detach()


@one_case()
def test_logarithms_give_what_the_function_on_arrays_gives_and_the_chain_rule(case):
    given, value = chain_rule_holds(case, ("mu", "theta"))
    with jax.enable_x64(True):
        arrays = [t.detach().numpy() for t in given.values()]
        expected = jax.jit(case.arrays.on_log_scale)(case.counts().numpy(), *arrays)
    np.testing.assert_array_equal(value, expected)


# By default of theta: `test_logarithms_have_none` has values and gradients in log(mu) alone.
@one_case()
@pytest.mark.parametrize("which", [pytest.param("mu", marks=pytest.mark.slow), "theta"])
def test_one_parameter_may_be_given_by_its_logarithm(case, which):
    chain_rule_holds(case, which)


@pytest.mark.slow
def test_second_derivatives_in_logarithms():
    x = torch.tensor([0.0, 3.0], dtype=torch.float64)
    leaves = [torch.tensor(v, dtype=torch.float64, requires_grad=True) for v in ([0.3, 2], [1, -1])]
    assert torch.autograd.gradgradcheck(
        lambda a, b: bridge.log_nb_positive(x, log_mu=a, log_theta=b), leaves
    )


@pytest.mark.parametrize("transform", ["vmap", "jvp"])
def test_logarithms_under_transforms(transform):
    x, log_mu = torch.tensor([0.0, 3.0]), torch.tensor([0.5, 1.0])

    def function(a):
        return bridge.log_nb_positive(x, log_mu=a, theta=2.0)

    expected = function(log_mu)
    if transform == "vmap":
        assert torch.equal(torch.func.vmap(function)(log_mu.expand(3, 2))[1], expected)
    else:
        tangent = torch.func.jvp(function, (log_mu,), (torch.ones(2),))[1]
        mu = log_mu.exp()
        torch.testing.assert_close(tangent, 2 * (x - mu) / (2 + mu))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"mu": 1.0}, "exactly one of theta and log_theta; got neither"),
        ({"mu": 1.0, "log_mu": 0.0, "theta": 1.0}, "exactly one of mu and log_mu; got both"),
    ],
)
def test_each_parameter_is_given_on_one_scale(arguments, message):
    with pytest.raises(TypeError, match=message):
        bridge.log_nb_positive(torch.ones(2), **arguments)


def test_the_logits_are_needed():
    with pytest.raises(TypeError, match="log_zinb_positive needs pi"):
        bridge.log_zinb_positive(torch.ones(2), 1.0, 1.0)
    with pytest.raises(TypeError, match="log_mixture_nb needs pi_logits"):
        bridge.log_mixture_nb(torch.ones(2), 1.0, 1.0, 1.0)


class TestFloor:
    @pytest.mark.parametrize(("dtype", "floor"), [(torch.float32, 1e-30), (torch.float64, 1e-290)])
    def test_the_default_is_that_of_the_dtype(self, dtype, floor):
        mu = torch.tensor([0.0, floor / 10, floor * 10], dtype=dtype, requires_grad=True)
        x = torch.tensor(2.0, dtype=dtype)
        value = bridge.log_nb_positive(x, mu, 1.0)
        expected = torch.full((2,), 2 * np.log(floor), dtype=dtype)
        torch.testing.assert_close(value[:2], expected, rtol=1e-6, atol=0)
        value.sum().backward()
        assert mu.grad[:2].tolist() == [0, 0]  # the derivative is that of the floored value
        torch.testing.assert_close(mu.grad[2], x / mu.detach()[2], rtol=1e-6, atol=0)

    @pytest.mark.quick
    def test_a_floor_that_is_given(self):
        mu = torch.tensor([1e-9, 1e-3], requires_grad=True)
        value = bridge.log_nb_positive(torch.tensor(1.0), mu, 2.0, eps=1e-4)
        expected = bridge.log_nb_positive(torch.tensor(1.0), torch.tensor([1e-4, 1e-3]), 2.0)
        assert torch.equal(value, expected)
        value.sum().backward()
        assert mu.grad[0] == 0
        assert mu.grad[1] > 0

    def test_logarithms_have_none(self):
        log_mu = torch.tensor([-100.0, -300.0], requires_grad=True)
        value = bridge.log_nb_positive(torch.tensor(1.0), log_mu=log_mu, theta=2.0)
        torch.testing.assert_close(value, log_mu.detach(), rtol=1e-6, atol=0)
        value.sum().backward()
        torch.testing.assert_close(log_mu.grad, torch.ones(2))


class TestClasses:
    def test_logits_keep_their_digits(self):
        logits = torch.tensor([-30.0, -100.0], requires_grad=True)
        d = bridge.NegativeBinomial(total_count=torch.tensor(2.0), logits=logits)
        value = d.log_prob(torch.tensor(1.0))
        torch.testing.assert_close(value, logits.detach() + np.log(2), rtol=1e-6, atol=0)
        value.sum().backward()
        torch.testing.assert_close(logits.grad, torch.ones(2))
        torch.testing.assert_close(d.logits, logits)

    def test_a_total_count_of_zero_is_a_point_mass(self):
        count = torch.zeros(2, requires_grad=True)
        logits = torch.tensor([0.5, -1.0], requires_grad=True)
        d = bridge.NegativeBinomial(total_count=count, logits=logits)
        value = d.log_prob(torch.tensor(0.0))
        assert value.tolist() == [0, 0]
        value.sum().backward()
        assert logits.grad.isfinite().all()
        assert not count.grad.isnan().any()
        assert d.mean.tolist() == d.mu.tolist() == [0, 0]

    @pytest.mark.parametrize(
        ("kind", "given", "expected"),
        [
            ("NegativeBinomial", {"log_mu": 0.3, "log_theta": 1.0}, {"mu": 0.3, "theta": 1.0}),
            pytest.param(
                "ZeroInflatedNegativeBinomial",
                {"log_mu": 0.3, "theta": 2.0, "zi_logits": -1.0},
                {"mu": 0.3},
                marks=pytest.mark.slow,
            ),
            (
                "NegativeBinomialMixture",
                {"log_mu1": 0.3, "mu2": 3.0, "log_theta1": 1.0, "mixture_logits": 0.5},
                {"mu1": 0.3, "theta1": 1.0},
            ),
            pytest.param(
                "NegativeBinomialMixture",
                {"log_mu1": 0.3, "log_mu2": 2.0, "theta1": 1.0, "log_theta2": 0.1}
                | {"mixture_logits": 0.5},
                {"mu1": 0.3, "mu2": 2.0, "theta2": 0.1},
                marks=pytest.mark.slow,
            ),
        ],
    )
    def test_logarithms_in_the_place_of_parameters(self, kind, given, expected):
        tensors = {name: torch.tensor([value, value]) for name, value in given.items()}
        d = getattr(bridge, kind)(**tensors, validate_args=True)
        assert set(d.arg_constraints) == set(given)
        for name, log in expected.items():
            torch.testing.assert_close(getattr(d, name), torch.tensor(log).exp().expand(2))
            torch.testing.assert_close(getattr(d, f"log_{name}"), torch.tensor(log).expand(2))
        linear = {n.removeprefix("log_"): getattr(d, n.removeprefix("log_")) for n in given}
        other = getattr(bridge, kind)(**linear)
        x = torch.tensor([0.0, 4.0])
        torch.testing.assert_close(d.log_prob(x), other.log_prob(x), rtol=1e-6, atol=1e-6)
        torch.testing.assert_close(d.variance, other.variance)
        rebuilt = type(d)(**{name: getattr(d, name) for name in d.arg_constraints})
        assert torch.equal(rebuilt.log_prob(x), d.log_prob(x))
        assert torch.equal(d.expand((3, 2)).log_prob(x), d.log_prob(x).expand(3, 2))

    @pytest.mark.quick
    def test_assignment_replaces_the_other_scale(self):
        d = bridge.NegativeBinomial(log_mu=torch.zeros(2), theta=torch.ones(2))
        d.mu = torch.tensor([3.0, 4.0])
        assert list(d.arg_constraints) == ["mu", "theta"]
        torch.testing.assert_close(d.log_mu, d.mu.log())
        d.log_theta = torch.zeros(2)
        assert list(d.arg_constraints) == ["mu", "log_theta"]
        assert d.theta.tolist() == [1, 1]

    @pytest.mark.parametrize(
        ("kind", "given", "message"),
        [
            ("NegativeBinomial", {"mu": 1.0, "log_mu": 0.0, "theta": 1.0}, "got mu, theta, log_mu"),
            ("NegativeBinomial", {"log_mu": 0.0, "total_count": 1.0}, "got total_count, log_mu"),
            (
                "NegativeBinomialMixture",
                {"mu1": 1.0, "log_mu1": 0.0, "mu2": 1.0, "theta1": 1.0, "mixture_logits": 0.0},
                r"exactly one of \(mu1\) or \(log_mu1\); got mu1, log_mu1",
            ),
            (
                "NegativeBinomialMixture",
                {"mu1": 1.0, "mu2": 1.0, "theta1": 1.0},
                "mixture_logits.*; got none",
            ),
        ],
    )
    def test_what_is_missing_or_given_twice(self, kind, given, message):
        tensors = {name: torch.tensor(value) for name, value in given.items()}
        with pytest.raises(ValueError, match=message):
            getattr(bridge, kind)(**tensors)
