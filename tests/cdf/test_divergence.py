"""The Kullback-Leibler divergence against sums over all counts."""

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import pytest
import scipy.special
from cdf.sums import MU, OTHER_MU, OTHER_THETA, THETA, log_nb

import jaxnb
from jaxnb import cdf
from jaxnb.cdf.divergence_in_mean import in_first_mean
from jaxnb.cdf.divergence_sums import _between_normal, _of_gamma

# mu_1, theta_1, mu_2, theta_2 and the divergence, likewise
DIVERGENCES = [
    (200.0, np.inf, 200.0, 1.0, 2.23313370879),
    (10000.0, 1000.0, 10000.0, 10.0, 1.769040787624),
    (1000000.0, np.inf, 1000000.0, 1.0, 6.488817329111),
    (100000.0, 1.0, 100000.0, 1000.0, 550.3949367642),
    (5.0, 2.0, 5.0, 2.000999927520752, 2.905473229274e-8),
    (5.0, 100000000.0, 5.0, np.inf, 6.249999770833e-16),
    (0.0010000000474974513, 1.0, 0.0010000000474974513, np.inf, 1.93026269984e-7),
    (9.999999974752427e-07, 0.0010000000474974513, 9.999999974752427e-07, 10.0, 2.908274538152e-9),
    (10000000000.0, 1000000000.0, 10000000000.0, 1001000000.0, 2.064489099682e-7),
    (1.0000000200408773e20, np.inf, 1.0000000200408773e20, 1.0, 22.60691240676),
    (999999995904.0, 0.30000001192092896, 999999995904.0, 0.5, 0.1216256173425),
    (999999995904.0, 3.0, 999999995904.0, 5.0, 0.08520986076011),
    (30.0, 4.0, 50.0, 0.20000000298023224, 1.250374215524),
    (
        *(945.1099853515625, 1.3198699951171875, 0.9810199737548828, 0.12623000144958496),
        114.4651860384,
    ),
    # means far below 1 and infinite thetas
    (1.7906048865867774e-09, np.inf, 1.790613213259462e-09, np.inf, 1.936029092e-20),
    # a step to the second theta farther than that from the zero of 1 + 1 / theta
    (0.18799999356269836, np.inf, 1.0334845781326294, 0.18782928586006165, 0.1639319286023),
    # of the second theta nothing is left in the difference from the first
    (108504008.0, 0.2327958196401596, 108504008.0, 1.4088520280952643e-11, 22.11502067979),
]
# and its derivative in mu_1, by differences of sums in 78 digits
DERIVATIVES_OF_DIVERGENCES = [
    # a normal distribution from one whose variance is 2e16 times as large
    (120760704.0, 4821446656.0, 125541936.0, 5.564733562835045e-09, 4.03925037583e-09),
    (
        15.307456970214844,
        1.1610934052441735e-05,
        36488.43359375,
        0.5429335832595825,
        3.112966532059e-07,
    ),
    (9259106.0, 45586092.0, 9259106.0, 0.03660757094621658, 4.488432986503e-08),
    (5.0, 2.0, 5.0, 2.009999990463257, 4.034025822425e-07),
    (100.0, 10.0, 90.0, 40.0, 0.0334133846863),
    (1000000.0, 10000.0, 1000000.0, 12000.0, 1.933703763572e-10),
    (3000000.0, np.inf, 3000000.0, 10000000.0, 8.875739426141e-09),
    (
        0.0010000000474974513,
        0.8999999761581421,
        0.10000000149011612,
        9.999999747378752e-05,
        2.28463518705,
    ),
    (1000.0, 0.8999999761581421, 1000000.0, 1000.0, -0.5656817480057),
    (1000.0, 5.0, 1000000000.0, 100000.0, -4.5208046702),
    (0.30000001192092896, 9.99999993922529e-09, 30.0, 0.0010000000474974513, 3.29151080975e-05),
    (100000.0, 1.5, 100000.0, 9.999999974752427e-07, 2.352618628268e-10),
    (700.0, 300.0, 700000000.0, 3.0, -0.004067418320205),
    (20.0, 9.999999960041972e-13, 20.0, 100000000.0, 15.42488552595),
    (67108864.0, np.inf, 67108864.0, 67108864.0, 1.862645150387e-09),
]


POINTS = 20


def divergences(*parameters):
    """All by one program, of as many elements."""
    count = len(parameters[0])
    assert count <= POINTS
    return np.asarray(cdf.nb_kl_divergence(*(np.resize(p, POINTS) for p in parameters)))[:count]


