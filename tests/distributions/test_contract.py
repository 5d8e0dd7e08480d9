"""What every NumPyro distribution must do, for each class in each of its parameterizations.

Much of it is what NumPyro asks of its own distributions in `test/test_distributions.py`.
"""

import copy
import pickle

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from distributions.cases import COUNTS, MIX, MU, NB, ONE_OF_EACH, SAME, SHAPE, THETA, ZINB, made
from numpyro.distributions import Distribution, Independent, constraints
from scipy import stats

# Each shape of a sample is a program of its own, seconds to compile: few of them are asked for.
MANY = (20_000,)


def test_shapes(distribution):
    key = jax.random.key(0)
    assert isinstance(distribution, Distribution)
    assert distribution.batch_shape == distribution.shape() == SHAPE
    assert distribution.shape((5,)) == (5, *SHAPE)
    assert distribution.event_shape == ()
    assert distribution.event_dim == 0
    draw = distribution.sample(key)
    assert draw.shape == SHAPE
    assert draw.dtype == jnp.result_type(int)
    assert distribution.support(draw).all()
    assert distribution.log_prob(draw).shape == SHAPE
    for moment in (distribution.mean, distribution.variance, distribution.mode):
        assert moment.shape == SHAPE
    assert distribution.is_discrete
    assert distribution.support is constraints.nonnegative_integer


def test_rsample_draws_although_nothing_is_reparameterized(one_of_each):
    """As in scvi-tools; NumPyro's own discrete distributions raise NotImplementedError."""
    key = jax.random.key(0)
    np.testing.assert_array_equal(one_of_each.rsample(key), one_of_each.sample(key))
    assert not one_of_each.has_rsample


@pytest.mark.parametrize("name", SAME)
def test_every_parameterization_is_the_same_distribution(name):
    ours, plain = made(name), made(SAME[name])
    np.testing.assert_allclose(ours.log_prob(COUNTS), plain.log_prob(COUNTS), rtol=2e-6, atol=1e-6)
    np.testing.assert_allclose(ours.mean, plain.mean, rtol=1e-6)
    np.testing.assert_allclose(ours.variance, plain.variance, rtol=2e-6)
    np.testing.assert_array_equal(ours.mode, plain.mode)
    for attribute in plain.arg_constraints:
        np.testing.assert_allclose(
            np.broadcast_to(getattr(ours, attribute), SHAPE),
            np.broadcast_to(getattr(plain, attribute), SHAPE),
            rtol=3e-6,
            atol=1e-6,
        )


def test_log_probabilities_are_scipys():
    x = COUNTS - 1  # from 0
    p = THETA / (THETA + np.float64(MU))
    nb = stats.nbinom.pmf(x, THETA, p)
    np.testing.assert_allclose(made("nb").log_prob(x), np.log(nb), rtol=1e-6)
    zero = np.float64(made("zinb").zi_probs)
    inflated = zero * (x == 0) + (1 - zero) * nb
    np.testing.assert_allclose(made("zinb").log_prob(x), np.log(inflated), rtol=2e-6)
    poisson = stats.poisson.logpmf(x, MU)
    np.testing.assert_allclose(made("nb-poisson").log_prob(x), poisson, rtol=1e-6)
    first = np.float64(made("mixture").mixture_probs)
    second = stats.nbinom.pmf(x, 2 * THETA, 2 * THETA / (2 * THETA + 3 * np.float64(MU)))
    mixed = np.log(first * nb + (1 - first) * second)
    np.testing.assert_allclose(made("mixture").log_prob(x), mixed, rtol=2e-6)


@pytest.mark.parametrize("name", ["nb", "nb-poisson", "zinb", "mixture", "mixture-shared"])
def test_probabilities_sum_to_one_and_give_the_moments(name):
    distribution = made(name)
    x = np.arange(1000.0, dtype=np.float32).reshape(-1, 1, 1)
    p = np.exp(np.asarray(distribution.log_prob(x), float))
    np.testing.assert_allclose(p.sum(0), 1, rtol=1e-5)
    mean = (p * x).sum(0)
    np.testing.assert_allclose(distribution.mean, mean, rtol=1e-5)
    np.testing.assert_allclose(distribution.variance, (p * (x - mean) ** 2).sum(0), rtol=1e-4)
    at_mode = np.take_along_axis(p, np.asarray(distribution.mode, int)[None], axis=0)[0]
    np.testing.assert_allclose(at_mode, p.max(0), rtol=1e-5)


