"""Every code block of the documentation is run, by the build or here."""

import doctest
import os
import pathlib
import re
import subprocess
import sys

import numpy as np
import pytest

import jaxnb
from jaxnb.declarations import DECLARATIONS, original_names

ROOT = pathlib.Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), *(ROOT / "docs/api").glob("*")]
BLOCK = re.compile(r"^( *)(`{3,})([^\n`]*)\n(.*?)^\1\2 *$", re.MULTILINE | re.DOTALL)

# What sets an environment up is run by the continuous integration, in an empty one.
SETS_UP = re.compile(r"python3 -m venv |\.venv/|\. \.venv/")
# A reader's own files.
STAND_INS = {"counts.csv.gz"}


def blocks(page: pathlib.Path, language: str) -> list[str]:
    return [m[4] for m in BLOCK.finditer(page.read_text()) if m[3].strip() == language]


@pytest.mark.quick
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_block_is_one_that_is_run(page):
    for block in BLOCK.finditer(page.read_text()):
        language = block[3].strip()
        assert language.startswith("{") or language in ("sh", "pycon", "bibtex"), block[0]
        if language.startswith("{code-cell}"):
            assert "file_format: mystnb" in page.read_text()
        if language.startswith(("{code-cell}", "pycon")):  # the site's column
            assert max(map(len, block[4].splitlines())) <= 88, block[0]


# The README's are run in test_package.py. The fits of first_fit.md take 15 s to compile.
@pytest.mark.parametrize(
    "page",
    [
        pytest.param(page, marks=pytest.mark.slow if page.name == "first_fit.md" else ())
        for page in PAGES[1:]
    ],
    ids=lambda page: page.name,
)
def test_sessions_are_doctests(page):
    if blocks(page, "pycon"):
        failures, examples = doctest.testfile(str(page), module_relative=False)
        assert examples
        assert failures == 0


# The command of first_fit.md is the README's, whose fits are run in tests/cli by default.
@pytest.mark.parametrize(
    "page",
    [
        pytest.param(page, marks=pytest.mark.slow if page.name == "first_fit.md" else ())
        for page in PAGES
    ],
    ids=lambda page: page.name,
)
def test_commands_run(page, tmp_path):
    lines = [line for block in blocks(page, "sh") for line in block.splitlines()]
    commands = [line for line in lines if line and not SETS_UP.match(line)]
    if commands:
        counts = jaxnb.datasets.pbmc68k().counts[:50, :20].toarray()
        for name in STAND_INS:
            np.savetxt(tmp_path / name, counts, fmt="%d", delimiter=",")
        path = os.pathsep.join([str(pathlib.Path(sys.executable).parent), os.environ["PATH"]])
        environment = os.environ | {"PATH": path, "PYTHONPATH": str(ROOT)}
        for command in commands:
            subprocess.run(command, shell=True, check=True, cwd=tmp_path, env=environment)


LINK = re.compile(r"(?<!\!)\[[^\]]*\]\((?!https?:|mailto:)([^)\s]+)\)")


def anchors(page: pathlib.Path) -> set[str]:
    """Those of a page's headings, as MyST and GitHub make them."""
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    titles = re.findall(r"^#{1,3} (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.quick
def test_links_lead_to_files_and_headings_of_the_repository():
    notebooks = sorted((ROOT / "notebooks").glob("*.ipynb"))
    for page in [*PAGES, *notebooks, ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md"]:
        for link in LINK.findall(page.read_text()):
            path, _, anchor = link.partition("#")
            target = page.parent / path if path else page
            if target.suffix == ".ipynb":  # the build copies notebooks to docs/notebooks
                target = ROOT / "notebooks" / target.name
            assert target.exists(), (page.name, link)
            if anchor and target.suffix == ".md":
                assert anchor in anchors(target), (page.name, link)


REFERENCE = {
    "cdf": ["cdf", "random", "residuals"],
    "fit": ["fit"],
    "glm": ["glm"],
    "io": ["datasets", "io", "plots"],
    "torch_bridge": ["torch_bridge"],
}
# What docs/conf.py puts in their places.
LISTED = {
    "%log_probs%": {f"{declared.stem}_log_prob" for declared in DECLARATIONS},
    "%originals%": set(original_names()),
    "%classes%": {d.class_name for d in DECLARATIONS if not d.limit_of},
    "%functions%": set(jaxnb.cdf.__all__) - {"nb_kl_divergence"},
}


def named(*pages: str) -> set[str]:
    """The words of pages of the reference, and the names that the build lists on them."""
    text = " ".join((ROOT / "docs" / "api" / f"{page}.md").read_text() for page in pages)
    listed = [names for mark, names in LISTED.items() if mark in text]
    return set(re.findall(r"\w+", text)).union(*listed)


@pytest.mark.quick
@pytest.mark.parametrize("page", REFERENCE)
def test_every_public_name_is_in_the_reference(page):
    if page == "torch_bridge":
        pytest.importorskip("torch")
    text = (ROOT / "docs" / "api" / f"{page}.md").read_text()
    for part in REFERENCE[page]:
        if f"automodule:: jaxnb.{part}\n   :members:" not in text:
            missing = set(getattr(jaxnb, part).__all__) - named(page)
            assert not missing, (page, missing)


@pytest.mark.quick
def test_every_name_at_the_top_level_is_in_the_reference():
    modules = {"cdf", "datasets", "distributions", "fit", "io", "plots", "random", "residuals"}
    assert set(jaxnb.__all__) - modules <= named("likelihoods", "distributions", "cdf")


def test_notebooks_are_kept_without_outputs():
    notebooks = sorted((ROOT / "notebooks").glob("*.ipynb"))
    assert notebooks
    for notebook in notebooks:
        text = notebook.read_text()
        assert '"output_type"' not in text, notebook.name
        assert not re.search(r'"execution_count": \d', text), notebook.name


def test_citation_names_this_version():
    citation = (ROOT / "CITATION.cff").read_text()
    assert f"\nversion: {jaxnb.__version__}\n" in citation
    citing = (ROOT / "docs" / "citing.md").read_text()
    assert f"{{{jaxnb.__version__}}}" in citing
    (year,) = re.findall(r"^date-released: (\d{4})-\d\d-\d\d$", citation, re.MULTILINE)
    (url,) = re.findall(r'^url: "(.*)"$', citation, re.MULTILINE)
    assert f"{{{year}}}" in citing
    assert f"{{{url}}}" in citing


def test_the_readme_is_short_enough_to_be_read():
    assert len((ROOT / "README.md").read_text().splitlines()) <= 150


def test_pages_use_the_words_of_the_field():
    notebooks = sorted((ROOT / "notebooks").glob("*.ipynb"))
    for page in [*PAGES, *notebooks, ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md"]:
        found = re.search(r"\b(laws?|slopes?|likeliest)\b", page.read_text(), re.IGNORECASE)
        assert not found, (page.name, found)
