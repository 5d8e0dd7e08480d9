"""Instructions and spills of the kernels that XLA's GPU compiler has written as PTX."""

import re
import struct
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

__all__ = ["FLAGS", "Kernel", "kernels"]

FLAGS = "--xla_dump_to={} --xla_gpu_dump_llvmir=true --xla_dump_emitter_re=.*"
"""Options of XLA, with the folder for what `kernels` reads."""

_INSTRUCTION = 16  # bytes
_LAUNCHED = re.compile(r"\] (\S+) grid: \[(\d+), (\d+), (\d+)\] threads: \[(\d+), (\d+), (\d+)\]")
_ACCESS = re.compile(r"\b(?:ld|st)\.global(?:\S*\.v([248])\.)?")
_SPILLED = re.compile(r"(\d+) bytes spill stores, (\d+) bytes spill loads")


class Kernel(NamedTuple):
    """The machine code of a kernel.

    Attributes:
        name: That of the fusion.
        per_element: Instructions, over the elements that the code is written out for: as many as
            it reads and writes numbers for each array.
        spilled: Bytes of registers that are stored and loaded again.
    """

    name: str
    per_element: float
    spilled: int


def kernels(folder: Path, ptxas: str, elements: int) -> list[Kernel]:
    """Those of the programs in a folder that are for a matrix, and not for its columns alone.

    Args:
        folder: What XLA has written with `FLAGS`.
        ptxas: The assembler.
        elements: Of the matrix.
    """
    threads: dict[str, int] = {}
    for sequence in folder.glob("*.thunk_sequence.txt"):
        for name, *sizes in _LAUNCHED.findall(sequence.read_text(encoding="utf-8")):
            number = 1
            for size in sizes:
                number *= int(size)
            threads[name] = number
    found = []
    for path in sorted(folder.glob("*.ptx")):
        text = path.read_text(encoding="utf-8")
        name = re.search(r"\.entry (\w+)\(", text)
        numbers = sum(int(width or 1) for width in _ACCESS.findall(text))
        copies = max(numbers / max(text.count(".param .u64"), 1), 1.0)
        # a thread of a reduction takes up to 64 elements one after the other
        if name and threads.get(name[1], elements) * copies * 64 >= elements:
            instructions, spilled = _assembled(path, ptxas)
            found.append(Kernel(name[1], instructions / copies, spilled))
    return found


def _assembled(ptx: Path, ptxas: str) -> tuple[int, int]:
    """The number of instructions and the spilled bytes."""
    with TemporaryDirectory() as folder:
        code = Path(folder) / "code"
        command = [ptxas, "-v", "-arch", "sm_90a", "-o", str(code), str(ptx)]
        log = subprocess.run(command, check=True, capture_output=True, text=True).stderr
        size = _size_of_text(code.read_bytes())
    return size // _INSTRUCTION, sum(int(n) for spills in _SPILLED.findall(log) for n in spills)


def _size_of_text(elf: bytes) -> int:
    """The bytes of the sections .text of an ELF file of 64 bits."""
    (start,) = struct.unpack_from("<Q", elf, 0x28)
    entry, number, of_names = struct.unpack_from("<HHH", elf, 0x3A)
    sections = [struct.unpack_from("<IIQQQQ", elf, start + k * entry) for k in range(number)]
    names = sections[of_names][4]
    return sum(s[5] for s in sections if elf.startswith(b".text.", names + s[0]))
