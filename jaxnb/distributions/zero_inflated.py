"""The zero-inflated negative binomial distribution."""

from typing import Any, ClassVar

import jax.numpy as jnp
from jax.nn import sigmoid
from numpyro.distributions import constraints
from numpyro.distributions.util import lazy_property, validate_sample

from jaxnb import random
from jaxnb._types import Array, ArrayLike
from jaxnb.distributions.mean_dispersion import MeanDispersion
from jaxnb.distributions.moments import nb_mean, nb_mode, nb_variance
from jaxnb.distributions.parameters import (
    MEAN_AND_DISPERSION,
    ZERO_INFLATION,
    exactly_one,
    extended_real,
    mean_and_dispersion,
    zero_inflation_logits,
)
from jaxnb.likelihoods import log_zinb_positive

__all__ = ["ZeroInflatedNegativeBinomial"]


class ZeroInflatedNegativeBinomial(MeanDispersion):
    r"""Negative binomial counts with additional zeros.

    .. math::

        P(x) = \sigma(\pi)\,[x = 0] + \sigma(-\pi)\,\mathrm{NB}(x; \mu, \theta)

    with :math:`\sigma` the logistic function and :math:`\pi` = `zi_logits`. The leaves of the
    distribution as a tree are `mu`, `theta` and `zi_logits`; see `NegativeBinomial`.

    Args:
        total_count: As in `NegativeBinomial`, and so are the next five.
        probs: Success probability of the negative binomial part.
        logits: Log-odds of success of the negative binomial part.
        mu: Mean of the negative binomial part.
        theta: Inverse dispersion of the negative binomial part.
        zi_logits: Log-odds of an additional zero, infinite or not.
        scale: Normalised expression, carried along untouched.
        zi_probs: Probability of an additional zero, in [0, 1], instead of `zi_logits`. At exactly
            0 or 1 the derivative of `log_prob` in it is 0.
        eps: Floor on the mean in `log_prob`; a number, 0 for Hamiltonian samplers, as there.
        validate_args: Whether to check parameters and counts; None for NumPyro's default.

    Raises:
        ValueError: As for `NegativeBinomial`; and if not exactly one of zi_logits and zi_probs is
            given.
        TypeError: A parameter is complex.
    """

    arg_constraints: ClassVar = MeanDispersion.arg_constraints | {
        "zi_logits": extended_real,
        "zi_probs": constraints.unit_interval,
    }
    pytree_data_fields: tuple[str, ...] = ("zi_logits",)
    zi_logits: Array

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
        zi_probs: ArrayLike | None = None,
        eps: ArrayLike = 1e-8,
        validate_args: bool | None = None,
    ) -> None:
        name = "ZeroInflatedNegativeBinomial"
        given = exactly_one(
            name,
            MEAN_AND_DISPERSION,
            total_count=total_count,
            probs=probs,
            logits=logits,
            mu=mu,
            theta=theta,
        )
        mean, dispersion = mean_and_dispersion(given)
        inflation = exactly_one(name, ZERO_INFLATION, zi_logits=zi_logits, zi_probs=zi_probs)
        self.scale = scale
        super().__init__(
            given | inflation,
            mu=mean,
            theta=dispersion,
            zi_logits=zero_inflation_logits(inflation),
            eps=eps,
            validate_args=validate_args,
        )

    @lazy_property
    def zi_probs(self) -> Array:
        """The probability of an additional zero."""
        return sigmoid(self.zi_logits)

    @validate_sample
    def log_prob(self, value: ArrayLike, intermediates: list[Any] | None = None) -> Array:
        """Log-probability of counts, as `jaxnb.log_zinb_positive`; see `NegativeBinomial`."""
        return log_zinb_positive(value, self.mu, self.theta, self.zi_logits, self._eps)

    def sample(self, key: Array, sample_shape: tuple[int, ...] = ()) -> Array:
        """Integer counts of shape `sample_shape + batch_shape`; see `NegativeBinomial`."""
        shape = self.shape(tuple(sample_shape))
        return random.zero_inflated_negative_binomial(
            key, self.mu, self.theta, self.zi_logits, shape
        )

    @property
    def mean(self) -> Array:
        """The mean of the negative binomial times 1 - zi_probs."""
        return sigmoid(-self.zi_logits) * nb_mean(self.mu, self.theta)

    @property
    def variance(self) -> Array:
        """(1 - zi_probs) (v + zi_probs m**2), m and v those of the negative binomial."""
        mean, variance = nb_mean(self.mu, self.theta), nb_variance(self.mu, self.theta)
        inflated, counted = sigmoid(self.zi_logits), sigmoid(-self.zi_logits)
        return counted * (variance + mean * (inflated * mean))

    @property
    def mode(self) -> Array:
        """0 or the mode of the negative binomial, whichever is likelier; 0 if neither."""
        candidate = nb_mode(self.mu, self.theta)
        parameters = (self.mu, self.theta, self.zi_logits, self._eps)
        likelier = log_zinb_positive(candidate, *parameters) > log_zinb_positive(0, *parameters)
        return jnp.where(likelier, candidate, candidate * 0)
