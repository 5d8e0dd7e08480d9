"""Every edge of the parameter space, values and derivatives: no NaN but those of the input."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxnb

INF, NAN = np.inf, np.nan
nb, zinb, mix = jaxnb.log_nb_positive, jaxnb.log_zinb_positive, jaxnb.log_mixture_nb


def value_and_gradient(function, *args, eps=None):
    args = [jnp.asarray(a, float) for a in args]
    return jax.value_and_grad(lambda *a: function(*a, eps=eps), tuple(range(1, len(args))))(*args)


@pytest.mark.parametrize(
    ("function", "parameters"),
    [(nb, (3.0, 2.0)), (zinb, (3.0, 2.0, 0.3)), (mix, (2.0, 3.0, 1.0, 1.0, 0.3))],
)
def test_outside_the_support(function, parameters):
    value, gradient = value_and_gradient(function, -1, *parameters)
    assert value == -INF
    assert all(s == 0 for s in gradient)


@pytest.mark.parametrize(
    ("x", "mu", "theta"),
    [
        *[(NAN, 1, 1), (1, NAN, 1), (1, 1, NAN), (0, NAN, 1), (0, 1, NAN), (-1, NAN, 1)],
        *[(0, -1, 1), (3, -1, 1), (0, 1, -1), (3, 1, -1), (-1, -1, 1), (-1, 1, NAN)],
    ],
)
def test_nan_and_negative_parameters_give_nan(x, mu, theta):
    assert np.isnan(nb(float(x), float(mu), float(theta)))
    assert np.isnan(zinb(float(x), float(mu), float(theta), 0.3))
    assert np.isnan(mix(float(x), float(mu), 2.0, float(theta), 1.0, 0.3))


@pytest.mark.parametrize("x", [0, 1, 2, 7, 1000])
@pytest.mark.parametrize("mu", [1e-6, 0.3, 5, 900])
def test_infinite_theta_is_poisson(x, mu):
    from scipy.stats import poisson

    value, (d_mu, d_theta) = value_and_gradient(nb, x, mu, INF)
    np.testing.assert_allclose(value, poisson.logpmf(x, np.float32(mu)), rtol=1e-6)
    np.testing.assert_allclose(d_mu, x / mu - 1, rtol=1e-6)
    assert d_theta == 0


def test_no_step_on_the_way_to_poisson():
    theta = jnp.logspace(2, 30, 2000, dtype=jnp.float32)
    value = nb(40, 33, theta)
    assert (jnp.abs(jnp.diff(value)) < 3e-4).all()
    assert (jnp.abs(jnp.diff(value[theta > 1e9])) < 2e-7 * 5).all()


@pytest.mark.parametrize("theta", [0.0, 1e-30])
def test_vanishing_theta_is_a_point_mass(theta):
    value, gradient = value_and_gradient(nb, 0, 2.0, theta)
    np.testing.assert_allclose(value, 0, atol=1e-27)
    assert np.isfinite(gradient).all()
    value, (d_mu, d_theta) = value_and_gradient(nb, 3, 2.0, theta)
    assert value == -INF if theta == 0 else value < -60
    assert np.isfinite(d_mu)
    assert d_theta > 1e29


def test_zero_mean_with_and_without_floor():
    value, (d_mu, d_theta) = value_and_gradient(nb, 0, 0.0, 2.0, eps=0.0)
    assert (value, d_mu, d_theta) == (0, -1, 0)
    value, gradient = value_and_gradient(nb, 3, 0.0, 2.0, eps=0.0)
    assert value == -INF
    assert not np.isnan(gradient).any()
    value, (d_mu, _) = value_and_gradient(nb, 3, 0.0, 2.0)
    floor = 1e-290 if jax.config.jax_enable_x64 else 1e-30
    at_floor, (d_at_floor, _) = value_and_gradient(nb, 3, floor, 2.0)
    assert (value, d_mu) == (at_floor, 0)
    assert d_at_floor == pytest.approx(3 / floor, rel=1e-6)


@pytest.mark.parametrize("eps", [1e-8, 1e-30, 0.0])
def test_value_and_derivative_agree_on_the_floor(eps):
    """Below it the value is constant and the derivative 0; at it and above both are exact."""
    below = value_and_gradient(nb, 3, eps / 2, 2.0, eps=eps)
    assert below[1][0] == 0 or eps == 0
    if eps:
        assert below[0] == nb(3, eps, 2.0, 0.0)
        above = value_and_gradient(nb, 3, 2 * eps, 2.0, eps=eps)[1][0]
        np.testing.assert_allclose(above, 1.5 / eps, rtol=1e-6)


def test_the_floor_is_not_a_bias():
    """x = 1, mu = 1e-8: eps inside the logarithms would be off by log 2."""
    np.testing.assert_allclose(nb(1, 1e-8, 2.0), np.log(1e-8), rtol=1e-6)
    np.testing.assert_allclose(nb(1, 1e-9, 2.0, eps=0.0), np.log(1e-9), rtol=1e-6)
    np.testing.assert_allclose(jax.jit(nb)(1, 1e-9, 2.0, 1e-5), nb(1, 1e-5, 2.0), rtol=1e-6)


def test_infinite_mean():
    for x in (0, 3):
        value, gradient = value_and_gradient(nb, x, INF, 2.0)
        assert value == -INF
        assert not np.isnan(gradient).any()
    value, gradient = value_and_gradient(zinb, 0, INF, 2.0, 0.3)
    np.testing.assert_allclose(value, -np.log1p(np.exp(-0.3)), rtol=1e-6)
    assert np.isfinite(gradient).all()


@pytest.mark.parametrize("x", [0, 3])
@pytest.mark.parametrize("pi", [-INF, INF])
def test_infinite_log_odds(x, pi):
    value, gradient = value_and_gradient(zinb, x, 1.0, 2.0, pi)
    plain, plain_gradient = value_and_gradient(nb, x, 1.0, 2.0)
    if pi < 0:
        np.testing.assert_allclose(value, plain, rtol=1e-6)
        np.testing.assert_allclose(gradient[:2], plain_gradient, rtol=1e-6)
    else:
        assert value == (0 if x == 0 else -INF)
    np.testing.assert_allclose(gradient[2], 0, atol=1e-30)
    assert np.isfinite(gradient).all()

    value, gradient = value_and_gradient(mix, x, 1.0, 3.0, 2.0, 2.0, pi)
    np.testing.assert_allclose(value, nb(x, 1.0 if pi > 0 else 3.0, 2.0), rtol=1e-6)
    assert np.isfinite(gradient).all()


def test_deep_zero_is_rescued_by_inflation():
    """NB(0) = -1000 and pi = -40: the extra zeros explain the count, e**-1000 does not."""
    value, gradient = value_and_gradient(zinb, 0, 1000.0, INF, -40.0)
    np.testing.assert_allclose(value, -40, rtol=1e-6)
    np.testing.assert_allclose(gradient, [0, 0, 1], atol=1e-12)


def test_a_component_that_cannot_explain_the_count_has_no_weight():
    value, gradient = value_and_gradient(mix, 2, 0.0, 2.0, 1.0, 1.0, 0.3, eps=0.0)
    np.testing.assert_allclose(value, nb(2, 2.0, 1.0) - np.log1p(np.exp(0.3)), rtol=1e-6)
    assert not np.isnan(gradient).any()
    value, gradient = value_and_gradient(mix, 2, 0.0, 0.0, 1.0, 1.0, 0.3, eps=0.0)
    assert value == -INF
    assert gradient[4] == 0


def test_large_finite_values():
    assert np.isfinite(value_and_gradient(nb, 1e15, 1e15, 1e10)[1]).all()
    assert nb(INF, 1.0, 1.0) == -INF
    assert np.isfinite(nb(16_777_215, 1e-6, 1e10))


@pytest.mark.parametrize(
    ("function", "args"),
    [
        (nb, ([0, 1, 5, 0.5, 0, 3], [1, 2, 3, 1, 0, 1e-9], [INF, 1, 1e-3, 2, 1, 1e9])),
        (zinb, ([0, 0, 5, 0, 3], [1, 1e3, 3, 1, 1], [INF, INF, 1, 2, 2], [0, -40, 1, -INF, INF])),
    ],
)
def test_no_false_alarm_under_debug_nans(function, args):
    args = [jnp.asarray(a, float) for a in args]
    finite = jax.vmap(lambda *a: function(*a) > -INF)(*args)
    args = [a[finite] for a in args]
    positions = tuple(range(1, len(args)))
    with jax.debug_nans(True):
        jax.value_and_grad(lambda *a: function(*a).sum(), positions)(*args)
        jax.hessian(lambda *a: function(*a).sum(), positions)(*args)


@pytest.mark.parametrize(
    ("x", "mu_1", "mu_2", "theta", "difference"),
    [
        (1, 9.3e-24, 9.3e-24, 2e28, 0),  # the same component twice
        (1e7, 2e-23, 2e-23, 3e29, 0),
        (3, 1.9, 1.9, np.inf, 0),
        (0, 2.0**69, 2.0**-99, 100, -4322.20),  # whose quotient overflows
        (3, 2.0**69, 2.0**-99, 100, -4322.20 + 3 * 73.2267),
        (0, 2.25e-9, 6e-9, np.inf, 3.75e-9),  # 1/theta underflows
        (2, 2.25e-9, 6e-9, np.inf, 2 * np.log(0.375)),
    ],
)
def test_weight_of_components_alike_and_far_apart(x, mu_1, mu_2, theta, difference):
    def value(pi_logits):
        return mix(jnp.float32(x), mu_1, mu_2, theta, theta, pi_logits)

    # sigma(d + q) - sigma(q) at q = 0
    expected = 0.5 * np.tanh(difference / 2)
    np.testing.assert_allclose(jax.grad(value)(0.0), expected, rtol=2e-6)
