"""Quantiles from either tail, from levels and their logarithms, against exact tails."""

from functools import cache

import jax
import mpmath
import numpy as np
from fuzz import exact_tails, points
from fuzz.findings import Finding, Report
from registry import DISTRIBUTIONS

HIGHEST = 2.0**60
"""No larger count is looked for, as documented."""
_UNITS = 64
"""Rounding errors of a tail, and of what it is made of, in units of eps times its logarithm or 1.

Its own distribution function decides, so that this is what is granted to that (`tails`).
"""
_LEVELS = (0.0, 1e-30, 1e-6, 0.01, 0.3, 0.5, 0.9, 0.999, 1.0)


@cache
def _program(name):
    family = DISTRIBUTIONS[name].family

    @jax.jit
    def of(q, log_q, parameters):
        return [
            family.quantile(level, *parameters, log_q=logarithm, upper=upper)
            for upper in (False, True)
            for level, logarithm in ((q, None), (None, log_q))
        ]

    return of


def levels(rng, n, dtype):
    """Levels, 0 and 1 among them, and logarithms of levels down to -1e4."""
    q = np.where(rng.random(n) < 0.2, rng.choice(_LEVELS, n), rng.random(n))
    log_q = -(10.0 ** rng.uniform(-6, 4, n))
    log_q = np.where(rng.random(n) < 0.05, rng.choice([-np.inf, 0.0, -2292.32], n), log_q)
    return q.astype(dtype), log_q.astype(dtype)


def quantiles(name, dtype, n, seed, *, region):
    """The smallest count that reaches the level, by the exact tails up to their rounding errors."""
    case = DISTRIBUTIONS[name]
    _, *parameters = points.drawn(case, dtype, n, seed, region)
    q, log_q = levels(np.random.default_rng([seed, 53]), n, dtype)
    with jax.enable_x64(dtype == "float64"):
        found = [np.asarray(x) for x in _program(name)(q, log_q, tuple(parameters))]
    report = Report(points=n)
    labels = [(u, is_log) for u in (False, True) for is_log in (False, True)]
    for (upper, is_log), counts in zip(labels, found, strict=True):
        what = f"{name} {region} {dtype} quantile {'log ' * is_log}{('lower', 'upper')[upper]}"
        for i in range(n):
            values = [float(p[i]) for p in parameters]
            level = float((log_q if is_log else q)[i])
            report.numbers += 1
            if not _is_right(case, counts[i], level, is_log, upper, values, dtype):
                point = (level, *values)
                report.findings.append(Finding(what, point, counts[i], "another"))
    return report


def _is_right(case, count, level, is_log, upper, values, dtype):
    nothing, everything = (-np.inf, 0.0) if is_log else (0.0, 1.0)
    if level in (nothing, everything):
        of_all = level == (nothing if upper else everything)
        return count == (np.inf if of_all else case.family.lowest)
    with mpmath.workdps(60):
        log_level = mpmath.mpf(level) if is_log else mpmath.log(level)
        eps = mpmath.mpf(float(np.finfo(dtype).eps))

        def reached(x, side):
            """Whether a count reaches the level, if rounding errors are on this side."""
            log_tail = _log_tail(case, x, values, upper)
            if log_tail == -mpmath.inf:
                return upper
            room = side * _UNITS * eps * max(1, -log_tail)
            if upper:
                return log_tail <= log_level + room
            return log_tail >= log_level - room

        if count == np.inf:
            return not reached(HIGHEST, -1)
        if not case.family.lowest <= count <= 2 * HIGHEST or count != np.floor(count):
            return False
        before = min(count - 1, np.nextafter(count, -np.inf, dtype=dtype))
        below = before < case.family.lowest or not reached(before, -1)
        return reached(count, 1) and below


def _log_tail(case, x, values, upper):
    tails = exact_tails.LOG_TAILS[case.name](float(x), *values, nothing=1.0)
    jet = tails.log_sf if upper else tails.log_cdf
    return -mpmath.inf if jet is None else jet.value
