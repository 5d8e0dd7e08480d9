"""Negative binomial count likelihoods in JAX, exact at every parameter value."""

from jaxnb import datasets, fit, random
from jaxnb.likelihoods import log_mixture_nb, log_nb_positive, log_zinb_positive

__all__ = [
    "datasets",
    "fit",
    "log_mixture_nb",
    "log_nb_positive",
    "log_zinb_positive",
    "random",
]

__version__ = "0.1.0"
