"""Fit the polynomials of `jaxnb/special/coefficients.py` and write that file.

Run from the repository root, with mpmath installed:

    python tests/reference/fit_coefficients.py

Each function is smooth on the whole stated interval. Its value at 0 is kept exactly, since whole
regions of parameters depend on that constant alone; the rest, (f(t) - f(0)) / t, is replaced by
its Chebyshev interpolant in 50 digits, which is within a small factor of the minimax error and
needs no iteration. The printed errors are the ones quoted in the written file.
"""

import argparse
import pathlib
from collections.abc import Callable

from mpmath import (
    atanh,
    chebyfit,
    euler,
    linspace,
    log,
    log1p,
    loggamma,
    mp,
    mpf,
    nstr,
    pi,
    polyval,
    psi,
    sqrt,
)

mp.dps = 50

TARGET = pathlib.Path(__file__).parents[2] / "jaxnb" / "special" / "coefficients.py"
OFFSET = mpf(1) / 4  # q = 1 / (z + 1/4)
Z_MIN = 2  # the smallest argument of the gamma-function pieces
Interval = tuple[mpf, mpf]
Q_MAX = 1 / (Z_MIN + OFFSET)


def log1p_minus_x_over_square(u: mpf) -> mpf:
    """(log(1 + u) - u) / u**2."""
    return (log1p(u) - u) / u**2


def stirling_error_over_q(q: mpf) -> mpf:
    """(log Gamma(z+1) - (z + 1/2) log z + z - log(2 pi)/2) / q at z = 1/q - 1/4."""
    z = 1 / q - OFFSET
    return (loggamma(z + 1) - (z + mpf(1) / 2) * log(z) + z - log(2 * pi) / 2) / q


def digamma_remainder_derivative(q: mpf) -> mpf:
    """d/dq (log z - psi(z)) at z = 1/q - 1/4."""
    z = 1 / q - OFFSET
    return (psi(1, z) - 1 / z) / q**2


def atanh_tail(w: mpf) -> mpf:
    """(2 atanh(v) - 2v) / v**3 at w = v**2."""
    v = sqrt(w)
    return (2 * atanh(v) - 2 * v) / v**3


def lgamma_over_roots(y: mpf) -> mpf:
    """log Gamma(2 + y) / (y (1 + y))."""
    return loggamma(2 + y) / (y * (1 + y))


PIECES = {
    "ATANH_TAIL": (atanh_tail, mpf(2) / 3, (mpf(0), mpf(1) / 9), {"float32": 4, "float64": 11}),
    "LOG1P_MINUS_X": (
        log1p_minus_x_over_square,
        -mpf(1) / 2,
        (-mpf(1) / 3, mpf("0.33334")),  # not symmetric: 0 is no node
        {"float32": 9, "float64": 22},
    ),
    "STIRLING_ERROR": (
        stirling_error_over_q,
        mpf(1) / 12,
        (mpf(0), Q_MAX),
        {"float32": 4, "float64": 15},
    ),
    "DIGAMMA_REMAINDER_DERIVATIVE": (
        digamma_remainder_derivative,
        mpf(1) / 2,
        (mpf(0), Q_MAX),
        {"float32": 6, "float64": 17},
    ),
    "LGAMMA_OVER_ROOTS": (
        lgamma_over_roots,
        1 - euler,
        (-mpf(1), mpf("1.0001")),  # not symmetric: 0 is no node
        {"float32": 11, "float64": 26},
    ),
}


def fit(function: Callable[[mpf], mpf], at_zero: mpf, interval: Interval, degree: int) -> list[mpf]:
    """Coefficients, highest power first, the last one being f(0)."""
    # 300 digits: (f(t) - f(0)) / t is sampled close to 0, where f cancels.
    with mp.workdps(300):
        return [*chebyfit(lambda t: (function(t) - at_zero) / t, interval, degree), at_zero]


def relative_error(
    function: Callable[[mpf], mpf], coefficients: list[mpf], interval: Interval
) -> mpf:
    points = linspace(*interval, 778)[1:]
    return max(abs(polyval(coefficients, t) / function(t) - 1) for t in points)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=pathlib.Path, default=TARGET)
    target = parser.parse_args().out
    lines = [
        '"""Polynomial coefficients, highest power first (tests/reference/fit_coefficients.py)."""',
        "",
        "from typing import Final",
        "",
        "Table = dict[str, tuple[float, ...]]",
    ]
    for name, (function, at_zero, interval, degrees) in PIECES.items():
        summary = (function.__doc__ or "").rstrip(".")
        lines += [
            "",
            f"# {summary}, on [{nstr(interval[0], 4)}, {nstr(interval[1], 4)}]",
            f"{name}: Final[Table] = {{",
        ]
        for dtype, degree in degrees.items():
            coefficients = fit(function, at_zero, interval, degree)
            error = nstr(relative_error(function, coefficients, interval), 2)
            print(f"{name} {dtype} degree {degree}: relative error {error}")
            lines += [f"    # relative error {error}", f'    "{dtype}": (']
            lines += [f"        {float(c)!r}," for c in coefficients]
            lines += ["    ),"]
        lines += ["}"]
    target.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
