"""Entropies and the divergence against sums over all counts."""

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import pytest
import scipy.stats
from registry import DISTRIBUTIONS

import jaxnb
from jaxnb import cdf
from jaxnb.cdf.divergence_in_mean import in_first_mean

MU = np.array([1e-3, 0.4, 3, 20, 55, 150, 4e3, 20, 54.3, 300], np.float32)
THETA = np.array([2, 0.7, 50, 0.3, 1e3, 8, 40, 0.05, np.inf, np.inf], np.float32)
OTHER_MU = MU * np.float32(1.2)
OTHER_THETA = np.where(np.isfinite(THETA), THETA * np.float32(0.7), np.float32(900))
X = np.arange(60_000.0)[:, None]
LOG_ODDS = 0.7
# ten at once as MU, so that the calls share a program
ENDS = [(0, 1, 0), (3, 0, 0), (np.inf, 1, np.inf), (-1, 1, np.nan), (1, np.nan, np.nan)] * 2

# mu, theta, the entropy of the negative binomial and that of the one without zeros, in 80 digits
# from E log Gamma(X + a) = E of Malmsten's integral, which takes the generating function of X
ENTROPIES = [
    (1000000.0, np.inf, 8.326693728853, 8.326693728853),
    (999999995904.0, np.inf, 15.23444908912, 15.23444908912),
    (10000000.0, 100000000.0, 9.525641437677, 9.525641437677),
    (9.99999944211969e27, 1.0, 65.47238254805, 65.47238254805),
    (300000.0, 2000.0, 10.23318063909, 10.23318063909),
    (1.0000000200408773e20, 0.0010000000474974513, 1.757993051359, 30.14348081403),
    (250.0, 900.0, 4.301597884242, 4.301597884242),
    (24.0, 10000.0, 3.005589849386, 3.005589848533),
    (1000.0, 0.019999999552965164, 1.974538057818, 7.614906862832),
    (9.999999717180685e-10, np.inf, 2.17232652512e-8, 1.12082062078e-8),
    (9.999999974752427e-07, 9.999999747378752e-05, 1.477817557743e-5, 0.03146149259532),
    (1.0000000150474662e30, 1.0000000031710769e-30, 1.914715931507e-26, 73.44258434713),
    (45.0, 6.0, 4.334059431609, 4.334034225793),
    (2000.0, 1100.0, 5.7371178164403, 5.7371178164403),
]
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
]
# and its derivative in mu_1, by differences of sums in 78 digits
DERIVATIVES_OF_DIVERGENCES = [
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


def log_nb(mu, theta):
    mu, theta = mu.astype(float), theta.astype(float)
    poisson = np.isinf(theta)
    theta = np.where(poisson, 1.0, theta)
    log_p = scipy.stats.nbinom.logpmf(X, theta, theta / (theta + mu))
    return np.where(poisson, scipy.stats.poisson.logpmf(X, mu), log_p)


def inflated(log_p):
    return np.logaddexp(
        np.where(X == 0, -np.logaddexp(0, -LOG_ODDS), -np.inf), log_p - np.logaddexp(0, LOG_ODDS)
    )


def truncated(log_p):
    return np.where(X == 0, -np.inf, log_p - np.log(-np.expm1(log_p[0])))


def mixed(first, second):
    return np.logaddexp(first - np.logaddexp(0, -LOG_ODDS), second - np.logaddexp(0, LOG_ODDS))


# of the log-probabilities of the negative binomial and of a second one
LOG_PROBABILITIES = {
    "negative_binomial": lambda first, second: first,
    "zero_inflated_negative_binomial": lambda first, second: inflated(first),
    "negative_binomial_mixture": mixed,
    "zero_truncated_negative_binomial": lambda first, second: truncated(first),
    "hurdle_negative_binomial": lambda first, second: inflated(truncated(first)),
}


POINTS = 16


def divergences(*parameters):
    """All by one program, of as many elements."""
    count = len(parameters[0])
    assert count <= POINTS
    return np.asarray(cdf.nb_kl_divergence(*(np.resize(p, POINTS) for p in parameters)))[:count]


@pytest.fixture(scope="module")
def log_p():
    return log_nb(MU, THETA), log_nb(OTHER_MU * 4, OTHER_THETA)


def in_both(name):
    """In the default run one of each kind of sum: of one distribution in each dtype."""
    often = {"float32": ("hurdle_negative_binomial",)}
    often["float64"] = ("negative_binomial",)
    for dtype, names in often.items():
        yield pytest.param(name, dtype, marks=() if name in names else pytest.mark.slow)


@pytest.mark.parametrize(
    ("name", "dtype"),
    [parameters for name in DISTRIBUTIONS for parameters in in_both(name)],
    indirect=["dtype"],
)
def test_entropy_is_the_sum(name, dtype, log_p):
    values = {
        "mu": MU,
        "theta": THETA,
        "pi": LOG_ODDS,
        "mu_1": MU,
        "mu_2": OTHER_MU * 4,
        "theta_1": THETA,
        "theta_2": OTHER_THETA,
        "pi_logits": LOG_ODDS,
    }
    family = DISTRIBUTIONS[name].family
    got = family.entropy(*(np.asarray(values[p.name], dtype) for p in family.parameters))
    assert got.dtype == dtype
    log_p = LOG_PROBABILITIES[name](*log_p)
    terms = np.exp(log_p) * np.where(log_p > -np.inf, log_p, 0)
    expected = -terms.sum(0)
    np.testing.assert_allclose(got, expected, rtol=1e-6 if dtype == np.float64 else 1e-5)


@pytest.mark.quick
def test_entropy_of_poisson_is_scipys():
    mu = np.geomspace(0.1, 500, len(MU)).astype(np.float32)
    got = cdf.nb_entropy(mu, np.full_like(mu, np.inf))
    np.testing.assert_allclose(got, scipy.stats.poisson.entropy(mu.astype(float)), rtol=1e-5)


@pytest.mark.parametrize(
    "dtype", ["float32", pytest.param("float64", marks=pytest.mark.slow)], indirect=True
)
def test_entropy_of_every_mean(dtype):
    mu, theta, expected, truncated = np.array(ENTROPIES).T
    rtol = 1e-9 if dtype == np.float64 else 2e-5
    arguments = mu.astype(dtype), theta.astype(dtype)
    np.testing.assert_allclose(cdf.nb_entropy(*arguments), expected, rtol=rtol)
    np.testing.assert_allclose(cdf.zero_truncated_nb_entropy(*arguments), truncated, rtol=rtol)


@pytest.mark.slow
def test_a_mixture_of_a_wide_and_a_narrow_component():
    x = np.arange(300_000.0)
    wide = scipy.stats.nbinom.logpmf(x, 1.0, 1 / (1 + 1e4))
    log_p = np.logaddexp(wide, scipy.stats.poisson.logpmf(x, 1e4)) - np.log(2)
    expected = -np.sum(np.exp(log_p) * log_p)
    # as many as MU, through the same program
    points = np.repeat(np.float32([[1e4], [1e4], [1.0], [np.inf]]), len(MU), axis=1)
    got = cdf.mixture_nb_entropy(*points, np.float32(0))
    np.testing.assert_allclose(got, expected, rtol=1e-5)


def test_ends_of_the_entropy():
    mu, theta, expected = np.array(ENDS, np.float32).T
    for point, value, end in zip(ENDS, cdf.nb_entropy(mu, theta), expected, strict=True):
        np.testing.assert_allclose(value, end, atol=1e-25, err_msg=f"at {point[:2]}")
    assert cdf.nb_entropy(np.ones((0, 3)), 1.0).shape == (0, 3)


# mu, theta and the derivatives of the entropy of the negative binomial, by differences in 50 digits
DERIVATIVES = [
    (3.0, 0.699999988079071, 0.2841335347908091, 0.13406095731133416),
    (1e6, 50.0, 9.999750012586174e-07, -0.009864828133241094),
    (200.0, 1e4, 0.0025511128688003263, -9.778555149489829e-07),
    (0.0010000000474974513, 2.0, 6.908686374976406, -3.592489294341956e-08),
    (40.0, 1e7, 0.012553502142306258, -1.9747752420571912e-13),
    (9396994.0, 12590744576.0, 5.324818779980803e-08, -2.961638809147298e-14),
    (1.0000000150474662e30, 1100.0, 9.99999984952534e-31, -0.00045426984720991077),
]


@pytest.mark.slow
def test_derivatives_of_the_entropy_for_small_and_large_means(dtype):
    mu, theta, *expected = np.array(DERIVATIVES).T
    gradient = jax.vmap(jax.grad(cdf.nb_entropy, (0, 1)))
    got = gradient(mu.astype(dtype), theta.astype(dtype))
    np.testing.assert_allclose(got, expected, rtol=1e-8 if dtype == np.float64 else 2e-5)


def differentiated():
    """Entropies of every distribution, and the divergence."""
    for name, case in DISTRIBUTIONS.items():
        marks = () if name == "negative_binomial" else pytest.mark.slow
        yield pytest.param(case.family.entropy, case.values, id=name, marks=marks)
    yield pytest.param(
        cdf.nb_kl_divergence, (3.0, 0.7, 4.0, 0.9), id="divergence", marks=pytest.mark.slow
    )


@pytest.mark.parametrize(("function", "point"), [*differentiated()])
def test_derivatives_are_those_of_differences(function, point):
    step = 1e-5
    moved = np.concatenate([point + step * np.eye(len(point)), point - step * np.eye(len(point))])

    @jax.jit
    def every(point, moved):
        gradient = jax.grad(function, tuple(range(len(point))))(*point)
        return jnp.stack(gradient), function(*moved.T)

    with jax.enable_x64(True):
        gradient, values = map(np.asarray, every(np.array(point), moved))
    up, down = np.split(values, 2)
    np.testing.assert_allclose(gradient, (up - down) / (2 * step), rtol=1e-5)


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
    points = np.float32([(5, 2, 5, 2), (945.11, 1.31987, 0.98102, 0.12623)])
    gradient = jax.jit(jax.vmap(jax.grad(cdf.nb_kl_divergence, (0, 1, 2, 3))))
    where_0, far = np.transpose(gradient(*points.T))
    np.testing.assert_array_equal(where_0, 0)
    np.testing.assert_allclose(far, [0.120911, 0.423887, -109.7161, 840.120], rtol=1e-5)


def test_derivative_of_the_divergence_in_the_mean():
    # much smaller than that of either part of the divergence, or than the terms of a sum
    chosen = [row for row in DERIVATIVES_OF_DIVERGENCES if row[0] < 2**24]
    *parameters, expected = np.array(chosen).T
    mu_1, theta_1, mu_2, theta_2 = (np.minimum(p, 3e38) for p in parameters)
    slope = np.log1p(theta_2 / mu_2) - np.log1p(theta_2 / mu_1)
    arguments = (mu_1, theta_1, mu_2, theta_2, slope)
    got = jax.jit(in_first_mean)(*(a.astype(np.float32) for a in arguments))
    np.testing.assert_allclose(got, expected, rtol=2e-6)


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


def test_numpyro_has_them():
    first = jaxnb.NegativeBinomial(mu=MU, theta=THETA)
    second = jaxnb.NegativeBinomial(mu=np.resize(OTHER_MU, POINTS), theta=np.full(POINTS, 2.0))
    of_points = jaxnb.NegativeBinomial(mu=np.resize(MU, POINTS), theta=np.resize(THETA, POINTS))
    expected = divergences(MU, THETA, OTHER_MU, np.full_like(MU, 2))
    got = dist.kl_divergence(of_points, second)[: len(MU)]
    np.testing.assert_allclose(got, expected, rtol=1e-6)
    np.testing.assert_allclose(first.entropy(), cdf.nb_entropy(MU, THETA), rtol=1e-6)


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
    with pytest.raises(NotImplementedError):
        dist.kl_divergence(jaxnb.ZeroTruncatedNegativeBinomial(mu=mu, theta=theta), poisson)
