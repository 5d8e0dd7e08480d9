"""Entropies, divergences, moments and samplers, against sums over the counts.

Log-probabilities are products of ratios of neighbors from that of 0 on, in NumPy's extended
precision; derivatives are differences of the sums.
"""

from functools import cache

import jax
import numpy as np
import scipy.stats
from fuzz import points
from fuzz.findings import Finding, Report
from registry import DISTRIBUTIONS

from jaxnb.cdf import nb_kl_divergence

LENGTH = 1 << 16  # counts that are summed
LONG = np.longdouble
RELATIVE = {"float32": 3e-5, "float64": 1e-6}
"""Errors that are granted to entropies and divergences."""


def log_nb(mu, theta, length=LENGTH):
    """Of the counts below this."""
    mu, theta = LONG(mu), LONG(theta)
    k = np.arange(1, length, dtype=LONG)
    if np.isinf(theta):
        steps, zero = np.log(mu) - np.log(k), -mu
    else:
        zero = -theta * np.log1p(mu / theta)
        # the ratio of neighbors is (theta + k - 1) / k times mu / (theta + mu)
        steps = np.log1p((k - 1) / theta) - np.log(k) + np.log(mu) - np.log1p(mu / theta)
    return zero + np.concatenate([[LONG(0)], np.cumsum(steps)])


def mixed(a, b, q):
    """Log-probabilities of two distributions, the first with log-odds of q."""
    q = LONG(q)
    return np.logaddexp(a - np.log1p(np.exp(-q)), b - np.log1p(np.exp(q)))


AT_ZERO = np.concatenate([[LONG(0)], np.full(LENGTH - 1, -np.inf, LONG)])
"""Of the point mass at 0."""


def without_zeros(log_p):
    """Log-probabilities of positive counts alone."""
    log_p = log_p - np.log(-np.expm1(log_p[0]))
    log_p[0] = -np.inf
    return log_p


LOG_P = {
    "negative_binomial": log_nb,
    "zero_inflated_negative_binomial": lambda mu, theta, q: mixed(AT_ZERO, log_nb(mu, theta), q),
    "negative_binomial_mixture": lambda mu_1, mu_2, theta_1, theta_2, q: mixed(
        log_nb(mu_1, theta_1), log_nb(mu_2, theta_2), q
    ),
    "zero_truncated_negative_binomial": lambda mu, theta: without_zeros(log_nb(mu, theta)),
    "hurdle_negative_binomial": lambda mu, theta, q: mixed(
        AT_ZERO, without_zeros(log_nb(mu, theta)), q
    ),
}
"""Of the parameters, the log-probabilities of the counts below `LENGTH`."""


def expectation(log_p, values):
    """Of values of the counts below `LENGTH`."""
    seen = log_p > -11000
    return np.sum(np.where(seen, np.exp(log_p) * np.where(seen, values, 0), 0))


def entropy(name, values):
    """In extended precision."""
    log_p = LOG_P[name](*values)
    return -expectation(log_p, log_p)


def moments(name, values):
    """Mean and variance."""
    log_p, k = LOG_P[name](*values), np.arange(LENGTH, dtype=LONG)
    mean = expectation(log_p, k)
    return mean, expectation(log_p, (k - mean) ** 2)


def divergence(name, first, second):
    """E log(P_1 / P_2) over the first."""
    log_p, log_q = LOG_P[name](*first), LOG_P[name](*second)
    return expectation(log_p, np.where(log_p > -np.inf, log_p, 0) - np.where(
        log_p > -np.inf, log_q, 0))  # fmt: skip


def drawn(case, dtype, n, seed):
    """Parameters with all of their mass below `LENGTH`."""
    rng = np.random.default_rng([seed, 7])
    out = []
    for p in case.family.parameters:
        kind = points.kind_of(p)
        low, high = {"mean": (-7, 7), "theta": (-1.5, 9), "odds": (-4, 4)}[kind]
        value = rng.uniform(low, high, n)
        value = value if kind == "odds" else np.exp(value)
        if kind == "theta":
            value = np.where(rng.random(n) < 0.1, np.inf, value)
        out.append(value.astype(dtype))
    return out


@cache
def _entropy_program(name):
    family = DISTRIBUTIONS[name].family

    def of(parameters):
        value, pull = jax.vjp(lambda *p: family.entropy(*p), *parameters)
        return value, pull(jax.numpy.ones_like(value))

    return jax.jit(of)


def entropies(name, dtype, n, seed):
    """With first derivatives."""
    case = DISTRIBUTIONS[name]
    parameters = drawn(case, dtype, n, seed)
    report = Report(points=n)
    with jax.enable_x64(dtype == "float64"):
        value, gradient = jax.tree.map(np.asarray, _entropy_program(name)(tuple(parameters)))
    for i in range(n):
        point = [LONG(p[i]) for p in parameters]
        exact = entropy(name, point)
        _relative(report, f"{name} entropy {dtype}", point, value[i], exact, dtype)
        for k, p in enumerate(point):
            if np.isinf(p):
                continue
            step = LONG(1e-5) * (1 if points.kind_of(case.family.parameters[k]) == "odds" else p)
            moved = [entropy(name, [*point[:k], p + s * step, *point[k + 1 :]]) for s in (1, -1)]
            slope = (moved[0] - moved[1]) / (2 * step)
            size = max(abs(slope), abs(exact) * LONG(1e-3) / max(abs(p), 1))
            _relative(report, f"{name} entropy {dtype} d{k}", point, gradient[k][i], slope, dtype,
                      10 * size)  # fmt: skip
    return report


