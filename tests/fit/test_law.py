"""The coordinates that the optimiser moves in, and the derivatives at their boundaries."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose

from jaxnb.fit.law import (
    boundary_scores,
    log_likelihood,
    log_likelihood_terms,
    natural_parameters,
)

X = np.array([0, 0, 0, 1, 0, 5, 2, 0, 9, 3])
FACTORS = np.linspace(0.5, 2, X.size)


both_derivatives = jax.jit(
    lambda *arguments: (
        jax.grad(log_likelihood)(*arguments),
        jax.hessian(log_likelihood)(*arguments),
    )
)


def at(*point: float) -> tuple[jax.Array, jax.Array, jax.Array]:
    return tuple(jnp.asarray(values, dtype=float) for values in (point, X, FACTORS))


def test_natural_parameters() -> None:
    mean, theta, zi_logits = natural_parameters(at(np.log(3), np.log(0.7), 0.5)[0])
    assert_allclose(theta, 0.7, rtol=1e-6)
    assert_allclose(zi_logits, 0.5)
    assert_allclose(mean * jax.nn.sigmoid(-zi_logits), 3, rtol=1e-6)


@pytest.mark.parametrize("point", [(0.3, np.inf, -np.inf), (0.3, 1, -np.inf), (0.3, np.inf, 0.2)])
def test_a_coordinate_on_its_boundary_has_no_derivatives(point: tuple[float, ...]) -> None:
    arguments = at(*point)
    gradient, hessian = both_derivatives(*arguments)
    bound = ~np.isfinite(point)
    assert np.all(np.isfinite(gradient))
    assert np.all(np.isfinite(hessian))
    assert np.all(gradient[bound] == 0)
    assert np.all(hessian[bound] == 0)
    assert np.all(np.diagonal(hessian)[~bound] != 0)


def test_partial_sums_add_up() -> None:
    point, x, factors = at(0.3, 1.0, -1.0)
    long = jnp.tile(x, 10), jnp.tile(factors, 10)
    partial = log_likelihood_terms(point, *long)
    assert partial.shape == (4,)
    assert_allclose(partial.sum(), log_likelihood(point, *long), rtol=1e-5)


@pytest.mark.parametrize("zi_logits", [-np.inf, -0.4])
def test_the_score_towards_dispersion_is_the_derivative(zi_logits: float) -> None:
    """Along 1/theta with the mean of the count law fixed, which log(overall mean) does here."""
    with jax.enable_x64(True):
        score = boundary_scores(*at(0.3, np.inf, zi_logits))[0]
        low, high = (log_likelihood(*at(0.3, -np.log(alpha), zi_logits)) for alpha in (1e-6, 2e-6))
        assert_allclose(score, (high - low) / 1e-6, rtol=1e-4)


def test_the_score_towards_inflation_is_the_derivative() -> None:
    """Along p with the mean of the count law fixed: the overall mean falls as 1 − p."""
    with jax.enable_x64(True):
        score = boundary_scores(*at(0.3, 0.5, -np.inf))[1]
        p = 1e-6
        inside = log_likelihood(*at(0.3 + np.log1p(-p), 0.5, np.log(p) - np.log1p(-p)))
        edge = log_likelihood(*at(0.3, 0.5, -np.inf))
        assert_allclose(score, (inside - edge) / p, rtol=1e-4)
