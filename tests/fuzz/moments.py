"""Means, variances and modes of parameters of any size, against exact arithmetic."""

import math
from fractions import Fraction
from functools import cache

import jax
import mpmath
import numpy as np
from fuzz import oracle, points
from fuzz.findings import DERIVATIVES, Finding, Report, derivative_is_right
from mpmath import mpf
from registry import DISTRIBUTIONS

_DIGITS, _STEP = 250, 40
_UNITS = 64.0
"""Errors granted to means and variances, relative to themselves."""
_WHOLE = {"float32": 2.0**23, "float64": 2.0**51}


def drawn(case, dtype, n, seed):
    """Means 1e-30 to 1e15, thetas 1e-15 to infinity, some of both whole.

    Some means are multiples of whole thetas, where two counts are modes.
    """
    rng = np.random.default_rng([seed, 61])
    columns = []
    for parameter in case.family.parameters:
        kind = points.kind_of(parameter)
        low, high = {"mean": (-30, 15), "theta": (-15, 15), "odds": (-30, 30)}[kind]
        value, usual = rng.uniform(low, high, n), rng.uniform(-3, 6, n)
        if kind != "odds":
            value, usual = 10.0**value, 10.0**usual
        value = np.where(rng.random(n) < 0.5, usual, value)
        if kind != "odds":
            whole = rng.integers(1, 300, n)
            value = np.where(rng.random(n) < 0.3, whole, value)
        if kind == "theta":
            value = np.where(rng.random(n) < 0.2, np.inf, value)
        columns.append(value.astype(dtype))
    theta = next(v for v, p in zip(columns, case.family.parameters, strict=True)
                 if points.kind_of(p) == "theta")  # fmt: skip
    multiple = (rng.random(n) < 0.2) & (theta == np.floor(theta)) & (theta < 1e3)
    columns[0] = np.where(multiple, theta * rng.integers(1, 100, n), columns[0]).astype(dtype)
    return columns


def exact(name, values):
    """Mean and variance, in the digits of mpmath."""
    if name == "negative_binomial_mixture":
        mu_1, mu_2, theta_1, theta_2, q = values
        of_1, of_2 = 1 / (1 + mpmath.exp(-q)), 1 / (1 + mpmath.exp(q))
        variance = of_1 * _variance(mu_1, theta_1) + of_2 * _variance(mu_2, theta_2)
        return of_1 * mu_1 + of_2 * mu_2, variance + of_1 * of_2 * (mu_1 - mu_2) ** 2
    mu, theta, *odds = values
    share = mpf(1)
    if name in points.WHOLE:
        log_zero = -mu if theta == mpmath.inf else -theta * mpmath.log1p(mu / theta)
        share /= -mpmath.expm1(log_zero)
    if odds:
        share /= 1 + mpmath.exp(odds[0])
    mean = share * mu
    return mean, share * (_variance(mu, theta) + mu**2) - mean**2


def _variance(mu, theta):
    return mu + mu**2 / theta


@cache
def _program(name):
    family = DISTRIBUTIONS[name].family

    def of(parameters):
        found = {}
        for label, function in (("mean", family.mean), ("variance", family.variance)):
            value, pull = jax.vjp(function, *parameters)
            found[label] = value, pull(jax.numpy.ones_like(value))
        return found, family.mode(*parameters)

    return jax.jit(of)


def moments(name, dtype, n, seed):
    """With first derivatives."""
    case = DISTRIBUTIONS[name]
    columns = drawn(case, dtype, n, seed)
    with jax.enable_x64(dtype == "float64"):
        found, modes = jax.tree.map(np.asarray, _program(name)(tuple(columns)))
    report = Report(points=n)
    for i in range(n):
        point = tuple(float(c[i]) for c in columns)
        with mpmath.workdps(_DIGITS):
            _compare(report, name, case, point, found, i, dtype)
            wrong = _wrong_mode(name, case, point, float(modes[i]), dtype)
        report.numbers += 1
        if wrong is not None:
            report.findings.append(Finding(f"{name} mode {dtype}", point, modes[i], wrong))
    return report


def _compare(report, name, case, point, found, i, dtype):
    values = list(map(mpf, point))
    eps, largest = float(np.finfo(dtype).eps), float(np.finfo(dtype).max)
    tiny = float(np.finfo(dtype).tiny)
    for place, label in enumerate(("mean", "variance")):
        got, gradient = found[label][0][i], [g[i] for g in found[label][1]]
        right, what = exact(name, values)[place], f"{name} wide {label} {dtype}"
        report.numbers += 1
        if not _close(got, right, _UNITS * eps * right + tiny, largest):
            report.findings.append(Finding(what, point, got, right))
        for k, p in enumerate(values):
            if p == mpmath.inf:
                continue
            report.numbers += 1
            odds = points.kind_of(case.family.parameters[k]) == "odds"
            step = (mpf(1) if odds else p) * mpf(10) ** -_STEP
            ends = [exact(name, [*values[:k], p + s * step, *values[k + 1 :]]) for s in (1, -1)]
            slope = (ends[0][place] - ends[1][place]) / (2 * step)
            size = 1 if odds else p
            # a rounding of all of it; none of the odds, whose weights are known
            scale = 0 if odds else right / size * eps * 16 / DERIVATIVES[dtype][0]
            if not derivative_is_right(gradient[k], slope, 1, dtype, scale=scale, parameters=size):
                report.findings.append(Finding(f"{what} d{k}", point, gradient[k], slope))


def _close(got, right, room, largest):
    if right > largest:
        return got == np.inf
    return bool(np.isfinite(got)) and abs(mpf(float(got)) - right) <= room


def _mode_of_nb(mu, theta, room=Fraction(0)):
    """The larger of two that are equally probable, in exact arithmetic."""
    mu = Fraction(mu) * (1 + room)
    share = 1 if theta == math.inf else 1 - 1 / Fraction(theta) if theta else 0
    return max(math.floor(mu * share), 0)


def _wrong_mode(name, case, point, mode, dtype):
    """What would be one, if this is none."""
    kinds = [points.kind_of(p) for p in case.family.parameters]
    means, thetas = ([v for v, k in zip(point, kinds, strict=True) if k == of]
                     for of in ("mean", "theta"))  # fmt: skip
    modes = [_mode_of_nb(*pair) for pair in zip(means, thetas, strict=True)]
    eps = float(np.finfo(dtype).eps)
    if name == "negative_binomial":
        far = means[0] >= _WHOLE[dtype]
        low, high = (_mode_of_nb(*point, far * Fraction(s * 4 * eps)) for s in (-1, 1))
        return None if low <= mode <= high else modes[0]
    if max(modes) >= _WHOLE[dtype]:
        return None
    lowest = case.family.lowest

    def log_p(x):
        return oracle.evaluated(oracle.LOG_PROB[name], x, list(point)).value

    candidates = {lowest, 1, *modes, mode - 1, mode + 1}
    candidates = [c for c in candidates if lowest <= c]
    best = max(candidates, key=log_p)
    at = log_p(mode) if mode >= lowest else -mpmath.inf
    return int(best) if at < log_p(best) - 64 * eps * max(1, abs(at)) else None
