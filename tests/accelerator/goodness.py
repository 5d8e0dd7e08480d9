"""Draws against their exact distributions by chi-square."""

import jax
import numpy as np
from scipy import special, stats
from setting import Lines, Sizes

import jaxnb

# (mu, theta): small and large in each, and where the sampler changes its method.
PAIRS = [(m, t) for m in (0.3, 5.0, 12.0, 1e3, 1e5) for t in (1e-2, 0.5, 3.0, 1e3)]


def p_value(draws: np.ndarray, mu: float, theta: float) -> float:
    """In cells of at least 20 expected draws, whose ends come from other draws."""
    pilot, tested = draws[: draws.size // 2], draws[draws.size // 2 :]
    edges = np.unique(np.quantile(pilot, np.linspace(0.001, 0.999, 150), method="lower"))
    below = special.betainc(theta, edges + 1, theta / (theta + mu))
    probability = np.diff(np.concatenate([[0.0], below, [1.0]]))
    observed = np.bincount(np.searchsorted(edges, tested), minlength=edges.size + 1)
    group = np.floor(np.cumsum(probability) * tested.size / 40 * (1 - 1e-12)).astype(int)
    _, group = np.unique(group, return_inverse=True)
    expected, seen = np.bincount(group, probability) * tested.size, np.bincount(group, observed)
    if expected.size > 1 and expected[-1] < 20:
        expected[-2], seen[-2] = expected[-2] + expected[-1], seen[-2] + seen[-1]
        expected, seen = expected[:-1], seen[:-1]
    if expected.size == 1:
        return float("nan")
    return float(stats.chi2.sf(np.sum((seen - expected) ** 2 / expected), expected.size - 1))


def run(lines: Lines, sizes: Sizes) -> None:
    """The p-value of every pair, and the smallest times their number."""
    keys = jax.random.split(jax.random.key(0), len(PAIRS))
    found = []
    for key, (mu, theta) in zip(keys, PAIRS, strict=True):
        what = f"negative_binomial mu={mu:g} theta={theta:g}"

        def check(key=key, mu=mu, theta=theta) -> float:
            draws = jaxnb.random.negative_binomial(
                key, np.float32(mu), np.float32(theta), (sizes.draws,)
            )
            return p_value(np.asarray(draws, float), mu, theta)

        p = lines.attempt(what, check)
        if p is not None:
            found.append(p)
            lines.add(what, p, "p")
    smallest = float(np.nanmin(found)) * len(found)
    lines.add("smallest p times the number of pairs", smallest, "", passed=smallest > 1e-3)
