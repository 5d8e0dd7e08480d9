"""The zero-truncated negative binomial distribution and the hurdle model."""

from __future__ import annotations

from typing import ClassVar, Unpack

from jax.nn import sigmoid
from numpyro.distributions import constraints

from jaxnb._names import ZeroInflationNameOfClasses, keywords
from jaxnb._types import Array, ArrayLike
from jaxnb.choices import MEAN_AND_DISPERSION, ZERO_INFLATION, Choices
from jaxnb.distributions.negative_binomial import MeanDispersion, NegativeBinomial
from jaxnb.distributions.parameters import constraints_of
from jaxnb.families import (
    HURDLE_NEGATIVE_BINOMIAL,
    ZERO_TRUNCATED_NEGATIVE_BINOMIAL,
    Family,
)

__all__ = ["HurdleNegativeBinomial", "ZeroTruncatedNegativeBinomial"]


class ZeroTruncatedNegativeBinomial(MeanDispersion):
    r"""Negative binomial counts without the zeros.

    .. math::

        P(x) = \frac{\mathrm{NB}(x; \mu, \theta)}{1 - \mathrm{NB}(0; \mu, \theta)}, \quad x \ge 1

    The parameters are those of the negative binomial that is truncated. The mean is mu / (1 - p_0),
    p_0 its probability of 0, which tends to 1 as mu tends to 0. Everything is exact there, too.

    Args:
        total_count: As in `NegativeBinomial`, and so are the next four.
        probs: Success probability before truncation.
        logits: Log-odds of success before truncation.
        mu: Mean before truncation.
        theta: Inverse dispersion; at 0 there is no distribution.
        log_mu: log(mu) instead of `mu`.
        log_theta: log(theta) instead of `theta`.
        eps: Floor on the mean in `log_prob`, as in `NegativeBinomial`; None for none.
        validate_args: Whether to check parameters and counts; None for NumPyro's default.

    Raises:
        ValueError: As for `NegativeBinomial`.
        TypeError: A parameter is complex.
    """

    support = constraints.positive_integer
    arg_constraints: ClassVar = (
        constraints_of(ZERO_TRUNCATED_NEGATIVE_BINOMIAL) | NegativeBinomial.arg_constraints
    )
    family: ClassVar[Family] = ZERO_TRUNCATED_NEGATIVE_BINOMIAL
    choices: ClassVar[tuple[Choices, ...]] = (MEAN_AND_DISPERSION,)

    @keywords
    def __init__(
        self,
        total_count: ArrayLike | None = None,
        probs: ArrayLike | None = None,
        logits: ArrayLike | None = None,
        mu: ArrayLike | None = None,
        theta: ArrayLike | None = None,
        *,
        log_mu: ArrayLike | None = None,
        log_theta: ArrayLike | None = None,
        eps: float | None = None,
        validate_args: bool | None = None,
    ) -> None:
        self.scale = None
        super().__init__(
            total_count=total_count,
            probs=probs,
            logits=logits,
            mu=mu,
            theta=theta,
            log_mu=log_mu,
            log_theta=log_theta,
            eps=eps,
            validate_args=validate_args,
        )


class HurdleNegativeBinomial(MeanDispersion):
    r"""A zero, or a zero-truncated negative binomial count.

    .. math::

        P(0) = \sigma(\pi), \quad
        P(x) = \sigma(-\pi)\, \frac{\mathrm{NB}(x; \mu, \theta)}{1 - \mathrm{NB}(0; \mu, \theta)}
        \text{ for } x \ge 1

    with :math:`\sigma` the logistic function and :math:`\pi` = `zi_logits`. With zero inflation,
    zeros come from both parts; here they come from one, so that their number and the positive
    counts are fitted independently.

    Args:
        total_count: As in `ZeroTruncatedNegativeBinomial`, and so are the next four.
        probs: Success probability before truncation.
        logits: Log-odds of success before truncation.
        mu: Mean before truncation.
        theta: Inverse dispersion.
        zi_logits: Log-odds of a zero, also as `pi`, infinite or not.
        log_mu: log(mu) instead of `mu`.
        log_theta: log(theta) instead of `theta`.
        zi_probs: Probability of a zero, in [0, 1], instead of `zi_logits`.
        eps: Floor on the mean in `log_prob`, as in `ZeroTruncatedNegativeBinomial`.
        validate_args: Whether to check parameters and counts; None for NumPyro's default.

    Raises:
        ValueError: As for `NegativeBinomial`; and if not exactly one of zi_logits and zi_probs is
            given.
        TypeError: A parameter is complex.
    """

    arg_constraints: ClassVar = (
        constraints_of(HURDLE_NEGATIVE_BINOMIAL)
        | NegativeBinomial.arg_constraints
        | {"zi_probs": constraints.unit_interval}
    )
    family: ClassVar[Family] = HURDLE_NEGATIVE_BINOMIAL
    choices: ClassVar[tuple[Choices, ...]] = (MEAN_AND_DISPERSION, ZERO_INFLATION)

    @keywords
    def __init__(
        self,
        total_count: ArrayLike | None = None,
        probs: ArrayLike | None = None,
        logits: ArrayLike | None = None,
        mu: ArrayLike | None = None,
        theta: ArrayLike | None = None,
        zi_logits: ArrayLike | None = None,
        *,
        log_mu: ArrayLike | None = None,
        log_theta: ArrayLike | None = None,
        zi_probs: ArrayLike | None = None,
        eps: float | None = None,
        validate_args: bool | None = None,
        **other: Unpack[ZeroInflationNameOfClasses[ArrayLike]],
    ) -> None:
        self.scale = None
        super().__init__(
            total_count=total_count,
            probs=probs,
            logits=logits,
            mu=mu,
            theta=theta,
            log_mu=log_mu,
            log_theta=log_theta,
            zi_logits=zi_logits,
            zi_probs=zi_probs,
            eps=eps,
            validate_args=validate_args,
        )

    @property
    def zi_logits(self) -> Array:
        """The log-odds of a zero."""
        return self._linear("zi_logits")

    @property
    def zi_probs(self) -> Array:
        """The probability of a zero."""
        return self._given["zi_probs"] if "zi_probs" in self._given else sigmoid(self.zi_logits)
