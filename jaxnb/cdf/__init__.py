"""Distribution functions, quantiles and entropies of the count distributions.

All of them work under jit and vmap, and have derivatives with respect to every parameter.
"""

from jaxnb.cdf import functions as _functions
from jaxnb.cdf.divergence import nb_kl_divergence
from jaxnb.cdf.functions import *

__all__ = ["nb_kl_divergence"]
__all__ += _functions.__all__


def __dir__() -> list[str]:
    return sorted(__all__)
