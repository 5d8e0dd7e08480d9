"""The divergence of one distribution from another, for `numpyro.distributions.kl_divergence`."""

from numpyro.distributions import kl_divergence

from jaxnb._types import Array
from jaxnb.cdf import nb_kl_divergence
from jaxnb.distributions.classes import NegativeBinomial

__all__: list[str] = []


@kl_divergence.register(NegativeBinomial, NegativeBinomial)
def _of_negative_binomials(p: NegativeBinomial, q: NegativeBinomial) -> Array:
    return nb_kl_divergence(p.mu, p.theta, q.mu, q.theta)
