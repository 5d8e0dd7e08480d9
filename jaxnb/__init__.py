"""Negative binomial count likelihoods in JAX, exact at every parameter value.

Submodules and names are imported when they are first used, so that the command line answers at once
and `jaxnb.torch_bridge` costs nothing to those who have no torch.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jaxnb import (
        cdf,
        datasets,
        distributions,
        fit,
        glm,
        io,
        plots,
        random,
        residuals,
        torch_bridge,
    )
    from jaxnb.cdf import nb_cdf, nb_log_cdf, nb_log_sf, nb_quantile, nb_sf
    from jaxnb.distributions import (
        HurdleNegativeBinomial,
        NegativeBinomial,
        NegativeBinomialMixture,
        ZeroInflatedNegativeBinomial,
        ZeroTruncatedNegativeBinomial,
    )
    from jaxnb.likelihoods import (
        log_hurdle_nb,
        log_mixture_nb,
        log_nb_positive,
        log_zero_truncated_nb,
        log_zinb_positive,
    )

__version__ = "0.1.0"

__all__ = [
    "HurdleNegativeBinomial",
    "NegativeBinomial",
    "NegativeBinomialMixture",
    "ZeroInflatedNegativeBinomial",
    "ZeroTruncatedNegativeBinomial",
    "cdf",
    "datasets",
    "distributions",
    "fit",
    "glm",
    "io",
    "log_hurdle_nb",
    "log_mixture_nb",
    "log_nb_positive",
    "log_zero_truncated_nb",
    "log_zinb_positive",
    "nb_cdf",
    "nb_log_cdf",
    "nb_log_sf",
    "nb_quantile",
    "nb_sf",
    "plots",
    "random",
    "residuals",
    "torch_bridge",
]

_HOMES = {
    **dict.fromkeys(("nb_cdf", "nb_log_cdf", "nb_log_sf", "nb_quantile", "nb_sf"), "cdf"),
    "HurdleNegativeBinomial": "distributions",
    "NegativeBinomial": "distributions",
    "NegativeBinomialMixture": "distributions",
    "ZeroInflatedNegativeBinomial": "distributions",
    "ZeroTruncatedNegativeBinomial": "distributions",
    "log_hurdle_nb": "likelihoods",
    "log_mixture_nb": "likelihoods",
    "log_nb_positive": "likelihoods",
    "log_zero_truncated_nb": "likelihoods",
    "log_zinb_positive": "likelihoods",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(f"jaxnb.{_HOMES[name]}"), name)
    if name in __all__:
        return importlib.import_module(f"jaxnb.{name}")
    raise AttributeError(f"module 'jaxnb' has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
