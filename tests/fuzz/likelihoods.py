"""Log-probabilities and deviances, their gradients and Hessians, against the oracle."""

from functools import cache, partial

import mpmath
import numpy as np
from fuzz import oracle, points
from fuzz.findings import Finding, Report, derivative_is_right, units
from fuzz.programs import ORDERS, differentiated
from registry import CASES

import jaxnb.likelihoods

UNITS, OF_TRUNCATED = 4.5, 6.0
"""Errors that are granted to a value, and to one of a distribution of whole numbers."""

THETA_OF_POISSON = {"float32": 2.0**98, "float64": 2.0**797}
"""From here on derivatives in theta may be 0."""


@cache
def log_prob(name, log_scale):
    """A function of x and the parameters, without a floor on the means."""
    case = CASES[name]
    if log_scale:
        return case.on_log_scale
    return partial(case.log_prob, eps=0.0) if case.family.floored else case.log_prob


def _deviance(x, mu, theta):
    return jaxnb.likelihoods.nb_deviance(x, mu, theta)


def _deviance_of_logarithms(x, log_mu, log_theta):
    return jaxnb.likelihoods.nb_deviance(x, log_mu=log_mu, log_theta=log_theta)


def log_probabilities(name, dtype, n, seed, *, region, log_scale=False, orders=tuple(ORDERS)):
    """n points of the distribution in a region."""
    case = CASES[name]
    x, *parameters = points.drawn(case, dtype, n, seed, region)
    function = log_prob(name, log_scale)
    what = f"{name} {region}{' log' * log_scale} {dtype}"
    given = points.logarithms(case, parameters) if log_scale else parameters
    return _given(what, function, oracle.LOG_PROB[name], case, x, given, log_scale, orders)


def at(name, arguments, dtype, *, log_scale=False, orders=tuple(ORDERS)):
    """The log-probability at points (x, *parameters), with parameters as they are given."""
    columns = [np.array(column, dtype) for column in zip(*arguments, strict=True)]
    what = f"{name}{' log' * log_scale} {dtype}"
    function, exact = log_prob(name, log_scale), oracle.LOG_PROB[name]
    return _given(what, function, exact, CASES[name], columns[0], columns[1:], log_scale, orders)


def deviances(name, dtype, n, seed, *, region, log_scale=False, orders=tuple(ORDERS)):
    """The same of the unit deviance, on the log scale also beyond the range of the dtype."""
    case = CASES["negative_binomial"]
    x, *parameters = points.drawn(case, dtype, n, seed, region)
    given = parameters
    if log_scale:
        given = points.logarithms(case, parameters)
        given = points.beyond(given, case, dtype, seed) if region != "ordinary" else given
    what = f"nb_deviance {region}{' log' * log_scale} {dtype}"
    function = _deviance_of_logarithms if log_scale else _deviance
    return _given(what, function, oracle.nb_deviance, case, x, given, log_scale, orders)


def _given(what, function, exact, case, x, given, log_scale, orders):
    value, gradient, hessians = differentiated(function, (x,), given, orders)
    report = Report(points=len(x))
    logs = case.scaled if log_scale else ()
    for i in range(len(x)):
        point = tuple(float(a[i]) for a in (x, *given))
        got = (value[i], [g[i] for g in gradient], {o: h[..., i] for o, h in hessians.items()})
        _compare(report, what, partial(oracle.evaluated, exact), case, point, logs, got)
    return report


def _compare(report, what, exact, case, point, logs, got):
    x, *values = point
    dtype = got[0].dtype.name
    jet = exact(x, values, logs)
    kept = [k for k, v in enumerate(values) if not _is_infinite_theta(case, k, v, logs, dtype)]
    eps = float(np.finfo(dtype).eps)

    def changes():
        """What roundings of the arguments do to everything, in sum."""
        moved = []
        places = [k + 1 for k in kept if point[k + 1]]
        places += [0] if x else []  # as the rounding of x + theta
        for place in places:
            p = list(point)
            p[place] *= 1 + 16 * eps if dtype == "float32" else 1 + 64 * eps
            moved.append((exact(p[0], p[1:], logs), 16 if dtype == "float32" else 64))
        return moved

    cached = []

    def change_of(pick):
        def change():
            if not cached:
                cached.append(changes())
            return sum(abs(pick(j) - pick(jet)) / step for j, step in cached[0])

        return change

    rounding = sum(
        abs(v * d) for v, d, log in zip(values, jet.first, logs or [0] * len(values), strict=False)
        if log and abs(v) < 1e30
    )  # fmt: skip
    units_of_value = OF_TRUNCATED if case.name in points.WHOLE else UNITS
    granted = units_of_value + float(rounding / max(1, abs(jet.value)))
    report.numbers += 1
    if not units(got[0], jet.value, dtype) <= granted:
        if units(got[0], exact(x, values, logs, 3).value, dtype) > granted:
            report.findings.append(Finding(f"{what} value", point, got[0], jet.value))
    hessian = jet.hessian()
    sizes = [
        mpmath.mpf(v) if points.kind_of(p) != "odds" and not logs else mpmath.mpf(1)
        for v, p in zip(values, case.family.parameters, strict=True)
    ]
    for k in kept:
        quantities = [(f"d{k}", got[1][k], jet.first[k], sizes[k], 1, lambda j, k=k: j.first[k])]
        for order, of_order in got[2].items():
            quantities += [
                (f"d{k}d{j} ({order})", of_order[k][j], hessian[k][j], sizes[k] * sizes[j], 2,
                 lambda jet, k=k, j=j: jet.hessian()[k][j])
                for j in kept
            ]  # fmt: skip
        for name, found, expected, size, degree, pick in quantities:
            report.numbers += 1
            right = derivative_is_right(
                found, expected, degree, dtype, change_of(pick), parameters=size
            )
            if right is None:
                report.excused += 1
            elif not right:
                better = pick(exact(x, values, logs, 3))
                if abs(better - expected) > abs(expected) * 1e-12:
                    raise AssertionError(f"too few digits at {point}")
                report.findings.append(Finding(f"{what} {name}", point, found, expected))


def _is_infinite_theta(case, place, value, logs, dtype):
    if points.kind_of(case.family.parameters[place]) != "theta":
        return False
    limit = THETA_OF_POISSON[dtype]
    return value > (np.log(limit) if logs else limit)
