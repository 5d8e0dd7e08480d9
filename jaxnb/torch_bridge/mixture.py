"""The mixture of two negative binomials, a drop-in for that of scvi-tools."""

from typing import Unpack

import torch
from torch import Tensor
from torch.distributions import constraints

from jaxnb._names import MixtureNamesOfClasses, keywords
from jaxnb.choices import chosen, scale_choices
from jaxnb.families import NEGATIVE_BINOMIAL_MIXTURE
from jaxnb.torch_bridge.arguments import Arguments, broadcastable
from jaxnb.torch_bridge.counts import Counts
from jaxnb.torch_bridge.likelihoods import log_mixture_nb
from jaxnb.torch_bridge.parameters import (
    LogScale,
    Parameter,
    ScaledParameter,
    extended_real,
    float_parameters,
)

__all__ = ["NegativeBinomialMixture"]


class NegativeBinomialMixture(Counts):
    """Counts from one of two negative binomials, chosen independently for every count.

    With m1, m2 the means, v1, v2 the variances and w1, w2 the probabilities of the components, the
    mean is w1 m1 + w2 m2 and the variance w1 v1 + w2 v2 + w1 w2 (m1 - m2)**2.

    Args:
        mu1: Mean of component 1, >= 0.
        mu2: Mean of component 2, >= 0.
        theta1: Inverse dispersion of component 1, >= 0.
        mixture_logits: Log-odds of component 1, also as `pi_logits`.
        theta2: Inverse dispersion of component 2; None for that of component 1.
        validate_args: Whether to check parameters and counts.
        log_mu1: log(mu1) instead of `mu1`.
        log_mu2: log(mu2) instead of `mu2`.
        log_theta1: log(theta1) instead of `theta1`.
        log_theta2: log(theta2) instead of `theta2`.
        **other: `mu_1` for `mu1`, and so on, as the functions have them.
        eps: Floor on both means in `log_prob`, as in `log_mixture_nb`.

    Raises:
        ValueError: A parameter is missing, or given on both scales; shapes do not broadcast;
            devices differ; a parameter violates its constraint.
        TypeError: A parameter is complex, sparse or quantized.
    """

    _family = NEGATIVE_BINOMIAL_MIXTURE
    _function = staticmethod(log_mixture_nb)
    mu1 = ScaledParameter(constraints.nonnegative)
    mu2 = ScaledParameter(constraints.nonnegative)
    theta1 = ScaledParameter(constraints.nonnegative)
    theta2 = ScaledParameter(constraints.nonnegative)
    mixture_logits = Parameter(extended_real)
    log_mu1 = LogScale()
    log_mu2 = LogScale()
    log_theta1 = LogScale()
    log_theta2 = LogScale()

    @keywords
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
        **other: Unpack[MixtureNamesOfClasses[Tensor]],
    ) -> None:
        owner = type(self).__name__
        every = {"mu1": mu1, "mu2": mu2, "theta1": theta1, "theta2": theta2}
        every |= {"log_mu1": log_mu1, "log_mu2": log_mu2, "log_theta1": log_theta1}
        every |= {"log_theta2": log_theta2, "mixture_logits": mixture_logits}
        given: Arguments = {}
        for choices in scale_choices(self._family):
            names = [name for choice in choices for name in choice]
            given |= chosen(owner, choices, **{name: every[name] for name in names})
        kept = broadcastable(float_parameters(owner, False, given))
        super().__init__(kept, eps, validate_args)

    @property
    def mixture_probs(self) -> Tensor:
        """The probability of component 1."""
        return torch.sigmoid(self.mixture_logits)

    def get_normalized(self, key: str) -> Tensor:
        """The mean, for the key "mu".

        Raises:
            ValueError: Another key; a mixture has no scale.
        """
        if key == "mu":
            return self.mean
        raise ValueError(f"the only key of a mixture is 'mu', got {key!r}")
