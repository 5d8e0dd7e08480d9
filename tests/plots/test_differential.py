"""Pictures of a test of every gene: what is drawn is legible and not covered."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgb

from jaxnb.plots.differential import differential_figure, dispersion_figure

RNG = np.random.default_rng(7)
GENES = 60
TABLE = pd.DataFrame(
    {
        "mean": np.exp(RNG.normal(3, 1, GENES)),
        "log2_fold_change": np.append(RNG.normal(0, 1, GENES - 1), np.inf),
        "p_value": 10.0 ** -RNG.uniform(0, 9, GENES),
        "dispersion": np.exp(RNG.normal(-2, 0.3, GENES)),
    },
    [f"gene{i}" for i in range(GENES)],
)
TABLE["p_adjusted"] = np.minimum(10 * TABLE["p_value"], 1)
OWN = np.exp(RNG.normal(-2, 1, GENES))


def drawn(*, dark: bool):
    """All axes of both figures, laid out."""
    figures = [
        differential_figure(TABLE, "title", dark=dark),
        dispersion_figure(TABLE, np.ones_like, "title", own=OWN, dark=dark),
    ]
    for figure in figures:
        figure.draw_without_rendering()
    return [axes for figure in figures for axes in figure.axes]


def brightness(color) -> float:
    return float(np.dot(to_rgb(color), (0.3, 0.6, 0.1)))


@pytest.mark.quick
@pytest.mark.parametrize("dark", [False, True])
def test_words_stand_out_from_the_background(dark):
    for axes in drawn(dark=dark):
        behind = brightness(axes.get_facecolor())
        assert (behind < 0.5) == dark
        texts = [*axes.get_legend().get_texts(), axes.xaxis.label, axes.yaxis.label, *axes.texts]
        texts += [*axes.get_xticklabels(), *axes.get_yticklabels(), axes.figure._suptitle]
        for text in texts:
            assert abs(brightness(text.get_color()) - behind) > 0.5, text


@pytest.mark.quick
def test_the_legend_covers_nothing():
    for axes in drawn(dark=False):
        legend = axes.get_legend().get_window_extent()
        assert legend.y0 >= axes.get_window_extent().y1
        assert legend.y1 <= axes.figure._suptitle.get_window_extent().y0 + 1
        assert legend.x1 <= axes.figure.bbox.x1


def test_dispersions_of_the_genes_by_themselves_are_below_the_shrunken_ones():
    axes = drawn(dark=False)[-1]
    lines = {line.get_label(): line for line in axes.lines}
    assert list(lines) == ["one gene, not shrunken", "shrunken to the trend", "trend"]
    np.testing.assert_array_equal(lines["one gene, not shrunken"].get_ydata(), OWN)
    np.testing.assert_array_equal(lines["shrunken to the trend"].get_ydata(), TABLE["dispersion"])
