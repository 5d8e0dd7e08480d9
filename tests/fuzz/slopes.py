"""Derivatives of residuals in the parameters, at, next to and far from the mean."""

from functools import cache

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
from fuzz import exact_masses, intervals, moments, points, reals
from fuzz.findings import Finding, Report
from mpmath import mpf
from registry import DISTRIBUTIONS

import jaxnb

_DIGITS, _STEP = 120, 30
_ROOM = {"float32": 1e-3, "float64": 1e-8}
"""Relative to the derivative, in the logarithms of the parameters."""


@cache
def _program(name, label):
    family = DISTRIBUTIONS[name].family
    attributes = [p.attribute for p in family.parameters]

    @jax.jit
    def of(x, parameters):
        def residual(*p):
            d = getattr(jaxnb, family.class_name)(**dict(zip(attributes, p, strict=True)))
            return getattr(d, f"{label}_residuals")(x)

        value, pull = jax.vjp(residual, *parameters)
        return value, pull(jnp.ones_like(value))

    return of


def drawn(case, dtype, n, seed):
    """Counts at the mean exactly, next to it, and anywhere."""
    x, *parameters = points.drawn(
        case, dtype, n, seed, "ordinary", whole=True, infinite_theta=False
    )  # fmt: skip
    rng = np.random.default_rng([seed, 67])
    kind, count = rng.integers(0, 4, n), rng.integers(1, 200, n)
    mean = np.where(kind == 0, count, parameters[0])
    mean = np.where(kind == 1, count * (1 + 10.0 ** rng.uniform(-7, -2, n)), mean)
    parameters[0] = mean.astype(dtype)
    x = np.where(kind < 2, count, x).astype(dtype)
    theta = np.where(rng.random(n) < 0.15, np.inf, parameters[1 if len(parameters) < 5 else 2])
    parameters[1 if len(parameters) < 5 else 2] = theta.astype(dtype)
    return np.minimum(x, 2.0**23).astype(dtype), parameters


def slopes(name, dtype, n, seed):
    """Of Pearson's residuals, and of those of the deviance where they are defined."""
    case = DISTRIBUTIONS[name]
    x, parameters = drawn(case, dtype, n, seed)
    labels = ["pearson", "mid_quantile"]
    labels += ["deviance"] if case.family.deviance is not None else []
    report = Report(points=n)
    for label in labels:
        with jax.enable_x64(dtype == "float64"):
            found = _program(name, label)(x, tuple(parameters))
            _, gradient = jax.tree.map(np.asarray, found)
        for i in range(n):
            point = tuple(float(v[i]) for v in (x, *parameters))
            got = [g[i] for g in gradient]
            _compare(report, f"{name} {label} residual {dtype}", name, label, point, got, dtype)
    return report


def _compare(report, what, name, label, point, got, dtype):
    x, *values = point
    if label == "mid_quantile":
        try:
            exact = _of_quantile(name, x, values)
        except reals.TooFewDigits:  # of tails far below any that is compared
            exact = None
        if exact is None:
            return
    for k, p in enumerate(values):
        if p == np.inf:
            continue
        report.numbers += 1
        odds = points.kind_of(DISTRIBUTIONS[name].family.parameters[k]) == "odds"
        with mpmath.workdps(_DIGITS):
            size = mpf(1) if odds else mpf(p)
            slope = (
                exact[k] if label == "mid_quantile" else _difference(name, label, point, k, size)
            )
            if slope is None:
                continue
            # what roundings of the residual itself do
            noise = float(np.finfo(dtype).eps) * 64 * (1 + abs(_size(name, x, values))) / size
            right = np.isfinite(got[k])
            right = right and abs(mpf(float(got[k])) - slope) <= _ROOM[dtype] * abs(slope) + noise
        if not right:
            report.findings.append(Finding(f"{what} d{k}", point, got[k], slope))


def _size(name, x, values):
    mean, variance = moments.exact(name, list(map(mpf, values)))
    return (x + mean) / mpmath.sqrt(variance)


def _difference(name, label, point, k, size):
    """By a central difference of many digits; None next to a jump of the sign."""
    x, *values = (mpf(v) for v in point)
    step = size * mpf(10) ** -_STEP
    ends = [[*values[:k], values[k] + s * step, *values[k + 1 :]] for s in (1, -1)]
    if label == "pearson":
        of = [_pearson(name, x, there) for there in ends]
    else:
        of = [_signed_root(name, x, there) for there in ends]
        if None in of:
            return None
    return (of[0] - of[1]) / (2 * step)


def _pearson(name, x, values):
    mean, variance = moments.exact(name, values)
    return (x - mean) / mpmath.sqrt(variance)


def _signed_root(name, x, values):
    """Of the deviance of a negative binomial; with additional zeros only of counts above 0."""
    mean, _ = moments.exact(name, values)
    if x == 0 and name != "negative_binomial":
        return None
    mu, theta = values[:2]
    if name != "negative_binomial" and mpmath.sign(x - mean) != mpmath.sign(x - mu):
        return None  # the sign is of the whole mean, the deviance of the component's
    size = _deviance(x, mu, theta)
    return mpmath.sign(x - mean) * mpmath.sqrt(abs(size))


def _deviance(x, mu, theta):
    def log_p(m):
        if theta == mpmath.inf:
            return x * mpmath.log(m) - m if x else -m
        return (x * mpmath.log(m / (m + theta)) if x else 0) + theta * mpmath.log(
            theta / (theta + m)
        )

    return 2 * ((log_p(x) if x else 0) - log_p(mu))


def _of_quantile(name, x, values):
    """From the derivatives of the two tails; None of Poisson's, and far out."""
    if np.inf in values:
        return None
    none = exact_masses.Mass(mpf(0), [mpf(0)] * len(values))
    at = intervals.exact(name, 0, x, *values)
    before = intervals.exact(name, 0, x - 1, *values) if x else none
    above, from_x = (intervals.exact(name, first, np.inf, *values) for first in (x + 1, x))
    with mpmath.workdps(60):
        lower, upper = (before.p + at.p) / 2, (above.p + from_x.p) / 2
        tail = min(lower, upper)
        if tail < mpf(10) ** -30:
            return None
        # the residual z has Phi(z) = lower
        z = -mpmath.sqrt(2) * mpmath.erfinv(1 - 2 * tail) if tail > 1e-12 else _far(tail)
        density = mpmath.npdf(z)
        return [(a + b) / 2 / density for a, b in zip(at.d, before.d, strict=True)]


def _far(tail):
    return mpmath.findroot(
        lambda z: mpmath.log(mpmath.ncdf(z) / tail), -mpmath.sqrt(-2 * mpmath.log(tail))
    )
