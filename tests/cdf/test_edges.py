"""The ends of the ranges, odd dtypes and shapes, and what is refused."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.sparse
from nightly import nightly_but

from jaxnb import cdf

INF = np.inf


# x, mu, theta, log F, log(1 - F)
ENDS = [
    (-1, 1, 1, -INF, 0),
    (-0.5, 1, 1, -INF, 0),
    (3, 0, 1, 0, -INF),
    (0, 0, 1, 0, -INF),
    (3, 1, 0, 0, -INF),
    (3, INF, 1, -INF, 0),
    (INF, 1, 1, 0, -INF),
    (3, np.nan, 1, np.nan, np.nan),
    (np.nan, 1, 1, np.nan, np.nan),
    (3, -1, 1, np.nan, np.nan),
    (3, 1, -1, np.nan, np.nan),
    (3, 2, INF, -0.1541733, -1.9457744),
    (3, 1e-37, 1e-37, 0, -88.8269946),  # 1 - F = theta (log 2 - 1/2 - 1/8 - 1/24 + ...)
    (3, 1e35, 2, -157.492077, 0),
    (1e30, 1e30, 2, -0.5208858, -0.9013877),  # 1 - F = 3 exp(-2)
    (1, 1e-30, 3, 0, -138.560571),  # 1 - F = (theta + 1) / (2 theta) mu**2
]
# x, log(mu), log(theta), log F, log(1 - F)
BEYOND = [
    (1, -100, 0, 0, -200),
    (0, -1000, 0, 0, -1000),
    (3, -300, -300, 0, -303.6313461),
    (3, 200, 1, -538.12147, 0),
    (3, 200, -200, 0, -194.0131293),  # theta (400 - 1 - 1/2 - 1/3)
    (1, 1e5, -1e5, 0, -99987.794),
    (3, -INF, 1, 0, -INF),
    (3, INF, 1, -INF, 0),
    (3, 2, -INF, 0, -INF),
    (3, 2, INF, -2.7550433, -0.0657192),
]


def check(tails, points, dtype, atol):
    """Every point, named where it fails."""
    *arguments, log_cdf, log_sf = np.array(points).T
    got = tails(*(argument.astype(dtype) for argument in arguments))
    for name, values, expected in zip(("cdf", "sf"), got, (log_cdf, log_sf), strict=True):
        for point, value, exact in zip(points, values, expected, strict=True):
            text = f"log {name} at {point[:3]}"
            np.testing.assert_allclose(value, exact, rtol=1e-6, atol=atol, err_msg=text)


@pytest.mark.parametrize(
    "dtype", ["float32", pytest.param("float64", marks=pytest.mark.slow)], indirect=True
)
@pytest.mark.quick
def test_values(tails, dtype):
    check(tails, ENDS, dtype, 1e-30)


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float32", "float64"], indirect=True)
def test_beyond_the_numbers_of_the_dtype(tails_of_logarithms, dtype):
    check(tails_of_logarithms, BEYOND, dtype, 1e-80)


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float32", "float64"], indirect=True)
def test_derivatives_at_the_ends(derivatives, dtype):
    """Finite, and the one-sided ones at 0."""
    x = np.array([0, 0, 3, 3, 3, -1, 3, 3, 3], dtype)
    mu = np.array([0, 1e-38, 0, 1, INF, 1, 2, 1e35, 1e-30], dtype)
    theta = np.array([1, 1, 1, 0, 1, 1, INF, 2, 1e-35], dtype)
    found = derivatives(x, mu, theta)
    for name, both in found.items():
        assert np.isfinite(both).all(), name
    d_mu, _ = found["log_cdf"]
    np.testing.assert_allclose(d_mu[:2], -1, rtol=1e-6)
    np.testing.assert_array_equal(d_mu[[4, 5]], 0)
    np.testing.assert_allclose(d_mu[7], -2e-35, rtol=1e-6)


@pytest.mark.parametrize(
    "dtype", ["float32", pytest.param("float64", marks=pytest.mark.slow)], indirect=True
)
def test_derivative_of_the_probability_above_zero_in_theta(derivatives, dtype):
    """log(1 - F(0)) is log(mu) - mu / (2 theta) for the smallest means."""
    mu = np.array([1e-30, 1e-25, 1e-30, 1e-20], dtype) ** (1 if dtype == np.float32 else 2)
    theta = np.array([2, 0.5, 1240, 1e-4], dtype)
    _, d_theta = derivatives(np.zeros_like(mu), mu, theta)["log_sf"]
    np.testing.assert_allclose(d_theta, mu / (2 * theta**2), rtol=2e-6)


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float32", "float64"], indirect=True)
def test_derivatives_in_the_logarithms_are_bounded(dtype):
    log_mu = np.array([-1000, -100, 0, 100, 1000], dtype)

    def log_sf(log_mu):
        return cdf.nb_log_sf(dtype.type(1), log_mu=log_mu, log_theta=dtype.type(0))

    derivative = jax.jit(jax.vmap(jax.grad(log_sf)))
    np.testing.assert_allclose(derivative(log_mu), [2, 2, 1, 0, 0], atol=1e-6)


@pytest.mark.slow
def test_no_derivative_in_x():
    @jax.jit
    def derivatives(x):
        of_product = jax.grad(lambda x: cdf.nb_cdf(x, 3.0, 2.0) * x)(x)
        return jax.grad(cdf.nb_log_cdf)(x, 3.0, 2.0), of_product, cdf.nb_cdf(x, 3.0, 2.0)

    none, of_product, probability = derivatives(2.5)
    assert none == 0
    assert of_product == probability


COUNT_DTYPES = [np.int32, np.uint8, np.bool_, np.float16, jnp.bfloat16]


@pytest.mark.quick
@pytest.mark.parametrize("dtype", COUNT_DTYPES)
def test_counts_of_any_dtype_give_the_dtype_of_the_parameters(dtype):
    x, parameter = jax.ShapeDtypeStruct((2,), dtype), jax.ShapeDtypeStruct((), jnp.float32)
    got = jax.eval_shape(cdf.nb_log_cdf, x, parameter, parameter)
    assert got.dtype == jnp.float32
    assert got.shape == (2,)


@pytest.mark.parametrize(
    "dtype",
    [pytest.param(dtype, marks=pytest.mark.slow) for dtype in COUNT_DTYPES],
)
def test_counts_of_any_dtype_give_the_same_values(dtype, tails):
    got = cdf.nb_log_cdf(np.arange(2).astype(dtype), jnp.float32(2), jnp.float32(3))
    expected, _ = tails(np.float32([0, 1]), np.float32(2), np.float32(3))
    np.testing.assert_allclose(got, expected, rtol=1e-6)


@pytest.mark.slow
def test_half_precision_is_computed_in_single(tails):
    x, mu, theta = (jnp.asarray(v, jnp.bfloat16) for v in (3, 2.5, 1.5))
    got = cdf.nb_log_cdf(x, mu, theta)
    assert got.dtype == jnp.bfloat16
    expected, _ = tails(*np.float32([[3], [2.5], [1.5]]))
    assert got == expected[0].astype(jnp.bfloat16)


@pytest.mark.parametrize("shape", nightly_but([(0, 3)], [(0, 3), (0,), (3, 0)]))
def test_empty(shape):
    x = np.ones(shape, np.float32)
    assert cdf.nb_cdf(x, 1.0, 2.0).shape == shape
    assert cdf.nb_quantile(x, 1.0, 2.0).shape == shape
    assert jax.grad(lambda mu: cdf.nb_log_cdf(x, mu, 2.0).sum())(1.0) == 0


def test_shapes_broadcast():
    x, mu, theta = np.ones((4, 1, 1)), np.ones((3, 1)), np.ones(2)
    assert jax.eval_shape(cdf.nb_log_cdf, x, mu, theta).shape == (4, 3, 2)
    gradient = jax.grad(lambda *p: cdf.nb_log_cdf(x, *p).sum(), (0, 1))
    d_mu, d_theta = jax.eval_shape(gradient, mu, theta)
    assert d_mu.shape == (3, 1)
    assert d_theta.shape == (2,)


@pytest.mark.slow
def test_vmap_agrees_with_one_call(tails):
    rng = np.random.default_rng(0)
    mu, theta = (rng.gamma(2, 2, (5, 4)).astype(np.float32) for _ in range(2))
    x = np.float32([-1, 0, 3, 9])
    _, expected = tails(x, mu, theta)
    mapped = jax.jit(jax.vmap(jax.vmap(cdf.nb_log_sf), (None, 0, 0)))(x, mu, theta)
    np.testing.assert_allclose(mapped, expected, rtol=1e-6)


def test_what_is_refused():
    with pytest.raises(TypeError, match="exactly one of mu and log_mu; got both"):
        cdf.nb_cdf(1.0, 2.0, 3.0, log_mu=1.0)
    with pytest.raises(TypeError, match="exactly one of theta and log_theta; got neither"):
        cdf.nb_log_sf(1.0, 2.0)
    with pytest.raises(TypeError, match="zinb_cdf needs zi_logits"):
        cdf.zinb_cdf(1.0, 2.0, 3.0)
    with pytest.raises(TypeError, match="exactly one of q and log_q"):
        cdf.nb_quantile(0.5, 2.0, 3.0, log_q=-1.0)
    with pytest.raises(TypeError, match="complex"):
        cdf.nb_cdf(1j, 2.0, 3.0)
    with pytest.raises(TypeError, match="scipy"):
        cdf.nb_cdf(scipy.sparse.eye(3), 2.0, 3.0)
    with pytest.raises(ValueError, match="broadcast"):
        cdf.nb_cdf(np.ones(2), np.ones(3), 1.0)


@pytest.mark.slow
def test_poisson_with_the_smallest_means(dtype):
    """Where mu / (theta + mu) underflows, with the stand-in for theta: powers of the mean."""
    mu = np.array([1e-5, 1e-9, 1e-20, 2e-38], dtype)
    log_mu = np.log(mu.astype(float))

    @jax.jit
    def found(mu):
        def summed(mu):
            return cdf.nb_log_sf(0.0, mu, jnp.inf).sum()

        log_sf = cdf.poisson_log_sf(0.0, mu), cdf.poisson_log_sf(0.0, log_mu=jnp.log(mu))
        return {
            "linear": log_sf[0],
            "log": log_sf[1],
            "one": cdf.poisson_log_sf(1.0, mu),
            "truncated": cdf.zero_truncated_nb_log_sf(1.0, mu, jnp.inf),
            "derivative": mu * jax.grad(summed)(mu),
            "cdf": cdf.poisson_log_cdf(0.0, mu) / mu,
            "quantile": cdf.poisson_quantile(log_q=log_sf[0], mu=mu, upper=True),
        }

    got, rtol = found(mu), 8 * float(np.finfo(dtype).eps)
    mu = mu.astype(float)
    at_zero = np.log(-np.expm1(-mu))
    np.testing.assert_allclose(got["linear"], at_zero, rtol=rtol)
    np.testing.assert_allclose(got["log"], at_zero, rtol=rtol)
    of_one = 2 * log_mu - np.log(2) - 2 * mu / 3  # but for the square of mu
    np.testing.assert_allclose(got["one"], of_one, rtol=max(rtol, 1e-10))
    np.testing.assert_allclose(got["truncated"], of_one - at_zero, rtol=max(rtol, 1e-10))
    np.testing.assert_allclose(got["derivative"], mu / np.expm1(mu), rtol=rtol)
    # by way of the logarithm of the other tail, with its rounding
    np.testing.assert_array_less(np.abs(got["cdf"] + 1), rtol * -log_mu)
    np.testing.assert_array_equal(got["quantile"], 0)
