"""The log-likelihoods of counts, each with its derivatives in closed form."""

from jaxnb.likelihoods.deviance import nb_deviance, zinb_deviance
from jaxnb.likelihoods.hurdle import log_hurdle_nb
from jaxnb.likelihoods.log_prob import (
    hurdle_nb_log_prob,
    mixture_nb_log_prob,
    nb_log_prob,
    poisson_log_prob,
    zero_truncated_nb_log_prob,
    zinb_log_prob,
    zip_log_prob,
)
from jaxnb.likelihoods.mixture import log_mixture_nb
from jaxnb.likelihoods.negative_binomial import log_nb_positive
from jaxnb.likelihoods.zero_inflated import log_zinb_positive
from jaxnb.likelihoods.zero_truncated import log_zero_truncated_nb

__all__ = [
    "hurdle_nb_log_prob",
    "log_hurdle_nb",
    "log_mixture_nb",
    "log_nb_positive",
    "log_zero_truncated_nb",
    "log_zinb_positive",
    "mixture_nb_log_prob",
    "nb_deviance",
    "nb_log_prob",
    "poisson_log_prob",
    "zero_truncated_nb_log_prob",
    "zinb_deviance",
    "zinb_log_prob",
    "zip_log_prob",
]


def __dir__() -> list[str]:
    return __all__