@pytest.mark.parametrize("equal", [False, True])
@pytest.mark.parametrize(
    "dtype", ["float32", pytest.param("float64", marks=pytest.mark.slow)], indirect=True
)
def test_divergence_is_the_sum(equal, dtype):
    other_theta = THETA if equal else OTHER_THETA
    got = divergences(*(v.astype(dtype) for v in (MU, THETA, OTHER_MU, other_theta)))
    first = log_nb(MU, THETA)
    difference = first - log_nb(OTHER_MU, other_theta)
    expected = np.where(first > -700, np.exp(first) * difference, 0).sum(0)
    atol = 1e-13 if dtype == np.float64 else 1e-11  # of the sum
    np.testing.assert_allclose(got, expected, rtol=1e-5, atol=atol)


@pytest.mark.parametrize(
    "dtype", ["float32", pytest.param("float64", marks=pytest.mark.slow)], indirect=True
)
def test_divergence_of_every_mean(dtype):
    *parameters, expected = np.array(DIVERGENCES).T
    rtol = 1e-8 if dtype == np.float64 else 3e-5
    got = divergences(*(p.astype(dtype) for p in parameters))
    np.testing.assert_allclose(got, expected, rtol=rtol)


@pytest.mark.slow
def test_derivatives_of_the_divergence_where_it_is_0_and_where_it_is_large():
    points = np.float32([(5, 2, 5, 2), (945.11, 1.31987, 0.98102, 0.12623), (0, np.inf, 0, 0)])
    gradient = jax.jit(jax.vmap(jax.grad(cdf.nb_kl_divergence, (0, 1, 2, 3))))
    where_0, far, at_end = np.transpose(gradient(*points.T))
    np.testing.assert_array_equal(where_0, 0)
    assert np.isfinite(at_end).all()
    np.testing.assert_allclose(far, [0.120911, 0.423887, -109.7161, 840.120], rtol=1e-5)


@pytest.mark.quick
def test_derivative_of_the_divergence_in_the_mean():
    # much smaller than that of either part of the divergence, or than the terms of a sum
    chosen = [row for row in DERIVATIVES_OF_DIVERGENCES if row[0] < 2**24]
    *parameters, expected = np.array(chosen).T
    mu_1, theta_1, mu_2, theta_2 = (np.minimum(p, 3e38) for p in parameters)
    of_deviance = np.log1p(theta_2 / mu_2) - np.log1p(theta_2 / mu_1)
    arguments = (mu_1, theta_1, mu_2, theta_2, of_deviance)
    got = jax.jit(in_first_mean)(*(a.astype(np.float32) for a in arguments))
    np.testing.assert_allclose(got, expected, rtol=2e-6)


def test_derivative_where_the_second_variance_is_far_larger():
    """In theta_1, of (V - 1 - log(V)) / 2, V being the ratio of variances."""
    mu, theta_1, theta_2 = 120760704.0, 4821446656.0, 5.564733562835045e-09
    ratio = (1 + mu / theta_1) / (1 + mu / theta_2)
    expected = (1 - ratio) / 2 * (mu / theta_1**2) / (1 + mu / theta_1)
    point = (np.full(1, value, np.float32) for value in (mu, theta_1, theta_2))
    derivative = jax.jit(jax.grad(lambda *at: _between_normal(*at).sum(), 1))(*point)
    np.testing.assert_allclose(derivative, expected, rtol=1e-6)


def test_second_derivatives_where_the_second_variance_is_far_larger():
    """By differences of the divergence in 120 digits."""
    normal = [np.full(1, v, np.float32) for v in (37885832, 3e38, 3.2106086678140855e-07)]
    hessian = jax.jit(jax.hessian(lambda *at: _between_normal(*at).sum(), (0, 2)))(*normal)
    np.testing.assert_allclose(hessian[1][1].item(), 9701192288639.34, rtol=1e-5)
    np.testing.assert_allclose(hessian[0][0].item(), -3.4835021775956e-16, rtol=1e-5)

    mu_1, theta_1, mu_2, theta_2 = (
        np.full(1, v, np.float32)
        for v in (0.136182501912117, 0.06483032554388046, 7.192936664068839e-07, 7.898036e-09)
    )

    def in_mean(mu):
        of_deviance = np.log1p(theta_2 / mu_2) - jnp.log1p(theta_2 / mu)
        return in_first_mean(mu, theta_1, mu_2, theta_2, of_deviance).sum()

    np.testing.assert_allclose(jax.jit(jax.grad(in_mean))(mu_1).item(), -22.92586478, rtol=1e-5)


def test_the_mean_of_the_log_ratio_under_a_gamma_distribution_has_derivatives():
    a, b = (np.full(1, v, np.float32) for v in (0.2327958196401596, 1.4e-11))
    found = jax.jit(jax.grad(lambda *at: _of_gamma(*at).sum(), (0, 1)))(a, b)
    a, b = a.astype(float), b.astype(float)
    # (1 + a) (b / a - 1) - (1 + b) log(b / a) + log Gamma(1 + b) - log Gamma(1 + a) less
    # (b - a) psi(1 + a)
    of_a = (
        b / a - 1 - (1 + a) * b / a**2 + (1 + b) / a - (b - a) * scipy.special.polygamma(1, 1 + a)
    )
    np.testing.assert_allclose(found[0], of_a, rtol=1e-5)
    np.testing.assert_allclose(found[1], -1 / b, rtol=1e-5)


