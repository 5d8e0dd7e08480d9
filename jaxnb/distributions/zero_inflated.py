"""The zero-inflated negative binomial distribution."""

from __future__ import annotations

from typing import ClassVar, Unpack

from jax.nn import sigmoid
from numpyro.distributions import constraints

from jaxnb._names import ZeroInflationNameOfClasses, keywords
from jaxnb._types import Array, ArrayLike
from jaxnb.choices import MEAN_AND_DISPERSION, ZERO_INFLATION, Choices
from jaxnb.distributions.negative_binomial import MeanDispersion, NegativeBinomial
from jaxnb.distributions.parameters import constraints_of
from jaxnb.families import ZERO_INFLATED_NEGATIVE_BINOMIAL, Family

__all__ = ["ZeroInflatedNegativeBinomial"]


class ZeroInflatedNegativeBinomial(MeanDispersion):
    r"""Negative binomial counts with additional zeros.

    .. math::

        P(x) = \sigma(\pi)\,[x = 0] + \sigma(-\pi)\,\mathrm{NB}(x; \mu, \theta)

    with :math:`\sigma` the logistic function and :math:`\pi` = `zi_logits`. The leaves of the
    distribution as a tree are the parameters given; see `NegativeBinomial`.

    With p = `zi_probs`, m and v the mean and variance of the negative binomial, the mean is
    (1 - p) m and the variance (1 - p) (v + p m**2). The mode is 0 or that of the negative binomial,
    whichever is more probable.

    Args:
        total_count: As in `NegativeBinomial`, and so are the next four.
        probs: Success probability of the negative binomial part.
        logits: Log-odds of success of the negative binomial part.
        mu: Mean of the negative binomial part.
        theta: Inverse dispersion of the negative binomial part.
        zi_logits: Log-odds of an additional zero, also as `pi`, infinite or not.
        scale: Normalized expression, carried along untouched.
        log_mu: log(mu) instead of `mu`.
        log_theta: log(theta) instead of `theta`.
        zi_probs: Probability of an additional zero, in [0, 1], instead of `zi_logits`. At exactly
            0 or 1 the derivative of `log_prob` in it is 0.
        eps: Floor on the mean in `log_prob`, as in `NegativeBinomial`.
        validate_args: Whether to check parameters and counts; None for NumPyro's default.

    Raises:
        ValueError: As for `NegativeBinomial`; and if not exactly one of zi_logits and zi_probs is
            given.
        TypeError: A parameter is complex.
    """

    arg_constraints: ClassVar = (
        constraints_of(ZERO_INFLATED_NEGATIVE_BINOMIAL)
        | NegativeBinomial.arg_constraints
        | {"zi_probs": constraints.unit_interval}
    )
    family: ClassVar[Family] = ZERO_INFLATED_NEGATIVE_BINOMIAL
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
        scale: ArrayLike | None = None,
        *,
        log_mu: ArrayLike | None = None,
        log_theta: ArrayLike | None = None,
        zi_probs: ArrayLike | None = None,
        eps: float | None = None,
        validate_args: bool | None = None,
        **other: Unpack[ZeroInflationNameOfClasses[ArrayLike]],
    ) -> None:
        self.scale = scale
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
        """The log-odds of an additional zero."""
        return self._linear("zi_logits")

    @property
    def zi_probs(self) -> Array:
        """The probability of an additional zero."""
        return self._given["zi_probs"] if "zi_probs" in self._given else sigmoid(self.zi_logits)
