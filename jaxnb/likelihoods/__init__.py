"""The three log-likelihoods: negative binomial, zero-inflated, two-component mixture."""

from jaxnb.likelihoods.mixture import log_mixture_nb
from jaxnb.likelihoods.negative_binomial import log_nb_positive
from jaxnb.likelihoods.zero_inflated import log_zinb_positive

__all__ = ["log_mixture_nb", "log_nb_positive", "log_zinb_positive"]
