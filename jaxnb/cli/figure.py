"""The picture: is the variance the law's, and are the zeros?"""

from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from jaxnb.cli.comparison import Comparison

__all__ = ["draw"]

Floats: TypeAlias = NDArray[np.float64]

# Okabe and Ito's colours, which people with any kind of colour vision tell apart; line and marker
# differ too.
_STYLES = {
    "Poisson": {"color": "#E69F00", "linestyle": ":", "marker": "v"},
    "NB": {"color": "#0072B2", "linestyle": "-", "marker": "o"},
    "ZINB": {"color": "#CC79A7", "linestyle": "--", "marker": "x"},
}
_TREND_WINDOWS = 20
_NAMED_GENES = 8
_HEIGHT_OF_A_NAME = 0.14  # in decades of the variance


def draw(comparison: Comparison, name: str, file: Path) -> None:
    """Draw variance against mean, and expected against observed zeros, into a PNG file."""
    # Optional, and slow to import. The Agg canvas needs no display.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11.5, 5.4), layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2)
    _draw_variance(left, comparison)
    _draw_zeros(right, comparison)
    genes = len(comparison.table["gene"])
    figure.suptitle(f"{name}: {genes} genes in {comparison.cells} cells", fontsize=13)
    figure.savefig(file, dpi=150, format="png")


def _draw_variance(axes: Any, comparison: Comparison) -> None:
    table = comparison.table
    seen = (table["mean_observed"] > 0) & (table["variance_observed"] > 0)
    mean, variance = table["mean_observed"][seen], table["variance_observed"][seen]
    axes.plot(
        mean, variance, "o", ms=4, mfc="0.65", mec="none", alpha=0.8, label="a gene, as counted"
    )
    for law, expected in comparison.variances.items():
        style = {key: _STYLES[law][key] for key in ("color", "linestyle")}
        axes.plot(*_trend(mean, expected[seen]), lw=2.2, label=f"expected by {law}", **style)
    _name_the_most_variable(axes, table["gene"][seen], mean, variance)
    axes.set(xscale="log", yscale="log")
    axes.set_xlabel("mean count per cell")
    axes.set_ylabel("variance of the count")
    axes.set_title("How much do counts vary?")
    axes.legend(frameon=False, loc="upper left")


def _trend(mean: Floats, variance: Floats) -> tuple[Floats, Floats]:
    """Median of variance / mean over a moving window of genes, in the order of their means."""
    order = np.argsort(mean)
    mean, ratio = mean[order], (variance / mean)[order]
    reach = max(mean.size // _TREND_WINDOWS // 2, 1)
    windows = [slice(max(at - reach, 0), at + reach + 1) for at in range(mean.size)]
    return mean, mean * np.array([np.median(ratio[window]) for window in windows])


def _name_the_most_variable(axes: Any, genes: NDArray[np.str_], mean: Floats, var: Floats) -> None:
    named: list[int] = []
    for gene in np.argsort(-var / mean):
        # Names are written side by side with the dots: one for every height.
        if all(abs(np.log10(var[gene] / var[other])) > _HEIGHT_OF_A_NAME for other in named):
            named.append(gene)
            axes.annotate(
                genes[gene],
                (mean[gene], var[gene]),
                (-5, 0),
                textcoords="offset points",
                ha="right",
                va="center",
                fontsize=8,
                color="0.25",
            )
        if len(named) == _NAMED_GENES:
            return


def _draw_zeros(axes: Any, comparison: Comparison) -> None:
    observed = 100 * comparison.table["zeros_observed"]
    axes.plot([0, 100], [0, 100], color="0.3", lw=1, zorder=0, label="as counted")
    for law, zeros in comparison.zeros.items():
        style = {key: _STYLES[law][key] for key in ("color", "marker")}
        filled = {} if law == "ZINB" else {"mfc": "none"}
        axes.plot(
            observed,
            100 * zeros,
            ls="none",
            ms=5,
            mew=1,
            alpha=0.7,
            label=f"expected by {law}",
            **style,
            **filled,
        )
    axes.set_xlabel("zeros counted, % of cells")
    axes.set_ylabel("zeros expected, % of cells")
    axes.set_title("How many zeros does each law expect?")
    axes.legend(frameon=False, loc="upper left", markerscale=1.4)
