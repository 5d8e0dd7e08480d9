"""Divergences of equal, close and far pairs with first and second derivatives, and their limits."""

import math
from functools import cache

import jax
import mpmath
import numpy as np
from fuzz import exact_means, reals
from fuzz.findings import Finding, Report
from mpmath import mpf

from jaxnb.cdf import nb_kl_divergence

VALUE = {"float32": 3e-5, "float64": 1e-6}
FIRST = {"float32": 1e-3, "float64": 1e-5}
SECOND = {"float32": 1e-2, "float64": 1e-4}
"""Relative errors that are granted to values, first and second derivatives."""
_SMALLEST = {"float32": 1e-3, "float64": 0.0}
"""Thetas of the first distribution below which derivatives in them have few digits.

Second derivatives in its mean neither.
"""
_STEP = 15  # digits of the relative step of a central difference
BATCH = 16
_PLACES = (0, 1, 2, 3)


def drawn(dtype, n, seed):
    """Means 1e-9 to 1e9, thetas 1e-12 to infinity; pairs that are equal in part, close, or far."""
    rng = np.random.default_rng([seed, 43])
    mu, theta = (10.0 ** rng.uniform(low, high, (2, n)) for low, high in ((-9, 9), (-12, 12)))
    usual = 10.0 ** rng.uniform(-2, 3, (4, n))
    columns = np.where(rng.random(n) < 0.5, usual, [mu[0], theta[0], mu[1], theta[1]])
    columns[1::2] = np.where(rng.random((2, n)) < 0.15, np.inf, columns[1::2])
    close = columns[:2] * np.exp(10.0 ** rng.uniform(-6, -1, (2, n)) * rng.choice([-1, 1], (2, n)))
    kind = rng.integers(0, 6, n)
    same_mean, same_theta = np.isin(kind, (0, 1)), np.isin(kind, (0, 2))
    columns[2] = np.where(same_mean, columns[0], np.where(kind == 3, close[0], columns[2]))
    columns[3] = np.where(same_theta, columns[1], np.where(kind == 3, close[1], columns[3]))
    return [c.astype(dtype) for c in columns]


@cache
def _program():
    def of(*parameters):
        hessian = jax.jacfwd(jax.grad(nb_kl_divergence, _PLACES), _PLACES)(*parameters)
        return jax.value_and_grad(nb_kl_divergence, _PLACES)(*parameters), hessian

    return jax.jit(jax.vmap(of))


def _evaluated(dtype, columns, start):
    """Those of a batch, whose program takes minutes to compile."""
    batch = [np.resize(c[start : start + BATCH], BATCH) for c in columns]
    with jax.enable_x64(dtype == "float64"):
        return jax.tree.map(np.asarray, _program()(*batch))


class _Around:
    """The exact divergence at a point and a step away from it."""

    def __init__(self, point):
        self.point, self.known = [reals.number(p) for p in point], {}
        self.steps = [p * reals.number(10) ** -_STEP for p in self.point]

    def at(self, *moves):
        """With the parameters at places moved by signed steps."""
        if moves not in self.known:
            there = list(self.point)
            for place, sign in moves:
                there[place] += sign * self.steps[place]
            self.known[moves] = exact_means.divergence(*there)
        return self.known[moves]

    def first(self, k):
        return self._per_step(self.at((k, 1)) - self.at((k, -1)), 2, k)

    def second(self, k, j):
        """By differences along both parameters and along each of them."""
        alone = [self.at((i, sign)) for i in {k, j} for sign in (1, -1)]
        if k == j:
            return self._per_step(sum(alone) - 2 * self.at(), 1, k, k)
        both = [self.at((k, sign), (j, sign)) for sign in (1, -1)]
        return self._per_step(sum(both) + 2 * self.at() - sum(alone), 2, k, j)

    def _per_step(self, difference, times, *places):
        """The difference per step, with an error that is none in the logarithms."""
        steps = math.prod(self.steps[k] for k in places)
        error = mpf(10) ** -40 / math.prod(mpf(float(self.point[k])) for k in places)
        return reals.known(difference / (times * steps), error)


def pairs(name, dtype, n, seed):
    """n pairs."""
    columns = drawn(dtype, n, seed)
    found = [_evaluated(dtype, columns, start) for start in range(0, n, BATCH)]
    (value, gradient), hessian = jax.tree.map(lambda *parts: np.concatenate(parts), *found)
    report = Report(points=n)
    for i in range(n):
        point = tuple(float(c[i]) for c in columns)
        got = value[i], [g[i] for g in gradient], [[h[i] for h in row] for row in hessian]
        with reals.digits(2 * exact_means.DIGITS):
            _compare(report, f"negative_binomial divergence {dtype}", point, got, dtype)
    return report


def _compare(report, what, point, got, dtype):
    around, tiny = _Around(point), float(np.finfo(dtype).tiny)
    kept = [k for k, p in enumerate(point) if p < np.inf and not (k == 1 and p < _SMALLEST[dtype])]
    second = {(k, j): around.second(min(k, j), max(k, j)) for k in kept for j in kept}
    exact = reals.known(around.at(), mpf(10) ** -60)
    first, eps = {k: around.first(k) for k in kept}, float(np.finfo(dtype).eps)
    quantities = [("", got[0], exact, VALUE[dtype] * abs(exact))]
    for k in kept:
        room = FIRST[dtype] * abs(first[k]) + 8 * eps * point[k] * abs(second[k, k])
        quantities.append((f" d{k}", got[1][k], first[k], room))
        for j in kept:
            if point[1] < _SMALLEST[dtype] and 0 in (k, j):
                continue
            scale = mpmath.sqrt(abs(second[k, k] * second[j, j])) * FIRST[dtype]
            # a rounding of either first derivative
            rounding = 16 * eps * (abs(first[k]) / point[j] + abs(first[j]) / point[k])
            room = SECOND[dtype] * (abs(second[k, j]) + scale) + rounding
            quantities.append((f" d{k}d{j}", got[2][k][j], second[k, j], room))
    for label, found, expected, room in quantities:
        report.numbers += 1
        if not (np.isfinite(found) and abs(mpf(float(found)) - expected) <= room + 1e4 * tiny):
            report.findings.append(Finding(f"{what}{label}", point, found, expected))
