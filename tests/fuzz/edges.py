"""Parameters of exactly 0 and infinity, and counts of every sort, against the limits.

The probability of a count tends to that of a point mass at 0 with the mean or theta, to Poisson's
for infinite thetas, to nothing for an infinite mean. Without zeros, it is a point mass at 1 where
the mean tends to 0.
"""

import math

import mpmath
import numpy as np
from fuzz import likelihoods, oracle, points
from fuzz.findings import Finding, Report, units
from fuzz.programs import differentiated
from mpmath import mpf
from registry import DISTRIBUTIONS

_ENDS = {
    "mean": [0.0, 0.0, np.inf, 1e-30, 1e8, np.nan, -1.0],
    "theta": [0.0, 0.0, np.inf, np.inf, 1e-20, 1e20, np.nan, -1.0],
    "odds": [-np.inf, np.inf, 0.0, np.nan],
}
_COUNTS = [0, 0, 1, 1, 2, 3, 0.5, 1.5, 2.5, 1e6, 1e30, -1, -0.5, np.inf, -np.inf, np.nan]
_UNITS = 64.0


def drawn(case, dtype, n, seed):
    """Half of the parameters are ends of their ranges, or outside of them."""
    rng = np.random.default_rng([seed, 59])
    columns = [rng.choice(_COUNTS, n)]
    for parameter in case.family.parameters:
        kind = points.kind_of(parameter)
        usual = rng.uniform(-4, 4, n)
        usual = usual if kind == "odds" else np.exp(usual)
        ends = rng.choice(_ENDS[kind], n)
        columns.append(np.where(rng.random(n) < 0.5, ends, usual))
    return [c.astype(dtype) for c in columns]


def edges(name, dtype, n, seed, *, log_scale=False):
    """Values, and that derivatives are numbers; on either scale."""
    case = DISTRIBUTIONS[name]
    x, *parameters = drawn(case, dtype, n, seed)
    with np.errstate(invalid="ignore", divide="ignore"):
        given = points.logarithms(case, parameters) if log_scale else parameters
    function = likelihoods.log_prob(name, log_scale)
    value, gradient, _ = differentiated(function, (x,), given)
    report = Report(points=n)
    what = f"{name} edges{' log' * log_scale} {dtype}"
    for i in range(n):
        point = tuple(float(v[i]) for v in (x, *parameters))
        expected = limit(name, case, *point)
        report.numbers += 1 + len(parameters)
        if expected is not None and not _right(value[i], expected, point, dtype, log_scale):
            report.findings.append(Finding(f"{what} value", point, value[i], expected))
        slopes = [float(g[i]) for g in gradient]
        if expected is None or not math.isnan(expected):
            if any(map(math.isnan, slopes)) or math.isnan(value[i]):
                report.findings.append(Finding(f"{what} numbers", point, slopes[0], "a number"))
            if point[0] < math.inf and not _is_possible(name, point[0]) and any(slopes):
                report.findings.append(Finding(f"{what} slopes", point, max(slopes), "zeros"))
    return report


def _right(value, expected, point, dtype, log_scale):
    if math.isnan(expected) or mpmath.isinf(expected):
        same = math.isnan(value) if math.isnan(expected) else value == float(expected)
        return bool(same)
    room = _UNITS
    if log_scale:  # a rounding of the logarithm
        room += 128 * abs(point[0]) if math.isfinite(point[0]) else 0
    return units(value, expected, dtype) <= room


def _is_possible(name, x):
    """Whether it is a count of the distribution at all."""
    lowest = 1 if name == "zero_truncated_negative_binomial" else 0
    return lowest <= x < math.inf and (name not in points.WHOLE or x == math.floor(x))


def limit(name, case, x, *values):
    """The log-probability, NaN for what is none; None if that is not said."""
    kinds = [points.kind_of(p) for p in case.family.parameters]
    outside = any(k != "odds" and v < 0 for k, v in zip(kinds, values, strict=True))
    if outside or any(map(math.isnan, (x, *values))):
        return math.nan
    if not _is_possible(name, x):
        return -mpmath.inf
    return _LIMITS[name](x, *values)


def _nb(x, mu, theta):
    if mu == math.inf:
        return None if theta == 0 else -mpmath.inf
    if mu == 0 or theta == 0:
        return mpf(0) if x == 0 else -mpmath.inf
    return oracle.evaluated(oracle.nb, x, [mu, theta]).value


def _zero_truncated(x, mu, theta):
    if mu == 0:
        return None if theta == 0 else (mpf(0) if x == 1 else -mpmath.inf)
    if theta == 0:
        return None
    if mu == math.inf:
        return -mpmath.inf
    return oracle.evaluated(oracle.zero_truncated, x, [mu, theta]).value


def _share(q):
    """The logarithms of the two shares of log-odds."""
    if math.isinf(q):
        return (mpf(0), -mpmath.inf) if q > 0 else (-mpmath.inf, mpf(0))
    return -mpmath.log1p(mpmath.exp(-mpf(q))), -mpmath.log1p(mpmath.exp(mpf(q)))


def _sum(*logs):
    if None in logs:
        return None
    top = max(logs)
    if top == -mpmath.inf:
        return top
    with mpmath.workdps(40):
        return top + mpmath.log(sum(mpmath.exp(v - top) for v in logs))


def _plus(a, b):
    if -mpmath.inf in (a, b):
        return -mpmath.inf
    return None if b is None else a + b


def _zero_inflated(x, mu, theta, q):
    zero, rest = _share(q)
    count = _plus(rest, _nb(x, mu, theta))
    return _sum(zero, count) if x == 0 else count


def _hurdle(x, mu, theta, q):
    zero, rest = _share(q)
    return zero if x == 0 else _plus(rest, _zero_truncated(x, mu, theta))


def _mixture(x, mu_1, mu_2, theta_1, theta_2, q):
    first, second = _share(q)
    return _sum(_plus(first, _nb(x, mu_1, theta_1)), _plus(second, _nb(x, mu_2, theta_2)))


_LIMITS = {
    "negative_binomial": _nb,
    "zero_inflated_negative_binomial": _zero_inflated,
    "zero_truncated_negative_binomial": _zero_truncated,
    "hurdle_negative_binomial": _hurdle,
    "negative_binomial_mixture": _mixture,
}
