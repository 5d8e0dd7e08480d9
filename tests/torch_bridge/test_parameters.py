"""Logarithms of ratios, where a logarithm of the rounded ratio would lose its digits."""

import mpmath
import pytest
from torch_bridge.cases import bridge, torch


@pytest.mark.quick
@pytest.mark.parametrize("p", [0.5, 0.50003, 0.4998, 0.25, 0.9, 1e-30, 1 - 2**-24])
def test_log_odds_of_probabilities_keep_their_digits(p):
    p = torch.tensor(p, requires_grad=True)
    logits = bridge.ZeroInflatedNegativeBinomial(mu=1.0, theta=1.0, zi_probs=p).zi_logits
    exact = mpmath.log(mpmath.mpf(p.item()) / (1 - mpmath.mpf(p.item())))
    torch.testing.assert_close(logits.item(), float(exact), rtol=5e-7, atol=0)
    (derivative,) = torch.autograd.grad(logits, p)
    right = 1 / (mpmath.mpf(p.item()) * (1 - mpmath.mpf(p.item())))
    torch.testing.assert_close(derivative.item(), float(right), rtol=5e-7, atol=0)


def test_log_odds_of_means_that_are_far_from_theta_or_close_to_it():
    mu, theta = torch.tensor([1e30, 1e-30, 1.00001]), torch.tensor([1e-30, 1e30, 1.0])
    logits = bridge.NegativeBinomial(mu=mu, theta=theta).logits
    exact = [
        float(mpmath.log(mpmath.mpf(m.item()) / mpmath.mpf(t.item())))
        for m, t in zip(mu, theta, strict=True)
    ]
    torch.testing.assert_close(logits, torch.tensor(exact), rtol=5e-7, atol=0)
