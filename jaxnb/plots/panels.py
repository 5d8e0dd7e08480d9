"""Two questions to a comparison of fits: is the variance right, and is the number of zeros?"""

from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from jaxnb._errors import optional_module
from jaxnb.fit.comparison import Comparison
from jaxnb.plots.style import dots, label_points, legend, palette_for

__all__ = ["comparison_figure", "plot_mean_variance", "plot_zero_excess"]

Floats: TypeAlias = NDArray[np.float64]

_TREND_WINDOWS = 12
_NARROWEST = 5  # genes to either side
_POINTS_OF_A_TREND = 400
_SIGNIFICANT = 0.05
_LABELED_VARIANCES = 6


def comparison_figure(comparison: Comparison, title: str = "", *, dark: bool = False) -> Any:
    """A figure with `plot_mean_variance` and `plot_zero_excess`, for ``figure.savefig``.

    Args:
        comparison: from `jaxnb.fit.comparison.compare_fits`.
        title: above both panels.
        dark: light on a dark background.

    Raises:
        InputError: matplotlib is not installed.
    """
    matplotlib = optional_module("matplotlib", "a figure")
    style, figures = (
        optional_module(f"matplotlib.{name}", "a figure") for name in ("style", "figure")
    )
    with matplotlib.rc_context(), style.context("dark_background" if dark else "default"):
        figure = figures.Figure(figsize=(12, 5.4), layout="constrained")
        figure.suptitle(title, fontsize=13)
        left, right = figure.subplots(1, 2)
        plot_mean_variance(comparison, left)
        plot_zero_excess(comparison, right)
    return figure


def plot_mean_variance(comparison: Comparison, axes: Any) -> None:
    """Variance of the counts against their mean, one dot per gene, with what the fits expect.

    The curves are running medians over neighboring genes, because every gene has a theta of its
    own: they lie within the dots where the fitted distributions have the variance of the counts.

    Args:
        comparison: from `jaxnb.fit.comparison.compare_fits`.
        axes: `matplotlib.axes.Axes` to draw on, light or dark.
    """
    table, palette = comparison.table, palette_for(axes)
    seen = (table["mean_observed"] > 0) & (table["variance_observed"] > 0)
    mean, variance = table["mean_observed"][seen], table["variance_observed"][seen]
    axes.plot(
        mean, variance, color=palette.dot, label="observed, one dot per gene", **dots(mean.size)
    )
    lines = {
        "Poisson": {"color": palette.poisson, "lw": 2.0, "ls": ":"},
        "NB": {"color": palette.nb, "lw": 3.2, "ls": "-", "alpha": 0.75},
        "ZINB": {"color": palette.zinb, "lw": 1.6, "ls": "--"},
    }
    for name, expected in comparison.variances.items():
        axes.plot(
            *_trend(mean, expected[seen]), label=f"expected by the fitted {name}", **lines[name]
        )
    axes.set(xscale="log", yscale="log")
    axes.set_xlabel("mean count per cell")
    axes.set_ylabel("variance of the counts")
    axes.set_title("How much do counts vary?")
    axes.spines[["top", "right"]].set_visible(False)
    legend(axes, loc="upper left", title="curves: median over nearby genes", title_fontsize=8)
    order = np.argsort(-variance / mean)[: 5 * _LABELED_VARIANCES]
    label_points(
        axes,
        mean[order],
        variance[order],
        table["gene"][seen][order],
        most=_LABELED_VARIANCES,
        around=(mean[order], variance[order]),
    )


