"""Residuals of every distribution, against their definitions by mpmath."""

from functools import cache

import jax
import mpmath
import numpy as np
from fuzz import exact_tails, oracle, points
from fuzz.findings import Finding, Report
from mpmath import mpf
from registry import DISTRIBUTIONS

import jaxnb

# units of eps relative to the residual, to its parts, or to the logarithm of the tail
_PEARSON, _DEVIANCE, _TAIL = 64, 16, 64


@cache
def _program(name):
    family = DISTRIBUTIONS[name].family
    attributes = [p.attribute for p in family.parameters]

    @jax.jit
    def of(x, parameters):
        d = getattr(jaxnb, family.class_name)(**dict(zip(attributes, parameters, strict=True)))
        found = {"pearson": d.pearson_residuals(x), "quantile": d.mid_quantile_residuals(x)}
        if family.deviance is not None:
            found["deviance"] = d.deviance_residuals(x)
        return found

    return of


def moments(name, values):
    """Mean and variance, from those of the negative binomial and the probability of 0."""
    if name == "negative_binomial_mixture":
        mu_1, mu_2, theta_1, theta_2, q = values
        of_1, of_2 = 1 / (1 + mpmath.exp(-q)), 1 / (1 + mpmath.exp(q))
        mean = of_1 * mu_1 + of_2 * mu_2
        square = of_1 * _square(mu_1, theta_1) + of_2 * _square(mu_2, theta_2)
        return mean, square - mean**2
    mu, theta, *odds = values
    share = mpf(1)
    if name in points.WHOLE:
        share /= exact_tails.TAILS["negative_binomial"](0, mu, theta).sf
    if odds:
        share /= 1 + mpmath.exp(odds[0])
    mean = share * mu
    return mean, share * _square(mu, theta) - mean**2


def _square(mu, theta):
    return mu + mu**2 / theta + mu**2


def residuals(name, dtype, n, seed, *, region):
    """Pearson's, of the deviance, and of the middle of the quantiles."""
    case = DISTRIBUTIONS[name]
    x, *parameters = points.drawn(case, dtype, n, seed, region, whole=True, infinite_theta=False)
    x = np.minimum(x, 2.0**23).astype(dtype)
    with jax.enable_x64(dtype == "float64"):
        found = jax.tree.map(np.asarray, _program(name)(x, tuple(parameters)))
    report = Report(points=n)
    eps = mpf(float(np.finfo(dtype).eps))
    for i in range(n):
        point = tuple(float(a[i]) for a in (x, *parameters))
        count, *values = map(mpf, point)
        for label, got in found.items():
            report.numbers += 1
            with mpmath.workdps(exact_tails.digits(count, *values)):
                exact, right = _CHECKS[label](name, count, values, float(got[i]), eps)
            if not right:
                what = f"{name} {label} residual {region} {dtype}"
                report.findings.append(Finding(what, point, got[i], exact))
    return report


def _pearson(name, x, values, got, eps):
    mean, variance = moments(name, values)
    spread = mpmath.sqrt(variance)
    exact = (x - mean) / spread
    parts = 0 if name == "negative_binomial" else mean / spread
    return exact, abs(got - exact) <= _PEARSON * eps * (abs(exact) + parts)


def _deviance(name, x, values, got, eps):
    if name == "zero_inflated_negative_binomial" and x == 0:
        jet = oracle.evaluated(oracle.LOG_PROB[name], 0, values)
        size = -2 * jet.value
    else:
        size = oracle.evaluated(oracle.nb_deviance, x, values[:2]).value
    mean, _ = moments(name, values)
    exact = mpmath.sign(x - mean) * mpmath.sqrt(abs(size))
    close = abs(x - mean) <= 4 * eps * mean
    return exact, abs(got - exact) <= _DEVIANCE * eps * abs(exact) or (
        close and abs(abs(got) - abs(exact)) <= 1e-3 + 8 * eps * mpmath.sqrt(mean)
    )


def _quantile(name, x, values, got, eps):
    """The smaller tail of the normal distribution there is that of the middle."""
    of = exact_tails.TAILS[name]
    at, before = of(x, *values), of(x - 1, *values)
    p = at.cdf - before.cdf if at.cdf < 0.5 else before.sf - at.sf
    lower, upper = before.cdf + p / 2, at.sf + p / 2
    sign, tail = (-1, lower) if lower < upper else (1, upper)
    found = mpmath.erfc(sign * mpf(got) / mpmath.sqrt(2)) / 2
    if tail <= 0 or not np.isfinite(got) or found <= 0:
        return tail, False
    room = _TAIL * eps * (1 + abs(mpmath.log(tail)))
    return tail, abs(mpmath.log(found / tail)) <= room


_CHECKS = {"pearson": _pearson, "deviance": _deviance, "quantile": _quantile}
