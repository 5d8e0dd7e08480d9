"""The three distributions as torch's own kind, drop-ins for those of scvi-tools and STEP."""

import warnings
from typing import Any, ClassVar, Self

import torch
from torch import Tensor
from torch.distributions import Distribution, constraints

from jaxnb.torch_bridge.arguments import Arguments, broadcastable
from jaxnb.torch_bridge.likelihoods import log_mixture_nb, log_nb_positive, log_zinb_positive
from jaxnb.torch_bridge.parameters import (
    MEAN_AND_DISPERSION,
    ZERO_INFLATION,
    as_floats,
    check_probabilities,
    exactly_one,
    mean_and_dispersion,
    zero_inflation_logits,
)
from jaxnb.torch_bridge.sampling import draw

__all__ = ["NegativeBinomial", "NegativeBinomialMixture", "ZeroInflatedNegativeBinomial"]


class _ExtendedReal(constraints.Constraint):
    """Every number but NaN. An infinite logit is a certainty, which the likelihoods allow."""

    def check(self, value: Tensor) -> Tensor:
        return ~value.isnan()


extended_real = _ExtendedReal()


class _Counts(Distribution):
    """What the three have in common.

    The keys of `arg_constraints` are keywords of the constructor and tensors of the instance, so
    that a distribution can be rebuilt from them; what was not given is left out of an instance's.
    """

    arg_constraints: dict[str, constraints.Constraint]
    support = constraints.nonnegative_integer
    has_rsample = False
    _sampler: ClassVar[str]
    _eps: float

    def __init__(self, eps: float, validate_args: bool | None, **parameters: Tensor | None) -> None:
        self.__dict__.update(parameters, _eps=eps)
        constrained = type(self).arg_constraints.items()
        self.arg_constraints = {
            name: c for name, c in constrained if self.__dict__[name] is not None
        }
        super().__init__(self.batch_shape, validate_args=validate_args)

    def _law(self) -> tuple[Tensor, ...]:
        """The parameters of the likelihood and of the sampler, in their order."""
        raise NotImplementedError

    @property
    def batch_shape(self) -> torch.Size:
        """The shape of the parameters together, as they are now: they may be assigned."""
        return torch.broadcast_shapes(*(p.shape for p in self._law()))

    def expand(self, batch_shape: Any, _instance: Any = None) -> Self:
        """The distribution with its parameters expanded to a larger batch shape, as views."""
        new = self._get_checked_instance(type(self), _instance)
        expanded = {
            name: self.__dict__[name].expand(torch.Size(batch_shape))
            for name in self.arg_constraints
        }
        absent = set(type(self).arg_constraints) - set(expanded)
        _Counts.__init__(new, self._eps, False, **expanded, **dict.fromkeys(absent))
        new._validate_args = self._validate_args
        return new

    def sample(
        self, sample_shape: Any = None, *, generator: torch.Generator | None = None
    ) -> Tensor:
        """Counts of shape `sample_shape + batch_shape` in the dtype of the parameters.

        Args:
            sample_shape: Shape of the independent draws, in front.
            generator: Where the seed comes from; None for torch's default one.
        """
        shape = torch.Size(sample_shape or ()) + self.batch_shape
        return draw(self._sampler, shape, *self._law(), generator=generator)

    def rsample(
        self, sample_shape: Any = None, *, generator: torch.Generator | None = None
    ) -> Tensor:
        """The same as `sample`: counts have no derivative, and `has_rsample` is false."""
        return self.sample(sample_shape, generator=generator)

    def _scored(self, value: Tensor, log_prob: Tensor) -> Tensor:
        """The log-probabilities; if asked to validate, -inf where the value is no count."""
        if not self._validate_args:
            return log_prob
        valid = self.support.check(value)
        if valid.all():
            return log_prob
        warnings.warn(
            "The value argument must be within the support of the distribution: what is not has"
            " the log-probability -inf",
            UserWarning,
            stacklevel=3,
        )
        return torch.where(valid | value.isnan(), log_prob, -torch.inf)

    def pearson_residuals(self, x: Tensor) -> Tensor:
        """(x - mean) / sqrt(variance); of a point mass, 0 for x = 0, else infinity."""
        deviation, variance = x - self.mean, self.variance
        certain = variance == 0
        residual = deviation / torch.sqrt(torch.where(certain, 1.0, variance))
        return torch.where(certain & (deviation != 0), torch.inf, residual)


class NegativeBinomial(_Counts):
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
        chosen = exactly_one(owner, MEAN_AND_DISPERSION, **given, mu=mu, theta=theta)
        parameters = as_floats(owner, chosen)
        if validate_args:
            check_probabilities(owner, parameters)
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
        if key == "mu":
            return self.mu
        if key == "scale" and self.scale is not None:
            return self.scale
        if key == "scale":
            raise ValueError("this distribution was made without scale: ask for 'mu'")
        raise ValueError(f"key must be 'mu' or 'scale', got {key!r}")

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
        chosen = exactly_one(owner, MEAN_AND_DISPERSION, **given, mu=mu, theta=theta)
        chosen |= exactly_one(owner, ZERO_INFLATION, zi_logits=zi_logits, zi_probs=zi_probs)
        parameters = as_floats(owner, chosen)
        if validate_args:
            check_probabilities(owner, parameters)
        mean, dispersion = mean_and_dispersion(parameters)
        inflation = zero_inflation_logits(parameters)
        kept = broadcastable({"mu": mean, "theta": dispersion, "zi_logits": inflation})
        _Counts.__init__(self, eps, validate_args, **kept, scale=scale)

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


class NegativeBinomialMixture(_Counts):
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
        kept = broadcastable(as_floats(type(self).__name__, given))
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
