"""The log-probabilities on tensors under the names of `jaxnb.likelihoods.log_prob`."""

from math import inf
from typing import Unpack

from torch import Tensor

from jaxnb._names import MixtureNamesOfLogProb, ZeroInflationNameOfClasses, keywords
from jaxnb.families import (
    HURDLE_NEGATIVE_BINOMIAL,
    NEGATIVE_BINOMIAL,
    NEGATIVE_BINOMIAL_MIXTURE,
    ZERO_INFLATED_NEGATIVE_BINOMIAL,
    ZERO_TRUNCATED_NEGATIVE_BINOMIAL,
)
from jaxnb.torch_bridge.arguments import Value, required
from jaxnb.torch_bridge.likelihoods import log_probability

__all__ = [
    "hurdle_nb_log_prob",
    "mixture_nb_log_prob",
    "nb_log_prob",
    "poisson_log_prob",
    "zero_truncated_nb_log_prob",
    "zinb_log_prob",
    "zip_log_prob",
]


@keywords
def nb_log_prob(
    x: Tensor,
    mu: Value | None = None,
    theta: Value | None = None,
    *,
    log_mu: Value | None = None,
    log_theta: Value | None = None,
    eps: float | None = None,
) -> Tensor:
    """Log-probability of counts under a negative binomial, as `jaxnb.nb_log_prob`, on tensors.

    Args:
        x: Counts, of any real, integer or boolean dtype.
        mu: Mean, >= 0.
        theta: Inverse dispersion, >= 0; infinity is the Poisson distribution.
        log_mu: log(mu) instead of `mu`.
        log_theta: log(theta) instead of `theta`.
        eps: Floor on `mu`, a number; None for 1e-30 in float32 and 1e-290 in float64.

    Returns:
        A tensor, and errors, as `jaxnb.torch_bridge.log_nb_positive`, which computes the same.
    """
    scaled = {"mu": (mu, log_mu), "theta": (theta, log_theta)}
    return log_probability(NEGATIVE_BINOMIAL, eps, x, scaled, "nb_log_prob")


@keywords
def poisson_log_prob(
    x: Tensor,
    mu: Value | None = None,
    *,
    log_mu: Value | None = None,
    eps: float | None = None,
) -> Tensor:
    """Log-probability of counts under a Poisson distribution: `nb_log_prob`, theta = inf."""
    scaled = {"mu": (mu, log_mu), "theta": (inf, None)}
    return log_probability(NEGATIVE_BINOMIAL, eps, x, scaled, "poisson_log_prob")


@keywords
def zinb_log_prob(
    x: Tensor,
    mu: Value | None = None,
    theta: Value | None = None,
    zi_logits: Value | None = None,
    *,
    log_mu: Value | None = None,
    log_theta: Value | None = None,
    eps: float | None = None,
    **other: Unpack[ZeroInflationNameOfClasses[Value]],
) -> Tensor:
    """Log-probability of counts under a zero-inflated negative binomial, on tensors.

    As `jaxnb.zinb_log_prob`; `zi_logits`, also as `pi`, is the log-odds of an extra zero. The other
    arguments, result and errors are those of `nb_log_prob`.
    """
    scaled = {"mu": (mu, log_mu), "theta": (theta, log_theta)}
    pi = required("zinb_log_prob", zi_logits=zi_logits)
    return log_probability(ZERO_INFLATED_NEGATIVE_BINOMIAL, eps, x, scaled, "zinb_log_prob", pi=pi)


@keywords
def zip_log_prob(
    x: Tensor,
    mu: Value | None = None,
    zi_logits: Value | None = None,
    *,
    log_mu: Value | None = None,
    eps: float | None = None,
    **other: Unpack[ZeroInflationNameOfClasses[Value]],
) -> Tensor:
    """Log-probability under a zero-inflated Poisson distribution: `zinb_log_prob`, theta = inf."""
    scaled = {"mu": (mu, log_mu), "theta": (inf, None)}
    pi = required("zip_log_prob", zi_logits=zi_logits)
    return log_probability(ZERO_INFLATED_NEGATIVE_BINOMIAL, eps, x, scaled, "zip_log_prob", pi=pi)


@keywords
def mixture_nb_log_prob(
    x: Tensor,
    mu_1: Value | None = None,
    mu_2: Value | None = None,
    theta_1: Value | None = None,
    theta_2: Value | None = None,
    mixture_logits: Value | None = None,
    *,
    log_mu_1: Value | None = None,
    log_mu_2: Value | None = None,
    log_theta_1: Value | None = None,
    log_theta_2: Value | None = None,
    eps: float | None = None,
    **other: Unpack[MixtureNamesOfLogProb[Value]],
) -> Tensor:
    """Log-probability of counts under a mixture of two negative binomials, on tensors.

    As `jaxnb.mixture_nb_log_prob`; `mixture_logits`, also as `pi_logits`, is the log-odds of
    component 1. Result and errors are those of `nb_log_prob`.
    """
    scaled = {"mu_1": (mu_1, log_mu_1), "mu_2": (mu_2, log_mu_2)}
    scaled |= {"theta_1": (theta_1, log_theta_1), "theta_2": (theta_2, log_theta_2)}
    owner = "mixture_nb_log_prob"
    q = required(owner, mixture_logits=mixture_logits)
    return log_probability(NEGATIVE_BINOMIAL_MIXTURE, eps, x, scaled, owner, pi_logits=q)


@keywords
def zero_truncated_nb_log_prob(
    x: Tensor,
    mu: Value | None = None,
    theta: Value | None = None,
    *,
    log_mu: Value | None = None,
    log_theta: Value | None = None,
    eps: float | None = None,
) -> Tensor:
    """Log-probability of counts under a negative binomial without its zeros, on tensors.

    As `jaxnb.zero_truncated_nb_log_prob`; result and errors are those of `nb_log_prob`.
    """
    scaled = {"mu": (mu, log_mu), "theta": (theta, log_theta)}
    owner = "zero_truncated_nb_log_prob"
    return log_probability(ZERO_TRUNCATED_NEGATIVE_BINOMIAL, eps or 0.0, x, scaled, owner)


@keywords
def hurdle_nb_log_prob(
    x: Tensor,
    mu: Value | None = None,
    theta: Value | None = None,
    zi_logits: Value | None = None,
    *,
    log_mu: Value | None = None,
    log_theta: Value | None = None,
    eps: float | None = None,
    **other: Unpack[ZeroInflationNameOfClasses[Value]],
) -> Tensor:
    """Log-probability of counts under a hurdle model, on tensors, as `jaxnb.hurdle_nb_log_prob`.

    `zi_logits`, also as `pi`, is the log-odds of a zero; result and errors as for `nb_log_prob`.
    """
    scaled = {"mu": (mu, log_mu), "theta": (theta, log_theta)}
    owner = "hurdle_nb_log_prob"
    pi = required(owner, zi_logits=zi_logits)
    return log_probability(HURDLE_NEGATIVE_BINOMIAL, eps or 0.0, x, scaled, owner, pi=pi)
