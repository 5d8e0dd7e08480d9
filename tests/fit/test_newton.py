"""The maximiser by itself, on functions whose maxima are known."""

import jax
import jax.numpy as jnp
import numpy as np
from numpy.testing import assert_allclose

from jaxnb.fit.newton import maximise

TRUE = jnp.array(True)


def hilly(point):
    """Saddle at 0, maxima at x = ±2 with y = 0; convex in x between them."""
    x, y = point
    return -((x**2 - 4) ** 2) / 16 - 3 * y**2 - 0.1 * y**4


def test_it_leaves_a_region_that_is_not_concave() -> None:
    start = jnp.array([0.1, 1.0])
    end = jax.jit(lambda p: maximise(hilly, p, TRUE, tolerance=1e-6, max_iter=50))(start)
    assert end.converged
    assert_allclose(end.point, [2, 0], atol=1e-3)
    assert_allclose(end.hessian, [[-2, 0], [0, -6]], atol=0.02)


def test_one_step_is_enough_for_a_parabola() -> None:
    end = maximise(lambda p: -jnp.sum((p - 1) ** 2), jnp.zeros(2), TRUE, tolerance=1e-6, max_iter=9)
    assert end.converged
    assert_allclose(end.point, 1)
    assert end.n_iter == 2


def test_infinite_coordinates_stay() -> None:
    start = jnp.array([0.0, jnp.inf])
    end = maximise(lambda p: -((p[0] - 3) ** 2), start, TRUE, tolerance=1e-6, max_iter=9)
    assert end.converged
    assert_allclose(end.point, [3, np.inf])


def test_inactive_columns_stay_where_they_are() -> None:
    start = jnp.array([0.5, 0.5])
    end = maximise(hilly, start, ~TRUE, tolerance=1e-6, max_iter=9)
    assert not end.converged
    assert end.n_iter == 0
    assert_allclose(end.point, start)


def test_without_a_maximum_it_gives_up() -> None:
    end = maximise(lambda p: p[0] + 0 * p[1], jnp.zeros(2), TRUE, tolerance=1e-6, max_iter=7)
    assert not end.converged
    assert end.n_iter == 7
