"""What the three distributions on tensors share: shapes, validation, sampling and residuals."""

import warnings
from typing import Any, ClassVar, Self

import torch
from torch import Tensor
from torch.distributions import Distribution, constraints

from jaxnb.torch_bridge.sampling import draw

__all__ = ["Counts", "extended_real"]


class _ExtendedReal(constraints.Constraint):
    """Every number but NaN. An infinite logit is a certainty, which the likelihoods allow."""

    def check(self, value: Tensor) -> Tensor:
        return ~value.isnan()


extended_real = _ExtendedReal()


class Counts(Distribution):
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
        Counts.__init__(new, self._eps, False, **expanded, **dict.fromkeys(absent))
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
