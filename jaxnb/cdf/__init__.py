"""Distribution functions, quantiles and entropies of the count distributions.

Each has its logarithm in either tail, under jit and vmap, with derivatives in every parameter.
"""

from jaxnb.cdf.divergence import nb_kl_divergence
from jaxnb.cdf.entropy import (
    hurdle_nb_entropy,
    mixture_nb_entropy,
    nb_entropy,
    zero_truncated_nb_entropy,
    zinb_entropy,
)
from jaxnb.cdf.hurdle import (
    hurdle_nb_cdf,
    hurdle_nb_log_cdf,
    hurdle_nb_log_sf,
    hurdle_nb_quantile,
    hurdle_nb_sf,
)
from jaxnb.cdf.interval import (
    hurdle_nb_log_interval,
    mixture_nb_log_interval,
    nb_log_interval,
    poisson_log_interval,
    zero_truncated_nb_log_interval,
    zinb_log_interval,
    zip_log_interval,
)
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
from jaxnb.cdf.zero_inflated_poisson import (
    zip_cdf,
    zip_log_cdf,
    zip_log_sf,
    zip_quantile,
    zip_sf,
)
from jaxnb.cdf.zero_truncated import (
    zero_truncated_nb_cdf,
    zero_truncated_nb_log_cdf,
    zero_truncated_nb_log_sf,
    zero_truncated_nb_quantile,
    zero_truncated_nb_sf,
)

__all__ = [
    "hurdle_nb_cdf",
    "hurdle_nb_entropy",
    "hurdle_nb_log_cdf",
    "hurdle_nb_log_interval",
    "hurdle_nb_log_sf",
    "hurdle_nb_quantile",
    "hurdle_nb_sf",
    "mixture_nb_cdf",
    "mixture_nb_entropy",
    "mixture_nb_log_cdf",
    "mixture_nb_log_interval",
    "mixture_nb_log_sf",
    "mixture_nb_quantile",
    "mixture_nb_sf",
    "nb_cdf",
    "nb_entropy",
    "nb_kl_divergence",
    "nb_log_cdf",
    "nb_log_interval",
    "nb_log_sf",
    "nb_quantile",
    "nb_sf",
    "poisson_cdf",
    "poisson_log_cdf",
    "poisson_log_interval",
    "poisson_log_sf",
    "poisson_quantile",
    "poisson_sf",
    "zero_truncated_nb_cdf",
    "zero_truncated_nb_entropy",
    "zero_truncated_nb_log_cdf",
    "zero_truncated_nb_log_interval",
    "zero_truncated_nb_log_sf",
    "zero_truncated_nb_quantile",
    "zero_truncated_nb_sf",
    "zinb_cdf",
    "zinb_entropy",
    "zinb_log_cdf",
    "zinb_log_interval",
    "zinb_log_sf",
    "zinb_quantile",
    "zinb_sf",
    "zip_cdf",
    "zip_log_cdf",
    "zip_log_interval",
    "zip_log_sf",
    "zip_quantile",
    "zip_sf",
]


def __dir__() -> list[str]:
    return __all__
