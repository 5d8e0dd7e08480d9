"""Habits of language that stop a reader: CONTRIBUTING.md lists them, with what to write instead."""

import ast
import json
import pathlib
import re

import pytest

ROOT = pathlib.Path(__file__).parents[1]
UNITS = "gene|cell|step|draw|chain|element|row|column|distribution"
MEASURES = (
    r"dots?|lines?|theta|means?|bytes|kB|MB|m?s|milliseconds|nanoseconds|steps|draws|coefficients?"
)
HABITS = {
    "per": rf"\b(?:{MEASURES}) an? (?:{UNITS})\b(?!')",
    "is no": r"(?<!here )\b(?:is|are|was|were|be) no\b(?! longer| more| less| larger| smaller)",
    "so that it": r"\bso that it\b",
    "have a matrix": r"\bhave a (?:matrix|file|table)\b",
    "30 %": r"\d %(?![\w(])",
    "likewise": r"\blikewise\b",
    "as such": r"\bas such\b",
    "whoever": r"\bwhoever\b",
    "at hand": r"\bat hand\b",
    "by turns": r"\bby turns\b",
    "yardstick": r"\byardstick\b",
    "to the last digits": r"\bto the last digits?\b",
    "given itself": r"\bgiven itself\b",
    "and its like": r"\band its like\b",
    "anew": r"\banew\b",
    "labelled": r"\b(?:label|signal)l(?:ed|ing)\b",
    "nothing overflows": r"\bnothing (?:under- or )?overflows\b",
    "exact at any value": r"\bexact at (?:any|every)\b",
}


def strings(source: str) -> list[str]:
    """Docstrings, messages, and what the command line and the figures say."""
    nodes = ast.walk(ast.parse(source))
    constants = [node.value for node in nodes if isinstance(node, ast.Constant)]
    return [value for value in constants if isinstance(value, str)]


def prose() -> dict[str, str]:
    """Every file that a person reads, without the code in it."""
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *(ROOT / "docs" / "api").glob("*")]
    found = {}
    for page in pages:
        text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
        found[str(page.relative_to(ROOT))] = re.sub(r"`[^`]*`", "`code`", text)
    for notebook in (ROOT / "notebooks").glob("*.ipynb"):
        cells = json.loads(notebook.read_text())["cells"]
        texts = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown"]
        found[notebook.name] = "\n\n".join(texts)
    for module in (ROOT / "jaxnb").rglob("*.py"):
        found[str(module.relative_to(ROOT))] = " ¶ ".join(strings(module.read_text()))
    return found


@pytest.mark.quick
def test_no_habit_is_in_what_a_person_reads():
    found = []
    for name, text in prose().items():
        if name == "CONTRIBUTING.md":
            text = text.partition("## Words")[0]
        joined = " ".join(text.split())
        for habit, pattern in HABITS.items():
            for match in re.finditer(pattern, joined, re.IGNORECASE):
                around = joined[max(match.start() - 40, 0) : match.end() + 40]
                found.append(f"{name}: {habit}: ...{around}...")
    assert not found, "\n".join(found)


@pytest.mark.quick
@pytest.mark.parametrize(
    ("habit", "text"),
    [
        ("per", "a dot a gene"),
        ("is no", "where key is no key"),
        ("so that it", "rounded, so that it vanishes"),
        ("30 %", "below 30 % of the points"),
    ],
)
def test_the_patterns_find_the_habits(habit, text):
    assert re.search(HABITS[habit], text)


@pytest.mark.quick
def test_ordinary_sentences_are_not_habits():
    text = "There is no limit. It is no longer slow, 30% of a gene's cells a second, is not a key."
    assert not any(re.search(pattern, text, re.IGNORECASE) for pattern in HABITS.values())


@pytest.mark.quick
def test_the_list_is_that_of_contributing():
    words = (ROOT / "CONTRIBUTING.md").read_text().partition("## Words")[2].partition("\n## ")[0]
    assert all(f'"{habit}"' in words for habit in HABITS), words
