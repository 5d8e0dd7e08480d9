"""The likelihoods as written in torch with lgamma, in the form that scvi-tools uses."""

import torch
from torch import Tensor
from torch.nn.functional import softplus


def log_nb(x: Tensor, mu: Tensor, theta: Tensor, eps: float = 1e-8) -> Tensor:
    """Negative binomial by three lgamma."""
    log_total = torch.log(theta + mu + eps)
    return (
        theta * (torch.log(theta + eps) - log_total)
        + x * (torch.log(mu + eps) - log_total)
        + torch.lgamma(x + theta)
        - torch.lgamma(theta)
        - torch.lgamma(x + 1)
    )


def log_zinb(x: Tensor, mu: Tensor, theta: Tensor, pi: Tensor, eps: float = 1e-8) -> Tensor:
    """With additional zeros, of logit pi."""
    softplus_pi = softplus(-pi)
    log_theta = torch.log(theta + eps)
    log_total = torch.log(theta + mu + eps)
    of_zero = -pi + theta * (log_theta - log_total)
    zero = softplus(of_zero) - softplus_pi
    positive = (
        -softplus_pi
        + of_zero
        + x * (torch.log(mu + eps) - log_total)
        + torch.lgamma(x + theta)
        - torch.lgamma(theta)
        - torch.lgamma(x + 1)
    )
    return torch.where(x < eps, zero, positive)


def log_mixture(
    x: Tensor, mu_1: Tensor, mu_2: Tensor, theta_1: Tensor, theta_2: Tensor, logits: Tensor
) -> Tensor:
    """Of two negative binomials; `logits` is that of the first."""
    first, second = log_nb(x, mu_1, theta_1), log_nb(x, mu_2, theta_2)
    total = torch.logsumexp(torch.stack((first, second - logits)), dim=0)
    return total - softplus(-logits)
