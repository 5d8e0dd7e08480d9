"""The negative binomial and its zero-inflated form, drop-ins for those of scvi-tools and STEP."""

from collections.abc import Callable
from typing import ClassVar, Unpack

import torch
from torch import Tensor
from torch.distributions import constraints
from torch.distributions.kl import register_kl

from jaxnb._names import ZeroInflationNameOfClasses, keywords
from jaxnb.choices import MEAN_AND_DISPERSION, ZERO_INFLATION, chosen
from jaxnb.families import NEGATIVE_BINOMIAL, ZERO_INFLATED_NEGATIVE_BINOMIAL
from jaxnb.torch_bridge import _private
from jaxnb.torch_bridge.arguments import broadcastable
from jaxnb.torch_bridge.counts import Counts
from jaxnb.torch_bridge.likelihoods import log_nb_positive, log_zinb_positive
from jaxnb.torch_bridge.parameters import (
    LogScale,
    Parameter,
    ScaledParameter,
    extended_real,
    float_parameters,
    log_ratio,
    mean_and_dispersion,
    zero_inflation_logits,
)
from jaxnb.torch_bridge.pointwise import evaluated

__all__ = ["MeanDispersion", "NegativeBinomial", "ZeroInflatedNegativeBinomial"]


class MeanDispersion(Counts):
    """A distribution with a mean and an inverse dispersion, which can be read in all their forms.

    The constructor of a subclass passes on what it was given.
    """

    mu = ScaledParameter(constraints.nonnegative)
    theta = ScaledParameter(constraints.nonnegative)
    log_mu = LogScale()
    log_theta = LogScale()

    def __init__(
        self,
        zero_inflation: dict[str, Tensor | None] | None,
        scale: Tensor | None,
        eps: float | None,
        validate_args: bool | None,
        **given: Tensor | None,
    ) -> None:
        owner = type(self).__name__
        parameters = chosen(owner, MEAN_AND_DISPERSION, **given)
        if zero_inflation is not None:
            parameters |= chosen(owner, ZERO_INFLATION, **zero_inflation)
        validate = _private.validates(self) if validate_args is None else validate_args
        tensors = float_parameters(owner, validate, parameters)
        kept = mean_and_dispersion(tensors)
        if zero_inflation is not None:
            kept["zi_logits"] = zero_inflation_logits(tensors)
        kept = broadcastable(kept)
        if scale is not None:
            kept["scale"] = scale
        super().__init__(kept, eps, validate_args)

    @property
    def total_count(self) -> Tensor:
        """The number of failures to wait for, which is theta."""
        return self.theta

    @property
    def logits(self) -> Tensor:
        """log(mu / theta)."""
        if {"log_mu", "log_theta"}.isdisjoint(self._kept):
            return log_ratio(self.mu, self.theta)
        return self.log_mu - self.log_theta

    @property
    def probs(self) -> Tensor:
        """The success probability mu / (mu + theta)."""
        return torch.sigmoid(self.logits)


