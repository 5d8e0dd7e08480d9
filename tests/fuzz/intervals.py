"""Log-probabilities of intervals and what is made of them, against exact probabilities."""

from functools import lru_cache, partial

import mpmath
import numpy as np
from fuzz import exact_masses, points
from fuzz.findings import Finding, Report, derivative_is_right, units
from fuzz.programs import differentiated
from mpmath import mpf
from registry import DISTRIBUTIONS

UNITS, OF_TRUNCATED = {"float32": 32.0, "float64": 64.0}, 160.0
"""Errors that are granted to a value, and to one of a distribution of positive counts."""
_ROOM = {"float32": 1e-4, "float64": 1e-9}
_WHOLE = {"float32": 2.0**23, "float64": 2.0**51}
"""Ends up to here, next to which every whole number is one of the dtype."""


def drawn(case, dtype, n, seed):
    """The first and the last count, and the parameters: means 1e-9 to 1e9, thetas 1e-12 to inf.

    The counts are few, many, or all to either end; near the mean, anywhere, or far out.
    """
    rng = np.random.default_rng([seed, 31])
    parameters = []
    for p in case.family.parameters:
        low, high = {"mean": (-9, 9), "theta": (-12, 12), "odds": (-30, 30)}[points.kind_of(p)]
        value = rng.uniform(low, high, n)
        value = value if points.kind_of(p) == "odds" else 10.0**value
        # the ordinary sizes as often
        usual = rng.uniform(-4, 4, n)
        usual = usual if points.kind_of(p) == "odds" else 10.0**usual
        value = np.where(rng.random(n) < 0.5, usual, value)
        if points.kind_of(p) == "theta":
            value = np.where(rng.random(n) < 0.1, np.inf, value)
        parameters.append(value.astype(dtype))
    return [*_ends(rng, case, parameters, n, dtype), *parameters]


def _ends(rng, case, parameters, n, dtype):
    kinds = [points.kind_of(p) for p in case.family.parameters]
    # of a mixture, around either component
    means, thetas = (
        [np.float64(v) for v, kind in zip(parameters, kinds, strict=True) if kind == k]
        for k in ("mean", "theta")
    )
    which = rng.integers(0, len(means), n)
    mu, theta = (np.choose(which, values) for values in (means, thetas))
    with np.errstate(over="ignore"):
        deviation = np.sqrt(mu) * np.sqrt(1 + mu / theta)
    kind = rng.integers(0, 4, n)
    at = np.select(
        [kind == 0, kind == 1, kind == 2],
        [
            mu + rng.uniform(-6, 8, n) * np.minimum(deviation, 30 * mu + 30),
            np.exp(rng.uniform(0, np.log(_WHOLE["float32"]), n)),
            mu * np.exp(rng.uniform(-8, 4, n)),
        ],
        rng.integers(0, 5, n),
    )
    limit = min(_WHOLE[dtype], 1e12)
    low = np.floor(np.clip(at, case.family.lowest, limit))
    kind = rng.integers(0, 6, n)
    width = np.select(
        [kind == 0, kind == 1, kind == 2, kind == 3],
        [
            rng.integers(0, 6, n),
            np.exp(rng.uniform(0, 6, n)),
            np.minimum(deviation, limit) * np.exp(rng.uniform(-6, 3, n)),
            low * np.exp(rng.uniform(-6, 6, n)),
        ],
        np.exp(rng.uniform(0, np.log(limit), n)),
    )
    high = np.minimum(low + np.floor(width), limit)
    ends = rng.random(n)
    low = np.where(ends < 0.1, rng.choice([0.0, -np.inf, -3.0], n), low)
    high = np.where(ends > 0.9, np.inf, high)
    # not whole, as often
    low = np.where(rng.random(n) < 0.05, low - 0.25, low)
    return low.astype(dtype), high.astype(dtype)


def whole(case, low, high):
    """The first and the last count of an interval."""
    return max(np.ceil(float(low)), float(case.family.lowest)), np.floor(float(high))


@lru_cache(1 << 14)
def exact(name, a, b, *parameters):
    """The mass of the whole numbers from a to b."""
    return exact_masses.mass(name, a, b, *parameters)


def log_exact(name, a, b, parameters):
    """The log-probability and its derivatives."""
    found = exact(name, a, b, *parameters)
    if found.p == 0:
        return -mpmath.inf, None
    with mpmath.workdps(60):
        return mpmath.log(found.p), [d / found.p for d in found.d]


def log_intervals(name, dtype, n, seed, *, orders=()):
    """Values and derivatives; second ones have to be numbers."""
    case = DISTRIBUTIONS[name]
    low, high, *parameters = drawn(case, dtype, n, seed)
    found = differentiated(case.family.log_interval, (low, high), parameters, orders)
    report = Report(points=n)
    for i in range(n):
        a, b = whole(case, low[i], high[i])
        values = [float(p[i]) for p in parameters]
        what = f"{name} log_interval {dtype}"
        got = found[0][i], [d[i] for d in found[1]]
        point = (float(low[i]), float(high[i]), *values)
        if a > b:
            report.numbers += 1
            if got[0] != -np.inf:
                report.findings.append(Finding(what, point, got[0], "-inf: no count"))
            continue
        compare(report, what, case, point, got, partial(log_exact, name, a, b), values, dtype)
        for order, hessian in found[2].items():
            report.numbers += hessian[..., i].size
            if np.isnan(hessian[..., i]).any():
                report.findings.append(Finding(f"{what} ({order})", point, np.nan, "a number"))
    return report


def compare(report, what, case, point, got, of_values, values, dtype):
    """A value and derivatives with those of the exact function of the parameters.

    That has the value, the derivatives, and may add the sizes of what these are differences of.
    """
    eps = float(np.finfo(dtype).eps)
    expected, first, *sizes = of_values(values)
    parts, of_slopes = sizes or (0, [0] * len(values))
    report.numbers += 1
    if expected == -mpmath.inf:
        if got[0] != -np.inf:
            report.findings.append(Finding(f"{what} value", point, got[0], expected))
        return
    granted = OF_TRUNCATED if case.name in points.WHOLE else UNITS[dtype]
    granted *= max(mpf(1), abs(expected), parts) / max(mpf(1), abs(expected))
    if not units(got[0], expected, dtype) <= granted:
        report.findings.append(Finding(f"{what} value", point, got[0], expected))
    for k, (d, slope) in enumerate(zip(got[1], first, strict=True)):
        if values[k] == np.inf:
            continue
        report.numbers += 1
        odds = points.kind_of(case.family.parameters[k]) == "odds"
        size = mpf(1) if odds else mpf(values[k])
        scale = (abs(expected) + parts + 1) * eps / _ROOM[dtype] / size * 16 + of_slopes[k]

        def change(k=k, slope=slope):
            moved = 0
            for j, v in enumerate(values):
                there = [*values[:j], v * (1 + 64 * eps), *values[j + 1 :]]
                other = of_values(there)[1]
                moved += abs(other[k] - slope) / 64 if other and v < np.inf else 0
            return moved

        right = derivative_is_right(d, slope, 1, dtype, change, scale=scale, parameters=size)
        if right is None:
            report.excused += 1
        elif not right:
            report.findings.append(Finding(f"{what} d{k}", point, d, slope))