def _relative(report, what, point, got, exact, dtype, size=None):
    report.numbers += 1
    size = abs(exact) if size is None else size
    if not abs(LONG(got) - exact) <= RELATIVE[dtype] * size + np.finfo(dtype).tiny:
        report.findings.append(Finding(what, tuple(point), float(got), float(exact)))


@cache
def _divergence_program():
    places = (0, 1, 2, 3)

    def of(*parameters):
        hessian = jax.jacfwd(jax.grad(nb_kl_divergence, places), places)
        return nb_kl_divergence(*parameters), hessian(*parameters)

    def of_each(parameters):
        value, hessian = jax.vmap(of)(*parameters)
        total = jax.grad(lambda *p: nb_kl_divergence(*p).sum(), places)
        return value, total(*parameters), hessian

    return jax.jit(of_each)


def divergences(name, dtype, n, seed):
    """With derivatives in all four parameters, and symmetric Hessians; half of the pairs close."""
    case = DISTRIBUTIONS[name]
    first = [np.minimum(p, 400) if k == 0 else p for k, p in enumerate(drawn(case, dtype, n, seed))]
    rng = np.random.default_rng([seed, 8])
    apart = np.where(
        np.arange(n) % 2, 10.0 ** rng.uniform(-3, -1, (2, n)), rng.uniform(0, 2, (2, n))
    )
    second = [(p * np.exp(d)).astype(dtype) for p, d in zip(first, apart, strict=True)]
    report = Report(points=n)
    with jax.enable_x64(dtype == "float64"):
        found = _divergence_program()((*first, *second))
        value, gradient, hessian = jax.tree.map(np.asarray, found)
    for i in range(n):
        point = [LONG(p[i]) for p in (*first, *second)]

        def exact_at(point):
            return divergence(name, point[:2], point[2:])

        exact, what = exact_at(point), f"{name} divergence {dtype}"
        _relative(report, what, point, value[i], exact, dtype)
        rounding = 4 * np.finfo(LONG).eps * entropy(name, point[:2])  # of a sum of P log(P)
        for k, p in enumerate(point):
            if np.isinf(p):
                continue
            step = LONG(1e-5) * p
            moved = [exact_at([*point[:k], p + s * step, *point[k + 1 :]]) for s in (1, -1)]
            derivative = (moved[0] - moved[1]) / (2 * step)
            size = abs(derivative) + abs(exact) * LONG(1e-3) / max(p, 1)
            size += rounding / step / RELATIVE[dtype]
            _relative(report, f"{what} d{k}", point, gradient[k][i], derivative, dtype, size)
        second_derivatives = np.array([[h[i] for h in row] for row in hessian])
        scale = np.sqrt(np.abs(np.outer(*[np.diag(second_derivatives)] * 2)))
        report.numbers += second_derivatives.size
        difference = np.abs(second_derivatives - second_derivatives.T)
        if not np.all(difference <= RELATIVE[dtype] * (np.abs(second_derivatives) + scale)):
            report.findings.append(Finding(f"{what} symmetry", tuple(point), difference.max(), 0.0))
    return report


def moments_and_modes(name, dtype, n, seed):
    """Mean, variance and mode."""
    case = DISTRIBUTIONS[name]
    parameters = drawn(case, dtype, n, seed)
    report = Report(points=n)
    family = case.family
    with jax.enable_x64(dtype == "float64"):
        found = [np.asarray(f(*parameters)) for f in (family.mean, family.variance, family.mode)]
    eps = float(np.finfo(dtype).eps)
    for i in range(n):
        point = [LONG(p[i]) for p in parameters]
        for label, got, exact in zip(("mean", "variance"), found, moments(name, point),
                                     strict=False):  # fmt: skip
            report.numbers += 1
            if not abs(LONG(got[i]) / exact - 1) < 64 * eps + 1e-12:
                report.findings.append(
                    Finding(f"{name} {label} {dtype}", tuple(point), got[i], float(exact))
                )
        report.numbers += 1
        log_p = LOG_P[name](*point)
        mode = int(found[2][i])
        if log_p[mode] < log_p.max() - 16 * eps * max(1, -log_p.max()):
            what = f"{name} mode {dtype}"
            report.findings.append(Finding(what, tuple(point), mode, int(np.argmax(log_p))))
    return report


def samplers(name, dtype, n, seed, draws=1 << 14):
    """Chi-square of draws with random parameters, by the smallest p-value of n."""
    case = DISTRIBUTIONS[name]
    parameters = drawn(case, dtype, n, seed)
    key = jax.random.key(seed)
    x = np.asarray(case.family.sampler(key, *(p[:, None] for p in parameters), shape=(n, draws)))
    report = Report(points=n)
    for i in range(n):
        p = np.exp(LOG_P[name](*(LONG(v[i]) for v in parameters))).astype(float)
        edges = np.unique(np.searchsorted(np.cumsum(p), np.linspace(0.02, 0.98, 30)))
        cells = np.append(np.searchsorted(edges, np.arange(LENGTH)), len(edges))
        expected = np.bincount(cells[:-1], p, len(edges) + 1) * draws
        expected[-1] += max(draws - expected.sum(), 0)
        observed = np.bincount(cells[np.minimum(x[i], LENGTH)], minlength=len(edges) + 1)
        kept = expected > 5
        expected, observed = (np.append(v[kept], v[~kept].sum()) for v in (expected, observed))
        kept = expected > 5
        report.numbers += 1
        if kept.sum() < 2:
            continue
        statistic = np.sum((observed - expected)[kept] ** 2 / expected[kept])
        p_value = scipy.stats.chi2.sf(statistic, kept.sum() - 1)
        if p_value < 1e-6:
            point = tuple(v[i] for v in parameters)
            report.findings.append(Finding(f"{name} sampler", point, p_value, "not below 1e-6"))
    return report
