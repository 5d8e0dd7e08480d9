"""The negative binomial and its zero-inflated form, drop-ins for those of scvi-tools and STEP."""

import torch
from torch import Tensor
from torch.distributions import constraints

from jaxnb.distributions.parameters import (
    MEAN_AND_DISPERSION,
    ZERO_INFLATION,
    chosen,
    normalized,
)
from jaxnb.torch_bridge.arguments import broadcastable
from jaxnb.torch_bridge.counts import Counts, extended_real
from jaxnb.torch_bridge.likelihoods import log_nb_positive, log_zinb_positive
from jaxnb.torch_bridge.parameters import (
    float_parameters,
    mean_and_dispersion,
    zero_inflation_logits,
)

__all__ = ["NegativeBinomial", "ZeroInflatedNegativeBinomial"]


class NegativeBinomial(Counts):
    r"""Negative binomial counts with mean mu and variance :math:`\mu + \mu^2/\theta`.

    Args:
        total_count: Number of failures to wait for, >= 0; the same as `theta`.
        probs: Success probability, in [0, 1]: the mean is total_count * probs / (1 - probs).
        logits: Log-odds of success, log(mu / theta).
        mu: Mean, >= 0.
        theta: Inverse dispersion, >= 0. Infinity is the Poisson law, 0 a point mass at zero.
        scale: Normalised expression, carried along for `get_normalized("scale")`.
        validate_args: Whether to check parameters and counts. As in scvi-tools, no is the default.
        eps: Floor on the mean in `log_prob`, as in `jaxnb.log_nb_positive`.

    The parameters broadcast, and are kept as views of the batch shape. They may be assigned.

    Raises:
        ValueError: Not exactly one of (mu, theta), (total_count, probs) and (total_count, logits)
            is given in full; shapes do not broadcast; devices differ; an invalid parameter.
        TypeError: A parameter is complex, sparse or quantized.
    """

    arg_constraints = {  # noqa: RUF012
        "mu": constraints.nonnegative,
        "theta": constraints.nonnegative,
        "scale": constraints.nonnegative,
    }
    _sampler = "negative_binomial"
    mu: Tensor
    theta: Tensor
    scale: Tensor | None

    def __init__(
        self,
        total_count: Tensor | None = None,
        probs: Tensor | None = None,
        logits: Tensor | None = None,
        mu: Tensor | None = None,
        theta: Tensor | None = None,
        scale: Tensor | None = None,
        validate_args: bool | None = False,
        *,
        eps: float = 1e-8,
    ) -> None:
        owner = type(self).__name__
        given = {"total_count": total_count, "probs": probs, "logits": logits}
        law = chosen(owner, MEAN_AND_DISPERSION, **given, mu=mu, theta=theta)
        parameters = float_parameters(owner, bool(validate_args), law)
        mean, dispersion = mean_and_dispersion(parameters)
        kept = broadcastable({"mu": mean, "theta": dispersion})
        super().__init__(eps, validate_args, **kept, scale=scale)

    def _law(self) -> tuple[Tensor, ...]:
        return self.mu, self.theta

    @property
    def total_count(self) -> Tensor:
        """The number of failures to wait for, which is theta."""
        return self.theta

    @property
    def logits(self) -> Tensor:
        """log(mu / theta)."""
        return torch.log(self.mu / self.theta)

    @property
    def probs(self) -> Tensor:
        """The success probability mu / (mu + theta)."""
        return torch.sigmoid(self.logits)

    @property
    def on_mps(self) -> bool:
        """Whether the parameters are on an Apple GPU, from where they cannot be handed to JAX."""
        return self.mu.device.type == "mps"

    @property
    def mean(self) -> Tensor:
        """Mu, or 0 where theta is 0."""
        return torch.where(self.theta == 0, 0.0, self.mu)

    @property
    def variance(self) -> Tensor:
        """The sum mu + mu**2 / theta, or 0 where theta is 0."""
        positive = torch.where(self.theta == 0, 1.0, self.theta)
        return torch.where(self.theta == 0, 0.0, self.mu + self.mu * (self.mu / positive))

    @property
    def mode(self) -> Tensor:
        """floor(mu (theta - 1) / theta), or 0 where theta <= 1; the larger one of two modes."""
        return torch.floor(self.mu * (1 - 1 / self.theta.clamp(min=1)))

    def get_normalized(self, key: str) -> Tensor:
        """The parameter that stands for normalised expression, "mu" or "scale".

        Raises:
            ValueError: Another key, or "scale" where none was given.
        """
        return normalized(key, self.mu, self.scale)

    def log_prob(self, value: Tensor) -> Tensor:
        """Log-probability of counts, as `log_nb_positive`.

        With `validate_args`, values that are no counts are warned of and have -inf; without, real
        values are scored by the gamma function's extension.
        """
        return self._scored(value, log_nb_positive(value, self.mu, self.theta, self._eps))


