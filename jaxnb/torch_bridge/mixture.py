"""The mixture of two negative binomials, a drop-in for that of scvi-tools."""

import torch
from torch import Tensor
from torch.distributions import constraints

from jaxnb.distributions.parameters import Choices, chosen
from jaxnb.torch_bridge.arguments import Arguments, broadcastable, working_dtype
from jaxnb.torch_bridge.counts import Counts
from jaxnb.torch_bridge.distributions import NegativeBinomial
from jaxnb.torch_bridge.exchange import call
from jaxnb.torch_bridge.likelihoods import log_mixture_nb
from jaxnb.torch_bridge.parameters import (
    LogScale,
    Parameter,
    ScaledParameter,
    extended_real,
    float_parameters,
)
from jaxnb.torch_bridge.programs import mixture_mode

__all__ = ["NegativeBinomialMixture"]


class NegativeBinomialMixture(Counts):
    """Counts from one of two negative binomials, chosen independently for every count.

    Args:
        mu1: Mean of component 1, >= 0.
        mu2: Mean of component 2, >= 0.
        theta1: Inverse dispersion of component 1, >= 0.
        mixture_logits: Log-odds of component 1.
        theta2: Inverse dispersion of component 2; None for that of component 1.
        validate_args: Whether to check parameters and counts.
        log_mu1: log(mu1) instead of `mu1`.
        log_mu2: log(mu2) instead of `mu2`.
        log_theta1: log(theta1) instead of `theta1`.
        log_theta2: log(theta2) instead of `theta2`.
        eps: Floor on both means in `log_prob`, as in `log_mixture_nb`.

    Raises:
        ValueError: A parameter is missing, or given on both scales; shapes do not broadcast;
            devices differ; a parameter violates its constraint.
        TypeError: A parameter is complex, sparse or quantized.
    """

    _sampler = "negative_binomial_mixture"
    _drawn = ("mu1", "mu2", "theta1", "theta2", "mixture_logits")
    mu1 = ScaledParameter(constraints.nonnegative)
    mu2 = ScaledParameter(constraints.nonnegative)
    theta1 = ScaledParameter(constraints.nonnegative)
    theta2 = ScaledParameter(constraints.nonnegative)
    mixture_logits = Parameter(extended_real)
    log_mu1 = LogScale()
    log_mu2 = LogScale()
    log_theta1 = LogScale()
    log_theta2 = LogScale()

    def __init__(
        self,
        mu1: Tensor | None = None,
        mu2: Tensor | None = None,
        theta1: Tensor | None = None,
        mixture_logits: Tensor | None = None,
        theta2: Tensor | None = None,
        validate_args: bool | None = False,
        *,
        log_mu1: Tensor | None = None,
        log_mu2: Tensor | None = None,
        log_theta1: Tensor | None = None,
        log_theta2: Tensor | None = None,
        eps: float | None = None,
    ) -> None:
        owner = type(self).__name__
        given: Arguments = {}
        given |= chosen(owner, _scales("mu1"), mu1=mu1, log_mu1=log_mu1)
        given |= chosen(owner, _scales("mu2"), mu2=mu2, log_mu2=log_mu2)
        given |= chosen(owner, _scales("theta1"), theta1=theta1, log_theta1=log_theta1)
        given |= chosen(owner, (("mixture_logits",),), mixture_logits=mixture_logits)
        if theta2 is not None or log_theta2 is not None:
            given |= chosen(owner, _scales("theta2"), theta2=theta2, log_theta2=log_theta2)
        kept = broadcastable(float_parameters(owner, False, given))
        super().__init__(kept, eps, validate_args)

    def _parameters(self) -> dict[str, Tensor]:
        theta2 = self.theta1 if self.theta2 is None else self.theta2
        return super()._parameters() | {"theta2": theta2}

    @property
    def mixture_probs(self) -> Tensor:
        """The probability of component 1."""
        return torch.sigmoid(self.mixture_logits)

    @property
    def mean(self) -> Tensor:
        """The components' means weighted by their probabilities."""
        first, second = self._components()
        weight_1, weight_2 = self._weights()
        return weight_1 * first.mean + weight_2 * second.mean

    @property
    def variance(self) -> Tensor:
        """The weighted variances plus w1 w2 (m1 - m2)**2, m the means, w the probabilities."""
        first, second = self._components()
        weight_1, weight_2 = self._weights()
        difference = first.mean - second.mean
        within = weight_1 * first.variance + weight_2 * second.variance
        return within + weight_1 * weight_2 * difference * difference

    @property
    def mode(self) -> Tensor:
        """The most probable count."""
        parameters = list(self._parameters().values())
        work_type = working_dtype(parameters[0].dtype)
        plain = [p.detach().to(work_type).contiguous() for p in parameters]
        (mode,) = call(mixture_mode, None, plain)
        return mode.to(parameters[0].dtype)

    def _components(self) -> tuple[NegativeBinomial, NegativeBinomial]:
        mu1, mu2, theta1, theta2, _ = self._parameters().values()
        return NegativeBinomial(mu=mu1, theta=theta1), NegativeBinomial(mu=mu2, theta=theta2)

    def _weights(self) -> tuple[Tensor, Tensor]:
        return torch.sigmoid(self.mixture_logits), torch.sigmoid(-self.mixture_logits)

    def get_normalized(self, key: str) -> Tensor:
        """The mean, for the key "mu".

        Raises:
            ValueError: Another key; a mixture has no scale.
        """
        if key == "mu":
            return self.mean
        raise ValueError(f"the only key of a mixture is 'mu', got {key!r}")

    def log_prob(self, value: Tensor) -> Tensor:
        """Log-probability of counts, as `log_mixture_nb`; see `NegativeBinomial`."""
        kept = self._as_kept("mu1", "mu2", "theta1", "theta2")
        arguments = {f"{name[:-1]}_{name[-1]}": value for name, value in kept.items()}
        log_prob = log_mixture_nb(value, pi_logits=self.mixture_logits, eps=self._eps, **arguments)
        return self._masked(value, log_prob)


def _scales(name: str) -> Choices:
    return (name,), (f"log_{name}",)
