"""What every NumPyro distribution must do, for each class.

Much of it is what NumPyro asks of its own distributions in `test/test_distributions.py`. How the
parameters may be given is in `test_parameterizations.py`.
"""

import copy
import pickle
from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from distributions.cases import (
    CASES,
    CLASSES,
    COUNTS,
    MU,
    NB,
    ONE_OF_EACH,
    SHAPE,
    THETA,
)
from nightly import nightly_but
from numpyro.distributions import Distribution, Independent, constraints
from scipy import stats

MANY = 680  # with SHAPE, an array that is tried again whole: the sampler compiles in half the time
KEY = jax.random.key(1)
# What every class hands to which function is in `test_parameterizations.py`, so that by default the
# functions themselves are compiled for one class only.
OFTEN = "hurdle_negative_binomial"
computing = pytest.mark.parametrize("name", nightly_but([OFTEN], ONE_OF_EACH))


@jax.jit
def _used(distribution, key):
    return {
        "log_prob": distribution.log_prob(COUNTS),
        "zero": distribution.log_prob(jnp.zeros(SHAPE)),
        "mean": distribution.mean,
        "variance": distribution.variance,
        "draws": distribution.sample(key, (MANY,)),
    }


@cache
def used(name, seed=1):
    """What a distribution computes, by one program."""
    return {
        k: np.asarray(v) for k, v in _used(ONE_OF_EACH[name].made(), jax.random.key(seed)).items()
    }


def test_shapes_and_support(one_of_each):
    distribution = one_of_each.made()
    assert isinstance(distribution, Distribution)
    assert distribution.batch_shape == distribution.shape() == SHAPE
    assert distribution.shape((5,)) == (5, *SHAPE)
    assert distribution.event_shape == ()
    assert distribution.event_dim == 0
    assert distribution.is_discrete
    assert not distribution.has_rsample
    name = one_of_each.constructor.family.name
    truncated = name == "zero_truncated_negative_binomial"
    assert distribution.support is (
        constraints.positive_integer if truncated else constraints.nonnegative_integer
    )
    found = jax.eval_shape(_used, distribution, KEY)
    assert found["log_prob"].shape == found["mean"].shape == found["variance"].shape == SHAPE
    assert found["draws"].shape == (MANY, *SHAPE)
    assert found["draws"].dtype == jnp.result_type(int)


@pytest.mark.slow
@pytest.mark.parametrize("name", ONE_OF_EACH)
def test_draws_follow_the_distribution(name):
    """Roughly: the samplers themselves are tested with more of them."""
    found = used(name)
    assert ONE_OF_EACH[name].constructor.support(found["draws"]).all()
    draws, mean, variance = (np.asarray(found[k], float) for k in ("draws", "mean", "variance"))
    assert (np.abs(draws.mean(0) - mean) < 4.5 * np.sqrt(variance / MANY)).all()
    squares = (draws - draws.mean(0)) ** 2
    assert (np.abs(squares.mean(0) - variance) < 4.5 * squares.std(0) / np.sqrt(MANY)).all()
    zeros = np.exp(np.asarray(found["zero"], float))
    spread = 4.5 * np.sqrt(zeros * (1 - zeros) / MANY)
    assert (np.abs((draws == 0).mean(0) - zeros) <= spread).all()


@pytest.mark.slow
@computing
def test_draws_depend_on_the_key(name):
    again = _used(ONE_OF_EACH[name].made(), jax.random.key(1))
    np.testing.assert_array_equal(used(name)["draws"], again["draws"])
    assert (used(name)["draws"] != used(name, seed=2)["draws"]).any()


@pytest.mark.slow
@computing
def test_the_log_probability_is_that_of_the_function(name):
    case = ONE_OF_EACH[name]
    family = case.constructor.family
    log_prob = jax.jit(family.log_prob)(COUNTS, *case.canonical.values())
    np.testing.assert_allclose(used(family.name)["log_prob"], log_prob, rtol=1e-6)


