"""The log-likelihoods of counts, each with its derivatives in closed form."""

from jaxnb.likelihoods import log_prob as _log_prob
from jaxnb.likelihoods.deviance import nb_deviance, zinb_deviance
from jaxnb.likelihoods.hurdle import log_hurdle_nb
from jaxnb.likelihoods.log_prob import *
from jaxnb.likelihoods.mixture import log_mixture_nb
from jaxnb.likelihoods.negative_binomial import log_nb_positive
from jaxnb.likelihoods.zero_inflated import log_zinb_positive
from jaxnb.likelihoods.zero_truncated import log_zero_truncated_nb

__all__ = [
    "log_hurdle_nb",
    "log_mixture_nb",
    "log_nb_positive",
    "log_zero_truncated_nb",
    "log_zinb_positive",
    "nb_deviance",
    "zinb_deviance",
]
__all__ += _log_prob.__all__


def __dir__() -> list[str]:
    return sorted(__all__)
