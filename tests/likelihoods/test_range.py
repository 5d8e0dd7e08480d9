"""The ends of the range of the dtype, and parameters on the log scale."""

import itertools

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest
from likelihoods.programs import assert_at, at_points, exact
from registry import CASES

import jaxnb

NB, ZINB = "negative_binomial", "zero_inflated_negative_binomial"
nb, zinb = jaxnb.log_nb_positive, jaxnb.log_zinb_positive


@pytest.mark.slow
def test_log_scale():
    points = list(
        itertools.product(
            (0.0, 1.0, 5.0, 300.0),
            (-200.0, -20.0, 0.5, 3.0, 40.0),
            (-150.0, -5.0, 1.0, 30.0, 150.0),
        )
    )
    with mpmath.workdps(200):
        expected, d_log_mu = np.transpose(
            [
                (exact(mpmath.mpf(x), mu, theta), float((x - mu) * theta / (theta + mu)))
                for x, a, b in points
                for mu, theta in [(mpmath.exp(a), mpmath.exp(b))]
            ]
        )
    x, log_mu, _ = np.transpose(points)
    value, (got, d_log_theta) = at_points(NB, points, log_scale=True)
    # what one rounding of the two logarithms does is granted
    slack = 1.2e-7 * (np.abs(d_log_mu * log_mu) + 4)
    assert_at(points, np.abs(value - expected) <= slack + 4e-7 * np.abs(expected), True)
    assert_at(points, got, d_log_mu, rtol=1e-5, atol=1e-30)
    assert np.isfinite(d_log_theta).all()
    limit = np.maximum(np.maximum(1, x), np.abs(expected)) * (1 + 1e-5)
    assert_at(points, np.abs(d_log_theta) <= limit, True)


@pytest.fixture(scope="module", params=["float32", pytest.param("float64", marks=pytest.mark.slow)])
def beyond(request):
    """Counts from 1e20 to the end of the range; means at them, near them and anywhere."""
    dtype = np.dtype(request.param)
    end = 125.5 if dtype == np.float32 else 1015
    rng = np.random.default_rng(7)
    x = (2.0 ** rng.uniform(66, end, 240)).astype(dtype)
    near = x * (1 + rng.normal(0, 1, 240) * 2.0 ** rng.uniform(-23, -1, 240))
    anywhere = 2.0 ** rng.uniform(-10, end, 240)
    mu = np.choose(np.arange(240) % 3, [x, np.abs(near), anywhere]).astype(dtype)
    theta = (2.0 ** rng.uniform(-10, end, 240)).astype(dtype)
    theta[::4] = np.inf
    return x, mu, theta


def beyond_exactly(x, mu, theta):
    """The value, and the derivatives in mu and theta."""
    with mpmath.workdps(400):
        x, mu = mpmath.mpf(float(x)), mpmath.mpf(float(mu))
        if np.isinf(theta):
            return x * mpmath.log(mu) - mu - mpmath.loggamma(x + 1), (x - mu) / mu, 0
        theta = mpmath.mpf(float(theta))
        m = theta + mu
        gammas = mpmath.loggamma(x + theta) - mpmath.loggamma(theta) - mpmath.loggamma(x + 1)
        value = gammas - theta * mpmath.log1p(mu / theta) + x * mpmath.log(mu / m)
        digammas = mpmath.psi(0, x + theta) - mpmath.psi(0, theta)
        d_theta = digammas - mpmath.log1p(mu / theta) + (mu - x) / m
        return value, (x - mu) * theta / (mu * m), d_theta


@pytest.mark.slow
def test_counts_beyond_the_range(beyond):
    """A deviance is proportional to all arguments together; at the mean there is none."""
    x, mu, theta = beyond
    info = np.finfo(x.dtype)
    of_poisson = 2.0**99 if x.dtype == np.float32 else 2.0**798
    with jax.enable_x64(x.dtype == np.float64):
        function = jax.jit(jax.vmap(jax.value_and_grad(nb, (1, 2))))
        value, derivatives = function(x, mu, theta)
        hessian = jax.jit(jax.vmap(jax.hessian(nb, (1, 2))))(x, mu, theta)
    assert np.isfinite(hessian).all()
    for k, point in enumerate(zip(x, mu, theta, strict=True)):
        exact_value, *exact_derivatives = beyond_exactly(*point)
        if abs(exact_value) < info.max:
            error = abs(mpmath.mpf(float(value[k])) - exact_value) / max(1, abs(exact_value))
            assert error < 4 * info.eps, point
        for got, expected in zip(derivatives, exact_derivatives, strict=True):
            if info.tiny * 1e4 < abs(expected) < info.max and theta[k] < of_poisson:
                np.testing.assert_allclose(got[k], float(expected), rtol=1e-5, err_msg=str(point))


def test_means_far_below_large_counts():
    """Means that are too small for the dtype once they are scaled down with the counts."""
    points = [(1e255, 1e-266, 1e65), (3e304, 1e-300, 1e207), (7e233, 7e-285, 1e-15)]
    expected = [exact(*map(mpmath.mpf, point)) for point in points]
    with jax.enable_x64(True):
        found = jax.jit(lambda *at: nb(*at, 0.0))(*np.transpose(points))
    np.testing.assert_allclose(found, expected, rtol=1e-15)


