"""The maximizer by itself, on functions whose maxima are known."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose

from jaxnb.fit.newton import maximize


class Evaluation(NamedTuple):
    value: jax.Array
    scale: jax.Array
    gradient: jax.Array
    hessian: jax.Array


def with_derivatives(function):
    def evaluation(point):
        value = function(point)
        free = jnp.isfinite(point)
        gradient = jnp.where(free, jax.grad(function)(point), 0)
        hessian = jnp.where(free & free[:, None], jax.hessian(function)(point), 0)
        return Evaluation(value, jnp.abs(value), gradient, hessian)

    return evaluation


def hilly(point):
    """Saddle at 0, maxima at x = ±2 with y = 0; convex in x between them."""
    x, y = point
    return -((x**2 - 4) ** 2) / 16 - 3 * y**2 - 0.1 * y**4


@pytest.mark.quick
def test_it_leaves_a_region_that_is_not_concave() -> None:
    start = jnp.array([0.1, 1.0])
    end = jax.jit(lambda p: maximize(with_derivatives(hilly), p, tolerance=1e-6, max_iter=50))(
        start
    )
    assert end.converged
    assert_allclose(end.point, [2, 0], atol=1e-3)
    assert_allclose(end.hessian, [[-2, 0], [0, -6]], atol=0.02)


def test_one_step_is_enough_for_a_parabola() -> None:
    end = jax.jit(
        lambda p: maximize(
            with_derivatives(lambda p: -jnp.sum((p - 1) ** 2)), p, tolerance=1e-6, max_iter=9
        )
    )(jnp.zeros(2))
    assert end.converged
    assert_allclose(end.point, 1)
    assert end.n_iter == 2


def test_infinite_coordinates_stay() -> None:
    start = jnp.array([0.0, jnp.inf])
    end = maximize(
        with_derivatives(lambda p: -((p[0] - 3) ** 2)), start, tolerance=1e-6, max_iter=9
    )
    assert end.converged
    assert_allclose(end.point, [3, np.inf])


def test_without_a_maximum_it_gives_up() -> None:
    end = jax.jit(
        lambda p: maximize(
            with_derivatives(lambda p: p[0] + 0 * p[1]), p, tolerance=1e-6, max_iter=7
        )
    )(jnp.zeros(2))
    assert not end.converged
    assert end.n_iter == 7


def test_rounding_of_terms_that_cancel_stops_no_climb() -> None:
    """A constant of 1e9 added and taken away leaves a value that is good to 1e-7."""

    def noisy(point):
        return -jnp.sum((point - 1) ** 2) + 1e9 * (jnp.sin(1e9 * point[0]) * 1e-16)

    def evaluation(point):
        exact = with_derivatives(lambda p: -jnp.sum((p - 1) ** 2))(point)
        return exact._replace(value=noisy(point), scale=jnp.asarray(2e9))

    with jax.enable_x64(True):
        end = maximize(evaluation, jnp.array([3.0, 0.0]), tolerance=1e-12, max_iter=20)
    assert end.converged
    assert_allclose(end.point, 1, atol=1e-12)
