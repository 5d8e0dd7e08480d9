"""Numbers in README, pages and docstrings are those of docs/measured, of a test or of its data."""

import json
import pathlib
import re
import tomllib

import numpy as np
import numpyro.distributions as dist
import pytest
import reference_values

import jaxnb
from jaxnb.cli.main import _COMMANDS
from jaxnb.declarations import DECLARATIONS

ROOT = pathlib.Path(__file__).parents[1]


def text_of(page: str) -> str:
    """Its text on one line, without what joins the pieces of a string in Python."""
    text = " ".join((ROOT / page).read_text().split())
    return text.replace('" "', "") if page.endswith(".py") else text


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
    assert f"from {min(ratios)} times (values, scVI's formula in `jnp`)" in text
    assert f"to {max(ratios)} times (Hessian times vector, NumPyro) as long as jaxnb" in text
    assert rows_of("speed.md", "nb", "values", "128x200")[0][6] == str(min(ratios))
    assert rows_of("speed.md", "nb", "Hessian x vector", "512x2000")[0][5] == str(max(ratios))


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


@pytest.mark.quick
def test_the_bridge_beside_jax_is_as_the_tables_say():
    text, (row,) = text_of("docs/benchmarks.md"), rows_of("bridge.md", "nb", "512x2000")
    bridge, compiled = 1e6 * float(row[3]) / (512 * 2000), rows_of("speed.md", "nb")
    (jax,) = (float(r[3]) for r in compiled if r[1:3] == ["sum + gradient", "512x2000"])
    assert f"the bridge takes {bridge:.1f} ns per count, jaxnb inside" in text
    assert f"JAX function {jax:.1f} ns" in text
    assert f"a ratio of {row[4]} for" in text
    assert f"takes {row[4]} of the time of scVI's code" in text_of("README.md")


@pytest.mark.quick
def test_the_shares_of_cells_as_replicates_are_those_of_their_table():
    lines = (ROOT / "docs" / "donors.md").read_text().splitlines()
    rows = [line.split("|") for line in lines if " against " in line and line.count("/") > 9]
    shares = [int(row[6].split("/")[0]) for row in rows]
    assert f"{min(shares)} to {max(shares)}% of its p-values below 0.05" in text_of(
        "docs/donors.md"
    )


ACCURACY, TAILS = "tests/likelihoods/test_accuracy.py", "tests/cdf/test_accuracy.py"
INTERVALS, ENTROPY = "tests/cdf/test_interval.py", "tests/cdf/test_entropy.py"
TEXTS, NB_FIT = "jaxnb/_texts.py", "jaxnb/fit/negative_binomial.py"
FITS, REGRESSIONS = "tests/fit/test_values.py", "tests/glm/test_reference.py"
SPECIAL = "tests/special/test_special.py"
FUZZED = "tests/fuzz/intervals.py"
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
    (
        TEXTS,
        "times 4e-6 (1.5e-14 in float64)",
        FUZZED,
        'UNITS, OF_TRUNCATED = {"float32": 32.0, "float64": 64.0}, 160.0',
    ),
    ("docs/censored.md", "below 16 ulp", INTERVALS, "< 16 * eps * np.maximum(np.abs(log_p), 1)"),
    ("docs/censored.md", "In 2,000 random intervals", INTERVALS, "points = drawn(kind, 500)"),
    (
        "jaxnb/likelihoods/deviance.py",
        "below 4 ulp",
        "tests/likelihoods/test_deviance.py",
        "relative.max() < 4 * np.finfo(dtype).eps",
    ),
    (NB_FIT, "agree with R to 1e-8", FITS, "4.774657695988784, rtol=1e-8"),
    (NB_FIT, "genes within 1e-9 and", FITS, "rtol=0, atol=1e-9"),
    (NB_FIT, "within 1e-7 standard errors", FITS, "< 1e-7 * error[inside]"),
    (
        "jaxnb/fit/zero_inflated.py",
        "more than 1e-6 below the best",
        "tests/fit/test_against_scipy.py",
        "> best - 1e-6",
    ),
    (
        "jaxnb/fit/comparison.py",
        "within 1e-12 of those",
        "tests/fit/test_comparison.py",
        "rtol=1e-12, atol=1e-12",
    ),
    ("jaxnb/glm/fit.py", "log-likelihoods are within 1e-8", REGRESSIONS, "abs=1e-8"),
    ("jaxnb/glm/fit.py", "coefficients within 1e-9", REGRESSIONS, "rtol=0, atol=1e-9"),
    ("jaxnb/glm/fit.py", "within a relative 1e-8", REGRESSIONS, "rel=1e-8, abs=0"),
    ("jaxnb/special/log1p.py", "within 4 ulp for exact", SPECIAL, "error.max() < 4"),
    ("jaxnb/special/log1p.py", "(2.5 for 99 in 100)", SPECIAL, "(error, 99) < 2.5"),
    ("docs/first_fit.md", "4,096 cells at a time", "jaxnb/data/passes.py", "BLOCK = 4096"),
    ("docs/first_fit.md", "every 30 seconds", "jaxnb/data/passes.py", "SECONDS = 30.0"),
]


@pytest.mark.quick
@pytest.mark.parametrize(("page", "words", "test", "line"), BOUNDS)
def test_a_bound_that_is_quoted_is_that_of_the_test(page, words, test, line):
    assert words in text_of(page)
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
    text = text_of(page)
    assert f"up to {powers(x[x > 0])[1]}" in text
    assert f"means {means}" in text
    assert re.search(rf"theta(s|`) {thetas}", text)
    if page == "README.md":
        assert f"{len(whole)} reference points" in text


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


