"""Negative binomial count likelihoods in JAX, accurate at every parameter value.

Submodules and names are imported when they are first used, so that the command line answers at once
and `jaxnb.glm` and `jaxnb.torch_bridge` cost nothing to those who have no pandas or no torch.
"""

import importlib
import importlib.util
from typing import TYPE_CHECKING

from jaxnb.declarations import DECLARATIONS, original_names, public_functions

if TYPE_CHECKING:
    from jaxnb import cdf, datasets, distributions, fit, io, plots, random, residuals
    from jaxnb import glm as glm
    from jaxnb import torch_bridge as torch_bridge
    from jaxnb.cdf.functions import *
    from jaxnb.distributions import IntervalCensored, LeftCensored, RightCensored, Truncated
    from jaxnb.distributions.classes import *
    from jaxnb.likelihoods.log_prob import *
    from jaxnb.likelihoods.original_names import *

__version__ = "0.2.0.dev0"

__all__ = [
    "IntervalCensored",
    "LeftCensored",
    "RightCensored",
    "Truncated",
    "cdf",
    "datasets",
    "distributions",
    "fit",
    "io",
    "plots",
    "random",
    "residuals",
]
__all__ += public_functions(
    ("log_prob", "log_cdf", "log_sf", "cdf", "sf", "quantile", "log_interval")
)
__all__ += original_names()
__all__ += [declared.class_name for declared in DECLARATIONS if not declared.limit_of]

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
