"""The mixture of two negative binomial distributions."""

from typing import Any, ClassVar

import jax.numpy as jnp
from jax.nn import sigmoid
from numpyro.distributions import constraints
from numpyro.distributions.batch_util import vmap_over
from numpyro.distributions.util import lazy_property, validate_sample

from jaxnb import random
from jaxnb._types import Array, ArrayLike
from jaxnb.distributions.base import CountDistribution
from jaxnb.distributions.likeliest import likeliest
from jaxnb.distributions.moments import nb_mean, nb_mode, nb_variance
from jaxnb.distributions.parameters import as_float, extended_real
from jaxnb.likelihoods import log_mixture_nb

__all__ = ["NegativeBinomialMixture"]


class NegativeBinomialMixture(CountDistribution):
    r"""Counts from one of two negative binomials, chosen anew for every count.

    .. math::

        P(x) = \sigma(q)\,\mathrm{NB}(x; \mu_1, \theta_1)
            + \sigma(-q)\,\mathrm{NB}(x; \mu_2, \theta_2)

    with :math:`\sigma` the logistic function and q = `mixture_logits`. The leaves of the
    distribution as a tree are the parameters given, aligned as in `NegativeBinomial`.

    Args:
        mu1: Mean of component 1, >= 0.
        mu2: Mean of component 2, >= 0.
        theta1: Inverse dispersion of component 1, >= 0; infinity is the Poisson law.
        mixture_logits: Log-odds of component 1, infinite or not.
        theta2: Inverse dispersion of component 2; None for that of component 1.
        eps: Floor on both means in `log_prob`; a number, 0 for Hamiltonian samplers, as in
            `NegativeBinomial`.
        validate_args: Whether to check parameters and counts; None for NumPyro's default.

    Raises:
        ValueError: Shapes do not broadcast; a parameter violates its constraint.
        TypeError: A parameter is complex.
    """

    arg_constraints: ClassVar = {
        "mu1": constraints.nonnegative,
        "mu2": constraints.nonnegative,
        "theta1": constraints.nonnegative,
        "theta2": constraints.nonnegative,
        "mixture_logits": extended_real,
    }
    # _theta2 is None, and no leaf, where the components share theta1
    pytree_data_fields = ("mu1", "mu2", "theta1", "_theta2", "mixture_logits")
    mu1: Array
    mu2: Array
    theta1: Array
    mixture_logits: Array
    _theta2: Array | None

    def __init__(
        self,
        mu1: ArrayLike,
        mu2: ArrayLike,
        theta1: ArrayLike,
        mixture_logits: ArrayLike,
        theta2: ArrayLike | None = None,
        *,
        eps: ArrayLike = 1e-8,
        validate_args: bool | None = None,
    ) -> None:
        super().__init__(
            {},
            mu1=as_float("mu1", mu1),
            mu2=as_float("mu2", mu2),
            theta1=as_float("theta1", theta1),
            mixture_logits=as_float("mixture_logits", mixture_logits),
            _theta2=None if theta2 is None else as_float("theta2", theta2),
            eps=eps,
            validate_args=validate_args,
        )

    @property
    def theta2(self) -> Array:
        """Inverse dispersion of component 2."""
        return self.theta1 if self._theta2 is None else self._theta2

    @lazy_property
    def mixture_probs(self) -> Array:
        """The probability of component 1."""
        return sigmoid(self.mixture_logits)

    @validate_sample
    def log_prob(self, value: ArrayLike, intermediates: list[Any] | None = None) -> Array:
        """Log-probability of counts, as `jaxnb.log_mixture_nb`; see `NegativeBinomial`."""
        return self._log_prob(value)

    def _log_prob(self, value: ArrayLike) -> Array:
        parameters = (self.mu1, self.mu2, self.theta1, self._theta2, self.mixture_logits)
        return log_mixture_nb(value, *parameters, self._eps)

    def sample(self, key: Array, sample_shape: tuple[int, ...] = ()) -> Array:
        """Integer counts of shape `sample_shape + batch_shape`; see `NegativeBinomial`."""
        parameters = (self.mu1, self.mu2, self.theta1, self._theta2, self.mixture_logits)
        shape = self.shape(tuple(sample_shape))
        return random.negative_binomial_mixture(key, *parameters, shape)

    @property
    def mean(self) -> Array:
        """The components' means weighted by their probabilities."""
        weight_1, weight_2 = self._weights()
        return weight_1 * nb_mean(self.mu1, self.theta1) + weight_2 * nb_mean(self.mu2, self.theta2)

    @property
    def variance(self) -> Array:
        """The weighted variances plus w1 w2 (m1 - m2)**2, m the means, w the probabilities."""
        weight_1, weight_2 = self._weights()
        within = weight_1 * nb_variance(self.mu1, self.theta1)
        within += weight_2 * nb_variance(self.mu2, self.theta2)
        apart = nb_mean(self.mu1, self.theta1) - nb_mean(self.mu2, self.theta2)
        return within + weight_1 * weight_2 * apart * apart

    @property
    def mode(self) -> Array:
        """The likeliest count, which lies between the modes of the components."""
        modes = nb_mode(self.mu1, self.theta1), nb_mode(self.mu2, self.theta2)
        low, high = (
            jnp.broadcast_to(bound, self.batch_shape)
            for bound in (jnp.minimum(*modes), jnp.maximum(*modes))
        )
        return likeliest(self._log_prob, low, high)

    def get_normalized(self, key: str) -> Array:
        """The mean, for the key "mu".

        Raises:
            ValueError: Another key; a mixture carries no scale.
        """
        if key == "mu":
            return self.mean
        raise ValueError(f"key must be 'mu', got {key!r}")

    def _weights(self) -> tuple[Array, Array]:
        return sigmoid(self.mixture_logits), sigmoid(-self.mixture_logits)


@vmap_over.register
def _vmap_over_mixture(
    dist: NegativeBinomialMixture, theta2: int | None = None, **axes: int | None
) -> NegativeBinomialMixture:
    in_axes: NegativeBinomialMixture = vmap_over.dispatch(CountDistribution)(
        dist, _theta2=theta2, **axes
    )
    return in_axes
