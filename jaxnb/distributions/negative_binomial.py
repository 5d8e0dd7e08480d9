"""The negative binomial distribution."""

from typing import Any

from numpyro.distributions.util import validate_sample

from jaxnb import random
from jaxnb._types import Array, ArrayLike
from jaxnb.distributions.mean_dispersion import MeanDispersion
from jaxnb.distributions.moments import nb_mean, nb_mode, nb_variance
from jaxnb.distributions.parameters import MEAN_AND_DISPERSION, exactly_one, mean_and_dispersion
from jaxnb.likelihoods import log_nb_positive

__all__ = ["NegativeBinomial"]


class NegativeBinomial(MeanDispersion):
    r"""Negative binomial counts with mean mu and variance :math:`\mu + \mu^2/\theta`.

    .. math::

        P(x) = \frac{\Gamma(x+\theta)}{\Gamma(\theta)\,\Gamma(x+1)}
            \left(\frac{\theta}{\theta+\mu}\right)^{\theta} \left(\frac{\mu}{\theta+\mu}\right)^{x}

    `mu` and `theta` are the leaves of the distribution as a tree, with leading axes of length 1
    where their ranks differ; the other forms are computed from them when read. The batch shape is
    that of the parameters broadcast together.

    Args:
        total_count: Number of failures to wait for, >= 0; the same as `theta`.
        probs: Success probability, in [0, 1]: the mean is total_count * probs / (1 - probs).
        logits: Log-odds of success, log(mu / theta).
        mu: Mean, >= 0.
        theta: Inverse dispersion, >= 0. Infinity is the Poisson law, 0 a point mass at zero.
        scale: Normalised expression, carried along untouched for `get_normalized("scale")`.
        eps: Floor on the mean in `log_prob`, as in `jaxnb.log_nb_positive`; a number. Give 0 to
            Hamiltonian samplers, as NUTS, where a mean may fall below it: there the value is flat
            but its slope is not, which optimisers recover by and chains are caught by.
        validate_args: Whether to check parameters and counts; None for NumPyro's default.

    Raises:
        ValueError: Not exactly one of (mu, theta), (total_count, probs) and (total_count, logits)
            is given in full; shapes do not broadcast; a parameter violates its constraint.
        TypeError: A parameter is complex.

    A mean beyond the largest number of the dtype, as from logits > 88 in float32, is infinite: no
    count has a positive probability then.
    """

    def __init__(
        self,
        total_count: ArrayLike | None = None,
        probs: ArrayLike | None = None,
        logits: ArrayLike | None = None,
        mu: ArrayLike | None = None,
        theta: ArrayLike | None = None,
        scale: ArrayLike | None = None,
        *,
        eps: ArrayLike = 1e-8,
        validate_args: bool | None = None,
    ) -> None:
        given = exactly_one(
            "NegativeBinomial",
            MEAN_AND_DISPERSION,
            total_count=total_count,
            probs=probs,
            logits=logits,
            mu=mu,
            theta=theta,
        )
        self.scale = scale
        mean, dispersion = mean_and_dispersion(given)
        super().__init__(given, mu=mean, theta=dispersion, eps=eps, validate_args=validate_args)

    @validate_sample
    def log_prob(self, value: ArrayLike, intermediates: list[Any] | None = None) -> Array:
        """Log-probability of counts, as `jaxnb.log_nb_positive`.

        Args:
            value: Counts of any real or integer dtype, broadcast against the batch shape.
            intermediates: Not used.

        Returns:
            Log-probabilities, -inf outside the support. With `validate_args`, values that are no
            counts are outside it and warned of; without, real values are scored by the gamma
            function's extension.
        """
        return log_nb_positive(value, self.mu, self.theta, self._eps)

    def sample(self, key: Array, sample_shape: tuple[int, ...] = ()) -> Array:
        """Integer counts of shape `sample_shape + batch_shape`, by `jaxnb.random`.

        Args:
            key: One key of jax.random, typed or raw.
            sample_shape: Shape of the independent draws, in front.
        """
        return random.negative_binomial(key, self.mu, self.theta, self.shape(tuple(sample_shape)))

    @property
    def mean(self) -> Array:
        """Mu, or 0 where theta is 0."""
        return nb_mean(self.mu, self.theta)

    @property
    def variance(self) -> Array:
        """The sum mu + mu**2 / theta, or 0 where theta is 0."""
        return nb_variance(self.mu, self.theta)

    @property
    def mode(self) -> Array:
        """floor(mu (theta - 1) / theta), or 0 where theta <= 1; the larger one of two modes."""
        return nb_mode(self.mu, self.theta)
