"""The likelihood that the fits climb, its derivatives, and those at its boundaries."""

import functools

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.stats import poisson

from jaxnb.fit import CountStatistics
from jaxnb.fit.boundaries import towards_dispersion, towards_inflation
from jaxnb.fit.likelihood import Point, evaluate, log_rising
from jaxnb.fit.sums import Sums, sums_of_cells, sums_of_statistics
from jaxnb.likelihoods import log_zinb_positive

RNG = np.random.default_rng(3)
FACTORS = np.exp(RNG.normal(0, 0.7, 200))
X = RNG.poisson(3 * FACTORS * RNG.gamma(2, 0.5, 200)) * (RNG.random(200) < 0.7)
POINTS = [
    (0.7, 0.3, -1.0),
    (0.7, np.inf, -1.0),
    (0.7, 0.3, -np.inf),
    (0.9, 9.0, -5.0),
    (0.9, np.inf, -np.inf),
]


@pytest.fixture(autouse=True)
def _float64():
    with jax.enable_x64(True):
        yield


@functools.cache
def genes(kind: str) -> Sums:
    if kind == "cells":
        return sums_of_cells(X[None].astype(np.float64), FACTORS)
    statistics = CountStatistics.of(X[:, None], FACTORS, zero_inflation=True)
    return sums_of_statistics(statistics, inflated=True)


def gene(kind: str) -> Sums:
    sums = genes(kind)
    pairs = zip(sums, Sums.axes(), strict=True)
    return Sums(*(entry if axis is None else entry[0] for entry, axis in pairs))


def one(point: Point) -> Point:
    return Point(*(np.asarray(entry)[None] for entry in point))


@functools.partial(jax.jit, static_argnames="free")
def with_derivatives(coordinates, *, free):
    """By the library's likelihood, less that of the best Poisson distribution."""

    def total(moving):
        point = [moving[i] if free[i] else coordinates[i] for i in range(3)]
        mean = jnp.exp(point[0] + jax.nn.softplus(point[2]))
        return jnp.sum(log_zinb_positive(1.0 * X, mean * FACTORS, jnp.exp(point[1]), point[2], 0.0))

    moving = jnp.where(jnp.isfinite(coordinates), coordinates, 0)
    best = np.log(X.sum() / FACTORS.sum())
    constant = poisson.logpmf(X, np.exp(best) * FACTORS).sum()
    return total(moving) - constant, jax.grad(total)(moving), jax.hessian(total)(moving)


@pytest.mark.parametrize("kind", ["cells", "statistics"])
@pytest.mark.parametrize("coordinates", POINTS)
def test_value_and_derivatives(coordinates: tuple[float, ...], kind: str) -> None:
    free = tuple(bool(np.isfinite(c)) for c in coordinates)
    value, gradient, hessian = with_derivatives(jnp.array(coordinates), free=free)
    actual = evaluate(Point(*map(jnp.asarray, coordinates)), gene(kind), inflated=True)
    assert_allclose(actual.value, value, atol=1e-11)
    assert_allclose(actual.gradient, np.where(free, gradient, 0), atol=1e-9)
    assert_allclose(actual.hessian, np.where(np.outer(free, free), hessian, 0), atol=1e-8)
    assert actual.scale >= abs(actual.value)


def test_nothing_is_lost_near_the_poisson_distribution() -> None:
    """The gain over it is then the score in 1/theta times 1/theta, however small that is."""
    at = gene("statistics")
    edge = Point(at.poisson_log_mean, jnp.array(np.inf), jnp.array(-np.inf))
    score = towards_dispersion(one(edge), genes("statistics"), inflated=False)[0]
    for alpha in (1e-6, 1e-9, 1e-13):
        value = evaluate(edge._replace(log_theta=-jnp.log(alpha)), at, inflated=False).value
        assert_allclose(value / alpha, score, rtol=max(1e-10, 1e3 * alpha))


@pytest.mark.parametrize("kind", ["cells", "statistics"])
@pytest.mark.parametrize("zi_logits", [-np.inf, -0.4])
def test_the_score_towards_dispersion_is_the_derivative(zi_logits: float, kind: str) -> None:
    """Along 1/theta with the mean of the counts fixed."""
    point = Point(*map(jnp.asarray, (0.3, np.inf, zi_logits)))
    score = towards_dispersion(one(point), genes(kind), inflated=True)[0]
    low, high = (
        evaluate(point._replace(log_theta=-jnp.log(alpha)), gene(kind), inflated=True).value
        for alpha in (1e-6, 2e-6)
    )
    assert_allclose(score, (high - low) / 1e-6, rtol=1e-4)


@pytest.mark.parametrize("kind", ["cells", "statistics"])
@pytest.mark.parametrize("log_theta", [0.5, np.inf])
def test_the_score_towards_inflation_is_the_derivative(log_theta: float, kind: str) -> None:
    """Along p with the mean of the counts fixed: the overall mean falls as 1 − p."""
    edge = Point(*map(jnp.asarray, (0.3, log_theta, -np.inf)))
    score = towards_inflation(one(edge), genes(kind))[0]
    p = 1e-7
    moved = edge._replace(log_overall_mean=0.3 + jnp.log1p(-p), zi_logits=jnp.log(p / (1 - p)))
    gain = evaluate(moved, gene(kind), inflated=True).value
    gain -= evaluate(edge, gene(kind), inflated=True).value
    assert_allclose(score, gain / p, rtol=1e-4)


def test_a_zero_where_none_can_be_decides_for_inflation() -> None:
    x, factors = np.array([0, *[400] * 50]), np.linspace(1, 1.3, 51)
    statistics = CountStatistics.of(x[:, None], factors, zero_inflation=True)
    sums = sums_of_statistics(statistics, inflated=True)
    edge = Point(*map(np.array, ([np.log(350.0)], [np.inf], [-np.inf])))
    assert towards_inflation(edge, sums) > 0


@pytest.mark.parametrize("theta", [1e-8, 0.3, 2.0, 1e3, 1e9])
@pytest.mark.parametrize("x", [0.0, 1e-3, 0.5, 1.0, 2.5, 77.0, 1e6])
def test_ratios_of_gamma_functions(x: float, theta: float) -> None:
    with mpmath.workdps(60):
        log_theta = mpmath.mpf(float(np.log(theta)))
        t = mpmath.exp(log_theta)
        exact = mpmath.loggamma(x + t) - mpmath.loggamma(t) - x * log_theta
    actual = log_rising(jnp.asarray(x), jnp.log(theta))
    # Relative to 1/theta where it is small.
    assert_allclose(actual, float(exact), rtol=1e-12, atol=4e-15 * min(1, 1 / theta) * max(x, 1))
