"""Distribution functions and their derivatives, against integrals of the definition."""

from functools import cache, partial

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
from fuzz import exact_tails, points
from fuzz.findings import DERIVATIVES, Finding, Report, derivative_is_right, units
from fuzz.likelihoods import THETA_OF_POISSON
from fuzz.programs import differentiated
from registry import DISTRIBUTIONS

UNITS, OTHERS = 6.0, 40.0
"""Errors granted to values of the negative binomial, and of distributions made of it."""
_DEEP, _OF_DEEP = -1e20, 1e-10
"""A logarithm below this one has such a relative error in float64: the tail of scaled counts."""
_UNKNOWN = exact_tails.ERROR * 10**12
"""What smaller derivatives, in logarithms of parameters, are not known well enough."""
ROOM = {"float32": 1e-4, "float64": 1e-9}
_OF_NODES = {"float32": 4e-6, "float64": 2.5e-12}
"""Of x / (theta + x): the error of theta**2 times a second derivative in theta.

That of `quadrature.Moments`. It shows at means with many counts, where what is left of the parts,
which are of that size, is far smaller.
"""


@cache
def _one(name, upper):
    family = DISTRIBUTIONS[name].family
    return family.log_sf if upper else family.log_cdf


def log_tails(name, dtype, n, seed, *, region, orders=()):
    """log F and log(1 - F) with first and second derivatives at random points."""
    case = DISTRIBUTIONS[name]
    x, *parameters = points.drawn(case, dtype, n, seed, region, whole=True)
    what = f"{name} {region} {dtype}"
    return compared(what, case, x, parameters, orders, wide=region == "wide")


_EDGES = {"mean": (0.0, np.inf), "theta": (np.inf, 0.0), "odds": (-np.inf, np.inf)}


def at_edges(name, dtype, n, seed):
    """Where counts and parameters are 0 or infinite: values, and that derivatives are numbers."""
    case = DISTRIBUTIONS[name]
    x, *parameters = points.drawn(case, dtype, n, seed, "ordinary", whole=True)
    rng = np.random.default_rng([seed, 59])
    x = np.where(rng.random(n) < 0.2, rng.choice([-1.0, 0.0, 1.0, np.inf], n), x).astype(dtype)
    for k, p in enumerate(case.family.parameters):
        ends = _EDGES[points.kind_of(p)]
        ends = ends[:1] if name in points.WHOLE and points.kind_of(p) == "theta" else ends
        at_end = rng.random(n) < 0.3
        parameters[k] = np.where(at_end, rng.choice(ends, n), parameters[k]).astype(dtype)
    return compared(f"{name} at edges {dtype}", case, x, parameters, ())


def at(name, arguments, dtype, orders=()):
    """The same at given points (x, *parameters)."""
    x, *parameters = (np.array(column, dtype) for column in zip(*arguments, strict=True))
    return compared(f"{name} {dtype}", DISTRIBUTIONS[name], x, parameters, orders)


def compared(what, case, x, parameters, orders, wide=False):
    """Everything that the package computes, with what is exact."""
    found = [differentiated(_one(case.name, u), (x,), parameters, orders) for u in (False, True)]
    report = Report(points=len(x))
    for i in range(len(x)):
        point = tuple(float(a[i]) for a in (x, *parameters))
        exact = _Exact(case, point, parameters[0].dtype.name, bool(orders), wide)
        for upper, (value, first, second) in enumerate(found):
            label = f"{what} {('log_cdf', 'log_sf')[upper]}"
            seconds = {order: h[..., i] for order, h in second.items()}
            exact.compare(report, label, upper, value[i], [d[i] for d in first], seconds)
    return report


