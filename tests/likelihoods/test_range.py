"""The ends of the range of the dtype, and parameters on the log scale."""

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest

import jaxnb

nb, zinb, mix = jaxnb.log_nb_positive, jaxnb.log_zinb_positive, jaxnb.log_mixture_nb


def value_and_gradient(function, *args):
    return jax.value_and_grad(function, tuple(range(len(args))))(*map(jnp.float32, args))


def exact(x, mu, theta):
    with mpmath.workdps(80):
        x, mu, theta = (
            mpmath.mpf(a if isinstance(a, mpmath.mpf) else float(a)) for a in (x, mu, theta)
        )
        gammas = mpmath.loggamma(x + theta) - mpmath.loggamma(theta) - mpmath.loggamma(x + 1)
        m = theta + mu
        return float(gammas + theta * mpmath.log(theta / m) + x * mpmath.log(mu / m))


@pytest.mark.parametrize("mu", [1e30, 1e34, 3e38])
def test_means_near_the_largest_number(mu):
    """The value and mu times its derivative: a mean above 2**99 was scored as 2**99."""
    value, (d_mu,) = value_and_gradient(lambda m: nb(3.0, m, 1.0), mu)
    np.testing.assert_allclose(value, exact(3, np.float32(mu), 1), rtol=3e-7)
    if 1 / mu > np.finfo(np.float32).tiny:
        np.testing.assert_allclose(d_mu * np.float32(mu), -1, rtol=1e-6)
    else:
        assert d_mu == 0  # -1 / mu is subnormal, and flushed to 0


def test_mean_and_theta_both_large():
    expected = exact(7, np.float32(1e34), np.float32(3e33))
    np.testing.assert_allclose(nb(7.0, 1e34, 3e33), expected, rtol=3e-7)
    np.testing.assert_allclose(nb(7.0, 1e34, np.inf), -1e34, rtol=3e-7)


def test_subnormal_theta():
    value, (_, d_theta) = value_and_gradient(lambda m, t: nb(3.0, m, t), 2.0, 1e-40)
    np.testing.assert_allclose(value, -93.202, rtol=1e-5)
    assert np.isfinite(d_theta)
    assert d_theta > 1e38


def test_derivative_in_log_odds_of_a_tiny_mean():
    """logits = -100 with total_count = 1: the mean is no number of float32."""
    value, gradient = value_and_gradient(
        lambda a, b: nb(1.0, log_mu=a, log_theta=b), -100 + np.log(1.0), 0.0
    )
    np.testing.assert_allclose(value, -100, rtol=1e-6)
    np.testing.assert_allclose(gradient, (1, 0), atol=1e-6)


@pytest.mark.parametrize("x", [0.0, 1.0, 5.0, 300.0])
@pytest.mark.parametrize("log_mu", [-200.0, -20.0, 0.5, 3.0, 40.0])
@pytest.mark.parametrize("log_theta", [-150.0, -5.0, 1.0, 30.0, 150.0])
def test_log_scale(x, log_mu, log_theta):
    with mpmath.workdps(200):
        mu, theta = mpmath.exp(log_mu), mpmath.exp(log_theta)
        p = theta / (theta + mu)
        d_log_mu = float((x - mu) * p)
        expected = exact(x, mu, theta)
    value, (got, d_log_theta) = value_and_gradient(
        lambda a, b: nb(x, log_mu=a, log_theta=b), log_mu, log_theta
    )
    # what one rounding of the two logarithms does is granted
    slack = 1.2e-7 * (abs(d_log_mu * log_mu) + 4)
    np.testing.assert_allclose(value, expected, rtol=4e-7, atol=slack)
    np.testing.assert_allclose(got, d_log_mu, rtol=1e-5, atol=1e-30)
    assert np.isfinite(d_log_theta)
    assert abs(d_log_theta) <= max(1, x, abs(expected)) * (1 + 1e-5)


@pytest.mark.parametrize(
    "scales", [("log_mu", "theta"), ("mu", "log_theta"), ("log_mu", "log_theta")]
)
def test_scales_agree(scales):
    x, mu, theta = np.arange(6.0, dtype="f"), np.float32(2.5), np.float32(1.7)
    on_scale = {"mu": mu, "theta": theta, "log_mu": np.log(mu), "log_theta": np.log(theta)}
    given = {name: on_scale[name] for name in scales}
    np.testing.assert_allclose(nb(x, **given), nb(x, mu, theta), rtol=1e-6)
    np.testing.assert_allclose(zinb(x, pi=0.3, **given), zinb(x, mu, theta, 0.3), rtol=1e-6)
    suffixed = {f"{name}_{k}": value for k in (1, 2) for name, value in given.items()}
    expected = mix(x, mu, mu, theta, theta, 0.3)
    np.testing.assert_allclose(mix(x, pi_logits=0.3, **suffixed), expected, rtol=1e-6)


