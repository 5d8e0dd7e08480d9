"""Pictures of a test of every gene: volcano, fold change against mean, dispersion against mean."""

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from jaxnb._errors import optional_module
from jaxnb.plots.style import dots, label_points, legend, palette_for

__all__ = [
    "differential_figure",
    "dispersion_figure",
    "plot_dispersions",
    "plot_mean_difference",
    "plot_volcano",
]

Floats: TypeAlias = NDArray[np.float64]

_SIGNIFICANT = 0.05
_LABELED = 10
# Infinite fold changes are drawn at this share of the largest finite one.
_BEYOND = 1.15


def differential_figure(table: Any, title: str = "", *, dark: bool = False) -> Any:
    """A matplotlib figure with a volcano plot and fold changes against means.

    Args:
        table: from `jaxnb.glm.GLMFit.test`.
        title: above both panels.
        dark: light on a dark background.

    Raises:
        InputError: matplotlib is not installed.
    """
    panels = 2 if "log2_fold_change" in table else 1
    figure, axes = _figure(panels, title, dark)
    if panels == 1:
        _p_values(table, axes[0])
    else:
        plot_volcano(table, axes[0])
        plot_mean_difference(table, axes[1])
    return figure


def dispersion_figure(
    table: Any,
    trend: Callable[[Floats], Floats] | None = None,
    title: str = "",
    *,
    own: Floats | None = None,
    dark: bool = False,
) -> Any:
    """A matplotlib figure of the dispersions against the means.

    Args:
        table: from `jaxnb.glm.GLMFit.test`.
        trend: the dispersion expected at a mean, `jaxnb.glm.shrinkage.DispersionPrior.trend`.
        title: above it.
        own: the dispersion of every gene by itself, where those of the table are shrunken.
        dark: light on a dark background.
    """
    figure, axes = _figure(1, title, dark)
    plot_dispersions(table, trend, axes[0], own=own)
    return figure


def plot_volcano(table: Any, axes: Any) -> None:
    """-log10 of the p-value against the fold change, one dot per gene."""
    change, mark = _drawn_changes(table)
    height = -np.log10(np.maximum(table["p_value"].to_numpy(float), 1e-300))
    axes.set_xlabel("log2 fold change (triangles: infinite)")
    axes.set_ylabel("-log10 p-value")
    _genes(table, axes, change, height, mark)


def plot_mean_difference(table: Any, axes: Any) -> None:
    """Fold change against mean (an MA plot), one dot per gene."""
    change, mark = _drawn_changes(table)
    axes.set_xscale("log")
    axes.axhline(0, color=palette_for(axes).text, lw=0.8)
    axes.set_xlabel("mean count")
    axes.set_ylabel("log2 fold change (triangles: infinite)")
    _genes(table, axes, table["mean"].to_numpy(float), change, mark)


def plot_dispersions(
    table: Any,
    trend: Callable[[Floats], Floats] | None,
    axes: Any,
    *,
    own: Floats | None = None,
) -> None:
    """Dispersion against mean, one dot per gene; dispersions of 0 at the lower edge.

    With `own`, the unshrunken dispersions are drawn beneath: this shows how far each gene is
    pulled toward the trend.
    """
    mean, alpha = table["mean"].to_numpy(float), table["dispersion"].to_numpy(float)
    palette = palette_for(axes)
    positive = (mean > 0) & (alpha > 0)
    axes.set_xscale("log")
    axes.set_yscale("log")
    if own is not None:
        seen = (mean > 0) & (own > 0) & ~np.isnan(alpha)
        axes.plot(
            mean[seen],
            own[seen],
            color=palette.dot,
            label="one gene, not shrunken",
            **dots(seen.sum()),
        )
    axes.plot(
        mean[positive],
        alpha[positive],
        color=palette.dot if own is None else palette.nb,
        label="one gene" if own is None else "shrunken to the trend",
        **dots(positive.sum()),
    )
    poisson = (mean > 0) & (alpha == 0)
    if poisson.any() and positive.any():
        edge = np.full(poisson.sum(), alpha[positive].min() / 2)
        axes.plot(mean[poisson], edge, "v", ms=3, mew=0, color=palette.poisson, label="0 (Poisson)")
    if trend is not None and positive.any():
        line = np.geomspace(mean[mean > 0].min(), mean.max(), 200)
        axes.plot(line, trend(line), color=palette.highlight, label="trend")
    axes.set_xlabel("mean count")
    axes.set_ylabel("dispersion")
    legend(axes, loc="lower left", bbox_to_anchor=(0, 1), ncols=2, borderaxespad=0.2)


def _p_values(table: Any, axes: Any) -> None:
    axes.hist(table["p_value"].dropna(), bins=40, color=palette_for(axes).nb)
    axes.set_xlabel("p-value")
    axes.set_ylabel("genes")


def _drawn_changes(table: Any) -> tuple[Floats, NDArray[np.bool_]]:
    """Fold changes with the infinite ones beyond the others, and which those are."""
    change = table["log2_fold_change"].to_numpy(float)
    infinite = np.isinf(change)
    largest = np.abs(change[np.isfinite(change)]).max(initial=1.0)
    return np.where(infinite, np.sign(change) * _BEYOND * largest, change), infinite


def _genes(table: Any, axes: Any, x: Floats, y: Floats, infinite: NDArray[np.bool_]) -> None:
    palette = palette_for(axes)
    seen = np.isfinite(x) & np.isfinite(y) & (table["mean"].to_numpy(float) > 0)
    found = (table["p_adjusted"] < _SIGNIFICANT).to_numpy()
    style = dots(int(seen.sum()))
    for chosen, color, label in (
        (~found, palette.dot, "not significant"),
        (found, palette.highlight, f"false discovery rate below {_SIGNIFICANT:.0%}"),
    ):
        for kind, marker in ((~infinite, "o"), (infinite, "^")):
            mine = seen & chosen & kind
            name = label if marker == "o" else None
            axes.plot(x[mine], y[mine], color=color, label=name, **(style | {"marker": marker}))
    # Above the axes: inside, it would lie on dots and on the names of genes.
    legend(axes, loc="lower left", bbox_to_anchor=(0, 1), ncols=2, borderaxespad=0.2)
    order = np.argsort(table["p_value"].to_numpy(float), kind="stable")
    first = [position for position in order if seen[position] and found[position]][: 4 * _LABELED]
    names = [str(table.index[position]) for position in first]
    label_points(axes, x[first], y[first], names, most=_LABELED)


def _figure(panels: int, title: str, dark: bool) -> tuple[Any, Any]:
    matplotlib = optional_module("matplotlib", "a figure")
    style, figures = (
        optional_module(f"matplotlib.{name}", "a figure") for name in ("style", "figure")
    )
    with matplotlib.rc_context(), style.context("dark_background" if dark else "default"):
        figure = figures.Figure(figsize=(6 * panels, 5.4), layout="constrained")
        figure.suptitle(title, fontsize=13)
        axes = figure.subplots(1, panels, squeeze=False)[0]
        for panel in axes:
            # matplotlib makes ticks when it draws, in the style of that time.
            panel.tick_params(which="both", colors=palette_for(panel).text)
    return figure, axes
