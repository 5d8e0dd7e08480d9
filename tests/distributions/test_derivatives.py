"""Derivatives through the constructors, component by component, and what tracing leaves behind."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from distributions.cases import CASES, MU, NB, SHAPE, THETA, ZINB

import jaxnb

FINITE = [
    (name, parameter)
    for name, (_, parameters) in CASES.items()
    for parameter, value in parameters.items()
    if np.isfinite(value).all()
]


@pytest.mark.parametrize(("name", "parameter"), FINITE)
def test_slopes_in_what_was_given(name, parameter):
    """Central differences of every component, in float64."""
    constructor, parameters = CASES[name]
    with jax.enable_x64(True):
        wide = {key: np.asarray(value, float) for key, value in parameters.items()}

        @jax.jit
        def log_prob(value):
            x = np.array([0, 1, 9]).reshape(3, 1, 1)
            return constructor(**wide | {parameter: value}).log_prob(x)

        at = np.broadcast_to(wide[parameter], SHAPE)
        _, slopes = jax.jvp(log_prob, (at,), (np.ones_like(at),))
        step = 1e-5 * np.maximum(1, np.abs(at))
        differences = (log_prob(at + step) - log_prob(at - step)) / (2 * step)
        np.testing.assert_allclose(slopes, differences, rtol=1e-6, atol=1e-8)


def test_slopes_are_those_of_the_functions():
    def through_class(mu, theta, zi_logits):
        return ZINB(mu=mu, theta=theta, zi_logits=zi_logits).log_prob(2).sum()

    def through_function(mu, theta, zi_logits):
        return jaxnb.log_zinb_positive(2, mu, theta, zi_logits).sum()

    ours, plain = (
        jax.grad(function, (0, 1, 2))(MU, THETA, -0.7)
        for function in (through_class, through_function)
    )
    for slope, expected in zip(ours, plain, strict=True):
        np.testing.assert_array_equal(slope, expected)


def test_slopes_at_a_draw(one_of_each):
    """A draw is a plain array: later derivatives at it work, and are right."""
    draw = one_of_each.sample(jax.random.key(0))
    slopes = jax.grad(lambda law: law.log_prob(draw).sum())(one_of_each)
    again = jax.grad(lambda law: law.log_prob(np.asarray(draw)).sum())(one_of_each)
    jax.tree.map(np.testing.assert_array_equal, slopes, again)
    assert all(np.isfinite(slope).all() for slope in jax.tree.leaves(slopes))


def test_a_draw_leaves_the_law_as_it_was(one_of_each):
    before = one_of_each.log_prob(0)
    one_of_each.sample(jax.random.key(0))
    np.testing.assert_array_equal(one_of_each.log_prob(0), before)


def test_draws_have_no_slope():
    slope = jax.grad(lambda mu: NB(mu=mu, theta=2.0).rsample(jax.random.key(0)).astype(float))(3.0)
    assert slope == 0


LAZY = ("probs", "logits", "total_count", "zi_probs", "mixture_probs")


def test_what_is_read_first_under_jit_can_be_read_after(law):
    """A property computed from tracers must not be kept for later."""
    names = [name for name in LAZY if hasattr(type(law), name)]

    def read(law):
        return [getattr(law, name) for name in names]

    with jax.checking_leaks():
        inside = jax.jit(lambda one: [value * one for value in read(law)])(1.0)
    for value, expected in zip(read(law), inside, strict=True):
        np.testing.assert_allclose(np.asarray(value), expected, rtol=1e-6)


@pytest.mark.parametrize("name", ["nb-logits", "zinb-probs", "mixture"])
def test_strict_promotion(name):
    """Integer counts of any kind meet float parameters."""
    constructor, parameters = CASES[name]
    with jax.numpy_dtype_promotion("strict"):
        law = constructor(**parameters)
        dtype = law.mean.dtype
        assert dtype == law.variance.dtype == law.mode.dtype == np.float32
        for counts in (2, 2.0, np.full(SHAPE, 2, np.int32), np.full(SHAPE, 2, np.uint8)):
            assert law.log_prob(counts).dtype == dtype
            assert law.pearson_residuals(counts).dtype == dtype
        for name in LAZY:
            assert getattr(law, name, law.mean).dtype == dtype
        assert law.sample(jax.random.key(0), (2,)).shape == (2, *SHAPE)
        ones = jnp.ones(SHAPE, int)
        assert law.expand((4, *SHAPE)).log_prob(ones).shape == (4, *SHAPE)
        assert law.to_event(1).log_prob(ones).shape == SHAPE[:1]
        assert law.mask(jnp.array([True, False])).log_prob(ones).shape == SHAPE
