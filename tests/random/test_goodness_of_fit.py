"""Draws against their exact distributions: Kolmogorov-Smirnov for gamma, chi-square for the counts.

Exact cdfs come from the regularized incomplete gamma and beta functions of SciPy in float64, which
the first test here holds against sums of the probability mass itself in multiple precision.
"""

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest
from nightly import nightly_but
from registry import DISTRIBUTIONS, Case
from scipy import special, stats

import jaxnb

THETAS = (1e-3, 0.05, 0.5, 1.0, 3.0, 30.0, 1e3, 1e6, np.inf)
MUS = (1e-3, 0.3, 1.0, 5.0, 12.0, 100.0, 1e4, 1e6)
LARGEST_CELLS = 200
Cdf = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]


def negative_binomial_tails(mu: float, theta: float) -> Cdf:
    """P(X <= k) and P(X > k) as functions of k."""

    def tails(k: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        if np.isinf(theta):
            return special.gammaincc(k + 1, mu), special.gammainc(k + 1, mu)
        success, failure = theta / (theta + mu), mu / (theta + mu)
        lower, upper = (
            special.betainc(theta, k + 1, success),
            special.betainc(k + 1, theta, failure),
        )
        return lower, upper

    return tails


def mixed_tails(weight: float, first: Cdf, second: Cdf) -> Cdf:
    """The tails of a mixture in which the first distribution has the given weight."""

    def tails(k: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return tuple(
            weight * a + (1 - weight) * b for a, b in zip(first(k), second(k), strict=True)
        )

    return tails


def truncated_tails(untruncated: Cdf) -> Cdf:
    """The tails without the zeros."""

    def tails(k: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        (lower, upper), (zero, positive) = untruncated(k), untruncated(np.zeros(1))
        return (lower - zero) / positive, upper / positive

    return tails


def always_zero(k: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The tails of the point mass at zero."""
    return np.ones_like(k), np.zeros_like(k)


def cell_edges(counts: np.ndarray) -> np.ndarray:
    """Upper ends of cells, at quantiles evenly spaced in the middle and geometrically in the tails.

    They come from other draws than those tested: half of a sample gives the cells for the other.
    """
    tail = np.logspace(-5, -2, 13)
    levels = np.concatenate([tail, np.linspace(0.01, 0.99, LARGEST_CELLS), 1 - tail])
    found = np.quantile(counts, levels, method="lower").astype(float)
    # The neighbors below too: a value that a sampler never draws must have a cell of its own.
    edges = np.unique(np.concatenate([found, np.maximum(found - 1, 0)]))
    # A count that has saturated belongs above the last edge.
    return edges[edges < np.iinfo(np.int32).max]


def chi_square_p_value(draws: jax.Array, tails: Cdf) -> float:
    """The p-value of counts in cells of at least 20 expected draws, smaller ones pooled."""
    counts = np.asarray(draws, float)
    pilot, tested = counts[: counts.size // 2], counts[counts.size // 2 :]
    edges = cell_edges(pilot)
    lower, upper = tails(edges)
    # Differences are taken on the side where the tail is small and its differences are exact.
    inner = np.where(lower[1:] < 0.5, np.diff(lower), -np.diff(upper))
    expected = tested.size * np.concatenate([lower[:1], inner, upper[-1:]])
    observed = np.bincount(np.searchsorted(edges, tested), minlength=edges.size + 1)
    possible = expected > 0
    if observed[~possible].any():
        return 0.0
    expected, observed = expected[possible], observed[possible]
    # Adjacent cells are joined until each is expected to hold 20.
    group = np.floor(np.cumsum(expected) / 20.0 * (1 - 1e-12)).astype(int)
    _, group = np.unique(group, return_inverse=True)
    pooled_expected, pooled_observed = np.bincount(group, expected), np.bincount(group, observed)
    while pooled_expected.size > 1 and pooled_expected[-1] < 20:
        for pooled in (pooled_expected, pooled_observed):
            pooled[-2] += pooled[-1]
        pooled_expected, pooled_observed = pooled_expected[:-1], pooled_observed[:-1]
    if pooled_expected.size == 1:
        # All but a handful of draws share one value: the number of the others is Poisson.
        shared = pilot.min()
        others = np.sum(tested > shared)
        mean = tested.size * float(tails(np.array([shared]))[1][0])
        return float(min(1.0, 2 * min(special.pdtr(others, mean), special.pdtrc(others - 1, mean))))
    statistic = np.sum((pooled_observed - pooled_expected) ** 2 / pooled_expected)
    return float(stats.chi2.sf(statistic, pooled_expected.size - 1))


def gamma_p_value(draws: jax.Array, a: float, seed: int) -> float:
    """The Kolmogorov-Smirnov p-value of the probability integral transform.

    Deviates below the smallest normal float are spread evenly over the probability they share.
    """
    values, tiny = np.asarray(draws, float), float(jnp.finfo(draws.dtype).tiny)
    spread = np.random.default_rng(seed).uniform(size=values.size)
    levels = np.where(
        values < tiny, special.gammainc(a, tiny) * spread, special.gammainc(a, values)
    )
    return float(stats.kstest(levels, "uniform").pvalue)


LOG_ODDS = -0.7


def nb(mu: float, theta: float) -> tuple[list[float], Cdf]:
    return [mu, theta], negative_binomial_tails(mu, theta)


def zinb(mu: float, theta: float) -> tuple[list[float], Cdf]:
    plain = negative_binomial_tails(mu, theta)
    return [mu, theta, LOG_ODDS], mixed_tails(special.expit(LOG_ODDS), always_zero, plain)


def mixture(mu: float, theta: float) -> tuple[list[float], Cdf]:
    plain, other = negative_binomial_tails(mu, theta), negative_binomial_tails(4 * mu, 7 * theta)
    return [mu, 4 * mu, theta, 7 * theta, 0.4], mixed_tails(special.expit(0.4), plain, other)


def zero_truncated(mu: float, theta: float) -> tuple[list[float], Cdf]:
    return [mu, theta], truncated_tails(negative_binomial_tails(mu, theta))


def hurdle(mu: float, theta: float) -> tuple[list[float], Cdf]:
    positive = truncated_tails(negative_binomial_tails(mu, theta))
    return [mu, theta, LOG_ODDS], mixed_tails(special.expit(LOG_ODDS), always_zero, positive)


# Parameters and exact tails from a mean and a dispersion. Another distribution has `summed`.
EXACT = {
    "negative_binomial": nb,
    "zero_inflated_negative_binomial": zinb,
    "negative_binomial_mixture": mixture,
    "zero_truncated_negative_binomial": zero_truncated,
    "hurdle_negative_binomial": hurdle,
}


def summed(case: Case, parameters: list[float]) -> Cdf:
    """The tails as sums of the distribution's own probabilities."""
    with jax.enable_x64(True):
        log_p = case.log_prob(np.arange(2.0**17), *map(np.float64, parameters), eps=0)
    p = np.exp(np.asarray(log_p))
    lower, upper = np.cumsum(p), np.append(np.cumsum(p[:0:-1])[::-1], 0.0)

    def tails(k: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return lower[k.astype(int)], upper[k.astype(int)]

    return tails


def exact(name: str, mu: float, theta: float) -> tuple[list[float], Cdf]:
    """Parameters of a distribution and its tails, other ones for each mean and dispersion."""
    if name in EXACT:
        return EXACT[name](mu, theta)
    case = DISTRIBUTIONS[name]
    parameters = [float(p) for p in case.arrays(seed=hash((mu, theta)) % 2**32)]
    return parameters, summed(case, parameters)


QUEUED = "negative_binomial"
# Rows of so many draws are tried again whole, which compiles in half the time; the queue of large
# arrays, the same for all, is used by the sampler above and by its parts.
ROW = 4000


def p_values(
    name: str, seed: int, size: int, thetas: tuple[float, ...], mus: tuple[float, ...]
) -> dict:
    """P-values of a distribution's sampler over a grid of parameters."""
    row = size if name == QUEUED else ROW
    keys = jax.random.split(jax.random.key(seed), (len(thetas), len(mus), size // row))
    sampler = partial(DISTRIBUTIONS[name].family.sampler, shape=(row,), dtype=jnp.int32)

    @jax.jit
    def draw(keys, *parameters):
        if keys.size == 1:
            return sampler(keys[0], *parameters)
        return jax.vmap(lambda key: sampler(key, *parameters))(keys).reshape(-1)

    found = {}
    for place, theta in enumerate(thetas):
        for at, mu in enumerate(mus):
            parameters, tails = exact(name, mu, theta)
            draws = draw(keys[place, at], *map(np.float32, parameters))
            found[name, theta, mu] = chi_square_p_value(draws, tails)
    return found


def p_values_of_parts(
    seed: int, size: int, thetas: tuple[float, ...], mus: tuple[float, ...]
) -> dict:
    """P-values of the gamma and the Poisson sampler."""
    keys = iter(jax.random.split(jax.random.key(seed), len(thetas) + len(mus)))
    found = {}
    for theta in filter(np.isfinite, thetas):
        draws = jaxnb.random.gamma(next(keys), theta, (size,))
        found["gamma", theta] = gamma_p_value(draws, theta, seed)
    for mu in mus:
        draws = jaxnb.random.poisson(next(keys), mu, (size,), jnp.int32)
        found["poisson", mu] = chi_square_p_value(draws, negative_binomial_tails(mu, np.inf))
    return found


@pytest.mark.quick
@pytest.mark.parametrize("name", EXACT)
def test_sums_of_probabilities_are_the_exact_tails(name: str) -> None:
    parameters, tails = EXACT[name](3.0, 0.5)
    k = np.arange(40.0)
    np.testing.assert_allclose(summed(DISTRIBUTIONS[name], parameters)(k), tails(k), rtol=1e-9)


@pytest.mark.parametrize(("mu", "theta"), [(0.3, 0.05), (12.0, 3.0), (100.0, 1e6), (5.0, np.inf)])
def test_exact_cdf(mu: float, theta: float) -> None:
    tails = negative_binomial_tails(mu, theta)
    with mpmath.workdps(40):

        def mass(k: int) -> mpmath.mpf:
            if np.isinf(theta):
                return mpmath.exp(-mu) * mpmath.mpf(mu) ** k / mpmath.factorial(k)
            m, t = mpmath.mpf(mu), mpmath.mpf(theta)
            log_choose = mpmath.loggamma(k + t) - mpmath.loggamma(t) - mpmath.loggamma(k + 1)
            return mpmath.exp(log_choose + t * mpmath.log(t / (t + m))) * (m / (t + m)) ** k

        for k in (0, 1, 4, 30, 110):
            cdf = mpmath.fsum(mass(i) for i in range(k + 1))
            lower, upper = tails(np.array([float(k)]))
            np.testing.assert_allclose(lower[0], float(cdf), rtol=1e-10)
            np.testing.assert_allclose(upper[0], float(1 - cdf), rtol=1e-7, atol=1e-30)


SMALL_GRID = (100_000, (0.05, 1.0, 30.0, np.inf), (0.3, 5.0, 12.0, 1e4))


def assert_plausible(found: dict) -> None:
    """One set of right draws in a thousand fails, however many p-values it has (Bonferroni)."""
    assert min(found.values()) > 1e-3 / len(found), min(found, key=found.get)


# All ways to a count are in these two.
@pytest.mark.parametrize(
    "name",
    nightly_but(["negative_binomial_mixture", "zero_truncated_negative_binomial"], DISTRIBUTIONS),
)
def test_small_grid(name: str) -> None:
    found = p_values(name, 2, *SMALL_GRID)
    assert_plausible(found)


@pytest.mark.slow
def test_small_grid_of_the_parts() -> None:
    found = p_values_of_parts(2, *SMALL_GRID)
    assert_plausible(found)


@pytest.mark.slow
def test_gamma_factor_and_count_share_no_words() -> None:
    key = jax.random.key(8)
    size, *_ = SMALL_GRID
    factors = np.asarray(jaxnb.random.gamma(key, 3.0, (size,)), float)
    counts = np.asarray(jaxnb.random.poisson(key, 6.0, (size,), jnp.int32), float)
    assert abs(np.corrcoef(factors, counts)[0, 1]) < 4 / np.sqrt(size)


WRONG = {
    "a normal approximation": lambda rng, n: np.round(rng.normal(100.0, 10.0, n)),
    "a rate off by half a percent": lambda rng, n: rng.poisson(100.5, n),
    "no count above 120": lambda rng, n: np.minimum(rng.poisson(100.0, n), 120),
    "a cell left out": lambda rng, n: (draws := rng.poisson(100.0, n)) + (draws == 97),
}


@pytest.mark.parametrize("mistake", WRONG)
def test_chi_square_finds_a_wrong_sampler(mistake: str) -> None:
    draws = WRONG[mistake](np.random.default_rng(1), 100_000)
    assert chi_square_p_value(draws, negative_binomial_tails(100.0, np.inf)) < 1e-6
    right = np.random.default_rng(1).poisson(100.0, 100_000)
    assert chi_square_p_value(right, negative_binomial_tails(100.0, np.inf)) > 1e-3


def test_kolmogorov_smirnov_finds_a_wrong_sampler() -> None:
    generator = np.random.default_rng(1)
    right = jnp.asarray(generator.gamma(3.0, size=100_000), jnp.float32)
    assert gamma_p_value(right, 3.0, 1) > 1e-3
    assert gamma_p_value(right * 1.03, 3.0, 1) < 1e-4
    normal = jnp.asarray(generator.normal(30.0, np.sqrt(30.0), 100_000), jnp.float32)
    assert gamma_p_value(normal, 30.0, 1) < 1e-6
    # Proposals of Marsaglia and Tsang all accepted.
    x, d = generator.normal(size=100_000), 1.0 - 1 / 3
    proposals = d * np.maximum(1 + x / np.sqrt(9 * d), 0) ** 3
    assert gamma_p_value(jnp.asarray(proposals, jnp.float32), 1.0, 1) < 1e-6


@pytest.mark.slow
@pytest.mark.parametrize("seed", [11, 12, 13])
def test_full_grid(seed: int) -> None:
    grid = (1_000_000, THETAS, MUS)
    found = p_values_of_parts(seed, *grid)
    for name in DISTRIBUTIONS:
        found |= p_values(name, seed, *grid)
    assert min(found.values()) > 1e-4, min(found, key=found.get)
    assert stats.kstest(list(found.values()), "uniform").pvalue > 1e-3
