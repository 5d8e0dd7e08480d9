"""What is found, and when a number counts as wrong."""

from collections import Counter
from dataclasses import dataclass, field

import mpmath
import numpy as np


@dataclass(frozen=True)
class Finding:
    """A wrong number.

    Attributes:
        what: The function and the quantity.
        point: The arguments.
        got: What the package returns.
        expected: What is right, or why this is wrong.
    """

    what: str
    point: tuple
    got: float
    expected: object

    def __str__(self) -> str:
        point = ", ".join(repr(float(v)) for v in self.point)
        exact = self.expected
        if isinstance(exact, mpmath.mpf):
            exact = mpmath.nstr(exact, 17)
        return f"{self.what}({point}): {self.got!r}, exact {exact}"


@dataclass
class Report:
    """What a run has looked at and found."""

    findings: list[Finding] = field(default_factory=list)
    points: int = 0
    numbers: int = 0
    excused: int = 0

    def add(self, other: "Report") -> None:
        self.findings += other.findings
        self.points += other.points
        self.numbers += other.numbers
        self.excused += other.excused

    def summary(self, most: int = 3) -> str:
        """The findings by quantity, with a few of each."""
        count = Counter(f.what for f in self.findings)
        lines = [
            f"{self.points} points, {self.numbers} numbers compared, {self.excused} of them "
            f"ill-conditioned; {len(self.findings)} wrong"
        ]
        for what, number in count.most_common():
            lines.append(f"  {what}: {number}")
            lines += [f"    {f}" for f in self.findings if f.what == what][:most]
        return "\n".join(lines)


def units(got, expected, dtype) -> float:
    """The error in units of max(1, |expected|) eps; 0 where both overflow."""
    info = np.finfo(dtype)
    limit = float(info.max)
    if abs(expected) > limit * (1 - float(info.eps)):
        return 0.0 if abs(got) >= limit * (1 - 1e-3) and got * expected > 0 else np.inf
    if not np.isfinite(got):
        return np.inf
    return float(abs(mpmath.mpf(float(got)) - expected) / (max(1, abs(expected)) * float(info.eps)))


# relative errors that are granted to derivatives of the first and the second order
DERIVATIVES = {"float32": (1e-4, 1e-4), "float64": (1e-10, 1e-9)}


NOTHING = {
    "float32": ((1e-16, 1e-25), (1e-12, 1e-12)),
    "float64": ((1e-100, 1e-250), (1e-100, 1e-100)),
}
"""By order, a derivative in the logarithms of parameters that may be 0, and an error that is none.

They are far below what rounding does to the value itself.
"""


def derivative_is_right(
    got, expected, order, dtype, change=None, scale=0, parameters=1.0
) -> bool | None:
    """Whether it is; None if it is not, but a rounding of the arguments would do as much.

    `change` is called for what such roundings do, if need be; `scale` is of what else an error is
    measured by, and `parameters` is the product of those that are differentiated by, unless they
    are logarithms.
    """
    info = np.finfo(dtype)
    limit, tiny = float(info.max), float(info.tiny)
    if np.isnan(got):
        return False
    if abs(expected) >= 0.5 * limit:
        if abs(expected) < 2 * limit:
            return bool(got * expected > 0)
        return bool(abs(got) >= 0.5 * limit and got * expected > 0)
    as_zero, no_error = NOTHING[dtype][order - 1]
    if got == 0 and abs(expected * parameters) < as_zero:
        return True
    error = abs(mpmath.mpf(float(got)) - expected) if np.isfinite(got) else mpmath.inf
    granted = DERIVATIVES[dtype][order - 1] * max(abs(expected), scale)
    if error <= granted + 1e4 * tiny or error * parameters < no_error:
        return True
    if change is not None and error <= granted + 8 * change():
        return None
    return False
