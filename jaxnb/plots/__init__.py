"""Pictures of fits, on axes of the caller's or as a figure of their own."""

from jaxnb.plots.panels import comparison_figure, plot_mean_variance, plot_zero_excess

__all__ = ["comparison_figure", "plot_mean_variance", "plot_zero_excess"]
