"""NumPyro distributions over the exact likelihoods of counts."""

from jaxnb.distributions.mixture import NegativeBinomialMixture
from jaxnb.distributions.negative_binomial import NegativeBinomial
from jaxnb.distributions.truncated import HurdleNegativeBinomial, ZeroTruncatedNegativeBinomial
from jaxnb.distributions.zero_inflated import ZeroInflatedNegativeBinomial

__all__ = [
    "HurdleNegativeBinomial",
    "NegativeBinomial",
    "NegativeBinomialMixture",
    "ZeroInflatedNegativeBinomial",
    "ZeroTruncatedNegativeBinomial",
]


def __dir__() -> list[str]:
    return __all__
