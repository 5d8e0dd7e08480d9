"""Derivatives through the constructors, component by component, and what tracing leaves behind."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from distributions.cases import CASES, COUNTS, MU, NB, SHAPE, THETA, ZINB, made

import jaxnb

# those that differ in what is computed from the parameters given
CONVERTED = ("nb", "nb-log", "nb-probs", "nb-logits", "zinb-probs", "mixture-shared", "mixture-log")


@pytest.mark.parametrize("name", CONVERTED)
def test_derivatives_in_what_was_given(name):
    """Central differences of every component, in float64."""
    constructor, parameters = CASES[name]
    finite = [key for key, value in parameters.items() if np.isfinite(value).all()]
    with jax.enable_x64(True):
        wide = {key: np.asarray(value, float) for key, value in parameters.items()}
        x = np.array([0.0, 1.0, 9.0]).reshape(3, 1, 1)

        @jax.jit
        def log_prob(values):
            return constructor(**wide | values).log_prob(x)

        for parameter in finite:
            at = {key: np.broadcast_to(wide[key], SHAPE) for key in finite}
            step = 1e-5 * np.maximum(1, np.abs(at[parameter]))
            along = {key: np.zeros(SHAPE) for key in finite} | {parameter: np.ones(SHAPE)}
            _, derivative = jax.jvp(log_prob, (at,), (along,))
            up, down = (log_prob(at | {parameter: at[parameter] + s}) for s in (step, -step))
            np.testing.assert_allclose(derivative, (up - down) / (2 * step), rtol=1e-6, atol=1e-8)


def test_derivatives_are_those_of_the_functions():
    def through_class(mu, theta, zi_logits):
        return ZINB(mu=mu, theta=theta, zi_logits=zi_logits).log_prob(COUNTS).sum()

    def through_function(mu, theta, zi_logits):
        return jaxnb.log_zinb_positive(COUNTS, mu, theta, zi_logits).sum()

    ours, plain = (
        jax.grad(function, (0, 1, 2))(MU, THETA, -0.7)
        for function in (through_class, through_function)
    )
    for derivative, expected in zip(ours, plain, strict=True):
        np.testing.assert_array_equal(derivative, expected)


def test_derivatives_at_a_draw(one_of_each):
    """A draw is a plain array: later derivatives at it work, and are right."""
    draw = one_of_each.sample(jax.random.key(0))
    gradient = jax.grad(lambda d: d.log_prob(draw).sum())(one_of_each)
    again = jax.grad(lambda d: d.log_prob(np.asarray(draw)).sum())(one_of_each)
    jax.tree.map(np.testing.assert_array_equal, gradient, again)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(gradient))


def test_a_draw_leaves_the_distribution_as_it_was():
    zinb = made("zinb")
    before = zinb.log_prob(COUNTS)
    zinb.sample(jax.random.key(0))
    np.testing.assert_array_equal(zinb.log_prob(COUNTS), before)


def test_draws_have_no_derivative():
    def draw(mu):
        return NB(mu=mu, theta=2.0).rsample(jax.random.key(0)).astype(float)

    assert jax.grad(draw)(3.0) == 0


def test_what_is_read_first_under_jit_can_be_read_after(distribution):
    """A property computed from tracers must not be kept for later."""
    names = list(distribution.arg_constraints)

    def read(one):
        return [getattr(distribution, name) * one for name in names]

    with jax.checking_leaks():
        inside = jax.jit(read)(1.0)
    for name, expected in zip(names, inside, strict=True):
        np.testing.assert_allclose(np.asarray(getattr(distribution, name)), expected, rtol=1e-6)


@pytest.mark.parametrize("name", ["nb-logits", "zinb-probs", "mixture-log"])
def test_strict_promotion(name):
    """Integer counts of any kind meet float parameters."""
    constructor, parameters = CASES[name]
    with jax.numpy_dtype_promotion("strict"):
        distribution = constructor(**parameters)
        dtype = distribution.mean.dtype
        assert dtype == distribution.variance.dtype == distribution.mode.dtype == np.float32
        for counts in (2, 2.0, np.full(SHAPE, 2, np.int32), np.full(SHAPE, 2, np.uint8)):
            assert distribution.log_prob(counts).dtype == dtype
            assert distribution.pearson_residuals(counts).dtype == dtype
        for attribute in distribution.arg_constraints:
            assert getattr(distribution, attribute).dtype == dtype
        assert distribution.sample(jax.random.key(0)).shape == SHAPE
        ones = jnp.ones(SHAPE, int)
        assert distribution.expand((4, *SHAPE)).log_prob(ones).shape == (4, *SHAPE)
        assert distribution.to_event(1).log_prob(ones).shape == SHAPE[:1]
        assert distribution.mask(jnp.array([True, False])).log_prob(ones).shape == SHAPE