def test_zero_truncated_where_theta_over_the_mean_is_subnormal():
    points = np.float32([[7.9e28, 2.67e35, 1.1e-5], [1e10, 2.67e35, 1.1e-5], [1e28, 1e34, 1e-3]])
    expected = []
    for x, mu, theta in points:
        positive = -mpmath.expm1(exact(0.0, mu, theta))
        expected.append(exact(x, mu, theta) - float(mpmath.log(positive)))
    found = jax.jit(lambda *at: jaxnb.zero_truncated_nb_log_prob(*at, eps=0))(*points.T)
    np.testing.assert_allclose(found, expected, rtol=3e-7)


def test_zero_truncated_derivative_in_a_huge_theta():
    """In float64, where theta times a logarithm is beyond what float32 holds."""
    mu, theta = np.float64([1.6e283, 3.6e161]), np.float64([5.5e64, 7e52])
    m = mu + theta
    # a count of 1 is nothing beside such a mean: the derivative is that of log P(0)
    expected = np.log(theta / m) + mu / m
    with jax.enable_x64(True):
        at_one = jax.vmap(jax.grad(jaxnb.zero_truncated_nb_log_prob, 2), (None, 0, 0))
        found = jax.jit(at_one)(1.0, mu, theta)
    np.testing.assert_allclose(found, expected, rtol=1e-14)


def test_derivative_in_log_odds_of_a_tiny_mean():
    """logits = -100 with total_count = 1: the mean is no number of float32."""
    points = [(1.0, -100.0, 0.0)]
    value, gradient = at_points(NB, points, log_scale=True)
    assert_at(points, value, -100, rtol=1e-6)
    assert_at(points, gradient, [[[1]], [[0]]], atol=1e-6)


@pytest.mark.parametrize(
    ("name", "scales"),
    [
        pytest.param(name, scales, marks=() if short else pytest.mark.slow)
        for name in CASES
        for scales in [("log_", ""), ("", "log_"), ("log_", "log_")]
        for short in [name == NB and scales == ("log_", "")]
    ],
)
def test_scales_agree(name, scales):
    """The logarithms of means, of thetas or of both in place of themselves."""
    case, x = CASES[name], np.arange(6, dtype=np.float32)
    prefix = dict(zip(("mu", "theta"), scales, strict=True))
    given = {}
    for parameter, value in zip(case.family.parameters, case.parameters, strict=True):
        log = prefix.get(parameter.name.split("_")[0]) if parameter.has_log_scale else ""
        given[f"{log}{parameter.name}"] = np.log(value) if log else value
    expected = case.log_prob(x, *case.parameters)
    np.testing.assert_allclose(case.log_prob(x, **given), expected, rtol=1e-6)


@pytest.mark.quick
def test_exactly_one_scale():
    with pytest.raises(TypeError, match="exactly one of mu and log_mu; got both"):
        nb(1.0, 2.0, 3.0, log_mu=0.0)
    with pytest.raises(TypeError, match="exactly one of theta and log_theta; got neither"):
        nb(1.0, 2.0)
    with pytest.raises(TypeError, match="needs pi"):
        zinb(1.0, 2.0, 3.0)


def test_an_explicit_floor_holds_on_the_log_scale_too():
    @jax.jit
    def of(log_mu, eps):
        return jax.value_and_grad(lambda a: nb(3.0, log_mu=a, theta=2.0, eps=eps))(log_mu)

    value, derivative = of(-30.0, 1e-8)
    np.testing.assert_allclose(value, exact(3.0, 1e-8, 2.0), rtol=1e-6)
    assert derivative == 0
    value, derivative = of(-30.0, 0.0)
    np.testing.assert_allclose(derivative, 3)
    assert nb(3.0, log_mu=-30.0, theta=2.0) == value  # by default there is none


@pytest.mark.parametrize("shape", [(0,), (0, 5), (5, 0)])
def test_empty_arrays(shape):
    empty = np.ones(shape, np.float32)
    for case in CASES.values():
        assert jax.eval_shape(case.log_prob, empty, *case.parameters).shape == shape
    value, gradient = jax.jit(jax.value_and_grad(lambda mu: nb(empty, mu, 2.0).sum()))(1.0)
    assert (value, gradient) == (0, 0)


def test_derivative_in_x_far_above_the_mean():
    points = [(14761, 2.2e-8, 764), (2.0**24, 1e-8, 1e10), (1e6, 3e-20, 5.0)]
    below = [-15, -17, -24]
    in_x = jax.jit(jax.grad(nb))
    for point, limit in zip(np.float32(points), below, strict=True):
        with mpmath.workdps(60):
            x, mu, theta = (mpmath.mpf(float(a)) for a in point)
            digammas = mpmath.digamma(x + theta) - mpmath.digamma(x + 1)
            expected = float(digammas + mpmath.log(mu / (theta + mu)))
        assert expected < limit
        np.testing.assert_allclose(in_x(*point), expected, rtol=1e-5)


@pytest.mark.parametrize("what", ["scipy sparse", "DataFrame"])
def test_tables_are_refused_by_name(what):
    if what == "DataFrame":
        table = pytest.importorskip("pandas").DataFrame(np.zeros((2, 2)))
    else:
        from scipy import sparse

        table = sparse.csr_array(np.zeros((2, 2)))
    with pytest.raises(TypeError, match=r"x must be an array, not a .*fit it with jaxnb\.fit"):
        nb(table, 1.0, 2.0)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("shape", "of_mean", "of_theta"),
    [
        ((40, 1000), (40, 1), (1000,)),
        ((40, 1000), (40, 1000), (40, 1)),
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
