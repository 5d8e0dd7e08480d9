"""Distribution functions, their derivatives and quantiles, against integrals of the definition."""

from functools import cache

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
from fuzz import exact_tails, points
from fuzz.findings import Finding, Report, derivative_is_right, units
from fuzz.programs import differentiated
from registry import DISTRIBUTIONS

UNITS = {"negative_binomial": 6.0}
OTHERS = 40.0
"""Errors granted to values: documented, and of distributions without a documented bound."""
# relative to the derivative and to that of the log-probability, as documented
_ROOM = {"float32": 1e-4, "float64": 1e-9}
_LEVELS = (0.0, 1e-30, 1e-6, 0.01, 0.3, 0.5, 0.9, 0.999, 1.0)


@cache
def _both(name):
    family = DISTRIBUTIONS[name].family

    def of(x, *parameters):
        return family.log_cdf(x, *parameters), family.log_sf(x, *parameters)

    return of


@cache
def _one(name, upper):
    family = DISTRIBUTIONS[name].family
    return family.log_sf if upper else family.log_cdf


def log_tails(name, dtype, n, seed, *, region, orders=()):
    """log F and log(1 - F) with first derivatives; second ones have to be numbers."""
    case = DISTRIBUTIONS[name]
    x, *parameters = points.drawn(case, dtype, n, seed, region, whole=True, infinite_theta=False)
    x = np.minimum(x, 2.0**50).astype(dtype)
    report = Report(points=n)
    found = [differentiated(_one(name, u), (x,), parameters, orders) for u in (False, True)]
    for i in range(n):
        point = tuple(float(a[i]) for a in (x, *parameters))
        exact = exact_tails.TAILS[name](*map(mpmath.mpf, point))
        got = [(v[i], [d[i] for d in g], {o: h[..., i] for o, h in hs.items()})
               for v, g, hs in found]  # fmt: skip
        _compare(report, f"{name} {region} {dtype}", case, point, exact, got, dtype)
    return report


def _compare(report, what, case, point, exact, got, dtype):
    eps = float(np.finfo(dtype).eps)
    granted = UNITS.get(case.name, OTHERS)
    for (value, first, second), tail, other, sign, label in zip(
        got, (exact.cdf, exact.sf), (exact.sf, exact.cdf), (1, -1), ("log_cdf", "log_sf"),
        strict=True,
    ):  # fmt: skip
        report.numbers += 1
        if tail == 0:
            right = value == -np.inf
            expected = -mpmath.inf
        else:
            expected = mpmath.log(tail) if tail < 0.5 else mpmath.log1p(-other)
            right = units(value, expected, dtype) <= granted
        if not right:
            report.findings.append(Finding(f"{what} {label}", point, value, expected))
        if tail == 0:
            continue
        for k, (d, along) in enumerate(zip(first, exact.d_cdf, strict=True)):
            report.numbers += 1
            p = case.family.parameters[k]
            size = 1 if points.kind_of(p) == "odds" else mpmath.mpf(point[k + 1])
            # of the tail itself, with a rounding of everything in it
            scale = (abs(expected) + 1) * eps / _ROOM[dtype] / size * 16
            expected_d = sign * along / tail
            if not derivative_is_right(d, expected_d, 1, dtype, scale=scale, parameters=size):
                report.findings.append(Finding(f"{what} {label} d{k}", point, d, expected_d))
        for order, hessian in second.items():
            report.numbers += hessian.size
            if np.isnan(hessian).any():
                place = tuple(int(v) for v in np.argwhere(np.isnan(hessian))[0])
                where = f"{what} {label} d{place[0]}d{place[1]} ({order})"
                report.findings.append(Finding(where, point, np.nan, "a number"))


@cache
def _quantile_program(name):
    family = DISTRIBUTIONS[name].family

    @jax.jit
    def of(q, parameters):
        x = family.quantile(q, *parameters)
        cdf = [family.log_cdf(y, *parameters) for y in (x, x - 1)]
        return x, *cdf, family.quantile(q, *parameters, upper=True)

    return of


def quantiles(name, dtype, n, seed, *, region="ordinary"):
    """F(x) >= q > F(x - 1) by the exact F, monotone in q, from either tail."""
    case = DISTRIBUTIONS[name]
    _, *parameters = points.drawn(case, dtype, n, seed, region, infinite_theta=False)
    rng = np.random.default_rng(seed)
    q = np.where(rng.random(n) < 0.2, rng.choice(_LEVELS[1:-1], n), rng.random(n)).astype(dtype)
    report = Report(points=n)
    with jax.enable_x64(dtype == "float64"):
        x, *_, upper = map(np.asarray, _quantile_program(name)(q, parameters))
    eps = float(np.finfo(dtype).eps)
    for i in range(n):
        values = [mpmath.mpf(float(p[i])) for p in parameters]
        for count, level, label in ((x[i], q[i], "lower"), (upper[i], q[i], "upper")):
            report.numbers += 1
            if not np.isfinite(count):
                ok = region != "ordinary"
            else:
                at, before = (exact_tails.TAILS[name](mpmath.mpf(float(c)), *values)
                              for c in (count, count - 1))  # fmt: skip
                room = 64 * eps
                if label == "lower":
                    ok = at.cdf >= level * (1 - room) and before.cdf < level * (1 + room)
                else:
                    ok = at.sf <= level * (1 + room) and before.sf > level * (1 - room)
                ok |= count == case.family.lowest and (
                    at.cdf >= level * (1 - room)
                    if label == "lower"
                    else at.sf <= level * (1 + room)
                )
            if not ok:
                point = (q[i], *(p[i] for p in parameters))
                report.findings.append(
                    Finding(f"{name} {region} {dtype} quantile {label}", point, count, "another")
                )
    return report


def complements(name, dtype, n, seed):
    """cdf + sf = 1 and monotone: of many points, without an oracle."""
    case = DISTRIBUTIONS[name]
    x, *parameters = points.drawn(case, dtype, n, seed, "limits", whole=True)
    report = Report(points=n, numbers=2 * n)
    with jax.enable_x64(dtype == "float64"):
        lower, upper = map(np.asarray, _jitted(name)(jnp.asarray(x), *parameters))
        after, _ = map(np.asarray, _jitted(name)(jnp.asarray(x + 1), *parameters))
    eps = float(np.finfo(dtype).eps)
    total = np.exp(lower.astype(float)) + np.exp(upper.astype(float))
    for label, wrong in (("sum", np.abs(total - 1) > 64 * eps),
                         ("monotone", after < lower - 16 * eps * np.maximum(1, -lower)),
                         ("finite", np.isnan(lower) | np.isnan(upper))):  # fmt: skip
        for i in np.flatnonzero(wrong):
            point = (x[i], *(p[i] for p in parameters))
            report.findings.append(Finding(f"{name} {dtype} {label}", point, lower[i], upper[i]))
    return report


@cache
def _jitted(name):
    return jax.jit(_both(name))
