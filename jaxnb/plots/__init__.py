"""Plots of fits and tests, drawn on your axes or as complete figures."""

from jaxnb.plots.differential import (
    differential_figure,
    dispersion_figure,
    plot_dispersions,
    plot_mean_difference,
    plot_volcano,
)
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
    "differential_figure",
    "dispersion_figure",
    "fitted_distributions",
    "gene_figure",
    "plot_dispersions",
    "plot_histogram",
    "plot_mean_difference",
    "plot_mean_variance",
    "plot_quantile_residuals",
    "plot_rootogram",
    "plot_volcano",
    "plot_zero_excess",
]


def __dir__() -> list[str]:
    return __all__
