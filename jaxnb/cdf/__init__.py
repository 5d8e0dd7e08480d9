"""Distribution functions and quantiles of the count distributions.

Each has its logarithm in either tail, under jit and vmap, with derivatives in every parameter.
"""

from jaxnb.cdf.negative_binomial import (
    nb_cdf,
    nb_log_cdf,
    nb_log_sf,
    nb_sf,
    poisson_cdf,
    poisson_log_cdf,
    poisson_log_sf,
    poisson_sf,
)
from jaxnb.cdf.quantile import nb_quantile, poisson_quantile

__all__ = [
    "nb_cdf",
    "nb_log_cdf",
    "nb_log_sf",
    "nb_quantile",
    "nb_sf",
    "poisson_cdf",
    "poisson_log_cdf",
    "poisson_log_sf",
    "poisson_quantile",
    "poisson_sf",
]
