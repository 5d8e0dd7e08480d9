"""Pictures of fits, on axes of the caller's or as a figure of their own."""

from jaxnb.plots.gene import (
    fitted_distributions,
    gene_figure,
    plot_histogram,
    plot_quantile_residuals,
    plot_rootogram,
)
from jaxnb.plots.panels import comparison_figure, plot_mean_variance, plot_zero_excess

__all__ = [
    "comparison_figure",
    "fitted_distributions",
    "gene_figure",
    "plot_histogram",
    "plot_mean_variance",
    "plot_quantile_residuals",
    "plot_rootogram",
    "plot_zero_excess",
]


def __dir__() -> list[str]:
    return __all__
