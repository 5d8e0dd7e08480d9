"""The distributions as trees of parameters: in loops, under optimizers, with leaves replaced."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from distributions.cases import CASES

from jaxnb.distributions.base import CountDistribution

equinox = pytest.importorskip("equinox")


def of_python_numbers(case) -> CountDistribution:
    return case.constructor(**{name: float(np.mean(v)) for name, v in case.given.items()})


each_case = pytest.mark.parametrize("case", CASES.values(), ids=CASES)


@pytest.mark.quick
@each_case
def test_the_carry_of_a_scan_may_be_a_distribution(case):
    """Also one of Python numbers, whose arrays would be weakly typed."""
    initial = of_python_numbers(case)
    assert not any(leaf.weak_type for leaf in jax.tree.leaves(initial))

    def half(distribution, _):
        return jax.tree.map(lambda p: p * jnp.float32(0.5), distribution), None

    final, _ = jax.lax.scan(half, initial, length=2)
    assert type(final) is case.constructor
    for name, value in initial.get_args().items():
        np.testing.assert_array_equal(final.get_args()[name], value / 4)


@pytest.mark.quick
def test_python_numbers_take_the_dtype_of_the_other_parameters():
    constructor = CASES["NegativeBinomial(mu, theta)"].constructor
    half = constructor(mu=2.0, theta=np.float16(1.0))
    assert {leaf.dtype for leaf in jax.tree.leaves(half)} == {np.dtype(np.float16)}
    mixed = constructor(mu=np.float32(2.0), theta=np.float16(1.0))
    assert [leaf.dtype for leaf in jax.tree.leaves(mixed)] == [np.float32, np.float16]


@pytest.mark.quick
@each_case
def test_optimizers_update_a_distribution(case):
    distribution = of_python_numbers(case)
    optimizer = optax.sgd(0.5)
    gradient = jax.tree.map(jnp.ones_like, distribution)
    updates, _ = optimizer.update(gradient, optimizer.init(distribution), distribution)
    updated = optax.apply_updates(distribution, updates)
    assert jax.tree.structure(updated) == jax.tree.structure(distribution)
    for name, value in distribution.get_args().items():
        np.testing.assert_array_equal(updated.get_args()[name], value - 0.5)


@pytest.mark.quick
@each_case
def test_a_parameter_can_be_replaced_where_it_is_read(case):
    distribution = case.made()
    for name in case.given:
        replaced = equinox.tree_at(lambda d, n=name: getattr(d, n), distribution, jnp.float32(0.25))
        assert getattr(replaced, name) == 0.25
        assert set(replaced.get_args()) == set(case.given)
    dynamic, static = equinox.partition(distribution, equinox.is_inexact_array)
    assert jax.tree.all(
        jax.tree.map(np.array_equal, equinox.combine(dynamic, static), distribution)
    )


@pytest.mark.slow
def test_a_gradient_is_a_distribution():
    distribution = CASES["NegativeBinomial(mu, theta)"].made(validate_args=False)

    @equinox.filter_jit
    @equinox.filter_grad
    def gradient(distribution):
        return distribution.log_prob(2.0).sum()

    found = gradient(distribution)
    assert type(found) is type(distribution)
    assert [np.shape(leaf) for leaf in jax.tree.leaves(found)] == [(3, 2), (1, 2)]