def test_draws_follow_the_distribution(distribution):
    draws = np.asarray(distribution.sample(jax.random.key(1), MANY), float)
    (n,) = MANY
    assert draws.shape == (n, *SHAPE)
    mean, variance = np.asarray(distribution.mean), np.asarray(distribution.variance)
    assert (np.abs(draws.mean(0) - mean) < 4.5 * np.sqrt(variance / n)).all()
    squares = (draws - draws.mean(0)) ** 2
    assert (np.abs(squares.mean(0) - variance) < 4.5 * squares.std(0) / np.sqrt(n)).all()
    zeros = np.exp(np.asarray(distribution.log_prob(np.zeros(SHAPE, np.float32)), float))
    assert (np.abs((draws == 0).mean(0) - zeros) < 4.5 * np.sqrt(zeros * (1 - zeros) / n)).all()


@pytest.mark.parametrize("make", [jax.random.key, jax.random.PRNGKey])
@pytest.mark.parametrize("kind", ["threefry2x32", "rbg"])
def test_typed_and_raw_keys_reproduce(make, kind):
    nb = made("nb")
    once, again, other = (nb.sample(make(seed, impl=kind), MANY) for seed in (3, 3, 4))
    np.testing.assert_array_equal(once, again)
    assert (once != other).any()


def test_through_jit_and_back(case):
    constructor, parameters = case
    plain = constructor(**parameters)
    expected = plain.log_prob(COUNTS)
    returned = jax.jit(lambda p: constructor(**p))(parameters)
    assert returned.batch_shape == SHAPE
    assert list(returned.get_args()) == sorted(parameters)
    np.testing.assert_allclose(returned.log_prob(COUNTS), expected, rtol=1e-6)
    passed = jax.jit(lambda d: (d.log_prob(COUNTS), d.mean))(plain)
    for value, wanted in zip(passed, (expected, plain.mean), strict=True):
        np.testing.assert_allclose(value, wanted, rtol=1e-6)


def test_tree(distribution):
    leaves, structure = jax.tree.flatten(distribution)
    assert len(leaves) == len(distribution.get_args())
    again = jax.tree.unflatten(structure, leaves)
    np.testing.assert_array_equal(again.log_prob(COUNTS), distribution.log_prob(COUNTS))
    assert again.batch_shape == distribution.batch_shape
    assert jax.tree.structure(again) == structure
    placeholders = jax.tree.unflatten(structure, [object()] * len(leaves))
    assert type(placeholders) is type(distribution)


def test_scaling_a_leaf_scales_the_mean():
    nb = NB(mu=MU, theta=THETA)
    np.testing.assert_allclose(jax.tree.map(lambda p: 2 * p, nb).mean, 2 * MU)


def test_eps_and_validation_survive_the_tree():
    nb = NB(mu=0.0, theta=2.0, eps=1e-8, validate_args=True)
    again = jax.tree.map(lambda p: p, nb)
    np.testing.assert_array_equal(again.log_prob(1), nb.log_prob(1))
    with pytest.warns(UserWarning, match="Out-of-support"):
        again.log_prob(-1)


def test_expand_mask_independent(one_of_each):
    wide = one_of_each.expand((*MANY, *SHAPE))
    assert wide.batch_shape == wide.sample(jax.random.key(0)).shape == (*MANY, *SHAPE)
    expected = one_of_each.log_prob(COUNTS)
    np.testing.assert_allclose(wide.log_prob(COUNTS), np.broadcast_to(expected, (*MANY, *SHAPE)))
    assert one_of_each.expand_by((5,)).batch_shape == (5, *SHAPE)
    rows = one_of_each.to_event(1)
    assert (rows.batch_shape, rows.event_shape) == ((3,), (2,))
    np.testing.assert_allclose(rows.log_prob(COUNTS), expected.sum(-1), rtol=1e-6)
    assert isinstance(Independent(one_of_each, 2), Distribution)
    np.testing.assert_array_equal(one_of_each.mask(False).log_prob(COUNTS), np.zeros(SHAPE))


