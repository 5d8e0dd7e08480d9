"""Batches: shapes inferred, axes mapped and promoted, wrappers carried through jit."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from distributions.cases import CASES, MU, NB, ONE_OF_EACH, SHAPE, THETA, ZINB
from jax import lax
from numpyro.distributions import ExpandedDistribution, Independent, MaskedDistribution
from numpyro.distributions.batch_util import promote_batch_shape, vmap_over

# one parameter of each law at a time; the others stay as they are
ONE_AT_A_TIME = [
    (name, parameter) for name in (*ONE_OF_EACH, "mixture-shared") for parameter in CASES[name][1]
]


def test_shapes_are_inferred_as_they_come_out(case):
    constructor, parameters = case
    shapes = {name: np.shape(value) for name, value in parameters.items()}
    assert constructor.infer_shapes(**shapes) == (SHAPE, ())


def test_scale_has_no_part_in_the_batch_shape():
    assert NB.infer_shapes(mu=(3, 1), theta=(2,), scale=(7,)) == ((3, 2), ())
    assert NB(mu=MU, theta=THETA, scale=np.ones(7)).batch_shape == SHAPE


@pytest.mark.parametrize(("name", "parameter"), ONE_AT_A_TIME)
def test_one_parameter_is_mapped_over(name, parameter):
    constructor, parameters = CASES[name]
    factors = np.array([0.5, 1.0, 2.0, 3.0], np.float32)

    def scaled(factor):
        return constructor(**parameters | {parameter: parameters[parameter] * factor})

    axes = vmap_over(scaled(1.0), **{parameter: 0})
    many = jax.vmap(scaled, out_axes=axes)(factors)
    each = [scaled(factor) for factor in factors]
    rank = [np.ndim(leaf) for leaf in jax.tree.leaves(many)]
    assert sorted(rank)[-1] == 3
    assert rank.count(3) == 1, "only what is mapped has the new axis"

    x = np.arange(6).reshape(SHAPE)
    values = jax.vmap(lambda law: law.log_prob(x), in_axes=(axes,))(many)
    np.testing.assert_allclose(values, [law.log_prob(x) for law in each], rtol=2e-6)
    keys = jax.random.split(jax.random.key(0), 4)
    draws = jax.vmap(lambda law, key: law.sample(key), in_axes=(axes, 0))(many, keys)
    assert draws.shape == (4, *SHAPE)
    for law, key, drawn in zip(each, keys, draws, strict=True):
        np.testing.assert_array_equal(law.sample(key), drawn)


def test_promoted_batch_shape_is_that_of_the_mapped_parameters(case):
    constructor, parameters = case
    stacked = {name: np.stack([value] * 2) for name, value in parameters.items()}
    promoted = promote_batch_shape(jax.vmap(lambda p: constructor(**p))(stacked))
    assert promoted.batch_shape == (2, *SHAPE)
    expected = constructor(**parameters).log_prob(3)
    np.testing.assert_allclose(promoted.log_prob(3), [expected] * 2, rtol=1e-6)


def test_one_dimensional_dispersion_is_nobodys_row():
    """Others reshape it to (1, n), which is one axis too many under `vmap`."""
    assert NB(mu=THETA, theta=THETA).batch_shape == (2,)
    rows = jax.vmap(lambda mu: NB(mu=mu, theta=THETA).log_prob(1.0))(MU)
    np.testing.assert_allclose(rows, NB(mu=MU, theta=THETA).log_prob(1.0), rtol=1e-6)
    assert rows.shape == SHAPE
    nested = jax.vmap(jax.vmap(lambda mu, theta: NB(mu=mu, theta=theta).mean), in_axes=(0, None))
    np.testing.assert_array_equal(nested(MU, THETA), MU)


def test_scan_carries_and_slices_laws(case):
    constructor, parameters = case
    stacked = {name: np.stack([value] * 2) for name, value in parameters.items()}
    many = jax.vmap(lambda p: constructor(**p))(stacked)
    plain = constructor(**parameters)
    last, values = lax.scan(lambda _, law: (law, law.log_prob(3)), plain, many)
    assert last.batch_shape == SHAPE
    np.testing.assert_allclose(values, [plain.log_prob(3)] * 2, rtol=1e-6)


WRAPPERS = {
    "expanded": (lambda law: law.expand((4, *SHAPE)), ExpandedDistribution),
    "expanded by": (lambda law: law.expand_by((4,)), ExpandedDistribution),
    "event": (lambda law: law.to_event(1), Independent),
    "masked": (lambda law: law.mask(jnp.array([True, False])), MaskedDistribution),
}


@pytest.mark.parametrize("wrapper", WRAPPERS)
def test_wrappers_go_through_jit_and_vmap(one_of_each, wrapper):
    wrap, kind = WRAPPERS[wrapper]
    plain = wrap(one_of_each)
    x = np.ones(plain.batch_shape + plain.event_shape, int)
    returned = jax.jit(wrap)(one_of_each)
    assert isinstance(returned, kind)
    assert (returned.batch_shape, returned.event_shape) == (plain.batch_shape, plain.event_shape)
    np.testing.assert_allclose(returned.log_prob(x), plain.log_prob(x), rtol=1e-6)
    np.testing.assert_allclose(jax.jit(lambda law: law.log_prob(x))(plain), plain.log_prob(x))
    draws = returned.sample(jax.random.key(0), (5,))
    assert draws.shape == (5, *plain.batch_shape, *plain.event_shape)
    np.testing.assert_array_equal(draws, plain.sample(jax.random.key(0), (5,)))
    mapped = jax.vmap(
        lambda factor: wrap(jax.tree.map(lambda leaf: leaf * factor, one_of_each)).mean
    )
    assert mapped(np.ones(2, np.float32)).shape == (2, *plain.batch_shape, *plain.event_shape)


def test_expanded_draws_are_independent():
    draws = NB(mu=50.0, theta=1.0).expand((200,)).sample(jax.random.key(0))
    assert len(np.unique(draws)) > 50


def test_a_batch_of_nothing():
    law = ZINB(mu=np.zeros((0, 2)), theta=1.0, zi_logits=0.0)
    assert law.sample(jax.random.key(0), (3,)).shape == (3, 0, 2)
    assert law.log_prob(1).shape == law.mean.shape == (0, 2)