class NegativeBinomial(MeanDispersion):
    r"""Negative binomial counts with mean mu and variance :math:`\mu + \mu^2/\theta`.

    At theta = 0 mean and variance are 0. The mode is floor(mu (theta - 1) / theta), or 0 where
    theta <= 1.

    Args:
        total_count: Number of failures to wait for, >= 0; the same as `theta`.
        probs: Success probability, in [0, 1]: the mean is total_count * probs / (1 - probs).
        logits: Log-odds of success, log(mu / theta).
        mu: Mean, >= 0.
        theta: Inverse dispersion, >= 0. Infinity is the Poisson distribution, 0 a point mass at
            zero.
        scale: Normalized expression, returned by `get_normalized("scale")`; None by default.
        validate_args: Whether to check parameters and counts. As in scvi-tools, the default is not
            to.
        log_mu: log(mu) instead of `mu`.
        log_theta: log(theta) instead of `theta`.
        eps: Floor on the mean in `log_prob`, as in `log_nb_positive`.

    The parameters broadcast, and are kept as views of the batch shape, on the scale on which they
    are given; (total_count, logits) is kept as log_mu and theta. They can be assigned.

    Raises:
        ValueError: Not exactly one of (mu, theta), each on one scale, (total_count, probs) and
            (total_count, logits) is given in full; shapes do not broadcast; devices differ; a
            parameter is invalid.
        TypeError: A parameter is complex, sparse or quantized.
    """

    _family = NEGATIVE_BINOMIAL
    _function: ClassVar[Callable[..., Tensor]] = staticmethod(log_nb_positive)
    scale = Parameter(constraints.nonnegative)

    @keywords
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
        log_mu: Tensor | None = None,
        log_theta: Tensor | None = None,
        eps: float | None = None,
    ) -> None:
        given = {"total_count": total_count, "probs": probs, "logits": logits, "mu": mu}
        given |= {"theta": theta, "log_mu": log_mu, "log_theta": log_theta}
        super().__init__(None, scale, eps, validate_args, **given)

    def get_normalized(self, key: str) -> Tensor:
        """Normalized expression: `mu` for the key "mu", and for "scale" the `scale` given.

        Where none was given, that is mu divided by its sum over the last axis, which scvi-tools
        returns for (total_count, logits) or probs; for (mu, theta) it returns None. The attribute
        `scale` is None here in all these cases.

        Raises:
            ValueError: Another key.
        """
        if key == "mu":
            return self.mu
        if key != "scale":
            raise ValueError(f"key must be 'mu' or 'scale', got {key!r}")
        if self.scale is not None:
            return self.scale
        if "log_mu" in self._kept:
            return torch.softmax(self.log_mu, dim=-1)
        return self.mu / self.mu.sum(dim=-1, keepdim=True)


class ZeroInflatedNegativeBinomial(NegativeBinomial):
    r"""Negative binomial counts with additional zeros.

    With m and v the mean and variance of the negative binomial and p the probability of an
    additional zero, the mean is (1 - p) m and the variance (1 - p) (v + p m**2). The mode is 0 or
    that of the negative binomial, whichever is more probable.

    Args:
        total_count: As in `NegativeBinomial`, and so are the next four.
        probs: Success probability of the negative binomial part.
        logits: Log-odds of success of the negative binomial part.
        mu: Mean of the negative binomial part.
        theta: Inverse dispersion of the negative binomial part.
        zi_logits: Log-odds of an additional zero, also as `pi`, infinite or not.
        scale: Normalized expression, returned by `get_normalized("scale")`.
        validate_args: Whether to check parameters and counts.
        zi_probs: Probability of an additional zero, in [0, 1], instead of `zi_logits`.
        log_mu: log(mu) instead of `mu`.
        log_theta: log(theta) instead of `theta`.
        eps: Floor on the mean in `log_prob`, as in `log_zinb_positive`.

    Raises:
        ValueError: As for `NegativeBinomial`; and if not exactly one of zi_logits and zi_probs is
            given.
        TypeError: A parameter is complex, sparse or quantized.
    """

    _family = ZERO_INFLATED_NEGATIVE_BINOMIAL
    _function = staticmethod(log_zinb_positive)
    zi_logits = Parameter(extended_real)

    @keywords
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
        log_mu: Tensor | None = None,
        log_theta: Tensor | None = None,
        eps: float | None = None,
        **other: Unpack[ZeroInflationNameOfClasses[Tensor]],
    ) -> None:
        given = {"total_count": total_count, "probs": probs, "logits": logits, "mu": mu}
        given |= {"theta": theta, "log_mu": log_mu, "log_theta": log_theta}
        zeros = {"zi_logits": zi_logits, "zi_probs": zi_probs}
        MeanDispersion.__init__(self, zeros, scale, eps, validate_args, **given)

    @property
    def zi_probs(self) -> Tensor:
        """The probability of an additional zero."""
        return torch.sigmoid(self.zi_logits)


@register_kl(NegativeBinomial, NegativeBinomial)
def _kl_divergence(p: NegativeBinomial, q: NegativeBinomial) -> Tensor:
    """By `jaxnb.cdf.nb_kl_divergence`; of zero-inflated distributions none is known."""
    if type(p)._family is not NEGATIVE_BINOMIAL or type(q)._family is not NEGATIVE_BINOMIAL:
        raise NotImplementedError(
            f"no divergence of {type(p).__name__} and {type(q).__name__}, only of two"
            " NegativeBinomial"
        )
    given = {"mu_1": p.mu, "theta_1": p.theta, "mu_2": q.mu, "theta_2": q.theta}
    return evaluated("nb_kl_divergence", given)
