"""Maximum-likelihood fits of one law per column of a count matrix."""

from jaxnb.fit.negative_binomial import fit_nb, fit_poisson
from jaxnb.fit.result import FitResult, FitStatus, StandardErrors
from jaxnb.fit.statistics import CountStatistics
from jaxnb.fit.zero_inflated import fit_zinb

__all__ = [
    "CountStatistics",
    "FitResult",
    "FitStatus",
    "StandardErrors",
    "fit_nb",
    "fit_poisson",
    "fit_zinb",
]
