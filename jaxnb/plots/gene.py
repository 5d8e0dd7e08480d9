"""One gene: its counts beside what fitted distributions expect of them."""

from collections.abc import Mapping
from typing import Any, NamedTuple, TypeAlias

import jax
import numpy as np
import scipy.stats
from numpy.typing import ArrayLike, NDArray

from jaxnb._errors import optional_module
from jaxnb.distributions import NegativeBinomial, ZeroInflatedNegativeBinomial
from jaxnb.distributions.base import CountDistribution
from jaxnb.fit import FitResult
from jaxnb.plots.style import Palette, legend, palette_for

__all__ = [
    "fitted_distributions",
    "gene_figure",
    "plot_histogram",
    "plot_quantile_residuals",
    "plot_rootogram",
]

Floats: TypeAlias = NDArray[np.float64]
Distributions: TypeAlias = Mapping[str, CountDistribution]

_MOST_BARS = 50
_MOST_POINTS = 2000  # of a curve; more are not told apart


def fitted_distributions(
    fits: Mapping[str, FitResult], size_factors: ArrayLike, column: int = 0
) -> dict[str, CountDistribution]:
    """The distributions that were fitted to one column, with a mean for every row.

    Args:
        fits: results of `fit_poisson`, `fit_nb` and `fit_zinb`, by name.
        size_factors: those of the fits, shape ``(rows,)``.
        column: which column of the counts.
    """
    factors = np.asarray(size_factors, np.float64)
    distributions: dict[str, CountDistribution] = {}
    with jax.enable_x64(True):
        for name, fit in fits.items():
            mu, theta = fit.mean[column] * factors, float(fit.theta[column])
            if name == "ZINB":
                zi_logits = float(fit.zi_logits[column])
                distributions[name] = ZeroInflatedNegativeBinomial(
                    mu=mu, theta=theta, zi_logits=zi_logits
                )
            else:
                distributions[name] = NegativeBinomial(mu=mu, theta=theta)
    return distributions


def gene_figure(
    counts: ArrayLike, distributions: Distributions, title: str = "", *, dark: bool = False
) -> Any:
    """A figure of one gene: histogram, quantile residuals, and a rootogram for each distribution.

    Args:
        counts: the counts of one gene, shape ``(cells,)``.
        distributions: by name; their parameters are one for all cells or one for each.
        title: above the panels.
        dark: light on a dark background.

    Raises:
        InputError: matplotlib is not installed.
    """
    matplotlib = optional_module("matplotlib", "a figure")
    style, figures = (
        optional_module(f"matplotlib.{name}", "a figure") for name in ("style", "figure")
    )
    with matplotlib.rc_context(), style.context("dark_background" if dark else "default"):
        figure = figures.Figure(figsize=(12, 8.4), layout="constrained")
        figure.suptitle(title, fontsize=13)
        above, below = figure.subfigures(2, 1, height_ratios=[1.15, 1])
        left, right = above.subplots(1, 2)
        plot_histogram(counts, distributions, left)
        plot_quantile_residuals(counts, distributions, right)
        rootograms = below.subplots(1, len(distributions), sharey=True, squeeze=False)[0]
        for axes, (name, distribution) in zip(rootograms, distributions.items(), strict=True):
            plot_rootogram(counts, distribution, axes, name=name)
            if axes is not rootograms[0]:
                axes.set_ylabel("")
    return figure


def plot_histogram(counts: ArrayLike, distributions: Distributions, axes: Any) -> None:
    """How many cells have each count, and how many each distribution expects to.

    Large counts are taken together in bins of equal width. The scale is that of the square root, on
    which chance moves all bars by about as much, and a few cells with large counts are seen.

    Args:
        counts: the counts of one gene, shape ``(cells,)``.
        distributions: by name; their parameters are one for all cells or one for each.
        axes: `matplotlib.axes.Axes` to draw on, light or dark.
    """
    binned, palette = _binned(np.asarray(counts), distributions), palette_for(axes)
    middle = (binned.edges[:-1] + binned.edges[1:] - 1) / 2
    axes.bar(
        middle, binned.counted, 0.86 * binned.width, color=palette.dot, alpha=0.55, label="observed"
    )
    for name, expected in binned.expected.items():
        axes.plot(middle, expected, label=f"expected by {name}", **_line(name, palette))
    top = max(binned.counted.max(), *map(np.max, binned.expected.values()))
    axes.set_yscale("function", functions=(_root, np.square))
    axes.set_ylim(0, 1.1 * top)
    ticks = np.array([t * 10.0**k for k in range(9) for t in (1, 3)])
    axes.set_yticks([0, *ticks[(ticks <= top) & (ticks >= top / 1000)]])
    axes.set_yticklabels([f"{tick:,.0f}" for tick in axes.get_yticks()])
    axes.locator_params(axis="x", integer=True)
    _finish(axes, "How many cells have each count?", binned.count_label, "cells")
    legend(axes, loc="upper right")


