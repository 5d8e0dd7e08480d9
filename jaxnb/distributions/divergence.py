"""The divergence of one distribution from another, for `numpyro.distributions.kl_divergence`.

Between negative binomials, and between one and NumPyro's Poisson distribution, its limit. For other
pairs NumPyro raises NotImplementedError.
"""

import jax.numpy as jnp
from numpyro.distributions import Poisson, kl_divergence

from jaxnb._types import Array
from jaxnb.cdf import nb_kl_divergence
from jaxnb.distributions.classes import NegativeBinomial

__all__: list[str] = []


@kl_divergence.register(NegativeBinomial, NegativeBinomial)
def _of_negative_binomials(p: NegativeBinomial, q: NegativeBinomial) -> Array:
    return nb_kl_divergence(p.mu, p.theta, q.mu, q.theta)


@kl_divergence.register(NegativeBinomial, Poisson)
def _of_negative_binomial_from_poisson(p: NegativeBinomial, q: Poisson) -> Array:
    return nb_kl_divergence(p.mu, p.theta, q.rate, jnp.inf)


@kl_divergence.register(Poisson, NegativeBinomial)
def _of_poisson_from_negative_binomial(p: Poisson, q: NegativeBinomial) -> Array:
    return nb_kl_divergence(p.rate, jnp.inf, q.mu, q.theta)