@pytest.mark.slow
def test_derivative_of_the_divergence_in_the_mean_from_the_divergence(dtype):
    *parameters, expected = np.array(DERIVATIVES_OF_DIVERGENCES).T
    derivative = jax.vmap(jax.grad(cdf.nb_kl_divergence))
    got = jax.jit(derivative)(*(p.astype(dtype) for p in parameters))
    np.testing.assert_allclose(got, expected, rtol=1e-10 if dtype == np.float64 else 2e-6)


@pytest.mark.slow
def test_second_derivatives_of_the_divergence_do_not_depend_on_the_order():
    point = (9e6, 4e7, 9e6, 0.03)
    hessian = np.array(jax.jit(jax.hessian(cdf.nb_kl_divergence, (0, 1, 2, 3)))(*point))
    np.testing.assert_allclose(hessian, hessian.T, rtol=1e-6)
    # that of E log P_1, of a distribution that is nearly normal
    np.testing.assert_allclose(hessian[0, 0], -5.5942e-15, rtol=1e-3)


@pytest.mark.slow
def test_the_divergence_has_the_information_as_its_second_derivative_where_it_is_0():
    def of_theta(theta):
        return cdf.nb_kl_divergence(5.0, theta, 5.0, 2.0)

    # psi'(2) - E psi'(X + 2) - 5 / 14, by the sum over counts
    second = jax.jit(jax.grad(jax.grad(of_theta)))(2.0)
    np.testing.assert_allclose(second, 0.0581506, rtol=1e-5)


@pytest.mark.slow
def test_ends_of_the_divergence():
    ends = [(2, 1, 2, 1, 0), (2, 1, 0, 3, np.inf), (0, 1, 2, 3, 3 * np.log(5 / 3))]
    ends += [(1e-3, 1, 1e-3, 0, np.inf), (np.inf, 1, 1, 1, np.inf), (1, 1, np.inf, 1, np.inf)]
    ends += [(np.inf, 1, np.inf, 1, np.nan), (0, 1, 0, 1, 0)]
    ends = [*ends, (1, 1, -1, 3, np.nan), (2, 1, 2, 1, 0)]
    *parameters, expected = np.array(ends, np.float32).T
    got = divergences(*parameters)
    for point, value, end in zip(ends, got, expected, strict=True):
        np.testing.assert_allclose(value, end, rtol=1e-6, err_msg=f"at {point[:4]}")
    logs = np.log(np.array(DIVERGENCES[:10], np.float32).T[:4])
    names = ("log_mu_1", "log_theta_1", "log_mu_2", "log_theta_2")
    on_log_scale = cdf.nb_kl_divergence(**dict(zip(names, logs, strict=True)))
    assert on_log_scale.shape == (10,)
    np.testing.assert_allclose(on_log_scale[0], DIVERGENCES[0][4], rtol=1e-4)


def test_numpyro_has_it():
    second = jaxnb.NegativeBinomial(mu=np.resize(OTHER_MU, POINTS), theta=np.full(POINTS, 2.0))
    of_points = jaxnb.NegativeBinomial(mu=np.resize(MU, POINTS), theta=np.resize(THETA, POINTS))
    expected = divergences(MU, THETA, OTHER_MU, np.full_like(MU, 2))
    got = dist.kl_divergence(of_points, second)[: len(MU)]
    np.testing.assert_allclose(got, expected, rtol=1e-6)


@pytest.mark.slow
def test_numpyro_has_the_divergence_from_poisson():
    mu, theta = np.resize(MU, POINTS), np.resize(OTHER_THETA, POINTS)
    rate = np.resize(OTHER_MU, POINTS)
    first, poisson = jaxnb.NegativeBinomial(mu=mu, theta=theta), dist.Poisson(rate)
    infinity = np.full(POINTS, np.inf, np.float32)
    got = dist.kl_divergence(first, poisson), dist.kl_divergence(poisson, first)
    expected = (rate, infinity, mu, theta)
    np.testing.assert_allclose(got[0], divergences(mu, theta, rate, infinity), rtol=1e-6)
    np.testing.assert_allclose(got[1], divergences(*expected), rtol=1e-6)
    limit = jaxnb.NegativeBinomial(mu=mu, theta=infinity)
    between_poisson = mu * np.log(mu / rate.astype(float)) - mu + rate
    np.testing.assert_allclose(dist.kl_divergence(limit, poisson), between_poisson, rtol=1e-4)