def plot_rootogram(
    counts: ArrayLike, distribution: CountDistribution, axes: Any, *, name: str = ""
) -> None:
    """A hanging rootogram (Kleiber and Zeileis 2016, The American Statistician 70).

    The curve is the square root of the number of cells that the distribution expects to have each
    count, and a bar as long as the square root of the number counted hangs from it: where it ends
    above 0 there are fewer cells than expected, below 0 more. By the root, chance moves the end of
    a bar by about 1/2 wherever it is.

    Args:
        counts: the counts of one gene, shape ``(cells,)``.
        distribution: its parameters are one for all cells or one for each.
        axes: `matplotlib.axes.Axes` to draw on, light or dark.
        name: of the distribution.
    """
    binned, palette = _binned(np.asarray(counts), {name: distribution}), palette_for(axes)
    middle = (binned.edges[:-1] + binned.edges[1:] - 1) / 2
    expected, counted = np.sqrt(binned.expected[name]), np.sqrt(binned.counted)
    axes.bar(
        middle,
        -counted,
        0.86 * binned.width,
        bottom=expected,
        color=palette.dot,
        alpha=0.55,
    )
    axes.plot(middle, expected, marker="o", ms=2.5, **_line(name, palette))
    axes.use_sticky_edges = False  # room above the first bar
    axes.axhline(0, color=palette.text, lw=0.9)
    axes.axhspan(-1, 1, color=palette.text, alpha=0.1, lw=0)
    axes.locator_params(axis="x", integer=True)
    _finish(axes, f"Hanging rootogram: {name}", binned.count_label, "√cells, hanging from expected")


def plot_quantile_residuals(
    counts: ArrayLike, distributions: Distributions, axes: Any, *, seed: int = 0
) -> None:
    """Randomized quantile residuals against normal quantiles: a straight line if the fit is right.

    The gray band holds each point with a probability of 95% under the true distribution.
    Residuals beyond the axes are drawn at their edge, and counted in the legend.

    Args:
        counts: the counts of one gene, shape ``(cells,)``.
        distributions: by name; their parameters are one for all cells or one for each.
        axes: `matplotlib.axes.Axes` to draw on, light or dark.
        seed: of the random part of the residuals.
    """
    x, palette = np.asarray(counts), palette_for(axes)
    rank = np.arange(1, x.size + 1)
    shown = np.unique(np.linspace(0, x.size - 1, min(x.size, _MOST_POINTS)).astype(int))
    normal = scipy.stats.norm.ppf((rank - 0.5) / x.size)[shown]
    limit = 1.6 * max(normal[-1], 1.0)
    band = [
        scipy.stats.norm.ppf(scipy.stats.beta.ppf(q, rank, x.size + 1 - rank))[shown]
        for q in (0.025, 0.975)
    ]
    axes.fill_between(normal, *band, color=palette.text, alpha=0.15, lw=0)
    axes.plot([-limit, limit], [-limit, limit], color=palette.text, lw=0.9)
    key = jax.random.key(seed)
    for name, distribution in distributions.items():
        with jax.enable_x64(True):
            residuals = np.sort(distribution.quantile_residuals(key, x.astype(float)))
        beyond = int(np.sum(np.abs(residuals) > limit))
        label = f"{name} ({beyond} beyond the axes)" if beyond else name
        style = _line(name, palette) | {"ls": "none", "marker": "o", "mew": 0}
        style["ms"] = 5.0 if name == "NB" else 2.8  # ZINB's often lie on NB's
        axes.plot(normal, np.clip(residuals[shown], -limit, limit), label=label, **style)
    axes.set(xlim=(-1.05 * limit / 1.6, 1.05 * limit / 1.6), ylim=(-limit, limit))
    _finish(
        axes, "Are the residuals normal?", "normal quantile", "randomized quantile residual, sorted"
    )
    legend(axes, loc="upper left")


class _Binned(NamedTuple):
    """Numbers of cells by count: bin k holds the counts from edges[k] to edges[k + 1] - 1."""

    edges: NDArray[np.int64]
    counted: Floats
    expected: dict[str, Floats]

    @property
    def width(self) -> int:
        return int(self.edges[1] - self.edges[0])

    @property
    def count_label(self) -> str:
        return "count" if self.width == 1 else f"count, in bins of {self.width}"


def _binned(x: NDArray[Any], distributions: Distributions) -> _Binned:
    # a little beyond the largest count, where none should be expected
    largest = int(1.15 * x.max(initial=0)) + 1
    width = -(-(largest + 1) // _MOST_BARS)
    edges = np.arange(0, largest + width + 1, width)
    counted = np.histogram(x, edges)[0].astype(float)
    expected = {name: _expected(d, edges, x.size) for name, d in distributions.items()}
    return _Binned(edges, counted, expected)


def _expected(distribution: CountDistribution, edges: NDArray[np.int64], cells: int) -> Floats:
    with jax.enable_x64(True):
        # One edge after the other: the memory is that of the cells. As an array, since residuals of
        # the cells then use the same program.
        below = [
            float(distribution.cdf(np.full(cells, edge - 1.0)).sum()) if edge else 0.0
            for edge in edges
        ]
    return np.diff(below)


def _root(cells: Floats) -> Floats:
    return np.sqrt(np.maximum(cells, 0))


def _line(name: str, palette: Palette) -> dict[str, Any]:
    """The same colors and dashes as in the comparison of all genes."""
    styles = {
        "Poisson": {"color": palette.poisson, "lw": 2.0, "ls": ":"},
        "NB": {"color": palette.nb, "lw": 2.6, "ls": "-", "alpha": 0.8},
        "ZINB": {"color": palette.zinb, "lw": 1.6, "ls": "--"},
    }
    return styles.get(name, {"color": palette.highlight, "lw": 1.8})


def _finish(axes: Any, title: str, x: str, y: str) -> None:
    axes.set_title(title)
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.spines[["top", "right"]].set_visible(False)
