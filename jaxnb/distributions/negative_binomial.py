"""The negative binomial distribution."""

from __future__ import annotations

from typing import ClassVar

from jax.nn import sigmoid
from numpyro.distributions import constraints, kl_divergence

from jaxnb._names import keywords
from jaxnb._types import Array, ArrayLike
from jaxnb.cdf import nb_kl_divergence
from jaxnb.choices import MEAN_AND_DISPERSION, Choices
from jaxnb.distributions.base import CountDistribution
from jaxnb.distributions.parameters import (
    constraints_of,
    extended_real,
    log_ratio,
    normalized,
    success_probability,
)
from jaxnb.families import NEGATIVE_BINOMIAL, Family

__all__ = ["MeanDispersion", "NegativeBinomial"]


class MeanDispersion(CountDistribution):
    """A distribution with a mean and an inverse dispersion, which can be read in all their forms.

    What was given is returned as it is; the other forms are computed at each use.
    """

    _non_batch_fields: ClassVar[frozenset[str]] = frozenset({"scale"})
    scale: ArrayLike | None

    @property
    def mu(self) -> Array:
        """The mean of the negative binomial."""
        return self._linear("mu")

    @property
    def theta(self) -> Array:
        """The inverse dispersion."""
        return self._linear("theta")

    @property
    def log_mu(self) -> Array:
        """log(mu)."""
        return self._logarithm("mu")

    @property
    def log_theta(self) -> Array:
        """log(theta)."""
        return self._logarithm("theta")

    @property
    def total_count(self) -> Array:
        """The number of failures to wait for, which is theta."""
        return self._given["total_count"] if "total_count" in self._given else self.theta

    @property
    def probs(self) -> Array:
        """The success probability mu / (mu + theta)."""
        if "probs" in self._given:
            return self._given["probs"]
        if self._has_logarithm():
            return sigmoid(self.logits)
        return success_probability(self.mu, self.theta)

    @property
    def logits(self) -> Array:
        """log(mu / theta), without cancellation where the two are close."""
        if "logits" in self._given:
            return self._given["logits"]
        if self._has_logarithm():
            return self.log_mu - self.log_theta
        return log_ratio(self.mu, self.theta)

    def get_normalized(self, key: str) -> ArrayLike:
        """The parameter that is normalized expression.

        Args:
            key: "mu" for the mean of the negative binomial, "scale" for the `scale` given.

        Raises:
            ValueError: Another key, or "scale" where none was given.
        """
        return normalized(key, self.mu, self.scale)

    def _has_logarithm(self) -> bool:
        return not {"log_mu", "log_theta", "logits"}.isdisjoint(self._given)


class NegativeBinomial(MeanDispersion):
    r"""Negative binomial counts with mean mu and variance :math:`\mu + \mu^2/\theta`.

    .. math::

        P(x) = \frac{\Gamma(x+\theta)}{\Gamma(\theta)\,\Gamma(x+1)}
            \left(\frac{\theta}{\theta+\mu}\right)^{\theta} \left(\frac{\mu}{\theta+\mu}\right)^{x}

    The parameters given are the leaves of the distribution as a tree, with leading axes of length 1
    where their ranks differ; the other forms are computed from them when read. The batch shape is
    that of the parameters broadcast together.

    NaN among the numbers of a parameter stands for a missing one: it passes validation, and the
    log-probability is NaN there unless `mask` leaves it out.

    The mean is mu, 0 where theta is 0; the variance is 0 there and mu at theta = inf. The mode is
    floor(mu (theta - 1) / theta) where theta > 1, the larger one of two, and else 0.

    Args:
        total_count: Number of failures to wait for, >= 0; the same as `theta`.
        probs: Success probability, in [0, 1]: the mean is total_count * probs / (1 - probs).
        logits: Log-odds of success, log(mu / theta).
        mu: Mean, >= 0.
        theta: Inverse dispersion, >= 0. Infinity is the Poisson distribution, 0 a point mass at
            zero.
        scale: Normalized expression, carried along untouched for `get_normalized("scale")`.
        log_mu: log(mu) instead of `mu`.
        log_theta: log(theta) instead of `theta`.
        eps: Floor on the mean in `log_prob`, as in `jaxnb.log_nb_positive`; a number. None for
            that of the dtype, 1e-30 in float32 and 1e-290 in float64.
        validate_args: Whether to check parameters and counts; None for NumPyro's default.

    Raises:
        ValueError: Not exactly one of (mu or log_mu, theta or log_theta), (total_count, probs) and
            (total_count, logits) is given in full; shapes do not broadcast; a parameter violates
            its constraint.
        TypeError: A parameter is complex.

    `log_mu`, `log_theta` and `logits` are used as they are: the log-probability and its derivatives
    are finite also where exp underflows or overflows. With `mu`, the derivative is 0 below the
    floor, as that of the value is: Hamiltonian samplers and optimizers that can reach means below
    1e-30 need `log_mu` or `logits`. The attribute `mu` is infinite where exp(log_mu) overflows, and
    so is a draw, as the largest integer.
    """

    arg_constraints: ClassVar = constraints_of(NEGATIVE_BINOMIAL) | {
        "total_count": constraints.nonnegative,
        "probs": constraints.unit_interval,
        "logits": extended_real,
    }
    family: ClassVar[Family] = NEGATIVE_BINOMIAL
    choices: ClassVar[tuple[Choices, ...]] = (MEAN_AND_DISPERSION,)

    @keywords
    def __init__(
        self,
        total_count: ArrayLike | None = None,
        probs: ArrayLike | None = None,
        logits: ArrayLike | None = None,
        mu: ArrayLike | None = None,
        theta: ArrayLike | None = None,
        scale: ArrayLike | None = None,
        *,
        log_mu: ArrayLike | None = None,
        log_theta: ArrayLike | None = None,
        eps: float | None = None,
        validate_args: bool | None = None,
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
            eps=eps,
            validate_args=validate_args,
        )


@kl_divergence.register(NegativeBinomial, NegativeBinomial)
def _kl_divergence(p: NegativeBinomial, q: NegativeBinomial) -> Array:
    return nb_kl_divergence(p.mu, p.theta, q.mu, q.theta)
