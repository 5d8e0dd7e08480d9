"""The likelihood that the fits climb, its derivatives, and those at its boundaries."""

import functools
from collections import Counter

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest
from numpy.testing import assert_allclose
from numpy.typing import NDArray

from jaxnb.fit import CountStatistics
from jaxnb.fit.boundaries import towards_dispersion, towards_inflation
from jaxnb.fit.likelihood import Evaluation, Point, evaluate, log_rising
from jaxnb.fit.sums import Sums, sums_of_cells, sums_of_statistics

Floats = NDArray[np.float64]
RNG = np.random.default_rng(3)
FACTORS = np.exp(RNG.normal(0, 0.7, 100))
X = RNG.poisson(3 * FACTORS * RNG.gamma(2, 0.5, 100)) * (RNG.random(100) < 0.7)
KINDS = ("cells", "statistics")
POINTS = np.array(
    [
        (0.7, 0.3, -1.0),
        (0.7, np.inf, -1.0),
        (0.7, 0.3, -np.inf),
        (0.9, 9.0, -5.0),
        (0.9, np.inf, -np.inf),
    ]
)


@functools.cache
def gene(kind: str) -> Sums:
    if kind == "cells":
        return sums_of_cells(X[None].astype(np.float64), FACTORS)
    statistics = CountStatistics.of(X[:, None], FACTORS, zero_inflation=True)
    return sums_of_statistics(statistics, inflated=True)


@functools.partial(jax.jit, static_argnames="inflated")
def _at_points(points: Point, sums: Sums, *, inflated: bool) -> Evaluation:
    pairs = zip(sums, Sums.axes(), strict=True)
    alone = Sums(*(entry if axis is None else entry[0] for entry, axis in pairs))
    return jax.vmap(lambda point: evaluate(point, alone, inflated=inflated))(points)


def at(points: Floats, kind: str, *, inflated: bool = True) -> Evaluation:
    """At points of shape ``(points, 3)``, as many as there are POINTS for one compiled program."""
    filled = np.resize(points, (len(POINTS), 3))
    with jax.enable_x64(True):
        found = jax.device_get(_at_points(Point(*filled.T), gene(kind), inflated=inflated))
    return Evaluation(*(entry[: len(points)] for entry in found))


def single(*coordinates: float) -> Point:
    return Point(*np.array(coordinates)[:, None])


def log_likelihood(log_overall_mean, log_theta, zi_logits):
    """Cell by cell with 40 digits, from the formulas in textbooks."""
    theta, odds = mpmath.exp(log_theta), mpmath.exp(zi_logits)
    mean = mpmath.exp(log_overall_mean) * (1 + odds)
    poisson = mpmath.isinf(theta)
    total = -X.size * mpmath.log1p(odds)
    for x, repeats in Counter(X.tolist()).items():
        rising = 0 if poisson else mpmath.loggamma(x + theta) - mpmath.loggamma(theta)
        total += repeats * (rising - mpmath.loggamma(x + 1))
    for x, s in zip(X.tolist(), FACTORS.tolist(), strict=True):
        mu = mean * s
        decay = mu if poisson else theta * mpmath.log1p(mu / theta)
        if x:
            total += x * mpmath.log(mu if poisson else mu / (mu + theta)) - decay
        else:
            total += mpmath.log(odds + mpmath.exp(-decay))
    return total


@functools.cache
def exact(coordinates: tuple[float, ...]) -> tuple[float, Floats, Floats]:
    """The value above that of the best Poisson distribution, gradient and Hessian."""
    free = np.isfinite(coordinates)
    gradient, hessian = np.zeros(3), np.zeros((3, 3))
    with mpmath.workdps(40):
        point = tuple(map(mpmath.mpf, coordinates))
        best = mpmath.log(mpmath.fsum(X.tolist()) / mpmath.fsum(FACTORS.tolist()))
        value = log_likelihood(*point) - log_likelihood(best, mpmath.inf, -mpmath.inf)

        def derivative(*orders: int) -> float:
            # Coordinates that stay are none of the function's: an infinite one has no step.
            moving = [i for i in range(3) if orders[i]]

            def function(*values):
                moved = dict(zip(moving, values, strict=True))
                return log_likelihood(*(moved.get(i, point[i]) for i in range(3)))

            where = tuple(point[i] for i in moving)
            return float(mpmath.diff(function, where, tuple(orders[i] for i in moving)))

        unit = np.eye(3, dtype=int)
        for i in np.flatnonzero(free):
            gradient[i] = derivative(*unit[i].tolist())
            for j in np.flatnonzero(free[: i + 1]):
                hessian[i, j] = hessian[j, i] = derivative(*(unit[i] + unit[j]).tolist())
    return float(value), gradient, hessian


