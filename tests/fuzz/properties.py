"""What has to hold without an oracle, of many points at once."""

from functools import cache, partial

import jax
import numpy as np
from fuzz import points
from fuzz.findings import Finding, Report
from fuzz.programs import ORDERS, differentiated
from registry import CASES, DISTRIBUTIONS


@cache
def _log_prob(name):
    case = CASES[name]
    return partial(case.log_prob, eps=0.0) if case.family.floored else case.log_prob


def hessians(name, dtype, n, seed, *, region):
    """The same and symmetric in four orders of differentiation; everything a number."""
    case = CASES[name]
    x, *parameters = points.drawn(case, dtype, n, seed, region)
    _, gradient, hessian = differentiated(_log_prob(name), (x,), parameters, tuple(ORDERS))
    first = hessian["jvp of vjp"].astype(np.longdouble)
    report = Report(points=n)
    tiny = float(np.finfo(dtype).tiny)
    for order, second in hessian.items():
        for label, other in (("order", first), ("symmetry", second.swapaxes(0, 1))):
            report.numbers += second.size
            apart = np.abs(second - other) > 1e-4 * np.abs(other) + 1e4 * tiny
            apart |= np.isnan(second)
            for i in np.flatnonzero(apart.any((0, 1)))[:8]:
                k, j = np.argwhere(apart[..., i])[0]
                point = tuple(a[i] for a in (x, *parameters))
                what = f"{name} {region} {dtype} d{k}d{j} {label} ({order})"
                report.findings.append(Finding(what, point, second[k, j, i], float(other[k, j, i])))
    report.numbers += sum(g.size for g in gradient)
    for k, g in enumerate(gradient):
        for i in np.flatnonzero(np.isnan(g))[:8]:
            point = tuple(a[i] for a in (x, *parameters))
            what = f"{name} {region} {dtype} d{k}"
            report.findings.append(Finding(what, point, np.nan, "a number"))
    return report


@cache
def _round_trip(name):
    family = DISTRIBUTIONS[name].family

    @jax.jit
    def of(x, parameters):
        found = []
        for upper, tail in ((False, family.log_cdf), (True, family.log_sf)):
            level = tail(x, *parameters)
            back = family.quantile(None, *parameters, log_q=level, upper=upper)
            found.append((level, back, tail(back, *parameters), tail(back - 1, *parameters)))
        return found

    return of


def inverses(name, dtype, n, seed):
    """The quantile of F(x) is x, or a count with the same F; from either tail."""
    case = DISTRIBUTIONS[name]
    x, *parameters = points.drawn(case, dtype, n, seed, "ordinary", whole=True)
    with jax.enable_x64(dtype == "float64"):
        found = jax.tree.map(np.asarray, _round_trip(name)(x, tuple(parameters)))
    report = Report(points=n, numbers=2 * n)
    eps = float(np.finfo(dtype).eps)
    for (level, back, at, before), sign, label in zip(
        found, (1, -1), ("lower", "upper"), strict=True
    ):
        room = 64 * eps * np.maximum(1, np.abs(level))
        with np.errstate(invalid="ignore"):
            right = (sign * at >= sign * level - room) & (sign * before <= sign * level + room)
        right |= (back == case.family.lowest) & (sign * at >= sign * level - room)
        # the tail is 0 or 1 in this dtype
        right |= (level == -np.inf) | (level > -np.finfo(dtype).tiny)
        for i in np.flatnonzero(~right)[:8]:
            point = tuple(a[i] for a in (x, *parameters))
            what = f"{name} {dtype} {label} quantile of its own level"
            report.findings.append(Finding(what, point, back[i], float(level[i])))
    return report
