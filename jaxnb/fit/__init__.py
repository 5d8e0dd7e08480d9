"""Maximum-likelihood fits of one distribution per column of a count matrix."""

from jaxnb.data.adjusted import q_values
from jaxnb.data.dask import statistics_of_dask
from jaxnb.data.files import read_statistics
from jaxnb.data.statistics import CountStatistics
from jaxnb.fit.comparison import (
    Comparison,
    LikelihoodRatio,
    bic,
    compare_fits,
    expected_variance,
    expected_zeros,
    likelihood_ratio_test,
)
from jaxnb.fit.negative_binomial import fit_nb, fit_poisson
from jaxnb.fit.processes import fit_in_processes, sum_over_processes
from jaxnb.fit.result import FitResult, FitStatus, StandardErrors
from jaxnb.fit.zero_inflated import fit_zinb

__all__ = [
    "Comparison",
    "CountStatistics",
    "FitResult",
    "FitStatus",
    "LikelihoodRatio",
    "StandardErrors",
    "bic",
    "compare_fits",
    "expected_variance",
    "expected_zeros",
    "fit_in_processes",
    "fit_nb",
    "fit_poisson",
    "fit_zinb",
    "likelihood_ratio_test",
    "q_values",
    "read_statistics",
    "statistics_of_dask",
    "sum_over_processes",
]


def __dir__() -> list[str]:
    return __all__
