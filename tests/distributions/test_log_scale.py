"""Parameters by their logarithms: exact, with bounded derivatives, where exp is out of range."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from distributions.cases import MIX, NB, ZINB

import jaxnb


@pytest.mark.parametrize(
    ("logits", "total_count", "expected"),
    [(-30.0, 2.0, -29.306853), (-100.0, 2.0, -99.306853), (-100.0, 1.0, -100.0)],
)
def test_logits_are_exact_where_the_mean_underflows(logits, total_count, expected):
    """log(total_count) + logits for x = 1, of which the derivative in logits is 1."""

    def log_prob(logits):
        return NB(total_count=total_count, logits=logits).log_prob(1)

    value, derivative = jax.value_and_grad(log_prob)(logits)
    np.testing.assert_allclose(value, expected, rtol=1e-6)
    np.testing.assert_allclose(derivative, 1, rtol=1e-6)


def test_logits_beyond_the_range_of_exp_on_the_other_side():
    """Where e**100 is infinite, log P(1) is log(total_count) - total_count * logits."""

    def log_prob(logits):
        return NB(total_count=2.0, logits=logits).log_prob(1)

    value, derivative = jax.value_and_grad(log_prob)(100.0)
    np.testing.assert_allclose(value, np.log(2) - 200, rtol=1e-6)
    np.testing.assert_allclose(derivative, -2, rtol=1e-6)


@pytest.mark.slow
def test_a_total_count_of_zero_is_a_point_mass():
    def log_prob(total_count):
        return NB(total_count=total_count, logits=0.5).log_prob(np.array([0.0, 1.0, 3.0]))

    np.testing.assert_array_equal(log_prob(0.0), [0, -np.inf, -np.inf])
    assert not np.isnan(jax.jacfwd(log_prob)(0.0)).any()


@pytest.mark.parametrize("log_mu", [-200.0, -80.0, 0.7, 80.0, 200.0])
def test_log_mu_has_the_derivative_that_is_bounded(log_mu):
    """theta (x - mu) / (theta + mu) everywhere."""
    x, theta = np.array([0.0, 1.0, 5.0]), 3.0

    def log_prob(log_mu):
        return NB(log_mu=log_mu, theta=theta).log_prob(x)

    mu = np.exp(log_mu)
    exact = theta * (x - mu) / (theta + mu)
    assert np.isfinite(log_prob(log_mu)).all()
    np.testing.assert_allclose(jax.jacfwd(log_prob)(log_mu), exact, rtol=2e-6, atol=1e-37)


@pytest.mark.slow
def test_log_parameters_are_those_of_the_functions():
    x = np.array([0.0, 2.0, 7.0], np.float32)
    nb = NB(log_mu=-50.0, log_theta=60.0)
    expected = jaxnb.log_nb_positive(x, log_mu=-50.0, log_theta=60.0)
    np.testing.assert_array_equal(nb.log_prob(x), expected)
    zinb = ZINB(log_mu=-50.0, log_theta=-60.0, zi_logits=0.5)
    expected = jaxnb.log_zinb_positive(x, log_mu=-50.0, log_theta=-60.0, pi=0.5)
    np.testing.assert_array_equal(zinb.log_prob(x), expected)
    logs = {"log_mu_1": -50.0, "log_mu_2": 3.0, "log_theta_1": 1.0, "log_theta_2": -2.0}
    mixture = MIX(mixture_logits=0.5, **{k[:-2] + k[-1]: value for k, value in logs.items()})
    expected = jaxnb.log_mixture_nb(x, pi_logits=0.5, **logs)
    np.testing.assert_array_equal(mixture.log_prob(x), expected)


@pytest.mark.slow
def test_the_second_log_theta_is_the_first_where_it_is_left_out():
    shared = MIX(1.0, 9.0, None, 0.0, log_theta1=-200.0)
    assert shared.log_theta2 == -200
    apart = MIX(1.0, 9.0, None, 0.0, log_theta1=-200.0, log_theta2=-200.0)
    np.testing.assert_array_equal(shared.log_prob(3), apart.log_prob(3))
    assert np.isfinite(shared.log_prob(3))


@pytest.mark.quick
def test_forms_that_are_out_of_range_on_the_linear_scale():
    nb = NB(log_mu=-300.0, log_theta=-297.0)
    np.testing.assert_allclose(nb.logits, -3)
    np.testing.assert_allclose(nb.probs, 1 / (1 + np.exp(3)), rtol=1e-6)
    np.testing.assert_allclose(NB(log_mu=-300.0, theta=2.0).logits, -300 - np.log(2), rtol=1e-6)
    assert NB(total_count=2.0, logits=-300.0).logits == -300


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_default_floor_is_that_of_the_dtype(dtype):
    """The value is flat below it and the derivative 0: 1e-30, or 1e-290 in float64."""
    with jax.enable_x64(dtype == np.float64):
        floor = 1e-30 if dtype == np.float32 else 1e-290

        def log_prob(mu):
            return NB(mu=mu, theta=dtype(2)).log_prob(dtype(3))

        value, derivative = jax.value_and_grad(log_prob)(dtype(floor / 4))
        assert derivative == 0
        np.testing.assert_allclose(value, log_prob(dtype(floor)), rtol=1e-6)
        above = dtype(4 * floor)
        _, derivative = jax.value_and_grad(log_prob)(above)
        np.testing.assert_allclose(derivative * above, 3, rtol=1e-5)


@pytest.mark.slow
def test_an_explicit_floor_reaches_every_mean():
    """x = 1 has about log(eps), and with the other component at 5 a value that depends on it."""
    assert jnp.allclose(NB(mu=0.0, theta=2.0, eps=1e-8).log_prob(1), np.log(1e-8))
    zinb = ZINB(mu=0.0, theta=2.0, zi_logits=0.0, eps=1e-8)
    assert jnp.allclose(zinb.log_prob(1), np.log(0.5e-8))
    for parameters in ({"mu1": 0.0, "mu2": 5.0}, {"mu1": 5.0, "mu2": 0.0}):
        mixture = MIX(**parameters, theta1=2.0, theta2=3.0, mixture_logits=0.0, eps=0.5)
        floored = {name: max(mu, 0.5) for name, mu in parameters.items()}
        expected = MIX(**floored, theta1=2.0, theta2=3.0, mixture_logits=0.0)
        np.testing.assert_allclose(mixture.log_prob(1), expected.log_prob(1), rtol=1e-6)
    with pytest.raises(TypeError):
        jax.jit(lambda eps: NB(mu=0.0, theta=2.0, eps=eps).log_prob(1))(0.1)