@pytest.mark.slow
def test_outside_of_jit():
    nb = NB(mu=MU, theta=THETA)
    p = THETA / (THETA + np.float64(MU))
    np.testing.assert_allclose(
        nb.log_prob(COUNTS), stats.nbinom.logpmf(COUNTS, THETA, p), rtol=1e-6
    )
    np.testing.assert_allclose(nb.mean, MU, rtol=1e-6)
    np.testing.assert_allclose(nb.variance, MU + MU**2 / THETA, rtol=1e-6)
    np.testing.assert_array_equal(
        nb.mode, stats.nbinom.pmf(np.arange(99).reshape(-1, 1, 1), THETA, p).argmax(0)
    )
    draws = nb.sample(KEY, (MANY,))
    np.testing.assert_array_equal(draws, jax.jit(lambda d: d.sample(KEY, (MANY,)))(nb))
    # As in scvi-tools; NumPyro's own discrete distributions raise NotImplementedError.
    np.testing.assert_array_equal(nb.rsample(KEY, (MANY,)), draws)


def test_the_poisson_limit():
    poisson = NB(mu=MU, theta=np.float32(np.inf))
    np.testing.assert_allclose(
        poisson.log_prob(COUNTS), stats.poisson.logpmf(COUNTS, MU), rtol=1e-6
    )
    np.testing.assert_array_equal(poisson.variance, MU)


def assert_equal(found, expected):
    """The same distribution with the same leaves."""
    assert type(found) is type(expected)
    assert found.batch_shape == expected.batch_shape
    assert list(found.get_args()) == sorted(expected.get_args())
    for name, value in expected.get_args().items():
        np.testing.assert_array_equal(found.get_args()[name], value)


@pytest.mark.quick
def test_through_jit_and_back(case):
    plain = case.made()
    assert plain.batch_shape == SHAPE
    assert_equal(jax.jit(lambda given: case.constructor(**given))(case.given), plain)
    assert_equal(jax.jit(lambda distribution: distribution)(plain), plain)


def test_tree(case):
    distribution = case.made()
    leaves, structure = jax.tree.flatten(distribution)
    assert len(leaves) == len(distribution.get_args())
    again = jax.tree.unflatten(structure, leaves)
    assert_equal(again, distribution)
    assert jax.tree.structure(again) == structure
    placeholders = jax.tree.unflatten(structure, [object()] * len(leaves))
    assert type(placeholders) is type(distribution)


def test_pickle_deepcopy_repr(case):
    distribution = case.made()
    for copied in (pickle.loads(pickle.dumps(distribution)), copy.deepcopy(distribution)):
        assert jax.tree.structure(copied) == jax.tree.structure(distribution)
        jax.tree.map(np.testing.assert_array_equal, copied, distribution)
    shown = repr(distribution)
    assert shown.startswith(type(distribution).__name__)
    assert "(3, 2)" in shown
    assert all(f"{name}: " in shown for name in distribution.get_args())


def test_scaling_a_leaf_scales_the_mean():
    nb = NB(mu=MU, theta=THETA)
    np.testing.assert_allclose(jax.tree.map(lambda p: 2 * p, nb).mean, 2 * MU)


def test_eps_and_validation_survive_the_tree_and_pickle():
    nb = NB(mu=0.0, theta=2.0, eps=1e-8, validate_args=True)
    for again in (jax.tree.map(lambda p: p, nb), pickle.loads(pickle.dumps(nb))):
        np.testing.assert_array_equal(again.log_prob(1), nb.log_prob(1))
        with pytest.warns(UserWarning, match="Out-of-support"):
            again.log_prob(-1)


@pytest.mark.slow
def test_expand_mask_independent():
    nb = NB(mu=MU, theta=THETA)
    wide = nb.expand((MANY, *SHAPE))
    assert wide.batch_shape == wide.sample(KEY).shape == (MANY, *SHAPE)
    expected = nb.log_prob(COUNTS)
    np.testing.assert_allclose(wide.log_prob(COUNTS), np.broadcast_to(expected, (MANY, *SHAPE)))
    assert nb.expand_by((5,)).batch_shape == (5, *SHAPE)
    rows = nb.to_event(1)
    assert (rows.batch_shape, rows.event_shape) == ((3,), (2,))
    np.testing.assert_allclose(rows.log_prob(COUNTS), expected.sum(-1), rtol=1e-6)
    assert isinstance(Independent(nb, 2), Distribution)
    np.testing.assert_array_equal(nb.mask(False).log_prob(COUNTS), np.zeros(SHAPE))