@pytest.mark.parametrize("kind", ["cells", pytest.param("statistics", marks=pytest.mark.quick)])
def test_value_and_derivatives(kind: str) -> None:
    found = at(POINTS, kind)
    for i, point in enumerate(POINTS.tolist()):
        value, gradient, hessian = exact(tuple(point))
        assert_allclose(found.value[i], value, rtol=0, atol=1e-11, err_msg=f"at {point}")
        assert_allclose(found.gradient[i], gradient, rtol=0, atol=1e-9, err_msg=f"at {point}")
        assert_allclose(found.hessian[i], hessian, rtol=0, atol=1e-8, err_msg=f"at {point}")
    assert np.all(found.scale >= np.abs(found.value))


def test_nothing_is_lost_near_the_poisson_distribution() -> None:
    """The gain over it is then the score in 1/theta times 1/theta, however small that is."""
    best = float(gene("statistics").poisson_log_mean[0])
    edge = single(best, np.inf, -np.inf)
    score = towards_dispersion(edge, gene("statistics"), inflated=False)[0]
    alphas = [1e-6, 1e-9, 1e-13]
    points = np.array([(best, -np.log(alpha), -np.inf) for alpha in alphas])
    values = at(points, "statistics", inflated=False).value
    for alpha, value in zip(alphas, values, strict=True):
        assert_allclose(value / alpha, score, rtol=max(1e-10, 1e3 * alpha))


@pytest.mark.parametrize("kind", KINDS)
def test_the_score_towards_dispersion_is_the_derivative(kind: str) -> None:
    """Along 1/theta with the mean of the counts fixed."""
    for zi_logits in (-np.inf, -0.4):
        score = towards_dispersion(single(0.3, np.inf, zi_logits), gene(kind), inflated=True)[0]
        points = np.array([(0.3, -np.log(alpha), zi_logits) for alpha in (1e-6, 2e-6)])
        low, high = at(points, kind).value
        assert_allclose(score, (high - low) / 1e-6, rtol=1e-4, err_msg=f"{zi_logits=}")


@pytest.mark.parametrize("kind", KINDS)
def test_the_score_towards_inflation_is_the_derivative(kind: str) -> None:
    """Along p with the mean of the counts fixed: the overall mean falls as 1 − p."""
    p = 1e-7
    for log_theta in (0.5, np.inf):
        score = towards_inflation(single(0.3, log_theta, -np.inf), gene(kind))[0]
        moved = (0.3 + np.log1p(-p), log_theta, np.log(p / (1 - p)))
        start, end = at(np.array([(0.3, log_theta, -np.inf), moved]), kind).value
        assert_allclose(score, (end - start) / p, rtol=1e-4, err_msg=f"{log_theta=}")


def test_a_zero_where_none_can_be_decides_for_inflation() -> None:
    x, factors = np.array([0, *[400] * 50]), np.linspace(1, 1.3, 51)
    statistics = CountStatistics.of(x[:, None], factors, zero_inflation=True)
    sums = sums_of_statistics(statistics, inflated=True)
    edge = Point(*map(np.array, ([np.log(350.0)], [np.inf], [-np.inf])))
    assert towards_inflation(edge, sums) > 0


def test_ratios_of_gamma_functions() -> None:
    thetas = np.array([1e-8, 0.3, 2.0, 1e3, 1e9])
    counts = np.array([0.0, 1e-3, 0.5, 1.0, 2.5, 77.0, 1e6])
    with jax.enable_x64(True):
        actual = jax.jit(log_rising)(jnp.asarray(counts), jnp.log(thetas)[:, None])
    for i, theta in enumerate(thetas.tolist()):
        for j, x in enumerate(counts.tolist()):
            with mpmath.workdps(60):
                log_theta = mpmath.mpf(float(np.log(theta)))
                t = mpmath.exp(log_theta)
                value = float(mpmath.loggamma(x + t) - mpmath.loggamma(t) - x * log_theta)
            # Relative to 1/theta where it is small.
            atol = 4e-15 * min(1, 1 / theta) * max(x, 1)
            assert_allclose(actual[i, j], value, rtol=1e-12, atol=atol, err_msg=f"{x=}, {theta=}")
