"""What a compiled program consists of, from its text."""

import re
from collections import Counter
from typing import NamedTuple

__all__ = ["Structure", "structure"]

_COMPUTATION = re.compile(r"(ENTRY )?%?([\w.\-]+) \(.*\{\s*$")
_OPERATION = re.compile(r"\s+(?:ROOT )?%?[\w.\-]+ = .*?\s([a-z][a-z0-9\-]*)\(")
_CALLED = re.compile(
    r"(?:body|condition|calls|to_apply|true_computation|false_computation)=%?([\w.\-]+)"
    r"|(?:branch_computations|called_computations)=\{([^}]*)\}"
)
_IN_LOOP = re.compile(r"(?:body|condition)=%?([\w.\-]+)")
_CYCLES = re.compile(r'estimated_cycles":"(\d+)"')
_HOST = ("infeed", "outfeed", "send", "recv")
_COLLECTIVES = ("all-reduce", "reduce-scatter", "all-to-all", "collective-permute", "all-gather")
_SLOW = ("gather", "scatter", "sort")


class Structure(NamedTuple):
    """Numbers of operations of a program.

    Attributes:
        conditionals: That choose between computations.
        host: Calls of the host.
        loops: While loops.
        by_element: Gathers, scatters and sorts.
        all_gathers: That bring together what is spread over devices.
        collectives: All communication outside of loops, these included.
        collectives_in_loops: The same inside of them.
        cycles: The TPU compiler's estimate for what is outside of loops.
        cycles_in_loops: That for one turn of every loop.
    """

    conditionals: int
    host: int
    loops: int
    by_element: int
    all_gathers: int
    collectives: int
    collectives_in_loops: int
    cycles: int
    cycles_in_loops: int


def structure(text: str) -> Structure:
    """Of an optimized HLO module as text."""
    computations, entry = _computations(text)
    looped = _reached(computations, {n for c in computations.values() for n in _names(_IN_LOOP, c)})
    ordinary = _reached(computations, {entry}, without=looped)
    operations = {name: _operations(lines) for name, lines in computations.items()}
    everything = sum((operations[name] for name in looped | ordinary), Counter())
    calls_of_host = sum(
        "callback" in line for name in looped | ordinary for line in computations[name]
    )
    of_loops = sum((operations[name] for name in looped), Counter())
    collectives = _number(everything, _COLLECTIVES)
    in_loops = _number(of_loops, _COLLECTIVES)
    return Structure(
        conditionals=everything["conditional"],
        host=_number(everything, _HOST) + calls_of_host,
        loops=everything["while"],
        by_element=sum(everything[name] for name in _SLOW),
        all_gathers=_number(everything, ("all-gather",)),
        collectives=collectives - in_loops,
        collectives_in_loops=in_loops,
        cycles=_cycles(computations, ordinary),
        cycles_in_loops=_cycles(computations, looped),
    )


def _computations(text: str) -> tuple[dict[str, list[str]], str]:
    found: dict[str, list[str]] = {}
    entry, current = "", None
    for line in text.splitlines():
        head = None if line.startswith(" ") else _COMPUTATION.match(line)
        if head:
            current = head[2]
            found[current] = []
            entry = current if head[1] else entry
        elif line.startswith("}"):
            current = None
        elif current is not None:
            found[current].append(line)
    return found, entry


def _operations(lines: list[str]) -> Counter[str]:
    return Counter(m[1] for line in lines if (m := _OPERATION.match(line)))


def _number(operations: Counter[str], names: tuple[str, ...]) -> int:
    """Of operations, an asynchronous one counted where it starts."""
    return sum(operations[name] + operations[f"{name}-start"] for name in names)


def _names(pattern: re.Pattern[str], lines: list[str]) -> set[str]:
    found = set()
    for line in lines:
        for match in pattern.finditer(line):
            for group in match.groups():
                found.update(re.findall(r"[\w.\-]+", group or ""))
    return found


def _reached(
    computations: dict[str, list[str]], start: set[str], without: set[str] = frozenset()
) -> set[str]:
    """The computations that run when these do."""
    found, todo = set(), list(start)
    while todo:
        name = todo.pop()
        if name not in found and name not in without and name in computations:
            found.add(name)
            todo += _names(_CALLED, computations[name])
    return found


def _cycles(computations: dict[str, list[str]], names: set[str]) -> int:
    return sum(
        int(m[1]) for name in names for line in computations[name] if (m := _CYCLES.search(line))
    )
