"""The log-likelihoods of counts, each with its derivatives in closed form."""

from jaxnb.likelihoods import log_prob as _log_prob
from jaxnb.likelihoods import original_names as _original_names
from jaxnb.likelihoods.deviance import nb_deviance, zinb_deviance
from jaxnb.likelihoods.log_prob import *
from jaxnb.likelihoods.original_names import *

__all__ = ["nb_deviance", "zinb_deviance"]
__all__ += [*_log_prob.__all__, *_original_names.__all__]


def __dir__() -> list[str]:
    return sorted(__all__)
