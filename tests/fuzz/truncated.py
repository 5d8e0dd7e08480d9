"""`Truncated` of every distribution, against exact probabilities and means of intervals."""

from functools import cache

import jax
import mpmath
import numpy as np
import scipy.stats
from fuzz import exact_truncated, intervals
from fuzz.findings import Finding, Report
from fuzz.programs import differentiated
from mpmath import mpf
from registry import DISTRIBUTIONS

import jaxnb

_QUANTITIES = ("log_prob", "log_cdf", "log_sf", "mean")
_TIMES = {"float32": 32.0, "float64": 64.0}
"""Units in the last place of all logarithms behind a mean or a quantile."""


@cache
def _of(name, quantity):
    """Of a count, the ends and the parameters; of `icdf`, a level in place of the count."""
    family = DISTRIBUTIONS[name].family
    attributes = [p.attribute for p in family.parameters]

    def of(x, low, high, *parameters):
        named = dict(zip(attributes, parameters, strict=True))
        base = getattr(jaxnb, family.class_name)(**named)
        made = jaxnb.Truncated(base, low, high, validate_args=False)
        found = getattr(made, quantity)
        return found if quantity == "mean" else found(x)

    return of


@cache
def _icdf(name):
    return jax.jit(_of(name, "icdf"))


def drawn(case, dtype, n, seed):
    """Counts within the interval or next to it, levels, the ends and the parameters."""
    rng = np.random.default_rng([seed, 53])
    low, high, *parameters = intervals.drawn(case, dtype, n, seed + 1000)
    ends = [intervals.whole(case, a, b) for a, b in zip(low, high, strict=True)]
    a, b = np.transpose(ends)
    length = np.minimum(b, 4 * a + 1000) - a
    kind = rng.integers(0, 4, n)
    x = np.select(
        [kind == 0, kind == 1, kind == 2],
        [a + rng.integers(-1, 3, n), np.where(b < np.inf, b, a) + rng.integers(-2, 2, n), a],
        a + np.floor(rng.random(n) * length),
    )
    levels = np.where(rng.random(n) < 0.3, rng.choice([0, 1e-6, 1e-30, 1.0], n), rng.random(n))
    return [v.astype(dtype) for v in (x, levels, low, high)], parameters


def truncated(name, dtype, n, seed):
    """Log-probabilities, both tails and means with derivatives, and quantiles."""
    case = DISTRIBUTIONS[name]
    (x, levels, low, high), parameters = drawn(case, dtype, n, seed)
    found = {q: differentiated(_of(name, q), (x, low, high), parameters) for q in _QUANTITIES}
    with jax.enable_x64(dtype == "float64"):
        quantiles = np.asarray(_icdf(name)(levels, low, high, *parameters))
    report = Report(points=n)
    for i in range(n):
        a, b = intervals.whole(case, low[i], high[i])
        values = [float(p[i]) for p in parameters]
        point = tuple(float(v[i]) for v in (x, low, high)) + tuple(values)
        total = intervals.exact(name, a, b, *values) if a <= b else None
        if total is None or total.p == 0:
            continue
        for quantity in _QUANTITIES:
            value, gradient, _ = found[quantity]
            what = f"{name} truncated {quantity} {dtype}"
            got = value[i], [d[i] for d in gradient]
            if quantity == "mean":
                _compare_mean(report, what, name, point, got, (a, b, values), dtype)
            else:
                of_values = _logarithm(name, quantity, float(x[i]), a, b)
                intervals.compare(report, what, case, point, got, of_values, values, dtype)
        report.numbers += 1
        if not _is_quantile(name, quantiles[i], mpf(float(levels[i])), (a, b, values), dtype):
            what = f"{name} truncated icdf {dtype}"
            report.findings.append(
                Finding(what, (float(levels[i]), *point[1:]), quantiles[i], "another")
            )
    return report


def _part(quantity, x, a, b):
    """The interval within that from a to b whose share a quantity is."""
    return {"log_prob": (x, x), "log_cdf": (a, min(x, b)), "log_sf": (max(x + 1, a), b)}[quantity]


def _logarithm(name, quantity, x, a, b):
    """That of a share, its derivatives, and what it is a difference of."""
    first, last = _part(quantity, x, a, b)

    def of(values):
        if first > last or first < a or last > b:
            return -mpmath.inf, None
        log_total, of_total = intervals.log_exact(name, a, b, values)
        log_part, of_part = intervals.log_exact(name, first, last, values)
        if log_part == -mpmath.inf:
            return log_part, None
        with mpmath.workdps(60):
            slopes = [y - z for y, z in zip(of_part, of_total, strict=True)]
            sizes = [abs(y) + abs(z) for y, z in zip(of_part, of_total, strict=True)]
            return log_part - log_total, slopes, abs(log_part) + abs(log_total), sizes

    return of


