"""Distribution functions and quantiles of the count distributions.

Each has its logarithm in either tail, under jit and vmap, with derivatives in every parameter.
"""

from jaxnb.cdf.mixture import (
    mixture_nb_cdf,
    mixture_nb_log_cdf,
    mixture_nb_log_sf,
    mixture_nb_quantile,
    mixture_nb_sf,
)
from jaxnb.cdf.negative_binomial import (
    nb_cdf,
    nb_log_cdf,
    nb_log_sf,
    nb_quantile,
    nb_sf,
    poisson_cdf,
    poisson_log_cdf,
    poisson_log_sf,
    poisson_quantile,
    poisson_sf,
)
from jaxnb.cdf.zero_inflated import (
    zinb_cdf,
    zinb_log_cdf,
    zinb_log_sf,
    zinb_quantile,
    zinb_sf,
)

__all__ = [
    "mixture_nb_cdf",
    "mixture_nb_log_cdf",
    "mixture_nb_log_sf",
    "mixture_nb_quantile",
    "mixture_nb_sf",
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
    "zinb_cdf",
    "zinb_log_cdf",
    "zinb_log_sf",
    "zinb_quantile",
    "zinb_sf",
]
