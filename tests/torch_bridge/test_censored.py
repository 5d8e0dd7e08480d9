"""Censored and truncated counts on tensors, against the classes on arrays."""

import jax
import numpy as np
import pytest
from nightly import nightly_but
from torch_bridge.cases import bridge, torch

import jaxnb

MU, THETA = [1.0, 5.0, 20.0], 2.0


def both():
    """The negative binomial on tensors, its mean as a leaf, and the one on arrays."""
    mu = torch.tensor(MU, requires_grad=True)
    theirs = jaxnb.NegativeBinomial(mu=np.float32(MU), theta=np.float32(THETA))
    return mu, bridge.NegativeBinomial(mu=mu, theta=torch.tensor(THETA)), theirs


CASES = {
    "LeftCensored": (([True, False, True],), [0.0, 3.0, 2.0]),
    "RightCensored": (([True, False, True],), [19.0, 3.0, 100.0]),
    "IntervalCensored": (
        ([False, True, True], [False, False, True]),
        [[20.0, 25.0], [0.0, 7.0], [3.0, 30.0]],
    ),
    "Truncated": (([10.0, 2.0, 0.0], [30.0, np.inf, 30.0]), [12.0, 3.0, 4.0]),
}


@pytest.mark.parametrize("name", nightly_but(["RightCensored"], CASES))
def test_values_and_gradients_are_those_of_the_class_on_arrays(name):
    mu, ours, theirs = both()
    given, value = CASES[name]
    made = getattr(bridge, name)(ours, *(torch.tensor(g) for g in given))
    log_prob = made.log_prob(torch.tensor(value))
    (gradient,) = torch.autograd.grad(log_prob.sum(), mu)

    def of_arrays(mu):
        base = jaxnb.NegativeBinomial(mu=mu, theta=np.float32(THETA))
        return getattr(jaxnb, name)(base, *map(np.array, given)).log_prob(np.float32(value)).sum()

    expected, derivative = jax.jit(jax.value_and_grad(of_arrays))(theirs.mu)
    np.testing.assert_allclose(log_prob.sum().item(), expected, rtol=1e-6)
    np.testing.assert_allclose(gradient, derivative, rtol=1e-5)
    assert made.expand((2, 3)).log_prob(torch.tensor(value)).shape == (2, 3)


@pytest.mark.slow
def test_functions_and_draws_of_a_truncated_distribution():
    mu, ours, theirs = both()
    truncated = bridge.Truncated(ours, low=10, high=30)
    expected = jaxnb.Truncated(theirs, low=10, high=30)
    np.testing.assert_allclose(truncated.mean.detach(), expected.mean, rtol=1e-6)
    np.testing.assert_allclose(truncated.log_sf(12).detach(), expected.log_sf(12), rtol=1e-5)
    np.testing.assert_allclose(truncated.cdf(12).detach(), expected.cdf(12), rtol=1e-5)
    np.testing.assert_array_equal(truncated.icdf(0.5).detach(), expected.icdf(0.5))
    (gradient,) = torch.autograd.grad(truncated.mean.sum(), mu)
    assert (gradient > 0).all()
    draws = truncated.sample((4000,), generator=torch.Generator().manual_seed(0))
    assert draws.shape == (4000, 3)
    assert ((draws >= 10) & (draws <= 30)).all()
    error = draws.std(0) / 4000**0.5
    assert ((draws.mean(0) - truncated.mean.detach()).abs() < 4 * error).all()


@pytest.mark.slow
def test_parameters_that_take_the_value_of_another():
    given = {"mu1": 2.0, "mu2": 9.0, "theta1": 2.0, "mixture_logits": 0.3}
    ours = bridge.NegativeBinomialMixture(**{n: torch.tensor(v) for n, v in given.items()})
    theirs = jaxnb.NegativeBinomialMixture(**given)
    np.testing.assert_allclose(ours.log_interval(3, 9), theirs.log_interval(3, 9), rtol=1e-6)
    truncated, expected = bridge.Truncated(ours, 5), jaxnb.Truncated(theirs, 5)
    np.testing.assert_allclose(truncated.log_sf(10), expected.log_sf(10), rtol=1e-5)
    np.testing.assert_allclose(truncated.mean, expected.mean, rtol=1e-6)


@pytest.mark.quick
def test_what_is_refused():
    _, ours, theirs = both()
    with pytest.raises(TypeError, match=r"a distribution of jaxnb\.torch_bridge"):
        bridge.RightCensored(theirs, True)
    with pytest.raises(TypeError, match="Truncated has no parameter 'lower': did you mean low"):
        bridge.Truncated(ours, lower=3)
    with pytest.raises(ValueError, match="no count of NegativeBinomial is between"):
        bridge.Truncated(ours, low=5, high=3)
    with pytest.raises(ValueError, match="pairs"):
        bridge.IntervalCensored(ours, False, False).log_prob(torch.ones(3))
    assert bridge.Truncated(ours, 5).support.check(torch.tensor(4.0)).sum() == 0
