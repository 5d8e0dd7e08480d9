"""The pictures of one gene: numbers of cells, rootograms, quantile residuals."""

import numpy as np
import pytest
import scipy.stats
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

import jaxnb
from jaxnb.fit import FitResult, StandardErrors
from jaxnb.plots import (
    fitted_distributions,
    gene_figure,
    plot_histogram,
    plot_quantile_residuals,
    plot_rootogram,
)

CELLS = 300
FACTORS = np.linspace(0.5, 1.5, CELLS)
COUNTS = np.random.default_rng(2).negative_binomial(2, 2 / (2 + 4 * FACTORS)).astype(float)


def fitted(**parameters: tuple[float, float, float]):
    """As if fits of one column had found this mean, theta and log-odds of an extra zero."""
    unknown = StandardErrors(*np.full((3, 1), np.nan))
    fits = {
        name: FitResult(*np.array([*found, 0.0])[:, None], unknown, np.zeros(1), np.zeros(1, int))
        for name, found in parameters.items()
    }
    return fitted_distributions(fits, FACTORS)


@pytest.fixture(scope="module")
def distributions():
    """The wrong one and the one that the counts are drawn from."""
    return fitted(Poisson=(4.0, np.inf, -np.inf), NB=(4.0, 2.0, -np.inf))


@pytest.fixture
def axes():
    figure = Figure(figsize=(6, 5))
    FigureCanvasAgg(figure)
    return figure.subplots()


def line(axes, beginning):
    (found,) = (found for found in axes.get_lines() if found.get_label().startswith(beginning))
    return np.array(found.get_data())


@pytest.mark.quick
def test_fits_become_distributions_with_a_mean_for_every_cell() -> None:
    found = fitted(NB=(4.0, 2.0, -np.inf), ZINB=(3.0, 5.0, -0.5))
    assert isinstance(found["NB"], jaxnb.NegativeBinomial)
    assert isinstance(found["ZINB"], jaxnb.ZeroInflatedNegativeBinomial)
    np.testing.assert_array_equal(found["NB"].mu, 4 * FACTORS)
    np.testing.assert_array_equal(found["ZINB"].mu, 3 * FACTORS)
    np.testing.assert_array_equal(found["NB"].theta, 2.0)
    np.testing.assert_array_equal(found["ZINB"].theta, 5.0)
    np.testing.assert_array_equal(found["ZINB"].zi_logits, -0.5)


def test_the_histogram_has_the_counted_and_the_expected_cells(axes, distributions) -> None:
    plot_histogram(COUNTS, distributions, axes)
    heights = [bar.get_height() for bar in axes.patches]
    np.testing.assert_array_equal(heights[: int(COUNTS.max()) + 1], np.bincount(COUNTS.astype(int)))
    x, expected = line(axes, "expected by NB")
    nb = distributions["NB"]
    mu, theta = np.asarray(nb.mu, float), float(np.ravel(nb.theta)[0])
    exact = scipy.stats.nbinom.pmf(x[:, None], theta, theta / (theta + mu)).sum(1)
    np.testing.assert_allclose(expected, exact, rtol=1e-9)


@pytest.mark.slow
def test_large_counts_are_binned(axes) -> None:
    counts = np.array([0.0, 0, 3, 999])
    plot_histogram(counts, {"NB": jaxnb.NegativeBinomial(mu=200.0, theta=0.5)}, axes)
    heights = [bar.get_height() for bar in axes.patches]
    assert len(heights) <= 50
    assert heights[0] == 3
    assert sum(heights) == 4
    assert "bins of 23" in axes.get_xlabel()
    cdf = scipy.stats.nbinom.cdf(22, 0.5, 0.5 / 200.5)
    np.testing.assert_allclose(line(axes, "expected by NB")[1][0], 4 * cdf, rtol=1e-5)


@pytest.mark.slow
def test_bars_hang_from_the_expected(axes, distributions) -> None:
    plot_rootogram(COUNTS, distributions["NB"], axes, name="NB")
    bars = axes.patches[: int(COUNTS.max()) + 1]
    counted = np.bincount(COUNTS.astype(int))
    curve = axes.get_lines()[0].get_ydata()[: len(bars)]
    for bar, cells, top in zip(bars, counted, curve, strict=True):
        np.testing.assert_allclose(bar.get_height(), -np.sqrt(cells))
        np.testing.assert_allclose(bar.get_y(), top)
    # as chance moves them
    assert np.mean(np.abs(curve - np.sqrt(counted))) < 0.7


def test_residuals_lie_in_the_band_under_the_right_distribution_alone(axes, distributions) -> None:
    plot_quantile_residuals(COUNTS, distributions, axes)
    normal, right = line(axes, "NB")
    assert np.max(np.abs(right - normal)[20:-20]) < 0.35
    assert np.max(np.abs(line(axes, "Poisson")[1] - normal)[20:-20]) > 0.7
    # what lies beyond the axes is said, and shown at their edge
    label = next(h for h in axes.get_legend_handles_labels()[1] if h.startswith("Poisson"))
    assert "beyond the axes" in label
    assert line(axes, "Poisson")[1].max() == axes.get_ylim()[1]
    # The band holds each point with a probability of 95 %: F of the order statistic is beta.
    vertices = axes.collections[0].get_paths()[0].vertices
    ends = vertices[np.isclose(vertices[:, 0], normal[99]), 1]  # of rank 100
    share = scipy.stats.norm.cdf([ends.min(), ends.max()])
    assert np.diff(scipy.stats.beta(100, CELLS - 99).cdf(share)) == pytest.approx(0.95)


ZINB = {"ZINB": (4.0, 2.0, -20.0)}


@pytest.mark.slow
@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("more", [{}, ZINB])
def test_the_figure_has_a_rootogram_for_each(distributions, dark, more, tmp_path) -> None:
    distributions = distributions | fitted(**more)
    figure = gene_figure(COUNTS, distributions, "CD3D", dark=dark)
    FigureCanvasAgg(figure)
    titles = [axes.get_title() for axes in figure.axes]
    assert titles[2:] == [f"Hanging rootogram: {name}" for name in distributions]
    figure.savefig(tmp_path / "gene.png")
    assert (tmp_path / "gene.png").stat().st_size > 10_000


def test_a_gene_without_counts(axes) -> None:
    distributions = fitted(NB=(0.0, np.inf, -np.inf))
    plot_histogram(np.zeros(CELLS), distributions, axes)
    assert axes.patches[0].get_height() == CELLS
    plot_quantile_residuals(np.zeros(CELLS), distributions, axes)