def pages() -> dict[str, str]:
    """README, the pages and the notebooks, each on one line."""
    files = [ROOT / "README.md", *(ROOT / "docs").glob("*.md"), *(ROOT / "docs/api").glob("*.md")]
    texts = {str(file.relative_to(ROOT)): " ".join(file.read_text().split()) for file in files}
    for file in (ROOT / "notebooks").glob("*.ipynb"):
        cells = json.loads(file.read_text())["cells"]
        words = [line for c in cells if c["cell_type"] == "markdown" for line in c["source"]]
        texts[file.name] = " ".join(" ".join(words).split())
    return texts


@pytest.mark.quick
def test_what_is_said_of_validation_holds():
    assert "the NumPyro classes follow NumPyro" in text_of("docs/torch.md")
    if dist.Distribution._validate_args:
        with pytest.raises(ValueError, match="theta"):
            jaxnb.NegativeBinomial(mu=2.0, theta=-1.0)
    else:
        assert not jaxnb.NegativeBinomial(mu=2.0, theta=-1.0)._validate_args


@pytest.mark.quick
def test_what_is_said_of_the_scale_holds():
    assert "`mu / sum(mu)`; the NumPyro classes raise an error" in text_of("docs/torch.md")
    with pytest.raises(ValueError, match="scale"):
        jaxnb.NegativeBinomial(mu=2.0, theta=1.0).get_normalized("scale")


@pytest.mark.quick
@pytest.mark.parametrize("page", ["README.md", "CHANGELOG.md"])
def test_all_distributions_are_named(page):
    kinds = {d.stem.removesuffix("nb").strip("_").replace("_", "-") for d in DECLARATIONS}
    assert {"mixture", "zero-truncated", "hurdle"} <= kinds
    for kind in {"zero-inflated", *kinds} - {"", "zi", "zip", "poisson"}:
        assert kind in text_of(page).lower()


@pytest.mark.quick
def test_no_page_counts_the_distributions():
    for page, text in {**pages(), "CHANGELOG.md": text_of("CHANGELOG.md")}.items():
        assert not re.search(r"\b(all|the) three distributions", text), page


@pytest.mark.quick
def test_every_page_has_a_title_and_none_leads_to_a_bare_table():
    for page, text in pages().items():
        assert re.search(r"(^|--- )(\(\w+\)= )?# \w", text), page
        assert not re.search(r"\]\([^)]*measured/", text), page


@pytest.mark.quick
def test_records_are_not_called_people():
    for page, text in pages().items():
        assert not re.search(r"20,190 (?!records)", text), page


@pytest.mark.quick
def test_other_numbers_of_the_command_are_explained():
    assert "`jaxnb fit` without a file does so, and therefore prints other" in text_of(
        "docs/first_fit.md"
    )


@pytest.mark.quick
def test_that_nothing_ran_on_a_device_is_said_wherever_devices_are():
    assert "has not been run on a GPU or a TPU" in text_of("docs/gpu.md")
    assert "No GPU or TPU has run it" in text_of("README.md")
    assert "Tested on CPU" in text_of("CHANGELOG.md")


@pytest.mark.quick
@pytest.mark.parametrize("page", ["README.md", "docs/first_fit.md"])
def test_the_line_that_installs_has_what_the_commands_need(page):
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    chosen = re.search(r'constraints.txt "\.\[([\w,]+)\]"', text_of(page))[1].split(",")
    needs = " ".join(n for name in chosen for n in extras["optional-dependencies"][name])
    assert all(name in needs for name in ("formulaic", "matplotlib", "anndata", "h5py", "pandas"))


@pytest.mark.quick
def test_the_help_of_every_command_is_on_its_page():
    text = (ROOT / "docs" / "api" / "command_line.md").read_text()
    for command in _COMMANDS:
        assert f'"{command.__name__.rpartition(".")[2]}", "--help"' in text


@pytest.mark.quick
@pytest.mark.parametrize("page", ["docs/numpyro.md", TEXTS])
def test_what_is_said_of_small_means_in_samplers(page):
    assert re.search(r"can reach (such )?means (below 1e-30 )?needs? `log_mu`", text_of(page))


@pytest.mark.quick
def test_only_one_page_says_how_long_compilation_takes():
    time = r"compile[^.|]{0,80}\b(\d+|one|two|three|four|five|ten)\b[^.|]{0,20}\bseconds"
    found = {page for page, text in pages().items() if re.search(time, text)}
    assert found == {"docs/install.md"}


@pytest.mark.quick
def test_the_changelog_begins_with_this_version():
    heading = re.search(r"^## (.*)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)[1]
    version, _, development = jaxnb.__version__.partition(".dev")
    assert heading.split(",")[0].split()[0] == version
    assert ("not released yet" in heading) == bool(development)


@pytest.mark.quick
def test_slow_mixing_in_the_poisson_limit_is_said():
    assert "chains mix slowly" in text_of("docs/numpyro.md")
    effective = [
        float(row[7])
        for row in rows_of("poisson_limit.md", "1/sqrt(theta) ~ HalfNormal(1)", "jaxnb, float32")
    ]
    assert effective
    assert max(effective) < 100