class _Exact:
    """What is exact at a point, and what rounding may do there."""

    def __init__(self, case, point, dtype, second, wide):
        self.case, self.point, self.dtype = case, point, dtype
        self.second, self.wide = second, wide
        self.tails = self._at(point)
        self.eps = float(np.finfo(dtype).eps)
        self._moved = {}

    def compare(self, report, label, upper, value, first, second):
        jet = self._jet(upper)
        expected = -mpmath.inf if jet is None else jet.value
        report.numbers += 1
        if jet is None:
            right = value == -np.inf
        else:
            right = units(value, expected, self.dtype) <= self._granted(upper, expected)
        if not right:
            report.findings.append(Finding(label, self.point, value, expected))
        numbers = [(f"{label} d{k}", d) for k, d in enumerate(first)]
        numbers += [(f"{label} second ({order})", h) for order, h in second.items()]
        for where, d in numbers:
            report.numbers += np.size(d)
            if np.isnan(d).any():
                report.findings.append(Finding(where, self.point, np.nan, "a number"))
        if jet is None or self._at_an_edge():
            return
        for k, d in enumerate(first):
            self._derivative(report, f"{label} d{k}", upper, (k,), d)
        for order, hessian in second.items():
            for k, j in np.ndindex(*hessian.shape):
                self._derivative(
                    report, f"{label} d{k}d{j} ({order})", upper, (k, j), hessian[k, j]
                )

    def _granted(self, upper, expected):
        if self.wide and expected < _DEEP:
            return max(OTHERS, _OF_DEEP / self.eps)
        if self.case.name == "negative_binomial":
            return UNITS
        others = max(OTHERS, UNITS * self._of_difference(expected))
        return others if upper else others * float(self._shared())

    def _of_difference(self, expected):
        """The condition number of log(1 - F(x)) - log(1 - F(0)), in units of its result.

        With theta or the mean next to 0 both are large, as log(theta) is a part of either.
        """
        if self.case.name not in points.WHOLE:
            return 1
        x, *values = self.point[:3]
        both = (exact_tails.TAILS["negative_binomial"](k, *values).sf for k in (0, max(x, 1)))
        sizes = [abs(mpmath.log(tail)) for tail in both if tail > 0]
        return float(sum(sizes) / max(1, abs(expected)))

    def _shared(self):
        """What is lost, as documented, since F(x) and F(0) with zeros share digits."""
        if self.case.name not in points.WHOLE:
            return 1
        x, *values = self.point[:3]
        zero, t = (exact_tails.TAILS["negative_binomial"](k, *values) for k in (0, max(x, 1)))
        inside = zero.sf - t.sf if t.sf < 0.5 else t.cdf - zero.cdf
        return max(1, min(zero.sf, t.cdf) / inside) if inside else 1

    def _at_an_edge(self):
        kinds = [points.kind_of(p) for p in self.case.family.parameters]
        edges = {"mean": (0, np.inf), "theta": (0,), "odds": ()}
        return self.point[0] == np.inf or any(
            v in edges[kind] for v, kind in zip(self.point[1:], kinds, strict=True)
        )

    def _derivative(self, report, where, upper, places, got):
        if any(self._is_poisson(k) or self._overflows(k, upper) for k in places):
            return
        expected = _picked(self._jet(upper), places)
        if mpmath.isnan(expected):
            report.excused += 1
            return
        size = mpmath.mpf(1)
        for k in places:
            odds = points.kind_of(self.case.family.parameters[k]) == "odds"
            size *= 1 if odds else self.point[k + 1]
        if self._parts_overflow(places, size):
            return
        if abs(expected * size) < _UNKNOWN:
            right = abs(float(got) * size) < 2 * _UNKNOWN
            if not right:
                report.findings.append(Finding(where, self.point, got, expected))
            return
        # beyond the documented range, relative to rounding errors of the value
        rounding = 16 * self.eps * (1 + abs(self._jet(upper).value)) / ROOM[self.dtype]
        scale = (rounding / size if self.wide else abs(expected)) * self._shared()
        scale = max(scale, self._of_nodes(places))
        change = partial(self._change, upper, places)
        right = derivative_is_right(
            got, expected, len(places), self.dtype, change, scale=scale, parameters=size
        )
        if right is None:
            report.excused += 1
        elif not right:
            report.findings.append(Finding(where, self.point, got, expected))

    def _of_nodes(self, places):
        """What the nodes of the integral may leave of a second derivative in theta, as a scale."""
        theta = points.kind_of(self.case.family.parameters[places[0]]) == "theta"
        if not theta or len(places) < 2 or places[0] != places[1]:
            return 0
        x, theta = mpmath.mpf(self.point[0]), mpmath.mpf(self.point[places[0] + 1])
        granted = DERIVATIVES[self.dtype][1]
        return _OF_NODES[self.dtype] / granted * (x / (theta + x)) / theta**2

    def _parts_overflow(self, places, size):
        """Whether those of a second derivative without zeros, 1 / (parameters) and more, do."""
        least = 1e4 * float(np.finfo(self.dtype).tiny)
        return len(places) == 2 and self.case.name in points.WHOLE and size < least

    def _overflows(self, place, upper):
        """Whether the parts of a derivative of F(x) - F(0) in theta overflow, with the least."""
        theta = points.kind_of(self.case.family.parameters[place]) == "theta"
        smallest = 1e4 * float(np.finfo(self.dtype).tiny)
        truncated = self.case.name in points.WHOLE and not upper
        return theta and truncated and self.point[place + 1] < smallest

    def _at(self, point):
        nothing = float(np.finfo(self.dtype).tiny)
        of = exact_tails.LOG_TAILS[self.case.name]
        return of(*point, second=self.second, nothing=nothing)

    def _jet(self, upper):
        return self.tails.log_sf if upper else self.tails.log_cdf

    def _is_poisson(self, place):
        """Whether a parameter is a theta in which derivatives may be 0."""
        theta = points.kind_of(self.case.family.parameters[place]) == "theta"
        return theta and self.point[place + 1] > THETA_OF_POISSON[self.dtype]

    def _change(self, upper, places):
        """What a rounding of each parameter does to a derivative, in sum."""
        total = 0
        for k, v in enumerate(self.point[1:], 1):
            if not np.isfinite(v) or v == 0:
                continue
            if k not in self._moved:
                moved = [*self.point]
                moved[k] = v * (1 + 64 * self.eps)
                self._moved[k] = self._at(moved)
            there = self._moved[k].log_sf if upper else self._moved[k].log_cdf
            total += abs(_picked(there, places) - _picked(self._jet(upper), places)) / 64
        return total