def plot_zero_excess(comparison: Comparison, axes: Any, *, labels: int = 12) -> None:
    """Observed minus expected zeros under the NB against the mean, one dot per gene.

    Genes whose zero inflation is significant (q < 0.05) are colored, and those with the most
    evidence labeled; without any, the genes that are farthest above. A dotted gray curve shows
    the same for the Poisson distribution, until it is above the dots. Without an NB fit, the ZINB
    takes its place.

    Args:
        comparison: from `jaxnb.fit.comparison.compare_fits`.
        axes: `matplotlib.axes.Axes` to draw on, light or dark.
        labels: number of genes to label.
    """
    table, palette = comparison.table, palette_for(axes)
    model = "NB" if "NB" in comparison.fits else list(comparison.fits)[-1]
    seen = table["mean_observed"] > 0
    mean, counted = table["mean_observed"][seen], table["zeros_observed"][seen]
    excess = 100 * (counted - comparison.zeros[model][seen])
    q_value = table["q_value"][seen] if "q_value" in table else np.ones(mean.size)
    inflated = q_value < _SIGNIFICANT
    axes.set_xscale("log")
    axes.axhline(0, color=palette.text, lw=0.8)
    axes.plot(
        mean[~inflated],
        excess[~inflated],
        color=palette.nb,
        label=f"one dot per gene: observed − expected by its {model}",
        **dots(mean.size),
    )
    if inflated.any():
        number = int(np.sum(inflated))
        genes = "1 zero-inflated gene" if number == 1 else f"{number} zero-inflated genes"
        axes.plot(
            mean[inflated],
            excess[inflated],
            color=palette.highlight,
            label=f"the same for the {genes} (q < {_SIGNIFICANT:g})",
            **dots(int(np.sum(inflated))) | {"alpha": 0.85},
        )
    limits = _limits(excess)
    if "Poisson" in comparison.zeros and model != "Poisson":
        at, median = _running_median(mean, 100 * (counted - comparison.zeros["Poisson"][seen]))
        below = np.logical_and.accumulate(median < limits.below_legend)
        axes.plot(
            at[below],
            median[below],
            color=palette.poisson,
            lw=2,
            ls=":",
            label="the same against Poisson, median over nearby genes",
        )
    axes.set_ylim(limits.low, limits.high)
    axes.set_xlabel("mean count per cell")
    axes.set_ylabel("zeros observed − expected, % of cells")
    axes.set_title(f"More zeros than the {model} expects?")
    axes.spines[["top", "right"]].set_visible(False)
    legend(axes, loc="upper left")
    evidence = table["lr_statistic"][seen] if inflated.any() else excess
    order = np.argsort(-evidence, kind="stable")[: 4 * labels]
    order = order[inflated[order]] if inflated.any() else order[: labels // 2]
    label_points(
        axes,
        mean[order],
        excess[order],
        table["gene"][seen][order],
        most=labels,
        around=(mean[inflated], excess[inflated]),
    )


class _Limits(NamedTuple):
    low: float
    below_legend: float
    high: float


def _limits(excess: Floats) -> _Limits:
    """All dots, with room for the legend above them."""
    low, high = float(min(excess.min(), -1)), float(max(excess.max(), 1))
    height = high - low
    return _Limits(low - 0.08 * height, high + 0.05 * height, high + 0.35 * height)


def _trend(mean: Floats, variance: Floats) -> tuple[Floats, Floats]:
    at, ratio = _running_median(mean, variance / mean)
    return at, at * ratio


def _running_median(x: Floats, y: Floats) -> tuple[Floats, Floats]:
    """Median of y over a moving window of genes, in the order of x."""
    order = np.argsort(x)
    x, y = x[order], y[order]
    reach = max(x.size // _TREND_WINDOWS // 2, 1)
    centers = np.unique(np.linspace(0, x.size - 1, min(x.size, _POINTS_OF_A_TREND)).astype(int))
    # Narrower towards the ends: a window to one side only would bend the curve.
    reaches = np.clip(np.minimum(centers, x.size - 1 - centers), min(reach, _NARROWEST), reach)
    medians = [
        np.median(y[max(at - by, 0) : at + by + 1])
        for at, by in zip(centers.tolist(), reaches.tolist(), strict=True)
    ]
    return x[centers], np.array(medians)
