"""Negative binomial count likelihoods in JAX, exact at every parameter value.

Submodules and names are imported when they are first used, so that the command line answers at once
and `jaxnb.glm` and `jaxnb.torch_bridge` cost nothing to those who have no pandas or no torch.
"""

import importlib
import importlib.util
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jaxnb import cdf, datasets, distributions, fit, io, plots, random, residuals
    from jaxnb import glm as glm
    from jaxnb import torch_bridge as torch_bridge
    from jaxnb.cdf import (
        hurdle_nb_cdf,
        hurdle_nb_log_cdf,
        hurdle_nb_log_interval,
        hurdle_nb_log_sf,
        hurdle_nb_quantile,
        hurdle_nb_sf,
        mixture_nb_cdf,
        mixture_nb_log_cdf,
        mixture_nb_log_interval,
        mixture_nb_log_sf,
        mixture_nb_quantile,
        mixture_nb_sf,
        nb_cdf,
        nb_log_cdf,
        nb_log_interval,
        nb_log_sf,
        nb_quantile,
        nb_sf,
        poisson_cdf,
        poisson_log_cdf,
        poisson_log_interval,
        poisson_log_sf,
        poisson_quantile,
        poisson_sf,
        zero_truncated_nb_cdf,
        zero_truncated_nb_log_cdf,
        zero_truncated_nb_log_interval,
        zero_truncated_nb_log_sf,
        zero_truncated_nb_quantile,
        zero_truncated_nb_sf,
        zinb_cdf,
        zinb_log_cdf,
        zinb_log_interval,
        zinb_log_sf,
        zinb_quantile,
        zinb_sf,
        zip_cdf,
        zip_log_cdf,
        zip_log_interval,
        zip_log_sf,
        zip_quantile,
        zip_sf,
    )
    from jaxnb.distributions import (
        HurdleNegativeBinomial,
        IntervalCensored,
        LeftCensored,
        NegativeBinomial,
        NegativeBinomialMixture,
        RightCensored,
        Truncated,
        ZeroInflatedNegativeBinomial,
        ZeroTruncatedNegativeBinomial,
    )
    from jaxnb.likelihoods import (
        hurdle_nb_log_prob,
        log_hurdle_nb,
        log_mixture_nb,
        log_nb_positive,
        log_zero_truncated_nb,
        log_zinb_positive,
        mixture_nb_log_prob,
        nb_log_prob,
        poisson_log_prob,
        zero_truncated_nb_log_prob,
        zinb_log_prob,
        zip_log_prob,
    )

__version__ = "0.1.0"

__all__ = [
    "HurdleNegativeBinomial",
    "IntervalCensored",
    "LeftCensored",
    "NegativeBinomial",
    "NegativeBinomialMixture",
    "RightCensored",
    "Truncated",
    "ZeroInflatedNegativeBinomial",
    "ZeroTruncatedNegativeBinomial",
    "cdf",
    "datasets",
    "distributions",
    "fit",
    "hurdle_nb_cdf",
    "hurdle_nb_log_cdf",
    "hurdle_nb_log_interval",
    "hurdle_nb_log_prob",
    "hurdle_nb_log_sf",
    "hurdle_nb_quantile",
    "hurdle_nb_sf",
    "io",
    "log_hurdle_nb",
    "log_mixture_nb",
    "log_nb_positive",
    "log_zero_truncated_nb",
    "log_zinb_positive",
    "mixture_nb_cdf",
    "mixture_nb_log_cdf",
    "mixture_nb_log_interval",
    "mixture_nb_log_prob",
    "mixture_nb_log_sf",
    "mixture_nb_quantile",
    "mixture_nb_sf",
    "nb_cdf",
    "nb_log_cdf",
    "nb_log_interval",
    "nb_log_prob",
    "nb_log_sf",
    "nb_quantile",
    "nb_sf",
    "plots",
    "poisson_cdf",
    "poisson_log_cdf",
    "poisson_log_interval",
    "poisson_log_prob",
    "poisson_log_sf",
    "poisson_quantile",
    "poisson_sf",
    "random",
    "residuals",
    "zero_truncated_nb_cdf",
    "zero_truncated_nb_log_cdf",
    "zero_truncated_nb_log_interval",
    "zero_truncated_nb_log_prob",
    "zero_truncated_nb_log_sf",
    "zero_truncated_nb_quantile",
    "zero_truncated_nb_sf",
    "zinb_cdf",
    "zinb_log_cdf",
    "zinb_log_interval",
    "zinb_log_prob",
    "zinb_log_sf",
    "zinb_quantile",
    "zinb_sf",
    "zip_cdf",
    "zip_log_cdf",
    "zip_log_interval",
    "zip_log_prob",
    "zip_log_sf",
    "zip_quantile",
    "zip_sf",
]

# Submodules that need more than jaxnb itself does: not among what `import *` imports.
_OPTIONAL = {"glm": ("formulaic", "pandas"), "torch_bridge": ("torch",)}
_SUBMODULES = {
    *_OPTIONAL,
    "cdf",
    "datasets",
    "distributions",
    "fit",
    "io",
    "plots",
    "random",
    "residuals",
}


def _home(name: str) -> str:
    """The submodule of a function or class."""
    if name[0].isupper():
        return "distributions"
    is_log_probability = name.startswith("log_") or name.endswith("_log_prob")
    return "likelihoods" if is_log_probability else "cdf"


if not TYPE_CHECKING:  # for type checkers, a name that is not above does not exist

    def __getattr__(name: str) -> object:
        if name in _SUBMODULES:
            return importlib.import_module(f"jaxnb.{name}")
        if name in __all__:
            return getattr(importlib.import_module(f"jaxnb.{_home(name)}"), name)
        raise AttributeError(f"module 'jaxnb' has no attribute {name!r}")


def _installed(package: str) -> bool:
    try:
        return importlib.util.find_spec(package) is not None
    except ImportError:
        return False


def __dir__() -> list[str]:
    usable = [name for name, packages in _OPTIONAL.items() if all(map(_installed, packages))]
    return sorted([*__all__, *usable, "__version__"])
