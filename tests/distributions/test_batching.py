"""Batches: shapes inferred, axes mapped and promoted, wrappers carried through jit."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from distributions.cases import CASES, COUNTS, MU, NB, SHAPE, THETA, ZINB
from jax import lax
from numpyro.distributions import ExpandedDistribution, Independent, MaskedDistribution
from numpyro.distributions.batch_util import promote_batch_shape, vmap_over

FACTORS = np.array([0.5, 1.0, 0.9], np.float32)


def scaled(case, factor, names):
    return case.constructor(
        **case.given | {name: case.given[name] * factor for name in names}, validate_args=False
    )


def test_shapes_are_inferred_as_they_come_out(case):
    shapes = {name: np.shape(value) for name, value in case.given.items()}
    assert case.constructor.infer_shapes(**shapes) == (SHAPE, ())


def test_scale_has_no_part_in_the_batch_shape():
    assert NB.infer_shapes(mu=(3, 1), theta=(2,), scale=(7,)) == ((3, 2), ())
    assert NB(mu=MU, theta=THETA, scale=np.ones(7)).batch_shape == SHAPE


@pytest.mark.quick
def test_each_parameter_alone_and_all_together_are_mapped_over(case):
    """What is computed from the parameters inside `vmap` is the same function as outside."""
    for names in [*([name] for name in case.given), list(case.given)]:
        axes = vmap_over(case.made(validate_args=False), **dict.fromkeys(names, 0))
        many = jax.vmap(lambda f, names=names: scaled(case, f, names), out_axes=axes)(FACTORS)
        ranks = {given: value.ndim for given, value in many.get_args().items()}
        assert ranks == {given: 3 if given in names else 2 for given in case.given}
        each = jax.vmap(lambda d: d.get_args(), in_axes=(axes,))(many)
        for place, factor in enumerate(FACTORS):
            for name, value in scaled(case, factor, names).get_args().items():
                np.testing.assert_array_equal(each[name][place], value, err_msg=name)


@pytest.mark.slow
def test_log_probabilities_and_draws_of_a_mapped_distribution():
    case = CASES["ZeroInflatedNegativeBinomial(mu, log_theta, zi_probs)"]
    axes = vmap_over(case.made(validate_args=False), **dict.fromkeys(case.given, 0))
    many = jax.vmap(lambda factor: scaled(case, factor, case.given), out_axes=axes)(FACTORS)
    keys = jax.random.split(jax.random.key(0), len(FACTORS))

    def used(distribution, key):
        return distribution.log_prob(COUNTS), distribution.mean, distribution.sample(key)

    together = jax.jit(jax.vmap(used, in_axes=(axes, 0)))(many, keys)
    alone = jax.jit(used)
    for place, factor in enumerate(FACTORS):
        log_prob, mean, draws = alone(scaled(case, factor, case.given), keys[place])
        np.testing.assert_allclose(together[0][place], log_prob, rtol=3e-6)
        np.testing.assert_allclose(together[1][place], mean, rtol=3e-6)
        np.testing.assert_array_equal(together[2][place], draws)


def test_scale_is_mapped_over():
    axes = vmap_over(NB(mu=MU, theta=THETA, scale=1.0), scale=0)
    many = jax.vmap(lambda s: NB(mu=MU, theta=THETA, scale=s), out_axes=axes)(FACTORS)
    np.testing.assert_array_equal(many.scale, FACTORS)
    assert many.batch_shape == SHAPE


def test_an_axis_of_a_parameter_that_was_not_given_is_refused():
    with pytest.raises(ValueError, match=r"axes for \['mu'\].* from \['total_count', 'probs'\]"):
        vmap_over(NB(total_count=3.0, probs=0.2), mu=0)


def test_vmap_of_construction_and_scan(case):
    stacked = {name: np.stack([value] * 2) for name, value in case.given.items()}
    many = jax.vmap(lambda given: case.constructor(**given))(stacked)
    plain = case.made()
    for batch in (many, promote_batch_shape(many)):
        assert batch.batch_shape == (2, *SHAPE)
        assert jax.eval_shape(batch.log_prob, COUNTS).shape == (2, *SHAPE)
    last, values = lax.scan(lambda _, d: (d, d.get_args()), plain, many)
    assert last.batch_shape == SHAPE
    for name, value in plain.get_args().items():
        np.testing.assert_array_equal(values[name], np.stack([value] * 2))
        np.testing.assert_array_equal(last.get_args()[name], value)


@pytest.mark.slow
def test_values_under_vmap_and_scan():
    stacked = {"mu": np.stack([MU] * 2), "theta": np.stack([THETA] * 2)}
    many = jax.vmap(lambda given: NB(**given))(stacked)
    plain = NB(mu=MU, theta=THETA)
    expected = np.stack([plain.log_prob(COUNTS)] * 2)
    promoted = promote_batch_shape(many)
    np.testing.assert_allclose(promoted.log_prob(COUNTS), expected, rtol=1e-6)
    _, values = lax.scan(lambda _, d: (d, d.log_prob(COUNTS)), plain, many)
    np.testing.assert_allclose(values, expected, rtol=1e-6)


@pytest.mark.slow
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


@pytest.mark.slow
@pytest.mark.parametrize("wrapper", ["expanded", "event", "masked"])
def test_wrappers_go_through_jit_and_vmap(wrapper):
    wrap, kind = WRAPPERS[wrapper]
    nb = NB(mu=MU, theta=THETA)
    plain = wrap(nb)
    returned = jax.jit(wrap)(nb)
    assert isinstance(returned, kind)
    assert (returned.batch_shape, returned.event_shape) == (plain.batch_shape, plain.event_shape)
    np.testing.assert_allclose(returned.log_prob(COUNTS), plain.log_prob(COUNTS), rtol=1e-6)
    inside = jax.jit(lambda d: d.log_prob(COUNTS))(plain)
    np.testing.assert_allclose(inside, plain.log_prob(COUNTS), rtol=1e-6)
    draws = returned.sample(jax.random.key(0), (5,))
    assert draws.shape == (5, *plain.batch_shape, *plain.event_shape)
    np.testing.assert_array_equal(draws, plain.sample(jax.random.key(0), (5,)))
    mapped = jax.vmap(lambda factor: wrap(jax.tree.map(lambda leaf: leaf * factor, nb)).mean)
    assert mapped(np.ones(2, np.float32)).shape == (2, *plain.batch_shape, *plain.event_shape)


def test_expanded_draws_are_independent():
    nb = NB(mu=MU, theta=THETA)
    draws = np.asarray(nb.expand((4, *SHAPE)).sample(jax.random.key(0), (5,)), float)
    assert (draws[:, :, 1].var((0, 1)) > 0.1 * (MU + MU**2 / THETA)[1]).all()


@pytest.mark.slow
def test_a_batch_of_nothing():
    nothing = ZINB(mu=np.zeros((0, 2)), theta=1.0, zi_logits=0.0)
    draws = jax.eval_shape(lambda d: d.sample(jax.random.key(0), (3,)), nothing)
    assert draws.shape == (3, 0, 2)
    assert nothing.log_prob(1).shape == nothing.mean.shape == (0, 2)