def _room(name, a, b, values, dtype, *others):
    """The relative error of a ratio of probabilities of intervals."""
    logs = [intervals.log_exact(name, a, b, values)[0], *others]
    return _TIMES[dtype] * float(np.finfo(dtype).eps) * (1 + sum(map(abs, logs)))


def _compare_mean(report, what, name, point, got, interval, dtype):
    a, b, values = interval
    exact = exact_truncated.mean(name, a, b, *values)
    room = _room(name, a, b, values, dtype)
    report.numbers += 1
    if not abs(mpf(float(got[0])) - exact.p) <= room * exact.p + mpf(10) ** -60:
        report.findings.append(Finding(what, point, got[0], exact.p))
    for k, v in enumerate(values):
        if v == np.inf:
            continue
        report.numbers += 1
        size = abs(v) if "mixture" not in name and k < 2 else 1
        granted = 16 * room * (abs(exact.d[k]) + exact.p / max(size, 1e-30)) + mpf(10) ** -60
        if not (np.isfinite(got[1][k]) and abs(mpf(float(got[1][k])) - exact.d[k]) <= granted):
            report.findings.append(Finding(f"{what} d{k}", point, got[1][k], exact.d[k]))


def _is_quantile(name, count, level, interval, dtype):
    """F(x) >= q > F(x - 1), within the room of the two."""
    a, b, values = interval
    if level in (0, 1):
        return count == (a if level == 0 else b) or (level == 1 and count > a)
    if not a <= count <= b:
        return False
    log_level = mpmath.log(level) if level < 0.5 else mpmath.log1p(-level)
    room = _room(name, a, b, values, dtype, log_level)
    total = intervals.exact(name, a, b, *values).p
    x = float(count)
    up_to, above = (
        intervals.exact(name, *ends, *values).p / total if ends[0] <= ends[1] else mpf(0)
        for ends in ((a, x), (x + 1, b))
    )
    before, after = (
        intervals.exact(name, *ends, *values).p / total if ends[0] <= ends[1] else mpf(0)
        for ends in ((a, x - 1), (x, b))
    )
    reached = up_to >= level * (1 - room) or above <= (1 - level) * (1 + room)
    first = before < level * (1 + room) or after > (1 - level) * (1 - room)
    return bool(reached and first)


def samples(name, dtype, n, seed, draws=1 << 12):
    """Chi-square of draws, of cells between quantiles."""
    case = DISTRIBUTIONS[name]
    (_, _, low, high), parameters = drawn(case, "float32", n, seed)
    family, report = case.family, Report(points=n)
    attributes = [p.attribute for p in family.parameters]
    base = getattr(jaxnb, family.class_name)(**dict(zip(attributes, parameters, strict=True)))
    made = jaxnb.Truncated(base, low, high, validate_args=False)
    x = np.asarray(made.sample(jax.random.key(seed), (draws,)))
    cuts = np.stack([np.asarray(made.icdf(np.float32(q))) for q in (0.1, 0.3, 0.5, 0.7, 0.9)])
    for i in range(n):
        a, b = intervals.whole(case, low[i], high[i])
        values = [float(p[i]) for p in parameters]
        total = intervals.exact(name, a, b, *values).p if a <= b else 0
        if total == 0 or _room(name, a, b, values, dtype) > 1e-3:
            continue
        of_point = [float(cut) for cut in np.unique(cuts[:, i])]
        starts = [a, *(cut + 1 for cut in of_point)]
        pairs = [(s, e) for s, e in zip(starts, [*of_point, b], strict=True) if s <= e]
        p = [float(intervals.exact(name, s, e, *values).p / total) for s, e in pairs]
        observed = [np.sum((x[:, i] >= s) & (x[:, i] <= e)) for s, e in pairs]
        report.numbers += 1
        if not _likely(np.array(observed), draws * np.array(p), draws):
            what = f"{name} truncated sampler"
            point = (float(low[i]), float(high[i]), *values)
            report.findings.append(Finding(what, point, float(sum(observed)), "unlikely draws"))
    return report


def _likely(observed, expected, draws):
    if observed.sum() != draws:
        return False
    kept = expected > 5
    observed, expected = (np.append(v[kept], v[~kept].sum()) for v in (observed, expected))
    kept = expected > 1e-3
    if observed[~kept].sum() > 2:
        return False
    statistic = np.sum((observed - expected)[kept] ** 2 / expected[kept])
    return scipy.stats.chi2.sf(statistic, max(kept.sum() - 1, 1)) > 1e-6
