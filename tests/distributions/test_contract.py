"""What every NumPyro distribution must do, for each class in each of its parameterisations."""

import copy
import pickle

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from distributions.cases import CASES, MIX, MU, NB, SHAPE, THETA, ZINB
from numpyro.distributions import Distribution, Independent, constraints


def test_shapes(law):
    assert isinstance(law, Distribution)
    assert law.batch_shape == SHAPE
    assert law.event_shape == ()
    key = jax.random.key(0)
    assert law.sample(key).shape == SHAPE
    assert law.sample(key, (5,)).shape == (5, *SHAPE)
    assert law.sample(key).dtype == jnp.result_type(int)
    assert law.support(law.sample(key)).all()
    assert law.is_discrete
    assert law.rsample(key).shape == SHAPE
    assert not law.has_rsample
    assert law.log_prob(law.sample(key, (5,))).shape == (5, *SHAPE)
    for moment in (law.mean, law.variance, law.mode):
        assert moment.shape == SHAPE
    assert law.support is constraints.nonnegative_integer


def test_probabilities_sum_to_one_and_give_the_moments(law):
    x = np.arange(4000).reshape(-1, 1, 1)
    p = np.exp(np.asarray(law.log_prob(x), float))
    np.testing.assert_allclose(p.sum(0), 1, rtol=1e-5)
    mean = (p * x).sum(0)
    np.testing.assert_allclose(law.mean, mean, rtol=1e-4)
    np.testing.assert_allclose(law.variance, (p * (x - mean) ** 2).sum(0), rtol=1e-3)
    at_mode = np.exp(np.asarray(law.log_prob(law.mode), float))
    np.testing.assert_allclose(at_mode, p.max(0), rtol=1e-5)


def test_draws_follow_the_law(law):
    n = 40_000
    draws = np.asarray(law.sample(jax.random.key(1), (n,)), float)
    mean, variance = np.asarray(law.mean), np.asarray(law.variance)
    assert (np.abs(draws.mean(0) - mean) < 4.5 * np.sqrt(variance / n)).all()
    squares = (draws - draws.mean(0)) ** 2
    assert (np.abs(squares.mean(0) - variance) < 4.5 * squares.std(0) / np.sqrt(n)).all()
    zeros = np.exp(np.asarray(law.log_prob(0), float))
    assert (np.abs((draws == 0).mean(0) - zeros) < 4.5 * np.sqrt(zeros * (1 - zeros) / n)).all()


@pytest.mark.parametrize("make", [jax.random.key, jax.random.PRNGKey])
@pytest.mark.parametrize("kind", ["threefry2x32", "rbg"])
def test_typed_and_raw_keys_reproduce(one_of_each, make, kind):
    once, again, other = (one_of_each.sample(make(seed, impl=kind), (40,)) for seed in (3, 3, 4))
    np.testing.assert_array_equal(once, again)
    assert (once != other).any()


def test_through_jit_and_back(case):
    constructor, parameters = case
    made = jax.jit(lambda p: constructor(**p))(parameters)
    plain = constructor(**parameters)
    assert made.batch_shape == SHAPE
    np.testing.assert_allclose(made.log_prob(3), plain.log_prob(3), rtol=1e-6)
    np.testing.assert_allclose(jax.jit(lambda law: law.log_prob(3))(plain), plain.log_prob(3))
    np.testing.assert_allclose(jax.jit(lambda law: law.mean)(plain), plain.mean)


def test_vmap_of_construction_and_use(case):
    constructor, parameters = case
    stacked = {k: np.stack([v, v]) for k, v in parameters.items()}
    many = jax.vmap(lambda p: constructor(**p))(stacked)
    assert many.batch_shape == (2, *SHAPE)
    plain = constructor(**parameters)
    np.testing.assert_allclose(many.log_prob(3), np.stack([plain.log_prob(3)] * 2), rtol=1e-6)
    assert many.sample(jax.random.key(0)).shape == (2, *SHAPE)
    np.testing.assert_allclose(jax.vmap(lambda law: law.mean)(many)[0], plain.mean, rtol=1e-6)


def test_tree(law):
    leaves, structure = jax.tree.flatten(law)
    again = jax.tree.unflatten(structure, leaves)
    np.testing.assert_array_equal(again.log_prob(2), law.log_prob(2))
    assert again.batch_shape == law.batch_shape


def test_scaling_the_leaf_scales_the_mean():
    law = NB(mu=MU, theta=THETA)
    np.testing.assert_allclose(jax.tree.map(lambda p: 2 * p, law).mean, 2 * MU)