def test_exactly_one_scale():
    with pytest.raises(TypeError, match="exactly one of mu and log_mu; got both"):
        nb(1.0, 2.0, 3.0, log_mu=0.0)
    with pytest.raises(TypeError, match="exactly one of theta and log_theta; got neither"):
        nb(1.0, 2.0)
    with pytest.raises(TypeError, match="needs pi"):
        zinb(1.0, 2.0, 3.0)


def test_an_explicit_floor_holds_on_the_log_scale_too():
    below = nb(3.0, log_mu=-30.0, theta=2.0, eps=1e-8)
    np.testing.assert_allclose(below, nb(3.0, 1e-8, 2.0), rtol=1e-6)
    assert jax.grad(lambda a: nb(3.0, log_mu=a, theta=2.0, eps=1e-8))(-30.0) == 0
    np.testing.assert_allclose(jax.grad(lambda a: nb(3.0, log_mu=a, theta=2.0))(-30.0), 3)


@pytest.mark.parametrize("shape", [(0,), (0, 5), (5, 0)])
def test_empty_arrays(shape):
    empty = np.ones(shape, "f")
    for value in (nb(empty, 1.0, 2.0), zinb(empty, 1.0, 2.0, 0.3), mix(empty, 1, 2, 3, 4, 0.3)):
        assert value.shape == shape
    gradient = jax.grad(lambda mu: nb(empty, mu, 2.0).sum())(1.0)
    assert gradient == 0


@pytest.mark.parametrize("args", [(5.0, 0.0, 0.0), (0.5, 0.0, 1.0), (2.0, 1.0, 0.0)])
def test_impossible_counts_without_a_floor(args):
    assert nb(*args, eps=0.0) == -np.inf
    assert mix(1.5, 2.0, 0.0, 1.0, 1.0, 0.0, 0.0) == pytest.approx(
        float(nb(1.5, 2.0, 1.0)) - np.log(2), rel=1e-6
    )


@pytest.mark.parametrize(
    ("x", "mu", "theta"),
    [(1.0, 1e-8, 0.0), (1.0, 1e-30, 1e-30), (0.0, 0.0, 1.0), (3.0, 0.0, 2.0), (2.0, 0.0, 0.0)],
)
@pytest.mark.parametrize("function", [nb, lambda *a: zinb(*a[:3], 0.3, a[3])])
def test_second_derivatives_at_the_edges_are_never_nan(x, mu, theta, function):
    hessian = jax.hessian(lambda m, t: function(x, m, t, 0.0), (0, 1))(mu, theta)
    assert not np.isnan(hessian).any()


@pytest.mark.parametrize(
    ("x", "mu", "theta", "expected"),
    [(14761, 2.2e-8, 764, -30.0), (2.0**24, 1e-8, 1e10, -34.9), (1e6, 3e-20, 5.0, -47.9)],
)
def test_derivative_in_x_far_above_the_mean(x, mu, theta, expected):
    x, mu, theta = (float(np.float32(a)) for a in (x, mu, theta))
    with mpmath.workdps(60):
        exact_derivative = float(
            mpmath.digamma(x + mpmath.mpf(theta))
            - mpmath.digamma(x + 1)
            + mpmath.log(mpmath.mpf(mu) / (mpmath.mpf(theta) + mu))
        )
    assert exact_derivative < 0.5 * expected
    got = jax.grad(nb)(np.float32(x), np.float32(mu), np.float32(theta))
    np.testing.assert_allclose(got, exact_derivative, rtol=1e-5)


def test_small_fractional_count_has_no_probability_above_one():
    got = nb(np.float32(1.1920929e-7), np.float32(4.4416964e-8), np.float32(6005126144.0), 0.0)
    np.testing.assert_allclose(got, -2.0e-6, atol=2e-7)


def test_log_odds_of_a_mixture_of_distant_means():
    """x = 0, means 1.9e-6 and 6,394, both thetas 1.3e-6."""
    args = [np.float32(a) for a in (1.8807e-6, 6393.99, 1.3049e-6, 1.3049e-6, 12.1985)]
    got = jax.grad(mix, 5)(np.float32(0), *args)
    mu_1, mu_2, theta, _, q = (mpmath.mpf(float(a)) for a in args)
    with mpmath.workdps(40):
        d = -theta * mpmath.log((theta + mu_1) / (theta + mu_2))
        sigma = lambda t: 1 / (1 + mpmath.exp(-t))  # noqa: E731
        expected = float(sigma(q + d) - sigma(q))
    np.testing.assert_allclose(got, expected, rtol=1e-4)


