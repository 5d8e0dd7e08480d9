"""Inputs on which scvi-tools or STEP go wrong, with the right answer."""

import numpy as np
import pytest
from torch_bridge.cases import bridge, torch
from torch_bridge.classes import MIX, MU, NB, THETA, ZINB


@pytest.mark.quick
def test_success_probability_is_not_a_category():
    d = NB(total_count=torch.tensor(4.0), probs=torch.tensor(0.3))
    torch.testing.assert_close(d.mean, torch.tensor(4 * 0.3 / 0.7))
    torch_s = torch.distributions.NegativeBinomial(4.0, torch.tensor(0.3))
    x = torch.arange(9.0)
    torch.testing.assert_close(d.log_prob(x), torch_s.log_prob(x))


def test_scale_given_with_total_count_is_kept():
    scale = torch.tensor([2.0, 2.0])
    d = NB(total_count=THETA, probs=torch.tensor([0.5, 0.2]), scale=scale)
    assert d.get_normalized("scale") is scale


def test_zeros_are_inflated_once():
    torch.manual_seed(0)
    d = ZINB(mu=torch.tensor(1e4), theta=torch.tensor(1e3), zi_logits=torch.tensor(0.0))
    for draws in (d.sample((20_000,)), d.rsample((20_000,))):
        assert abs((draws == 0).float().mean() - 0.5) < 4 * 0.5 / 20_000**0.5


def test_one_theta_per_gene_broadcasts_under_vmap():
    rows = torch.func.vmap(lambda mu: bridge.log_nb_positive(torch.ones(2), mu, THETA))(MU)
    assert rows.shape == (3, 2)


@pytest.mark.parametrize("pi", [-torch.inf, torch.inf, 3.0])
@pytest.mark.parametrize("mu", [0.0, 1e-30, 5.0, torch.inf])
def test_no_nan_from_the_branch_not_taken(mu, pi):
    leaves = [torch.tensor(v, requires_grad=True) for v in (mu, 2.0, pi)]
    d = ZINB(mu=leaves[0], theta=leaves[1], zi_logits=leaves[2])
    value = d.log_prob(torch.tensor([0.0, 3.0]))
    value[value.isfinite()].sum().backward()
    assert not value.isnan().any()
    assert not any(leaf.grad.isnan() for leaf in leaves)


@pytest.mark.slow
def test_theta_zero_is_a_point_mass():
    d = NB(mu=torch.tensor(3.0), theta=torch.tensor(0.0))
    assert d.log_prob(torch.tensor([0.0, 1.0])).tolist() == [0.0, -torch.inf]
    assert (d.sample((1000,)) == 0).all()
    assert d.mean == d.variance == d.mode == 0


def test_small_means_are_not_biased():
    value = bridge.log_nb_positive(torch.tensor(1.0), torch.tensor(1e-9), 1.0, eps=0)
    torch.testing.assert_close(value, torch.tensor(-20.7232658379))


def test_large_rates_are_drawn():
    torch.manual_seed(0)
    draws = NB(mu=torch.tensor(1e10), theta=torch.tensor(100.0)).sample((1000,))
    assert abs(draws.mean() - 1e10) < 4 * 1e9 / 1000**0.5


def test_a_component_is_chosen_for_every_draw():
    torch.manual_seed(0)
    mu1, mu2, theta = torch.tensor(1.0), torch.tensor(1000.0), torch.tensor(2.0)
    d = MIX(mu1, mu2, theta, torch.tensor(0.0), theta2=torch.tensor([3.0]))
    draws = d.sample((10_000,))
    assert abs(draws.mean() - d.mean) < 4 * (d.variance / 10_000).sqrt()
    assert torch.equal(d.theta2, torch.tensor([3.0]))


@pytest.mark.parametrize("theta2", [None, pytest.param(2.0, marks=pytest.mark.slow)])
@pytest.mark.parametrize("component", [1, 2])
def test_eps_reaches_both_components(component, theta2):
    """A mean of 0 is the floor, whichever component has it; the other explains no count."""
    mu = torch.tensor([0.0, torch.inf] if component == 1 else [torch.inf, 0.0])
    eps, x = 1e-3, torch.tensor(1.0)
    value = bridge.log_mixture_nb(x, mu[0], mu[1], 2.0, theta2, 0.0, eps)
    expected = bridge.log_nb_positive(x, torch.tensor(eps), 2.0) - np.log(2)
    torch.testing.assert_close(value, expected, rtol=1e-6, atol=0)
