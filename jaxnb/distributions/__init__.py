"""NumPyro distributions over the exact likelihoods: NB, zero-inflated NB, NB mixture."""

from jaxnb.distributions.mixture import NegativeBinomialMixture
from jaxnb.distributions.negative_binomial import NegativeBinomial
from jaxnb.distributions.zero_inflated import ZeroInflatedNegativeBinomial

__all__ = ["NegativeBinomial", "NegativeBinomialMixture", "ZeroInflatedNegativeBinomial"]