def test_pickle_deepcopy_repr(distribution):
    expected = distribution.log_prob(COUNTS)
    for copied in (pickle.loads(pickle.dumps(distribution)), copy.deepcopy(distribution)):
        np.testing.assert_array_equal(copied.log_prob(COUNTS), expected)
        assert copied.batch_shape == SHAPE
    shown = repr(distribution)
    assert shown.startswith(type(distribution).__name__)
    assert "(3, 2)" in shown
    assert all(f"{name}: " in shown for name in distribution.get_args())


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"mu": 1.0},
        {"mu": 1.0, "probs": 0.3},
        {"mu": 1.0, "theta": 1.0, "probs": 0.3},
        {"mu": 1.0, "log_mu": 0.0, "theta": 1.0},
        {"mu": 1.0, "theta": 1.0, "log_theta": 0.0},
        {"log_mu": 1.0, "total_count": 1.0},
        {"total_count": 1.0, "probs": 0.3, "logits": 0.1},
    ],
)
def test_exactly_one_parameterization(given):
    for constructor in (NB, lambda **p: ZINB(**p, zi_logits=0.0)):
        with pytest.raises(ValueError, match=r"exactly one of \(mu, theta\) or"):
            constructor(**given)


@pytest.mark.parametrize("given", [{}, {"zi_logits": 0.0, "zi_probs": 0.5}])
def test_exactly_one_form_of_the_zero_inflation(given):
    with pytest.raises(ValueError, match=r"exactly one of \(zi_logits\) or \(zi_probs\)"):
        ZINB(mu=1.0, theta=1.0, **given)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"mu1": None}, r"exactly one of \(mu1\) or \(log_mu1\); got none of them"),
        ({"log_mu2": 0.0}, r"exactly one of \(mu2\) or \(log_mu2\); got mu2, log_mu2"),
        ({"mixture_logits": None}, r"exactly one of \(mixture_logits\); got none"),
        ({"theta2": 1.0, "log_theta2": 0.0}, r"at most one of \(theta2\) or \(log_theta2\)"),
    ],
)
def test_exactly_one_scale_of_every_parameter_of_a_mixture(given, message):
    with pytest.raises(ValueError, match=message):
        MIX(**{"mu1": 1.0, "mu2": 2.0, "theta1": 1.0, "mixture_logits": 0.0} | given)


def test_log_scales_are_keyword_only():
    with pytest.raises(TypeError, match="positional"):
        NB(None, None, None, None, None, None, 0.0, 0.0)


def test_shapes_that_do_not_broadcast_are_named():
    with pytest.raises(ValueError, match=r"mu \(3,\), theta \(2,\)"):
        NB(mu=np.ones(3), theta=np.ones(2))
    with pytest.raises(TypeError, match="theta must be real"):
        NB(mu=1.0, theta=np.complex64(1), validate_args=False)


@pytest.mark.parametrize("name", ONE_OF_EACH)
def test_values_outside_the_support_warn_and_score_minus_infinity(name):
    checked = made(name, validate_args=True)
    for outside in (-1, -1.0, 0.5, np.inf, np.nan):
        with pytest.warns(UserWarning, match="Out-of-support"):
            values = checked.log_prob(np.where(COUNTS == 9, outside, COUNTS))
        assert (np.isneginf(values) == (COUNTS == 9)).all()
    negative = np.full(SHAPE, -1)
    assert (made(name, validate_args=False).log_prob(negative) == -np.inf).all()
    # under jit there is no warning, and the same values
    values = jax.jit(checked.log_prob)(COUNTS - 2)
    assert (np.isneginf(values) == (COUNTS < 2)).all()


def test_residuals_and_normalized_expression():
    nb = NB(mu=MU, theta=THETA, scale=np.array([[2, 2]]))
    np.testing.assert_allclose(
        nb.pearson_residuals(4), (4 - MU) / np.sqrt(MU + MU**2 / THETA), rtol=1e-6
    )
    np.testing.assert_array_equal(nb.get_normalized("mu"), MU)
    np.testing.assert_array_equal(nb.get_normalized("scale"), [[2, 2]])
    with pytest.raises(ValueError, match="'mu' or 'scale'"):
        nb.get_normalized("rate")
    with pytest.raises(ValueError, match="scale"):
        NB(mu=1.0, theta=1.0).get_normalized("scale")


def test_all_forms_read_back_as_given(case):
    constructor, parameters = case
    distribution = constructor(**parameters)
    for name, value in parameters.items():
        np.testing.assert_array_equal(np.squeeze(getattr(distribution, name)), np.squeeze(value))
    assert set(distribution.get_args()) == set(parameters)
