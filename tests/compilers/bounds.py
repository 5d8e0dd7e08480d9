"""What every program must keep: rules by its kind, and bounds of its figures in a table.

The tables are `tpu.txt` and `gpu.txt`. The first row whose pattern fits the name of a program
holds its bounds, some 10 % above what was measured, in seconds three times. In the last row, for
programs that were not measured yet, there are none: the rules remain.
"""

from fnmatch import fnmatchcase
from pathlib import Path

from target import Figures

__all__ = ["COLUMNS_OF", "columns", "faults"]

COLUMNS_OF = {
    "tpu": ("memory", "cycles", "per iteration", "shared", "seconds"),
    "gpu": ("memory", "instructions", "spills", "shared", "seconds"),
}
"""Of the tables, and what is printed; see `columns`."""

_FOLDER = Path(__file__).parent


def columns(found: Figures, target: str) -> tuple[float, ...]:
    """The figures of a program in the order of the columns.

    memory: Temporaries, in arrays of the size of the counts.
    cycles: The TPU compiler's estimate per element, without loops.
    per iteration: The same estimate for one iteration of every loop.
    instructions: Of H100, an element, of all kernels for the matrix.
    spills: Bytes a thread.
    shared: Communications in loops, of several devices.
    seconds: Of processor time to compile.
    """
    s, elements = found.structure, found.elements
    if target == "tpu":
        of_target = (s.cycles / elements, s.cycles_in_loops / elements)
    else:
        instructions = sum(kernel.per_element for kernel in found.kernels)
        of_target = (instructions, sum(kernel.spilled for kernel in found.kernels))
    return (found.temporaries, *of_target, s.collectives_in_loops, found.seconds)


def faults(found: Figures, target: str) -> list[str]:
    """What is more than the rules and the table allow."""
    s, kind = found.structure, found.program.kind
    rules = {
        "conditionals": s.conditionals,
        "calls of the host": s.host,
        "all-gathers": s.all_gathers,
    }
    if kind in ("likelihood", "tail"):
        rules |= {"loops": s.loops, "gathers, scatters or sorts": s.by_element}
    broken = [f"{number} {what}" for what, number in rules.items() if number]
    bounds = _bounds(found.program.name, target)
    measured = columns(found, target)
    return broken + [
        f"{name} {value:.3g} > {bound:.3g}"
        for name, value, bound in zip(COLUMNS_OF[target], measured, bounds, strict=True)
        if value > bound
    ]


def _bounds(name: str, target: str) -> list[float]:
    number = len(COLUMNS_OF[target])
    table = (_FOLDER / f"{target}.txt").read_text(encoding="utf-8")
    for line in table.splitlines():
        if line and not line.startswith("#"):
            pattern, *bounds = line.rsplit(None, number)
            if fnmatchcase(name, pattern.strip()):
                return [float(bound) for bound in bounds]
    raise ValueError(f"{target}.txt has no row for {name}")
