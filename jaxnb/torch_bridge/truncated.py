"""The zero-truncated negative binomial distribution and the hurdle model on tensors."""

from collections.abc import Callable
from typing import ClassVar, Unpack

import torch
from torch import Tensor
from torch.distributions import constraints

from jaxnb._names import ZeroInflationNameOfClasses, keywords
from jaxnb.families import HURDLE_NEGATIVE_BINOMIAL, ZERO_TRUNCATED_NEGATIVE_BINOMIAL
from jaxnb.torch_bridge.distributions import MeanDispersion
from jaxnb.torch_bridge.likelihoods import log_hurdle_nb, log_zero_truncated_nb
from jaxnb.torch_bridge.parameters import Parameter, extended_real

__all__ = ["HurdleNegativeBinomial", "ZeroTruncatedNegativeBinomial"]


class ZeroTruncatedNegativeBinomial(MeanDispersion):
    """Negative binomial counts without the zeros, as `jaxnb.ZeroTruncatedNegativeBinomial`.

    Args:
        total_count: As in `NegativeBinomial`, and so are the next four.
        probs: Success probability before truncation.
        logits: Log-odds of success before truncation.
        mu: Mean before truncation.
        theta: Inverse dispersion; at 0 there is no distribution.
        validate_args: Whether to check parameters and counts.
        log_mu: log(mu) instead of `mu`.
        log_theta: log(theta) instead of `theta`.
        eps: Floor on the mean in `log_prob`; None for none.

    Raises:
        ValueError: As for `NegativeBinomial`.
        TypeError: A parameter is complex, sparse or quantized.
    """

    _family = ZERO_TRUNCATED_NEGATIVE_BINOMIAL
    _function: ClassVar[Callable[..., Tensor]] = staticmethod(log_zero_truncated_nb)
    support = constraints.positive_integer

    @keywords
    def __init__(
        self,
        total_count: Tensor | None = None,
        probs: Tensor | None = None,
        logits: Tensor | None = None,
        mu: Tensor | None = None,
        theta: Tensor | None = None,
        validate_args: bool | None = False,
        *,
        log_mu: Tensor | None = None,
        log_theta: Tensor | None = None,
        eps: float | None = None,
    ) -> None:
        given = {"total_count": total_count, "probs": probs, "logits": logits, "mu": mu}
        given |= {"theta": theta, "log_mu": log_mu, "log_theta": log_theta}
        super().__init__(None, None, eps, validate_args, **given)


class HurdleNegativeBinomial(MeanDispersion):
    """A zero, or a zero-truncated negative binomial count, as `jaxnb.HurdleNegativeBinomial`.

    Args:
        total_count: As in `ZeroTruncatedNegativeBinomial`, and so are the next four.
        probs: Success probability before truncation.
        logits: Log-odds of success before truncation.
        mu: Mean before truncation.
        theta: Inverse dispersion.
        zi_logits: Log-odds of a zero, also as `pi`, infinite or not.
        validate_args: Whether to check parameters and counts.
        zi_probs: Probability of a zero, in [0, 1], instead of `zi_logits`.
        log_mu: log(mu) instead of `mu`.
        log_theta: log(theta) instead of `theta`.
        eps: Floor on the mean in `log_prob`; None for none.

    Raises:
        ValueError: As for `NegativeBinomial`; and if not exactly one of zi_logits and zi_probs is
            given.
        TypeError: A parameter is complex, sparse or quantized.
    """

    _family = HURDLE_NEGATIVE_BINOMIAL
    _function: ClassVar[Callable[..., Tensor]] = staticmethod(log_hurdle_nb)
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
        super().__init__(zeros, None, eps, validate_args, **given)

    @property
    def zi_probs(self) -> Tensor:
        """The probability of a zero."""
        return torch.sigmoid(self.zi_logits)
