"""Numbers in README, pages and docstrings are those of docs/measured, of a test or of its data."""

import pathlib
import re

import numpy as np
import pytest
import reference_values

ROOT = pathlib.Path(__file__).parents[1]


def text_of(page: str) -> str:
    return " ".join((ROOT / page).read_text().split())


def rows_of(page: str, *cells: str) -> list[list[str]]:
    """The rows of a page's tables that begin with these cells."""
    lines = (ROOT / "docs" / "measured" / page).read_text().splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if "|" in line]
    return [row for row in rows if tuple(row[: len(cells)]) == cells]


@pytest.mark.quick
def test_claims_of_the_readme_are_those_of_the_tables():
    text = text_of("README.md")
    (row,) = rows_of("speed.md", "nb", "sum + gradient", "512x2000")
    numpyro, _, scvi = row[5:8]
    said = f"takes {numpyro} times as long in NumPyro and {scvi} times as long in scVI's torch"
    assert said in text
    for library, where in [("scVI torch", "in scVI"), ("NumPyro", "in NumPyro"), ("jaxnb", "none")]:
        share = rows_of("accuracy.md", library, "poisson-limit")[0][-1].rstrip("%")
        said = "none" if share == "0" else f"{share}%"
        assert re.search(rf"{said}[^.]*{where}|at {said}", text)


@pytest.mark.quick
def test_ratios_in_the_readme_are_those_of_the_table():
    text = text_of("README.md")
    ratios = [
        float(cell)
        for name in ("nb", "zinb", "mixture")
        for row in rows_of("speed.md", name)
        for cell in row[5:]
        if cell != "-"
    ]
    assert f"take {min(ratios)} to {max(ratios)} times as long" in text


@pytest.mark.quick
@pytest.mark.parametrize("page", ["README.md", "docs/when.md"])
def test_claims_about_small_and_large_theta_are_those_of_the_figure(page):
    text = text_of(page)
    assert "correct to 1%" in text
    assert re.search(r"[Uu]p to (a `theta` of|about) 10\b", text)
    titles = rows_of("error_against_theta.md", "theta")[0]
    for library in ("NumPyro NegativeBinomial2", "scVI and STEP", "torch.distributions"):
        (row,) = rows_of("error_against_theta.md", library)
        errors = dict(zip(map(float, titles[1:]), map(float, row[1:]), strict=True))
        assert all(error < 0.01 for theta, error in errors.items() if theta <= 10)
        assert all(error >= 1 for theta, error in errors.items() if theta >= 1000)


@pytest.mark.quick
def test_the_short_table_of_times_is_part_of_the_long_one():
    for name in ("nb", "zinb", "mixture"):
        (row,) = rows_of("speed.md", name, "sum + gradient", "512x2000")
        assert rows_of("speed_short.md", name) == [[name, *row[5:9]]]


@pytest.mark.quick
@pytest.mark.parametrize("page", ["README.md", "docs/when.md"])
def test_the_bridge_takes_twice_as_long_on_one_element(page):
    assert re.search(r"On one element the torch bridge takes about twice as long", text_of(page))
    for name in ("nb", "zinb", "mixture"):
        (row,) = rows_of("bridge.md", name, "1x1")
        assert 1.5 < float(row[4]) < 2.5


ACCURACY, TAILS = "tests/likelihoods/test_accuracy.py", "tests/cdf/test_accuracy.py"
INTERVALS, ENTROPY = "tests/cdf/test_interval.py", "tests/cdf/test_entropy.py"
TEXTS = "jaxnb/_texts.py"
# Where a number is quoted, the words around it, the test that bounds it, and its line.
BOUNDS = [
    ("README.md", "(float64) | 3.3 |", ACCURACY, "worst(ulp) < 3.3"),
    ("README.md", "causes | 2.5 |", ACCURACY, "worst(e.backward) < 2.5"),
    (
        "README.md",
        "is not | none |",
        ACCURACY,
        "(e.wrong_sign | e.wrong_zero | e.not_finite).any()",
    ),
    ("docs/numerics.md", "below 3.3 ulp", ACCURACY, "worst(ulp) < 3.3"),
    (TEXTS, "at most 3.3, and 1.5 at", ACCURACY, "percentile_99(ulp) < 1.5"),
    (TEXTS, "within 2.5 units", ACCURACY, "worst(e.backward) < 2.5"),
    ("docs/checking.md", "below 4.5 ulp", TAILS, "error.max() < 4.5"),
    ("docs/checking.md", "below 2.2 ulp", TAILS, "np.quantile(error, 0.99) < 2.2"),
    (TEXTS, "at most 4.5, 2.2 at", TAILS, "error.max() < 4.5"),
    (TEXTS, "below 3e-6 (7e-14 in float64)", TAILS, "(25 if dtype == np.float32 else 300)"),
    (TEXTS, "below 1e-6 (2e-14) of its own", TAILS, "(8 if dtype == np.float32 else 80)"),
    (TEXTS, "2e-5 in float32 (1.1e-5 seen)", ENTROPY, "1e-9 if dtype == np.float64 else 2e-5"),
    (TEXTS, "and 1e-9 in float64", ENTROPY, "1e-9 if dtype == np.float64 else 2e-5"),
    ("docs/censored.md", "below 16 ulp", INTERVALS, "< 16 * eps * np.maximum(np.abs(log_p), 1)"),
    ("docs/censored.md", "In 2,000 random intervals", INTERVALS, "points = drawn(kind, 500)"),
    (
        "jaxnb/likelihoods/deviance.py",
        "below 4 ulp",
        "tests/likelihoods/test_deviance.py",
        "relative.max() < 4 * np.finfo(dtype).eps",
    ),
]


@pytest.mark.quick
@pytest.mark.parametrize(("page", "words", "test", "line"), BOUNDS)
def test_a_bound_that_is_quoted_is_that_of_the_test(page, words, test, line):
    quoted = re.sub(r"""['"] ['"]""", "", text_of(page))
    assert words in quoted
    assert line in (ROOT / test).read_text()


def powers(values: np.ndarray) -> tuple[str, str]:
    """The nearest powers of ten of the smallest and the largest."""
    low, high = (int(np.round(np.log10(end))) for end in (values.min(), values.max()))
    return f"1e{low}", f"1e{high}"


@pytest.mark.quick
@pytest.mark.parametrize("page", ["README.md", TEXTS])
def test_the_points_of_comparison_are_as_said(page):
    whole = np.flatnonzero(reference_values.REGION != "fractional")
    x, mu, theta = reference_values.arguments("nb", np.float64, whole)
    (means, thetas) = ("from {} to {}".format(*powers(values)) for values in (mu, theta))
    text = re.sub(r"""['"] ['"]""", "", text_of(page))
    assert f"up to {powers(x[x > 0])[1]}" in text
    assert f"means {means}" in text
    assert re.search(rf"theta(s|`) {thetas}", text)
    if page == "README.md":
        assert f"{len(whole)} points" in text


@pytest.mark.quick
def test_the_points_of_comparison_of_tails_are_as_said():
    stored = np.load(ROOT / "tests" / "reference" / "cdf_reference.npz")
    text = text_of("docs/checking.md")
    assert f"At {len(stored['x'])} points with thetas from 1e-6 to infinity" in text
    assert "counts up to 8e5" in text
    assert f"{stored['x'].max():.0e}" == "8e+05"
    assert "means from 1e-8 to 1e6" in text
    assert powers(stored["mu"]) == ("1e-8", "1e6")
    assert np.isinf(stored["theta"]).any()
    assert powers(stored["theta"][np.isfinite(stored["theta"])])[0] == "1e-6"
