"""Log-probabilities of censored counts, against exact probabilities of intervals."""

from functools import cache

import jax.numpy as jnp
import mpmath
import numpy as np
from fuzz import intervals
from fuzz.findings import Report
from fuzz.programs import differentiated
from registry import DISTRIBUTIONS

import jaxnb

LEFT, RIGHT, BETWEEN = "LeftCensored", "RightCensored", "IntervalCensored"


@cache
def _log_prob(name, class_name):
    family = DISTRIBUTIONS[name].family
    attributes = [p.attribute for p in family.parameters]

    def of(first, last, left, right, *parameters):
        named = dict(zip(attributes, parameters, strict=True))
        base = getattr(jaxnb, family.class_name)(**named)
        made = getattr(jaxnb, class_name)
        if class_name == BETWEEN:
            value = jnp.stack([first, last], -1)
            return made(base, left, right, validate_args=False).log_prob(value)
        censored = left if class_name == LEFT else right
        return made(base, censored, validate_args=False).log_prob(last)

    return of


def counts(class_name, lowest, first, last, left, right):
    """The intervals of counts that a value stands for, in pairs of their ends."""
    if class_name == BETWEEN:
        if left and right:
            return [(lowest, first), (last + 1, np.inf)] if last >= first else [(lowest, np.inf)]
        if not left and not right and first == last:
            return [(last, last)]
        return [(lowest if left else first + 1, np.inf if right else last)]
    if left if class_name == LEFT else right:
        return [(lowest, last) if class_name == LEFT else (last + 1, np.inf)]
    return [(last, last)]


def log_probabilities(name, dtype, n, seed):
    """Of all three classes, with derivatives."""
    case = DISTRIBUTIONS[name]
    rng = np.random.default_rng([seed, 47])
    first, last, *parameters = intervals.drawn(case, dtype, n, seed)
    lowest = float(case.family.lowest)
    first, last = (np.floor(np.clip(v, lowest, 2.0**23)) for v in (first, last))
    first = np.where(rng.random(n) < 0.2, last, first).astype(dtype)
    flags = rng.random((2, n)) < 0.5
    report = Report(points=n)
    for class_name in (LEFT, RIGHT, BETWEEN):
        found = differentiated(_log_prob(name, class_name), (first, last, *flags), parameters)
        for i in range(n):
            given = [float(v[i]) for v in (first, last)], [bool(v[i]) for v in flags]
            pairs = counts(class_name, lowest, *given[0], *given[1])
            values = [float(p[i]) for p in parameters]
            got = found[0][i], [d[i] for d in found[1]]
            point = (*given[0], *given[1], *values)
            what = f"{name} {class_name} {dtype}"
            intervals.compare(report, what, case, point, got, _exact(name, pairs), values, dtype)
    return report


def _exact(name, pairs):
    """The log-probability of the intervals together, and its derivatives."""

    def of(values):
        masses = [intervals.exact(name, max(a, 0), b, *values) for a, b in pairs if a <= b]
        with mpmath.workdps(60):
            p = sum(m.p for m in masses)
            if p == 0:
                return -mpmath.inf, None
            log_p = mpmath.log(p) if p < 0.9 else mpmath.log1p(p - 1)
            return log_p, [sum(d) / p for d in zip(*(m.d for m in masses), strict=True)]

    return of
