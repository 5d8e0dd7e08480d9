"""Bugs seen in other libraries' distributions, each with its input and the right answer."""

import jax
import numpy as np
import pytest

import jaxnb

NB, ZINB = jaxnb.NegativeBinomial, jaxnb.ZeroInflatedNegativeBinomial
MIX = jaxnb.NegativeBinomialMixture


@pytest.mark.quick
def test_probs_is_the_success_probability():
    np.testing.assert_allclose(NB(total_count=4.0, probs=0.3).mean, 4 * 0.3 / 0.7, rtol=1e-6)


@pytest.mark.slow
def test_inflation_is_decided_once_per_draw():
    nb = ZINB(mu=50.0, theta=20.0, zi_probs=0.5)
    for draw in (nb.sample, nb.rsample):
        zeros = (np.asarray(draw(jax.random.key(0), (4000,))) == 0).mean()
        assert abs(zeros - 0.5) < 0.03


@pytest.mark.slow
def test_a_component_is_drawn_for_every_count():
    nb = MIX(1.0, 1000.0, 100.0, 0.0)
    draws = np.asarray(nb.sample(jax.random.key(0), (4000,)), float)
    assert abs(draws.mean() - 500.5) < 30
    np.testing.assert_allclose(nb.mean, 500.5, rtol=1e-6)
    np.testing.assert_allclose(draws.var(), nb.variance, rtol=0.05)


def test_a_mixture_keeps_its_second_dispersion():
    mixture = MIX(1.0, 1000.0, 1.0, 0.0, theta2=2.0)
    assert mixture.theta2.shape == ()
    assert mixture.theta2 == 2
    assert mixture.variance != MIX(1.0, 1000.0, 1.0, 0.0).variance
    np.testing.assert_allclose(MIX(1.0, 1000.0, 9.0, 0.0).get_normalized("mu"), 500.5, rtol=1e-6)


def test_log_odds_of_inflation_are_taken_as_given():
    """Not doubled on the way."""
    nb = ZINB(mu=1e6, theta=1e6, zi_logits=1.0)
    np.testing.assert_allclose(nb.zi_probs, 0.7310586, rtol=1e-6)
    np.testing.assert_allclose(np.exp(nb.log_prob(0)), 0.7310586, rtol=1e-6)


def test_outside_the_support_without_validation_is_no_nan():
    """And no warning: those are errors in these tests."""
    assert ZINB(mu=1.0, theta=1.0, zi_logits=0.0, validate_args=False).log_prob(-1) == -np.inf


def test_scale_with_total_count_is_left_alone():
    nb = NB(total_count=2.0, logits=0.3, scale=np.array([2.0, 2.0]))
    np.testing.assert_array_equal(nb.scale, [2, 2])


@pytest.mark.parametrize(
    ("mu", "theta", "x", "expected"), [(5.0, 1e7, 7, -2.259096), (1e-9, 3.0, 1, -20.723266)]
)
def test_limits_in_which_others_lose_their_digits(mu, theta, x, expected):
    np.testing.assert_allclose(NB(mu=mu, theta=theta, eps=0.0).log_prob(x), expected, rtol=1e-6)


@pytest.mark.slow
def test_infinite_mean_or_log_odds_give_no_nan():
    assert NB(mu=np.inf, theta=2.0).log_prob(0) == -np.inf
    for logit in (-np.inf, np.inf):
        gradient = jax.grad(lambda mu, z: ZINB(mu=mu, theta=2.0, zi_logits=z).log_prob(0), (0, 1))(
            1.0, logit
        )
        assert np.isfinite(gradient).all()
    gradient = jax.grad(lambda g: ZINB(mu=1e20, theta=2.0, zi_probs=g).log_prob(0))(1.0)
    assert np.isfinite(gradient)


@pytest.mark.slow
def test_infinite_mean_beside_inflation():
    """The zero is then the inflation's alone."""
    value, gradient = jax.value_and_grad(
        lambda mu, z: ZINB(mu=mu, theta=2.0, zi_logits=z).log_prob(0), (0, 1)
    )(np.inf, 0.3)
    np.testing.assert_allclose(value, -np.log1p(np.exp(-0.3)), rtol=1e-6)
    np.testing.assert_allclose(gradient, [0, 1 / (1 + np.exp(0.3))], rtol=1e-6)


def test_deep_zero_without_inflation():
    np.testing.assert_allclose(ZINB(mu=119.9, theta=np.inf, zi_probs=0.0).log_prob(0), -119.9)


def test_deep_zero_with_little_inflation():
    """log NB(0) = -119.9 and an inflation of 1e-30: the extra zeros explain it."""
    nb = ZINB(mu=119.9, theta=np.inf, zi_logits=np.float32(np.log(1e-30)))
    np.testing.assert_allclose(nb.log_prob(0), np.log(1e-30), rtol=1e-5)


def test_theta_zero_is_a_point_mass():
    nb = NB(mu=3.0, theta=0.0)
    assert nb.log_prob(0) == 0
    assert (nb.mean, nb.variance, nb.mode) == (0, 0, 0)


def test_zero_mean_has_a_gradient():
    assert jax.grad(lambda mu: NB(mu=mu, theta=2.0, eps=0.0).log_prob(0))(0.0) == -1


@pytest.mark.slow
def test_large_means_are_not_clamped():
    draws = NB(mu=np.float32(1.5e9), theta=1e8).sample(jax.random.key(0), (100,))
    np.testing.assert_allclose(np.asarray(draws, float).mean(), 1.5e9, rtol=1e-3)


@pytest.mark.slow
def test_a_mean_of_ten_billion():
    with jax.enable_x64(True):
        draws = NB(mu=1e10, theta=1e8).sample(jax.random.key(0), (100,))
    np.testing.assert_allclose(np.asarray(draws).mean(), 1e10, rtol=1e-4)


@pytest.mark.slow
def test_any_kind_of_key():
    for kind in ("threefry2x32", "rbg", "unsafe_rbg"):
        assert NB(mu=3.0, theta=2.0).sample(jax.random.key(0, impl=kind), (7,)).shape == (7,)
