"""Negative binomial count likelihoods in JAX, exact at every parameter value."""

from jaxnb import datasets, distributions, fit, random
from jaxnb.distributions import (
    NegativeBinomial,
    NegativeBinomialMixture,
    ZeroInflatedNegativeBinomial,
)
from jaxnb.likelihoods import log_mixture_nb, log_nb_positive, log_zinb_positive

__all__ = [
    "NegativeBinomial",
    "NegativeBinomialMixture",
    "ZeroInflatedNegativeBinomial",
    "datasets",
    "distributions",
    "fit",
    "log_mixture_nb",
    "log_nb_positive",
    "log_zinb_positive",
    "random",
]

__version__ = "0.1.0"
