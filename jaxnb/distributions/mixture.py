"""The mixture of two negative binomial distributions."""

from __future__ import annotations

from typing import ClassVar, Unpack

from jax.nn import sigmoid

from jaxnb._names import MixtureNamesOfClasses, keywords
from jaxnb._types import Array, ArrayLike
from jaxnb.choices import Choices, scale_choices
from jaxnb.distributions.base import CountDistribution
from jaxnb.distributions.parameters import constraints_of
from jaxnb.families import NEGATIVE_BINOMIAL_MIXTURE, Family

__all__ = ["NegativeBinomialMixture"]


class NegativeBinomialMixture(CountDistribution):
    r"""Counts from one of two negative binomials, chosen anew for every count.

    .. math::

        P(x) = \sigma(q)\,\mathrm{NB}(x; \mu_1, \theta_1)
            + \sigma(-q)\,\mathrm{NB}(x; \mu_2, \theta_2)

    with :math:`\sigma` the logistic function and q = `mixture_logits`. The leaves of the
    distribution as a tree are the parameters given, aligned as in `NegativeBinomial`.

    The mean is that of the components' means m1 and m2, weighted by their probabilities w1 and w2;
    the variance is that of their variances plus w1 w2 (m1 - m2)**2. The mode lies between those of
    the components and is found by a search.

    Args:
        mu1: Mean of component 1, >= 0.
        mu2: Mean of component 2, >= 0.
        theta1: Inverse dispersion of component 1, >= 0; infinity is the Poisson distribution.
        mixture_logits: Log-odds of component 1, also as `pi_logits`, infinite or not.
        theta2: Inverse dispersion of component 2; None for that of component 1.
        log_mu1: log(mu1) instead of `mu1`.
        log_mu2: log(mu2) instead of `mu2`.
        log_theta1: log(theta1) instead of `theta1`.
        log_theta2: log(theta2) instead of `theta2`.
        **other: `mu_1` for `mu1`, and so on, as the functions have them.
        eps: Floor on both means in `log_prob`, as in `NegativeBinomial`.
        validate_args: Whether to check parameters and counts; None for NumPyro's default.

    Raises:
        ValueError: A parameter is missing or given on both scales; shapes do not broadcast; a
            parameter violates its constraint.
        TypeError: A parameter is complex.
    """

    arg_constraints: ClassVar = constraints_of(NEGATIVE_BINOMIAL_MIXTURE)
    family: ClassVar[Family] = NEGATIVE_BINOMIAL_MIXTURE
    choices: ClassVar[tuple[Choices, ...]] = scale_choices(NEGATIVE_BINOMIAL_MIXTURE)

    @keywords
    def __init__(
        self,
        mu1: ArrayLike | None = None,
        mu2: ArrayLike | None = None,
        theta1: ArrayLike | None = None,
        mixture_logits: ArrayLike | None = None,
        theta2: ArrayLike | None = None,
        *,
        log_mu1: ArrayLike | None = None,
        log_mu2: ArrayLike | None = None,
        log_theta1: ArrayLike | None = None,
        log_theta2: ArrayLike | None = None,
        eps: float | None = None,
        validate_args: bool | None = None,
        **other: Unpack[MixtureNamesOfClasses[ArrayLike]],
    ) -> None:
        super().__init__(
            mu1=mu1,
            mu2=mu2,
            theta1=theta1,
            theta2=theta2,
            mixture_logits=mixture_logits,
            log_mu1=log_mu1,
            log_mu2=log_mu2,
            log_theta1=log_theta1,
            log_theta2=log_theta2,
            eps=eps,
            validate_args=validate_args,
        )

    @property
    def mu1(self) -> Array:
        """Mean of component 1."""
        return self._linear("mu1")

    @property
    def mu2(self) -> Array:
        """Mean of component 2."""
        return self._linear("mu2")

    @property
    def theta1(self) -> Array:
        """Inverse dispersion of component 1."""
        return self._linear("theta1")

    @property
    def theta2(self) -> Array:
        """Inverse dispersion of component 2."""
        return self._linear("theta2", default="theta1")

    @property
    def log_mu1(self) -> Array:
        """log(mu1)."""
        return self._logarithm("mu1")

    @property
    def log_mu2(self) -> Array:
        """log(mu2)."""
        return self._logarithm("mu2")

    @property
    def log_theta1(self) -> Array:
        """log(theta1)."""
        return self._logarithm("theta1")

    @property
    def log_theta2(self) -> Array:
        """log(theta2)."""
        return self._logarithm("theta2", default="theta1")

    @property
    def mixture_logits(self) -> Array:
        """The log-odds of component 1."""
        return self._linear("mixture_logits")

    @property
    def mixture_probs(self) -> Array:
        """The probability of component 1."""
        return sigmoid(self.mixture_logits)

    def get_normalized(self, key: str) -> Array:
        """The mean, for the key "mu".

        Raises:
            ValueError: Another key; a mixture carries no scale.
        """
        if key == "mu":
            return self.mean
        raise ValueError(f"key must be 'mu', got {key!r}")
