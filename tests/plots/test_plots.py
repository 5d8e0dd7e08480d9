"""The pictures show what they say, on any axes, for few and many genes, light and dark."""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.image import imread
from matplotlib.text import Text

from jaxnb._errors import InputError
from jaxnb.fit import FitResult, StandardErrors
from jaxnb.fit.comparison import Comparison, compare_fits
from jaxnb.plots import comparison_figure, plot_mean_variance, plot_zero_excess
from jaxnb.plots.differential import plot_volcano
from jaxnb.plots.style import label_points, palette_for

CELLS = 40


def compared(genes: int, names: tuple[str, ...] = ("Poisson", "NB", "ZINB")) -> Comparison:
    """Simulated counts with the true parameters as estimates; every tenth gene is inflated."""
    rng = np.random.default_rng(1)
    mean, theta = np.exp(rng.normal(0, 1.5, genes)), np.exp(rng.normal(0, 1, genes))
    inflated = np.arange(genes) % 10 == 0
    counts = rng.poisson(mean * rng.gamma(theta, 1 / theta, (CELLS, genes)))
    counts *= rng.random((CELLS, genes)) > 0.4 * inflated
    counts[:, -1] = 0
    unknown = StandardErrors(*np.full((3, genes), np.nan))

    def fit(mean, theta, zi_logits, log_likelihood) -> FitResult:
        entries = (np.resize(entry, genes) for entry in (mean, theta, zi_logits, log_likelihood))
        return FitResult(*entries, unknown, np.zeros(genes), np.zeros(genes, np.int8))

    fits = {
        "Poisson": fit(counts.mean(axis=0), np.inf, -np.inf, -50.0),
        "NB": fit(counts.mean(axis=0), theta, -np.inf, -20.0),
        "ZINB": fit(mean, theta, np.where(inflated, -0.4, -np.inf), np.where(inflated, 0.0, -20.0)),
    }
    chosen = {name: fits[name] for name in names}
    return compare_fits(counts, np.ones(CELLS), chosen, [f"G{at}" for at in range(genes)])


@pytest.fixture
def axes():
    figure = Figure(figsize=(6, 5))
    FigureCanvasAgg(figure)
    return figure.subplots()


def lines(axes) -> dict[str, np.ndarray]:
    return {line.get_label(): np.array(line.get_data()) for line in axes.get_lines()}


@pytest.mark.quick
def test_the_zero_panel(axes) -> None:
    comparison = compared(200)
    plot_zero_excess(comparison, axes)
    table = comparison.table
    seen = table["mean_observed"] > 0
    excess = 100 * (table["zeros_observed"] - comparison.zeros["NB"])
    significant = seen & (table["q_value"] < 0.05)
    drawn = lines(axes)
    np.testing.assert_allclose(
        drawn["one dot per gene: observed − expected by its NB"],
        [table["mean_observed"][seen & ~significant], excess[seen & ~significant]],
    )
    highlighted = f"the same for the {significant.sum()} zero-inflated genes (q < 0.05)"
    np.testing.assert_allclose(
        drawn[highlighted], [table["mean_observed"][significant], excess[significant]]
    )
    assert 15 < significant.sum() < 25
    labels = {text.get_text() for text in axes.texts}
    assert len(labels) == 12
    assert labels <= set(table["gene"][significant])
    low, high = axes.get_ylim()
    assert low < excess[seen].min()
    assert high > excess[seen].max()


def test_no_curve_goes_through_the_legend_of_the_zero_panel(axes) -> None:
    comparison = compared(50)
    comparison.zeros["Poisson"] *= comparison.table["mean_observed"] < 1
    plot_zero_excess(comparison, axes)
    (poisson,) = (y for label, (_, y) in lines(axes).items() if "Poisson" in label)
    assert poisson.size
    low, high = axes.get_ylim()
    assert poisson.max() < low + 0.82 * (high - low)


def test_the_mean_variance_panel(axes) -> None:
    comparison = compared(200)
    plot_mean_variance(comparison, axes)
    drawn = lines(axes)
    assert list(drawn) == [
        "observed, one dot per gene",
        "expected by the fitted Poisson",
        "expected by the fitted NB",
        "expected by the fitted ZINB",
    ]
    # Under a Poisson with size factors of 1 the variance is the mean.
    mean, variance = drawn["expected by the fitted Poisson"]
    np.testing.assert_allclose(variance, mean, rtol=1e-12)
    assert axes.get_legend().get_title().get_text() == "curves: median over nearby genes"
    assert axes.texts


