"""The mixture of two negative binomials, a drop-in for that of scvi-tools."""

import torch
from torch import Tensor
from torch.distributions import constraints

from jaxnb.torch_bridge.arguments import Arguments, broadcastable, working_dtype
from jaxnb.torch_bridge.counts import Counts, extended_real
from jaxnb.torch_bridge.distributions import NegativeBinomial
from jaxnb.torch_bridge.exchange import call
from jaxnb.torch_bridge.likelihoods import log_mixture_nb
from jaxnb.torch_bridge.parameters import float_parameters
from jaxnb.torch_bridge.programs import mixture_mode

__all__ = ["NegativeBinomialMixture"]


class NegativeBinomialMixture(Counts):
    """Counts from one of two negative binomials, chosen anew for every count.

    Args:
        mu1: Mean of component 1, >= 0.
        mu2: Mean of component 2, >= 0.
        theta1: Inverse dispersion of component 1, >= 0.
        mixture_logits: Log-odds of component 1.
        theta2: Inverse dispersion of component 2; None for that of component 1.
        validate_args: Whether to check parameters and counts.
        eps: Floor on both means in `log_prob`, as in `jaxnb.log_mixture_nb`.

    Raises:
        ValueError: Shapes do not broadcast; devices differ; a parameter violates its constraint.
        TypeError: A parameter is complex, sparse or quantized.
    """

    arg_constraints = {  # noqa: RUF012
        "mu1": constraints.nonnegative,
        "mu2": constraints.nonnegative,
        "theta1": constraints.nonnegative,
        "theta2": constraints.nonnegative,
        "mixture_logits": extended_real,
    }
    _sampler = "negative_binomial_mixture"
    mu1: Tensor
    mu2: Tensor
    theta1: Tensor
    theta2: Tensor | None
    mixture_logits: Tensor

    def __init__(
        self,
        mu1: Tensor,
        mu2: Tensor,
        theta1: Tensor,
        mixture_logits: Tensor,
        theta2: Tensor | None = None,
        validate_args: bool | None = False,
        *,
        eps: float = 1e-8,
    ) -> None:
        given: Arguments = {
            "mu1": mu1,
            "mu2": mu2,
            "theta1": theta1,
            "mixture_logits": mixture_logits,
        }
        if theta2 is not None:
            given["theta2"] = theta2
        kept = broadcastable(float_parameters(type(self).__name__, False, given))
        super().__init__(eps, validate_args, **{"theta2": None, **kept})

    def _law(self) -> tuple[Tensor, ...]:
        theta2 = self.theta1 if self.theta2 is None else self.theta2
        return self.mu1, self.mu2, self.theta1, theta2, self.mixture_logits

    @property
    def mixture_probs(self) -> Tensor:
        """The probability of component 1."""
        return torch.sigmoid(self.mixture_logits)

    @property
    def on_mps(self) -> bool:
        """Whether the parameters are on an Apple GPU, from where they cannot be handed to JAX."""
        return self.mu1.device.type == "mps"

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
        apart = first.mean - second.mean
        within = weight_1 * first.variance + weight_2 * second.variance
        return within + weight_1 * weight_2 * apart * apart

    @property
    def mode(self) -> Tensor:
        """The likeliest count."""
        work_type = working_dtype(self.mu1.dtype)
        law = [p.detach().to(work_type).contiguous() for p in self._law()]
        (mode,) = call(mixture_mode, self._eps, law)
        return mode.to(self.mu1.dtype)

    def _components(self) -> tuple[NegativeBinomial, NegativeBinomial]:
        mu1, mu2, theta1, theta2, _ = self._law()
        return NegativeBinomial(mu=mu1, theta=theta1), NegativeBinomial(mu=mu2, theta=theta2)

    def _weights(self) -> tuple[Tensor, Tensor]:
        return torch.sigmoid(self.mixture_logits), torch.sigmoid(-self.mixture_logits)

    def get_normalized(self, key: str) -> Tensor:
        """The mean, which "mu" stands for in a mixture.

        Raises:
            ValueError: Another key; a mixture has no scale.
        """
        if key == "mu":
            return self.mean
        raise ValueError(f"the only key of a mixture is 'mu', got {key!r}")

    def log_prob(self, value: Tensor) -> Tensor:
        """Log-probability of counts, as `log_mixture_nb`; see `NegativeBinomial`."""
        thetas = self.theta1, self.theta2
        log_prob = log_mixture_nb(
            value, self.mu1, self.mu2, *thetas, self.mixture_logits, self._eps
        )
        return self._scored(value, log_prob)