def test_expand_mask_independent(law):
    wide = law.expand((4, *SHAPE))
    assert wide.batch_shape == (4, *SHAPE)
    assert wide.sample(jax.random.key(0), (2,)).shape == (2, 4, *SHAPE)
    np.testing.assert_allclose(wide.log_prob(1), np.broadcast_to(law.log_prob(1), (4, *SHAPE)))
    assert law.expand_by((5,)).batch_shape == (5, *SHAPE)
    rows = law.to_event(1)
    assert (rows.batch_shape, rows.event_shape) == ((3,), (2,))
    np.testing.assert_allclose(
        rows.log_prob(np.ones(SHAPE, int)), law.log_prob(1).sum(-1), rtol=1e-6
    )
    assert isinstance(Independent(law, 2), Distribution)
    np.testing.assert_array_equal(law.mask(False).log_prob(1), np.zeros(SHAPE))


def test_pickle_deepcopy_repr(law):
    for copied in (pickle.loads(pickle.dumps(law)), copy.deepcopy(law)):
        np.testing.assert_array_equal(copied.log_prob(4), law.log_prob(4))
        assert copied.batch_shape == law.batch_shape
    assert type(law).__name__ in repr(law)
    assert "(3, 2)" in repr(law)


def test_gradients_of_log_prob(case):
    constructor, parameters = case
    names = sorted(parameters)

    def total(*values):
        return constructor(**dict(zip(names, values, strict=True))).log_prob(3.0).sum()

    values = [jnp.asarray(parameters[name]) for name in names]
    slopes = jax.grad(total, tuple(range(len(values))))(*values)
    for k, (value, slope) in enumerate(zip(values, slopes, strict=True)):
        if not np.isfinite(value).all():
            np.testing.assert_array_equal(slope, 0)
            continue
        step = 1e-2 * jnp.abs(value)
        up, down = ([*values[:k], value + s, *values[k + 1 :]] for s in (step, -step))
        predicted = (slope * 2 * step).sum()
        np.testing.assert_allclose(total(*up) - total(*down), predicted, rtol=2e-2, atol=2e-3)


def test_all_forms_read_back():
    laws = [CASES[name][0](**CASES[name][1]) for name in ("nb-mu-theta", "nb-probs", "nb-logits")]
    for name in ("mu", "theta", "total_count", "probs", "logits"):
        expected = getattr(laws[0], name)
        for law in laws:
            np.testing.assert_allclose(
                np.broadcast_to(getattr(law, name), SHAPE),
                np.broadcast_to(expected, SHAPE),
                rtol=3e-6,
                atol=1e-6,
            )
    zinb = ZINB(**CASES["zinb-probs"][1])
    np.testing.assert_allclose(zinb.zi_probs, 0.3, rtol=1e-6)
    np.testing.assert_allclose(zinb.zi_logits, np.log(0.3 / 0.7), rtol=1e-6)


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"mu": 1.0},
        {"mu": 1.0, "probs": 0.3},
        {"mu": 1.0, "theta": 1.0, "probs": 0.3},
        {"total_count": 1.0, "probs": 0.3, "logits": 0.1},
    ],
)
def test_exactly_one_parameterisation(given):
    for constructor in (NB, lambda **p: ZINB(**p, zi_logits=0.0)):
        with pytest.raises(ValueError, match=r"exactly one of \(mu, theta\) or"):
            constructor(**given)
    with pytest.raises(ValueError, match="zi_logits"):
        ZINB(mu=1.0, theta=1.0)


@pytest.mark.parametrize(
    ("constructor", "bad", "name"),
    [
        (NB, {"mu": -1.0, "theta": 1.0}, "mu"),
        (NB, {"mu": 1.0, "theta": np.nan}, "theta"),
        (NB, {"total_count": 1.0, "probs": 1.5}, "probs"),
        (ZINB, {"mu": 1.0, "theta": 1.0, "zi_probs": -0.1}, "zi_probs"),
        (MIX, {"mu1": 1.0, "mu2": -2.0, "theta1": 1.0, "mixture_logits": 0.0}, "mu2"),
    ],
)
def test_bad_parameters_are_named(constructor, bad, name):
    with pytest.raises(ValueError, match=name):
        constructor(**bad, validate_args=True)
    constructor(**bad, validate_args=False)


def test_values_outside_the_support_warn_and_score_minus_infinity(case):
    constructor, parameters = case
    checked = constructor(**parameters, validate_args=True)
    with pytest.warns(UserWarning, match="Out-of-support"):
        assert (checked.log_prob(-1) == -np.inf).all()
    assert (constructor(**parameters, validate_args=False).log_prob(-1) == -np.inf).all()


def test_residuals_and_normalised_expression():
    law = NB(mu=MU, theta=THETA, scale=np.array([[2, 2]]))
    np.testing.assert_allclose(
        law.pearson_residuals(4), (4 - MU) / np.sqrt(MU + MU**2 / THETA), rtol=1e-6
    )
    np.testing.assert_array_equal(law.get_normalized("mu"), MU)
    np.testing.assert_array_equal(law.get_normalized("scale"), [[2, 2]])
    with pytest.raises(ValueError, match="'mu' or 'scale'"):
        law.get_normalized("rate")
    with pytest.raises(ValueError, match="scale"):
        NB(mu=1.0, theta=1.0).get_normalized("scale")
