"""Compile the library for a TPU v5e or an H100, without one, and check what comes out.

    tests/compilers/run.sh tpu [OPTIONS]       (or gpu)

makes the environment and runs this. By default a part of the programs that takes some minutes;
`--all` takes every public function, `--only` those with a word in their names. `--plants` plants
four faults, each of which must be noticed. `--docs` writes the table of the documentation. Programs
in float64 are for `gpu` only: TPUs have no float64, and XLA takes minutes to emulate it.
"""

import argparse
import sys
from collections.abc import Iterable
from pathlib import Path

from bounds import COLUMNS_OF, columns, faults
from plants import PLANTS, planted
from programs import Program, every_program
from target import NAMES, TARGETS, measured

_DOCS = Path(__file__).parents[2] / "docs" / "measured"


def main() -> int:
    """The status: 1 if a program breaks a rule or a bound, or a fault goes unnoticed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("target", choices=TARGETS)
    parser.add_argument("--all", action="store_true", help="every public function")
    parser.add_argument("--only", nargs="+", metavar="WORD", help="programs with one in the name")
    parser.add_argument("--plants", action="store_true", help="planted faults instead")
    parser.add_argument("--docs", action="store_true", help="write the table into docs")
    parser.add_argument("--keep", type=Path, help="a folder for the compiled programs as text")
    options = parser.parse_args()
    programs = [p for p in every_program() if options.target != "tpu" or p.dtype != "float64"]
    if options.plants:
        return _plants(options.target, {program.name: program for program in programs})
    if options.only:
        chosen = [p for p in programs if any(word in p.name for word in options.only)]
    else:
        chosen = [p for p in programs if options.all or p.often]
    if not chosen:
        parser.error("no program has such a name")
    return _check(options.target, chosen, options.docs, options.keep)


def _check(target: str, programs: Iterable[Program], docs: bool, keep: Path | None) -> int:
    titles = COLUMNS_OF[target]
    rows, failed = [], 0
    print(f"{NAMES[target]:44s}", *(f"{title:>14s}" for title in titles), flush=True)
    for program in programs:
        text = keep / f"{target} {program.name}.txt" if keep else None
        found = measured(program, target, text)
        values, broken = columns(found, target), faults(found, target)
        failed += bool(broken)
        rows.append((program.name, values))
        shown = [f"{_short(value):>14s}" for value in values]
        print(f"{program.name:44s}", *shown, *broken, flush=True)
    if docs:
        path = _DOCS / f"compiled_{target}.md"
        path.write_text(_table(target, rows), encoding="utf-8")
    print(f"{failed} of {len(rows)} programs are beyond their bounds" if failed else "all within")
    return 1 if failed else 0


def _table(target: str, rows: list[tuple[str, tuple[float, ...]]]) -> str:
    """In Markdown, without what depends on the machine."""
    kept = [k for k, title in enumerate(COLUMNS_OF[target]) if title != "seconds"]
    lines = [
        [NAMES[target], *(COLUMNS_OF[target][k] for k in kept)],
        ["---", *["---:"] * len(kept)],
        *([f"`{name}`", *(_short(values[k]) for k in kept)] for name, values in rows),
    ]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _short(value: float) -> str:
    return f"{value:.3g}" if value < 1000 else f"{value:.0f}"


def _plants(target: str, programs: dict[str, Program]) -> int:
    unnoticed = 0
    for name in PLANTS:
        found = faults(measured(planted(name, programs), target), target)
        print(f"{name:16s}", ", ".join(found) or "NOT NOTICED", flush=True)
        unnoticed += not found
    return 1 if unnoticed else 0


sys.exit(main())
