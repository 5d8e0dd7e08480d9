"""Batches: shapes inferred, axes mapped and promoted, wrappers carried through jit."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from distributions.cases import CASES, COUNTS, MU, NB, SHAPE, THETA, ZINB, made
from jax import lax
from numpyro.distributions import ExpandedDistribution, Independent, MaskedDistribution
from numpyro.distributions.batch_util import promote_batch_shape, vmap_over

# one parameter of each case at a time; the others stay as they are
ONE_AT_A_TIME = [(name, parameter) for name in CASES for parameter in CASES[name][1]]
FACTORS = np.array([0.5, 1.0, 0.9], np.float32)


def with_factor(name, parameters):
    constructor, given = CASES[name]
    return lambda factor: constructor(**given | {p: given[p] * factor for p in parameters})


def test_shapes_are_inferred_as_they_come_out(case):
    constructor, parameters = case
    shapes = {name: np.shape(value) for name, value in parameters.items()}
    assert constructor.infer_shapes(**shapes) == (SHAPE, ())


def test_scale_has_no_part_in_the_batch_shape():
    assert NB.infer_shapes(mu=(3, 1), theta=(2,), scale=(7,)) == ((3, 2), ())
    assert NB(mu=MU, theta=THETA, scale=np.ones(7)).batch_shape == SHAPE


@pytest.mark.parametrize(("name", "parameter"), ONE_AT_A_TIME)
def test_one_parameter_is_mapped_over(name, parameter):
    make = with_factor(name, [parameter])
    axes = vmap_over(make(1.0), **{parameter: 0})
    many = jax.vmap(make, out_axes=axes)(FACTORS)
    ranks = {given: value.ndim for given, value in many.get_args().items()}
    assert ranks == {given: 3 if given == parameter else 2 for given in ranks}
    means = jax.vmap(lambda d: d.mean, in_axes=(axes,))(many)
    expected = np.stack([make(factor).mean for factor in FACTORS])
    np.testing.assert_allclose(means, expected, rtol=3e-6)


@pytest.mark.parametrize("name", ["nb-logits", "zinb-probs", "mixture-shared"])
def test_all_parameters_are_mapped_over(name):
    parameters = list(CASES[name][1])
    make = with_factor(name, parameters)
    axes = vmap_over(make(1.0), **dict.fromkeys(parameters, 0))
    many = jax.vmap(make, out_axes=axes)(FACTORS)
    each = [make(factor) for factor in FACTORS]
    values = jax.vmap(lambda d: d.log_prob(COUNTS), in_axes=(axes,))(many)
    np.testing.assert_allclose(values, [d.log_prob(COUNTS) for d in each], rtol=3e-6)
    keys = jax.random.split(jax.random.key(0), len(each))
    draws = jax.vmap(lambda d, key: d.sample(key), in_axes=(axes, 0))(many, keys)
    for d, key, drawn in zip(each, keys, draws, strict=True):
        np.testing.assert_array_equal(d.sample(key), drawn)


def test_scale_is_mapped_over():
    axes = vmap_over(NB(mu=MU, theta=THETA, scale=1.0), scale=0)
    many = jax.vmap(lambda s: NB(mu=MU, theta=THETA, scale=s), out_axes=axes)(FACTORS)
    np.testing.assert_array_equal(many.scale, FACTORS)
    assert many.batch_shape == SHAPE


def test_an_axis_of_a_parameter_that_was_not_given_is_refused():
    with pytest.raises(ValueError, match=r"axes for \['mu'\].* from \['total_count', 'probs'\]"):
        vmap_over(NB(total_count=3.0, probs=0.2), mu=0)


def test_vmap_of_construction_and_use(case):
    constructor, parameters = case
    stacked = {name: np.stack([value] * 2) for name, value in parameters.items()}
    many = jax.vmap(lambda p: constructor(**p))(stacked)
    assert many.batch_shape == (2, *SHAPE)
    promoted = promote_batch_shape(many)
    assert promoted.batch_shape == (2, *SHAPE)
    plain = constructor(**parameters)
    expected = plain.log_prob(COUNTS)
    np.testing.assert_allclose(promoted.log_prob(COUNTS), np.stack([expected] * 2), rtol=1e-6)
    last, values = lax.scan(lambda _, d: (d, d.log_prob(COUNTS)), plain, many)
    assert last.batch_shape == SHAPE
    np.testing.assert_allclose(values, np.stack([expected] * 2), rtol=1e-6)


def test_one_dimensional_dispersion_is_nobodys_row():
    """Others reshape it to (1, n), which is one axis too many under `vmap`."""
    assert NB(mu=THETA, theta=THETA).batch_shape == (2,)
    rows = jax.vmap(lambda mu: NB(mu=mu, theta=THETA).log_prob(1.0))(MU)
    np.testing.assert_allclose(rows, NB(mu=MU, theta=THETA).log_prob(1.0), rtol=1e-6)
    assert rows.shape == SHAPE
    nested = jax.vmap(jax.vmap(lambda mu, theta: NB(mu=mu, theta=theta).mean), in_axes=(0, None))
    np.testing.assert_array_equal(nested(MU, THETA), MU)


WRAPPERS = {
    "expanded": (lambda d: d.expand((4, *SHAPE)), ExpandedDistribution),
    "event": (lambda d: d.to_event(1), Independent),
    "masked": (lambda d: d.mask(jnp.array([True, False])), MaskedDistribution),
}


@pytest.mark.parametrize("wrapper", WRAPPERS)
def test_wrappers_go_through_jit_and_vmap(wrapper):
    wrap, kind = WRAPPERS[wrapper]
    zinb = made("zinb")
    plain = wrap(zinb)
    returned = jax.jit(wrap)(zinb)
    assert isinstance(returned, kind)
    assert (returned.batch_shape, returned.event_shape) == (plain.batch_shape, plain.event_shape)
    np.testing.assert_allclose(returned.log_prob(COUNTS), plain.log_prob(COUNTS), rtol=1e-6)
    inside = jax.jit(lambda d: d.log_prob(COUNTS))(plain)
    np.testing.assert_allclose(inside, plain.log_prob(COUNTS), rtol=1e-6)
    draws = returned.sample(jax.random.key(0), (5,))
    assert draws.shape == (5, *plain.batch_shape, *plain.event_shape)
    np.testing.assert_array_equal(draws, plain.sample(jax.random.key(0), (5,)))
    mapped = jax.vmap(lambda factor: wrap(jax.tree.map(lambda leaf: leaf * factor, zinb)).mean)
    assert mapped(np.ones(2, np.float32)).shape == (2, *plain.batch_shape, *plain.event_shape)


def test_expanded_draws_are_independent():
    draws = np.asarray(made("nb").expand((4, *SHAPE)).sample(jax.random.key(0), (5,)), float)
    assert (draws[:, :, 1].var((0, 1)) > 0.1 * made("nb").variance[1]).all()


def test_a_batch_of_nothing():
    nothing = ZINB(mu=np.zeros((0, 2)), theta=1.0, zi_logits=0.0)
    assert nothing.sample(jax.random.key(0), (3,)).shape == (3, 0, 2)
    assert nothing.log_prob(1).shape == nothing.mean.shape == (0, 2)
