"""One planted fault."""

from dataclasses import dataclass

__all__ = ["Fault"]


@dataclass(frozen=True)
class Fault:
    """A change of one place of the package that some test must notice.

    Attributes:
        name: Short, unique; the area comes first.
        what: What is wrong, as a reviewer would put it.
        file: The file, from `jaxnb/` on.
        old: Text that occurs in it exactly once.
        new: What takes its place.
        tests: Files or folders, from `tests/` on, that are run first.
        torch: Whether it can be noticed only where torch is installed.
    """

    name: str
    what: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]
    torch: bool = False
