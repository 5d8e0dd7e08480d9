"""Derivatives through the constructors are those of the functions.

Those of the conversions between parameters are in `test_parameterizations.py`.
"""

import jax
import numpy as np
import pytest
from distributions.cases import COUNTS, MU, NB, ONE_OF_EACH, THETA


@pytest.mark.quick
def test_draws_have_no_derivative():
    def draw(mu):
        return NB(mu=mu, theta=2.0).rsample(jax.random.key(0)).astype(float)

    assert jax.grad(draw)(3.0) == 0


@pytest.mark.slow
@pytest.mark.parametrize("name", ONE_OF_EACH)
def test_derivatives_are_those_of_the_functions(name):
    case = ONE_OF_EACH[name]

    @jax.jit
    def both(parameters):
        def through_class(parameters):
            return case.constructor(**parameters).log_prob(COUNTS).sum()

        def through_function(parameters):
            return case.constructor.family.log_prob(COUNTS, *parameters.values()).sum()

        return jax.grad(through_class)(parameters), jax.grad(through_function)(parameters)

    ours, plain = both(case.canonical)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-6), ours, plain)


@pytest.mark.slow
def test_derivatives_at_a_draw_without_jit():
    """A draw is a plain array: later derivatives at it work, and are right."""
    nb = NB(mu=MU, theta=THETA)
    draw = nb.sample(jax.random.key(0))
    gradient = jax.grad(lambda d: d.log_prob(draw).sum())(nb)
    again = jax.grad(lambda d: d.log_prob(np.asarray(draw)).sum())(nb)
    jax.tree.map(np.testing.assert_array_equal, gradient, again)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(gradient))