def _picked(jet, places):
    return jet.first[places[0]] if len(places) == 1 else jet.hessian()[places[0]][places[1]]


@cache
def _both(name):
    family = DISTRIBUTIONS[name].family

    def of(x, *parameters):
        return family.log_cdf(x, *parameters), family.log_sf(x, *parameters)

    return jax.jit(of)


def complements(name, dtype, n, seed):
    """cdf + sf = 1 and monotone: of many points, without an oracle."""
    case = DISTRIBUTIONS[name]
    x, *parameters = points.drawn(case, dtype, n, seed, "limits", whole=True)
    report = Report(points=n, numbers=2 * n)
    with jax.enable_x64(dtype == "float64"):
        lower, upper = map(np.asarray, _both(name)(jnp.asarray(x), *parameters))
        after, _ = map(np.asarray, _both(name)(jnp.asarray(x + 1), *parameters))
    eps = float(np.finfo(dtype).eps)
    total = np.exp(lower.astype(float)) + np.exp(upper.astype(float))
    for label, wrong in (("sum", np.abs(total - 1) > 64 * eps),
                         ("monotone", after < lower - 16 * eps * np.maximum(1, -lower)),
                         ("finite", np.isnan(lower) | np.isnan(upper))):  # fmt: skip
        for i in np.flatnonzero(wrong):
            point = (x[i], *(p[i] for p in parameters))
            report.findings.append(Finding(f"{name} {dtype} {label}", point, lower[i], upper[i]))
    return report
