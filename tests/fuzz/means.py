"""Entropies and divergences of negative binomials of any size, against integrals."""

from functools import cache

import jax
import mpmath
import numpy as np
from fuzz import exact_means, reals
from fuzz.findings import Finding, Report
from mpmath import mpf
from registry import DISTRIBUTIONS

from jaxnb.cdf import nb_kl_divergence

VALUE = {"entropy": {"float32": 2e-5, "float64": 1e-9}}
VALUE["divergence"] = {"float32": 3e-5, "float64": 1e-6}
FIRST = {"float32": 1e-3, "float64": 1e-5}
"""Relative errors that are granted to values and to first derivatives."""
_SMALLEST = {("divergence", "float32", 1): 1e-3}
"""Thetas below which a derivative in them is documented to have few digits."""


def _drawn(dtype, n, seed):
    """Means 1e-9 to 1e9 and thetas 1e-12 to infinity."""
    rng = np.random.default_rng([seed, 41])
    mu, theta = 10.0 ** rng.uniform(-9, 9, n), 10.0 ** rng.uniform(-12, 12, n)
    theta = np.where(rng.random(n) < 0.1, np.inf, theta)
    return rng, mu.astype(dtype), theta.astype(dtype)


@cache
def _program(function, places):
    def of(*parameters):
        return jax.vmap(jax.value_and_grad(function, places))(*parameters)

    return jax.jit(of)


@cache
def _derivative(exact, point, place):
    """By a central difference of many digits, of relative step 1e-20."""
    with reals.digits(2 * exact_means.DIGITS):
        p = reals.number(point[place])
        step = p * reals.number(10) ** -20
        ends = [exact(*point[:place], p + s * step, *point[place + 1 :]) for s in (1, -1)]
        return reals.known((ends[0] - ends[1]) / (2 * step), mpf(10) ** -300)


def _compared(kind, function, exact, dtype, columns, name="negative_binomial"):
    report = Report(points=len(columns[0]))
    with jax.enable_x64(dtype == "float64"):
        found = _program(function, tuple(range(len(columns))))(*columns)
        value, gradient = jax.tree.map(np.asarray, found)
    tiny = float(np.finfo(dtype).tiny)
    what = f"{name} {kind} {dtype}"
    for i in range(report.points):
        point = tuple(float(c[i]) for c in columns)
        with mpmath.workdps(60):
            expected = reals.known(exact(*point), mpf(10) ** -60)
            report.numbers += 1
            if not _close(value[i], expected, VALUE[kind][dtype] * abs(expected) + 8 * tiny):
                report.findings.append(Finding(what, point, value[i], expected))
            for k, p in enumerate(point):
                if p == np.inf or ((kind, dtype, k) in _SMALLEST and p < _SMALLEST[kind, dtype, k]):
                    continue
                report.numbers += 1
                slope = _derivative(exact, point, k)
                size = FIRST[dtype] * (abs(slope) + abs(expected / p) * FIRST[dtype])
                if not _close(gradient[k][i], slope, size + 1e4 * tiny):
                    report.findings.append(Finding(f"{what} d{k}", point, gradient[k][i], slope))
    return report


def _close(got, expected, room):
    return bool(np.isfinite(got)) and abs(mpf(float(got)) - expected) <= room


def entropies(name, dtype, n, seed):
    """With first derivatives, of every distribution but the mixture."""
    rng, *columns = _drawn(dtype, n, seed)
    if len(DISTRIBUTIONS[name].family.parameters) > 2:
        columns.append(rng.uniform(-20, 20, n).astype(dtype))
    function, exact = DISTRIBUTIONS[name].family.entropy, exact_means.ENTROPIES[name]
    return _compared("entropy", function, exact, dtype, columns, name)


def divergences(name, dtype, n, seed):
    """With first derivatives; some of the pairs close, some of any thetas."""
    rng, mu, theta = _drawn(dtype, n, seed)
    apart = np.where(
        np.arange(n) % 2, 10.0 ** rng.uniform(-3, -1, (2, n)), rng.normal(0, 3, (2, n))
    )
    with np.errstate(over="ignore"):
        columns = [
            mu,
            theta,
            *((p * np.exp(d)).astype(dtype) for p, d in zip((mu, theta), apart, strict=True)),
        ]
    far = np.arange(n) % 3 == 0
    columns[3] = np.where(far, 10.0 ** rng.uniform(-12, 12, n), columns[3]).astype(dtype)
    return _compared("divergence", nb_kl_divergence, exact_means.divergence, dtype, columns)