class ZeroInflatedNegativeBinomial(NegativeBinomial):
    r"""Negative binomial counts with additional zeros.

    Args:
        total_count: As in `NegativeBinomial`, and so are the next four.
        probs: Success probability of the negative binomial part.
        logits: Log-odds of success of the negative binomial part.
        mu: Mean of the negative binomial part.
        theta: Inverse dispersion of the negative binomial part.
        zi_logits: Log-odds of an additional zero, infinite or not.
        scale: Normalised expression, carried along.
        validate_args: Whether to check parameters and counts.
        zi_probs: Probability of an additional zero, in [0, 1], instead of `zi_logits`.
        eps: Floor on the mean in `log_prob`, as in `jaxnb.log_zinb_positive`.

    Raises:
        ValueError: As for `NegativeBinomial`; and if not exactly one of zi_logits and zi_probs is
            given.
        TypeError: A parameter is complex, sparse or quantized.
    """

    arg_constraints = {  # noqa: RUF012
        "mu": constraints.nonnegative,
        "theta": constraints.nonnegative,
        "zi_logits": extended_real,
        "scale": constraints.nonnegative,
    }
    _sampler = "zero_inflated_negative_binomial"
    zi_logits: Tensor

    def __init__(
        self,
        total_count: Tensor | None = None,
        probs: Tensor | None = None,
        logits: Tensor | None = None,
        mu: Tensor | None = None,
        theta: Tensor | None = None,
        zi_logits: Tensor | None = None,
        scale: Tensor | None = None,
        validate_args: bool | None = False,
        *,
        zi_probs: Tensor | None = None,
        eps: float = 1e-8,
    ) -> None:
        owner = type(self).__name__
        given = {"total_count": total_count, "probs": probs, "logits": logits}
        law = chosen(owner, MEAN_AND_DISPERSION, **given, mu=mu, theta=theta)
        law |= chosen(owner, ZERO_INFLATION, zi_logits=zi_logits, zi_probs=zi_probs)
        parameters = float_parameters(owner, bool(validate_args), law)
        mean, dispersion = mean_and_dispersion(parameters)
        inflation = zero_inflation_logits(parameters)
        kept = broadcastable({"mu": mean, "theta": dispersion, "zi_logits": inflation})
        Counts.__init__(self, eps, validate_args, **kept, scale=scale)

    def _law(self) -> tuple[Tensor, ...]:
        return self.mu, self.theta, self.zi_logits

    @property
    def zi_probs(self) -> Tensor:
        """The probability of an additional zero."""
        return torch.sigmoid(self.zi_logits)

    @property
    def mean(self) -> Tensor:
        """The mean of the negative binomial times 1 - zi_probs."""
        return torch.sigmoid(-self.zi_logits) * super().mean

    @property
    def variance(self) -> Tensor:
        """(1 - zi_probs) (v + zi_probs m**2), m and v those of the negative binomial."""
        mean, counted = super().mean, torch.sigmoid(-self.zi_logits)
        return counted * (super().variance + mean * (self.zi_probs * mean))

    @property
    def mode(self) -> Tensor:
        """0 or the mode of the negative binomial, whichever is likelier; 0 if neither."""
        candidate = super().mode
        likelier = self._log_prob(candidate) > self._log_prob(candidate * 0)
        return torch.where(likelier, candidate, candidate * 0)

    def log_prob(self, value: Tensor) -> Tensor:
        """Log-probability of counts, as `log_zinb_positive`; see `NegativeBinomial`."""
        return self._scored(value, self._log_prob(value))

    def _log_prob(self, value: Tensor) -> Tensor:
        return log_zinb_positive(value, self.mu, self.theta, self.zi_logits, self._eps)