@pytest.mark.parametrize("names", [("Poisson", "NB"), ("Poisson", "ZINB"), ("NB",)])
def test_with_fewer_fits(axes, names: tuple[str, ...]) -> None:
    comparison = compared(30, names)
    plot_zero_excess(comparison, axes)
    assert axes.get_title() == f"More zeros than the {names[-1]} expects?"
    assert not any("zero-inflated" in label for label in lines(axes))
    plot_mean_variance(comparison, axes)


@pytest.mark.parametrize(("genes", "dark"), [(2, True), (5_000, False)])
def test_few_and_many_genes(tmp_path: Path, genes: int, dark: bool) -> None:
    figure = comparison_figure(compared(genes), "title", dark=dark)
    figure.savefig(tmp_path / "p.png", dpi=50)
    pixels = imread(tmp_path / "p.png")[..., :3]
    assert pixels.shape[:2] == (270, 600)
    assert (np.median(pixels) < 0.5) == dark


def test_colors_have_contrast_to_their_background(axes) -> None:
    def luminance(color) -> float:
        linear = [((c + 0.055) / 1.055) ** 2.4 if c > 0.04 else c / 12.92 for c in to_rgb(color)]
        return float(np.dot([0.2126, 0.7152, 0.0722], linear))

    for background in ("white", "black", "#1b1e23"):
        axes.set_facecolor(background)
        palette = palette_for(axes)
        for name, color in palette._asdict().items():
            darker, brighter = sorted([luminance(color), luminance(background)])
            # 3 is what WCAG 2.1 asks of graphical objects; Poisson is meant to be faint.
            least = 2 if name == "poisson" else 3
            assert (brighter + 0.05) / (darker + 0.05) > least, (name, background)


def test_no_gene_is_zero_inflated(axes) -> None:
    found = compared(200)
    plain = found._replace(table=found.table | {"q_value": np.ones_like(found.table["q_value"])})
    plot_zero_excess(plain, axes)
    assert not any("zero-inflated" in label for label in lines(axes))
    excess = found.table["zeros_observed"] - found.zeros["NB"]
    highest = found.table["gene"][np.argsort(-excess)[:6]]
    labels = {text.get_text() for text in axes.texts}
    assert labels
    assert labels <= set(highest)


def test_a_name_is_nearest_to_its_own_point(axes) -> None:
    """Two points so near each other that a name to the right of one would lie at the other."""
    x, y = np.array([0.5, 0.515]), np.array([0.5, 0.5])
    axes.set(xlim=(0, 1), ylim=(0, 1))
    assert label_points(axes, x, y, ["LEFT", "RIGHT"], most=2) == ["LEFT", "RIGHT"]
    left, right = (text.get_window_extent() for text in axes.texts)
    assert left.x1 < right.x0


def test_labels_do_not_overlap(axes) -> None:
    rng = np.random.default_rng(0)
    x, y = rng.uniform(0.4, 0.6, (2, 60))
    axes.set(xlim=(0, 1), ylim=(0, 1))
    written = label_points(axes, x, y, [f"GENE{at}" for at in range(60)], most=25)
    assert 8 < len(written) <= 25
    assert written[0] == "GENE0"
    axes.figure.draw_without_rendering()
    # The extent of an annotation includes its line; that of the text alone is wanted.
    renderer = axes.figure.canvas.get_renderer()
    boxes = [Text.get_window_extent(text, renderer) for text in axes.texts]
    for at, box in enumerate(boxes):
        assert not any(box.overlaps(other) for other in boxes[:at])
        assert axes.get_window_extent().containsx(box.x1)


@pytest.mark.quick
def test_a_p_value_of_zero_is_drawn(axes) -> None:
    table = pd.DataFrame(
        {
            "mean": [3.0, 3.0], "log2_fold_change": [8.0, 0.1], "se": [0.1, 0.1],
            "p_value": [0.0, 0.7], "p_adjusted": [0.0, 0.7],
        },
        index=["A", "B"],
    )  # fmt: skip
    plot_volcano(table, axes)
    heights = np.concatenate([line.get_ydata() for line in axes.lines])
    assert heights.max() == 300


def test_without_matplotlib(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(InputError, match=r'pip install "jaxnb\[plot\]"'):
        comparison_figure(compared(2))
