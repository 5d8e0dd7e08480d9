"""Draws at limits of the parameters, against distribution functions of SciPy."""

import jax
import numpy as np
import scipy.stats
from fuzz import points
from fuzz.findings import Finding, Report
from registry import DISTRIBUTIONS

_CELLS = 24


def drawn(case, n, seed):
    """Means 1e-6 to 1e6, thetas 1e-3 to 1e6 and infinity, log-odds -20 to 20; some at the ends."""
    rng = np.random.default_rng([seed, 79])
    ends = {"mean": [1e-6, 1e6], "theta": [1e-3, 1e6, np.inf], "odds": [-20.0, 20.0]}
    columns = []
    for parameter in case.family.parameters:
        kind = points.kind_of(parameter)
        low, high = {"mean": (-6, 6), "theta": (-3, 6), "odds": (-20, 20)}[kind]
        value = rng.uniform(low, high, n)
        value = value if kind == "odds" else 10.0**value
        value = np.where(rng.random(n) < 0.3, rng.choice(ends[kind], n), value)
        columns.append(value.astype("float32"))
    return columns


def _above(mu, theta):
    """P(X > x) of a negative binomial."""
    if theta == np.inf:
        return lambda x: np.where(x < 0, 1.0, scipy.stats.poisson.sf(x, mu))
    # the incomplete beta function of mu / (mu + theta), which has its digits where that is small
    share = mu / (mu + theta)
    return lambda x: np.where(x < 0, 1.0, scipy.special.betainc(np.maximum(x, 0) + 1, theta, share))


def _above_of_positive(mu, theta):
    above = _above(mu, theta)
    return lambda x: np.where(x < 1, 1.0, above(x) / above(np.array(0.0)))


def _of_two(first, second, q):
    """With log-odds of the first; None is the point mass at 0."""
    weights = scipy.special.expit(q), scipy.special.expit(-q)
    first = first or (lambda x: np.where(x < 0, 1.0, 0.0))
    return lambda x: weights[0] * first(x) + weights[1] * second(x)


_ABOVE = {
    "negative_binomial": _above,
    "zero_inflated_negative_binomial": lambda mu, theta, q: _of_two(None, _above(mu, theta), q),
    "zero_truncated_negative_binomial": _above_of_positive,
    "hurdle_negative_binomial": lambda mu, theta, q: _of_two(
        None, _above_of_positive(mu, theta), q
    ),
    "negative_binomial_mixture": lambda mu_1, mu_2, theta_1, theta_2, q: _of_two(
        _above(mu_1, theta_1), _above(mu_2, theta_2), q
    ),
}


def draws(name, dtype, n, seed, number=1 << 14):
    """Chi-square of half of the draws, in cells between quantiles of the others."""
    case = DISTRIBUTIONS[name]
    parameters = drawn(case, n, seed)
    key = jax.random.key(seed)
    x = case.family.sampler(key, *(p[:, None] for p in parameters), shape=(n, number))
    x = np.asarray(x).astype(float)
    report = Report(points=n)
    for i in range(n):
        point = tuple(float(p[i]) for p in parameters)
        report.numbers += 1
        if not np.all((x[i] >= case.family.lowest) & (x[i] == np.floor(x[i])) & (x[i] < np.inf)):
            report.findings.append(Finding(f"{name} draws", point, x[i].min(), "counts"))
            continue
        cuts, tested = np.split(x[i], 2)
        edges = np.unique(np.quantile(cuts, np.linspace(0, 1, _CELLS), method="lower"))
        p_value = _p_value(tested, edges, _ABOVE[name](*point))
        if p_value < 1e-6:
            report.findings.append(Finding(f"{name} draws", point, p_value, "not below 1e-6"))
    return report


def _p_value(x, edges, above):
    """Of the numbers up to each edge, and above the last."""
    probabilities = -np.diff([1.0, *above(edges), 0.0])
    observed = np.bincount(np.searchsorted(edges, x), minlength=len(edges) + 1)
    expected = probabilities * len(x)
    kept = expected > 5
    rare, of_rare = observed[~kept].sum(), expected[~kept].sum()
    p_rare = scipy.stats.poisson.sf(rare - 1, of_rare) if rare else 1.0
    if kept.sum() < 2:
        return p_rare
    statistic = np.sum((observed - expected)[kept] ** 2 / expected[kept])
    return min(scipy.stats.chi2.sf(statistic, kept.sum() - 1), p_rare)
