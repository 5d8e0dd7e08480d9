"""Entropies against sums over all counts."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats
from cdf.sums import MU, OTHER_MU, OTHER_THETA, THETA, X, log_nb
from registry import DISTRIBUTIONS

import jaxnb
from jaxnb import cdf

LOG_ODDS = 0.7
ENDS = [(0, 1, 0), (3, 0, 0), (np.inf, 1, np.inf), (-1, 1, np.nan), (1, np.nan, np.nan)]

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
    if name in LOG_PROBABILITIES:
        log_p = LOG_PROBABILITIES[name](*log_p)
    else:
        with jax.enable_x64(True):
            parameters = (np.float64(values[p.name]) for p in family.parameters)
            log_p = np.asarray(family.log_prob(X, *parameters))
    terms = np.exp(log_p) * np.where(log_p > -np.inf, log_p, 0)
    expected = -terms.sum(0)
    np.testing.assert_allclose(got, expected, rtol=1e-6 if dtype == np.float64 else 1e-5)


@pytest.mark.quick
def test_entropy_of_poisson_is_scipys():
    mu = np.geomspace(0.1, 500, len(MU)).astype(np.float32)
    got = cdf.nb_entropy(mu, np.full_like(mu, np.inf))
    np.testing.assert_allclose(got, scipy.stats.poisson.entropy(mu.astype(float)), rtol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float32", "float64"], indirect=True)
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


def test_ends_of_the_entropy_and_large_means():
    # ten at once as MU, so that the calls share a program
    points = [*ENDS, *(row[:3] for row in ENTROPIES[:5])]
    mu, theta, expected = np.array(points).T
    got = cdf.nb_entropy(mu.astype(np.float32), theta.astype(np.float32))
    np.testing.assert_allclose(got, expected, rtol=2e-5, atol=1e-25)
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


@pytest.mark.slow
def test_derivatives_of_a_mixture_with_infinite_log_odds():
    # ten at once as MU; those of the component that there is, of a point mass 0
    points = np.resize(np.float32([(3.0, 5.0, 0.0, 2.0, -np.inf), (3.0, 0.0, 2.0, np.inf, np.inf)]),
                       (len(MU), 5))  # fmt: skip
    of_mixture = jax.grad(lambda *p: cdf.mixture_nb_entropy(*p).sum(), (0, 1, 2, 3, 4))
    got = np.array(of_mixture(*points.T))[:, :2]
    assert np.isfinite(got).all()
    of_one = jax.grad(lambda *p: cdf.nb_entropy(*p).sum(), (0, 1))
    d_mu, d_theta = of_one(*np.float32([[5, 3], [2, 2]]))
    np.testing.assert_allclose([got[1, 0], got[0, 1]], d_mu, rtol=1e-5)
    np.testing.assert_allclose([got[3, 0], got[2, 1]], d_theta, rtol=1e-5)


def differentiated():
    """Entropies of every distribution, and the divergence."""
    for name, case in DISTRIBUTIONS.items():
        marks = () if name == "negative_binomial" else pytest.mark.slow
        yield pytest.param(case.family.entropy, case.values, id=name, marks=marks)
    yield pytest.param(
        cdf.nb_kl_divergence, (3.0, 0.7, 4.0, 0.9), id="divergence", marks=pytest.mark.slow
    )


@pytest.mark.slow
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


def test_numpyro_has_the_entropy():
    of_points = jaxnb.NegativeBinomial(mu=MU, theta=THETA)
    np.testing.assert_allclose(of_points.entropy(), cdf.nb_entropy(MU, THETA), rtol=1e-6)