def test_shapes_of_wrappers(one_of_each):
    """Traced only."""
    distribution = one_of_each.made()
    wide = distribution.expand((4, *SHAPE))
    assert wide.batch_shape == (4, *SHAPE)
    assert jax.eval_shape(wide.log_prob, COUNTS).shape == (4, *SHAPE)
    assert jax.eval_shape(wide.sample, KEY).shape == (4, *SHAPE)
    assert jax.eval_shape(distribution.to_event(1).log_prob, COUNTS).shape == SHAPE[:1]


@pytest.mark.quick
@pytest.mark.parametrize("constructor", CLASSES)
def test_values_outside_the_support_warn_and_score_minus_infinity(constructor):
    """Whatever the log-probability is inside: here 0, which compiles faster."""
    of_nothing = type("OfNothing", (constructor,), {"family": _flat(constructor.family)})
    parameters = {p.attribute: np.full(SHAPE, 2, np.float32) for p in constructor.family.parameters}
    checked = of_nothing(**parameters, validate_args=True)
    lowest = int(constructor.support.lower_bound)
    for outside in (lowest - 1, -1.0, 0.5, np.inf, np.nan):
        with pytest.warns(UserWarning, match="Out-of-support"):
            values = checked.log_prob(np.where(COUNTS == 9, np.float32(outside), COUNTS))
        assert (np.isneginf(values) == (COUNTS == 9)).all()
    with pytest.warns(UserWarning, match="Out-of-support"):
        assert np.isneginf(checked.log_prob(np.full(SHAPE, -1))).all()
    assert (checked.log_prob(COUNTS) == 0).all()
    # of values that are traced there is no warning, and the same values
    values = jax.jit(checked.log_prob)(COUNTS - 2)
    assert (np.isneginf(values) == (COUNTS - 2 < lowest)).all()


def _flat(family):
    return family.__class__(**(vars(family) | {"log_prob": _zero}))


def _zero(x, **parameters):
    return jnp.zeros(SHAPE)


def test_counts_below_zero_have_no_probability_without_validation():
    nb = NB(mu=MU, theta=THETA, validate_args=False)
    assert (nb.log_prob(np.full(SHAPE, -1, np.float32)) == -np.inf).all()


@pytest.mark.parametrize(
    "name",
    [
        "HurdleNegativeBinomial(total_count, logits, zi_probs)",
        *(
            pytest.param(name, marks=pytest.mark.slow)
            for name in (
                "NegativeBinomial(total_count, probs)",
                "ZeroInflatedNegativeBinomial(total_count, probs, zi_logits)",
                "NegativeBinomialMixture(log_mu1, log_mu2, log_theta1, log_theta2, mixture_logits)",
            )
        ),
    ],
)
def test_strict_promotion(name):
    """Integer counts of any kind meet float parameters: decided when traced."""
    with jax.numpy_dtype_promotion("strict"):
        distribution = CASES[name].made(validate_args=False)

        def check(function, *arguments):
            assert jax.eval_shape(function, *arguments).dtype == np.float32

        for moment in ("mean", "variance", "mode"):
            check(lambda d, moment=moment: getattr(d, moment), distribution)
        for counts in (2, 2.0, np.full(SHAPE, 2, np.int32), np.full(SHAPE, 2, np.uint8)):
            check(lambda d, x=counts: d.log_prob(x), distribution)
            check(lambda d, x=counts: d.pearson_residuals(x), distribution)
        for attribute in distribution.arg_constraints:
            check(lambda d, attribute=attribute: getattr(d, attribute), distribution)
        drawn = jax.eval_shape(lambda d: d.sample(KEY), distribution)
        assert drawn.shape == SHAPE
        ones = np.ones(SHAPE, np.int32)
        check(lambda d: d.expand((4, *SHAPE)).log_prob(ones), distribution)
        check(lambda d: d.to_event(1).log_prob(ones), distribution)
        check(lambda d: d.mask(jnp.array([True, False])).log_prob(ones), distribution)


@pytest.mark.quick
def test_observed_values_that_are_not_counts_cause_a_warning_under_jit_too():
    """They are known while the parameters are traced, as in a sampled model."""
    observed = np.array([0.0, 2.5, 3.0], np.float32)

    @jax.jit
    def log_density(mu):
        return NB(mu=mu, theta=1.0, validate_args=True).log_prob(observed).sum()

    with pytest.warns(UserWarning, match="Out-of-support"):
        assert log_density(1.0) == -np.inf
