"""Means, variances, modes, entropies and divergences where parameters are 0 or infinite.

They are those of the limits of the distribution, by sums as in `sums`: a point mass at 0 with the
mean or theta, at 1 without zeros, one component of two where log-odds are infinite. Entropies and
divergences of an infinite mean are infinite.
"""

from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
from fuzz import points, sums
from fuzz.findings import Finding, Report
from registry import DISTRIBUTIONS

from jaxnb.cdf import nb_kl_divergence

_ENDS = {
    "mean": [0.0, 0.0, np.inf, np.nan, -1.0],
    "theta": [0.0, 0.0, np.inf, np.inf, np.nan, -1.0],
    "odds": [-np.inf, np.inf, np.nan],
}
_MOMENTS = ("mean", "variance", "mode")
"""What is not asked for with parameters outside of their ranges, or an infinite mean."""
_KINDS = {"divergence": ("mean", "theta", "mean", "theta")}
_LENGTH = 1 << 12
"""Counts that are summed, which are all that there are of the usual parameters."""
_COUNTS = np.arange(_LENGTH, dtype=sums.LONG)
_AT_ZERO, _AT_ONE = (np.where(_COUNTS == k, sums.LONG(0), -np.inf) for k in (0, 1))
_MOMENT = 256.0
"""Units in the last place of means and variances."""
_ROUNDING = 1e-18
"""That of the sums."""
_UNBOUNDED = "unbounded"
"""What the distribution with an infinite mean is here."""


def drawn(kinds, dtype, n, seed):
    """Half of the parameters are at ends of their ranges, or outside of them."""
    rng = np.random.default_rng([seed, 71])
    columns = []
    for kind in kinds:
        usual = rng.uniform(-2, 2, n)
        usual = usual if kind == "odds" else np.exp(usual)
        ends = rng.choice(_ENDS[kind], n)
        columns.append(np.where(rng.random(n) < 0.5, ends, usual).astype(dtype))
    return columns


@cache
def _functions(name):
    family = DISTRIBUTIONS[name].family
    found = {k: getattr(family, k) for k in ("mean", "variance", "mode", "entropy")}
    return found | {"divergence": nb_kl_divergence} if name == "negative_binomial" else found


@cache
def _program(name, label):
    function = _functions(name)[label]

    @jax.jit
    def of(*parameters):
        value, pull = jax.vjp(function, *parameters)
        return value, pull(jnp.ones_like(value))

    return of


def edges(name, dtype, n, seed):
    """Values, and that derivatives are numbers where values are finite."""
    report = Report()
    own = [points.kind_of(p) for p in DISTRIBUTIONS[name].family.parameters]
    for label in _functions(name):
        kinds = _KINDS.get(label, own)
        columns = drawn(kinds, dtype, n, seed)
        with jax.enable_x64(dtype == "float64"):
            value, gradient = jax.tree.map(np.asarray, _program(name, label)(*columns))
        report.points += n
        for i in range(n):
            point = tuple(float(c[i]) for c in columns)
            what = f"{name} {label} at edges {dtype}"
            _compare(report, what, name, label, kinds, point, value[i], [g[i] for g in gradient])
    return report


def _compare(report, what, name, label, kinds, point, value, gradient):
    expected, log_p = limit(name, label, kinds, point)
    if expected is None:
        return
    report.numbers += 1 + len(gradient)
    dtype = value.dtype.name
    eps = np.finfo(dtype).eps
    if np.isnan(expected) or np.isinf(expected):
        right = np.isnan(value) if np.isnan(expected) else value == expected
    elif label == "mode":  # or another one that is as probable
        at = log_p[int(value)] if 0 <= value < _LENGTH else -np.inf
        right = at >= log_p.max() - 64 * eps * max(1, -log_p.max())
    else:
        room = _MOMENT * eps if label in ("mean", "variance") else sums.RELATIVE[dtype]
        right = abs(sums.LONG(value) - expected) <= room * abs(expected) + _ROUNDING
    if not right:
        report.findings.append(Finding(what, point, value, float(expected)))
    if np.isfinite(expected) and np.isnan(gradient).any():
        report.findings.append(Finding(f"{what}: derivatives", point, np.nan, "a number"))


def limit(name, label, kinds, point):
    """What is right, None where that is not said, and the log-probabilities."""
    outside = any(k != "odds" and v < 0 for k, v in zip(kinds, point, strict=True))
    unbounded = any(k == "mean" and v == np.inf for k, v in zip(kinds, point, strict=True))
    without = name == "hurdle_negative_binomial" and point[1] == 0
    if label in _MOMENTS and (outside or np.isnan(point).any() or unbounded or without):
        return None, None
    if outside or np.isnan(point).any():
        return np.nan, None
    if label == "divergence":
        return _divergence(_nb(*point[:2]), _nb(*point[2:])), None
    log_p = _LOG_P[name](*point)
    if log_p is None:
        return (np.nan if name == "zero_truncated_negative_binomial" else None), None
    if log_p is _UNBOUNDED:
        return np.inf, None
    if label == "mode":
        return sums.LONG(np.argmax(log_p)), log_p
    k, mean = _COUNTS, sums.expectation(log_p, _COUNTS)
    of_k = {"mean": k, "variance": (k - mean) ** 2, "entropy": np.where(log_p > -np.inf, -log_p, 0)}
    return sums.expectation(log_p, of_k[label]), log_p


def _divergence(first, second):
    if first is None or second is None or first is second is _UNBOUNDED:
        return None
    if first is _UNBOUNDED or second is _UNBOUNDED:
        return np.inf
    some = first > -np.inf
    if (second[some] == -np.inf).any():
        return np.inf
    return sums.expectation(first, np.where(some, first, 0) - np.where(some, second, 0))


def _nb(mu, theta):
    if mu == np.inf:
        return None if theta == 0 else _UNBOUNDED
    return _AT_ZERO if mu == 0 or theta == 0 else sums.log_nb(mu, theta, _LENGTH)


def _without_zeros(mu, theta):
    if theta == 0:
        return None
    if mu == 0:
        return _AT_ONE
    log_p = _nb(mu, theta)
    return log_p if log_p is _UNBOUNDED else sums.without_zeros(log_p)


def _mixed(first, second, q):
    """The first with log-odds of q."""
    if np.isinf(q):
        return first if q > 0 else second
    if first is None or second is None:
        return None
    unbounded = first is _UNBOUNDED or second is _UNBOUNDED
    return _UNBOUNDED if unbounded else sums.mixed(first, second, q)


_LOG_P = {
    "negative_binomial": _nb,
    "zero_inflated_negative_binomial": lambda mu, theta, q: _mixed(_AT_ZERO, _nb(mu, theta), q),
    "zero_truncated_negative_binomial": _without_zeros,
    "hurdle_negative_binomial": lambda mu, theta, q: _mixed(_AT_ZERO, _without_zeros(mu, theta), q),
    "negative_binomial_mixture": lambda mu_1, mu_2, theta_1, theta_2, q: _mixed(
        _nb(mu_1, theta_1), _nb(mu_2, theta_2), q
    ),
}