def test_no_product_with_zero_is_nan():
    """A derivative that would overflow is a number, so that a masked loss stays one."""
    gradient = jax.grad(lambda mu: 0 * nb(1e9, mu, 2.0, 0.0))(np.float32(1e-37))
    assert gradient == 0


@pytest.mark.parametrize("what", ["scipy sparse", "DataFrame"])
def test_tables_are_refused_by_name(what):
    if what == "DataFrame":
        table = pytest.importorskip("pandas").DataFrame(np.zeros((2, 2)))
    else:
        from scipy import sparse

        table = sparse.csr_array(np.zeros((2, 2)))
    with pytest.raises(TypeError, match=r"x must be an array, not a .*fit it with jaxnb\.fit"):
        nb(table, 1.0, 2.0)


@pytest.mark.parametrize(
    ("dtype", "mu", "theta"),
    [("float32", 9.8e-32, 6.8e-10), ("float64", 1.6e-290, 8e-60), ("float64", 1e-300, 2.0)],
)
def test_derivatives_in_theta_vanish_with_the_mean_at_one(dtype, mu, theta):
    """mu / theta**2 at x = 1: nothing of 1 / theta is left."""
    with jax.enable_x64(dtype == "float64"):
        mu, theta = np.asarray(mu, dtype), np.asarray(theta, dtype)

        def first(x):
            return jax.grad(lambda theta: jaxnb.log_nb_positive(x, mu, theta, 0.0))

        one, none = (np.asarray(x, dtype) for x in (1, 0))
        expected = (mu / theta) / theta
        np.testing.assert_allclose(first(one)(theta), expected, rtol=1e-5)
        np.testing.assert_allclose(jax.grad(first(one))(theta), -2 * expected / theta, rtol=1e-5)
        assert first(none)(theta) <= 0
        np.testing.assert_allclose(first(none)(theta), 0, atol=1e-30)


def test_second_derivatives_that_overflow_are_the_largest_number():
    """Their products with a tangent of 0 are 0, and not NaN."""
    gradient = jax.grad(jaxnb.log_nb_positive, (1, 2))
    (mu_mu, mu_theta), _ = jax.jacfwd(gradient, (1, 2))(*map(jnp.float32, (5.0, 1e-30, 1.0)))
    assert mu_mu == -np.finfo(np.float32).max
    np.testing.assert_allclose(mu_theta, 5, rtol=1e-6)
    mu_theta = jax.jacfwd(jax.grad(jaxnb.log_nb_positive, 1), 2)(1e15, 1e-3, 1e-12)
    assert np.isfinite(mu_theta)


@pytest.mark.parametrize(
    ("shape", "of_mean", "of_theta"),
    [
        ((40, 1000), (40, 1000), (1000,)),
        ((40, 1000), (40, 1), (40, 1)),
        ((1, 40_000), (1,), (40_000,)),
        ((40_001,), (), (40_001,)),
        ((3, 20_000), (1, 20_000), ()),
    ],
)
def test_large_arrays_with_an_unusual_element(shape, of_mean, of_theta):
    """The longer way goes by blocks: values and derivatives are those of the parts."""
    rng = np.random.default_rng(0)
    x = rng.poisson(2.0, shape).astype(np.float32)
    mu = rng.gamma(2, 1, of_mean).astype(np.float32)
    theta = rng.gamma(2, 1, of_theta).astype(np.float32)
    x.flat[[5, -1]] = 0.5, -1

    @jax.jit
    def value_and_derivatives(x, mu, theta):
        along = jnp.ones_like(mu), jnp.zeros_like(theta)
        other = jnp.zeros_like(mu), jnp.ones_like(theta)
        value, d_mu = jax.jvp(lambda *p: nb(x, *p), (mu, theta), along)
        return value, d_mu, jax.jvp(lambda *p: nb(x, *p), (mu, theta), other)[1]

    whole = value_and_derivatives(x, mu, theta)
    flat = [np.broadcast_to(a, shape).ravel() for a in (x, mu, theta)]
    for start in range(0, x.size, 10_000):
        part = slice(start, start + 10_000)
        for got, expected in zip(
            whole, value_and_derivatives(*(a[part] for a in flat)), strict=True
        ):
            np.testing.assert_allclose(np.ravel(got)[part], expected, rtol=2e-6, atol=1e-7)
