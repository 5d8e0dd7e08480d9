"""NumPyro distributions over the exact likelihoods of counts."""

from jaxnb.distributions.censored import IntervalCensored, LeftCensored, RightCensored
from jaxnb.distributions.mixture import NegativeBinomialMixture
from jaxnb.distributions.negative_binomial import NegativeBinomial
from jaxnb.distributions.truncated import HurdleNegativeBinomial, ZeroTruncatedNegativeBinomial
from jaxnb.distributions.truncation import Truncated
from jaxnb.distributions.zero_inflated import ZeroInflatedNegativeBinomial

__all__ = [
    "HurdleNegativeBinomial",
    "IntervalCensored",
    "LeftCensored",
    "NegativeBinomial",
    "NegativeBinomialMixture",
    "RightCensored",
    "Truncated",
    "ZeroInflatedNegativeBinomial",
    "ZeroTruncatedNegativeBinomial",
]


def __dir__() -> list[str]:
    return __all__
