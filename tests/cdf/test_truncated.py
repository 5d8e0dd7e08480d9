"""Truncated distributions: their functions, quantiles, samplers, moments and classes."""

import functools
import itertools

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest
import scipy.stats

import jaxnb
from jaxnb import cdf, random
from jaxnb.cdf.kernels import zero_truncated_nb

# a row each; in the last one the mean is next to nothing
MU, THETA = np.array([(3, 0.7), (1e-6, 2), (200, 30), (40, np.inf), (1e-8, 4)]).T[..., None]
X = np.arange(-1.0, 2500.0)


@pytest.fixture
def found(dtype):
    """The arguments in this dtype and, of them, both tails in one program."""
    return _found(dtype)


@functools.cache
def _found(dtype):
    x, mu, theta = (a.astype(dtype) for a in (X, MU, THETA))

    @jax.jit
    def functions(x, mu, theta):
        return {
            "log_cdf": cdf.zero_truncated_nb_log_cdf(x, mu, theta),
            "log_sf": cdf.zero_truncated_nb_log_sf(x, mu, theta),
        }

    values = functions(x, mu, theta)
    return mu.astype(float), theta.astype(float), jax.tree.map(np.asarray, values)


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float32", "float64"], indirect=True)
def test_are_sums_of_the_probabilities(found, dtype):
    mu, theta, got = found
    summed = np.cumsum(np.exp(log_probabilities(X, mu, theta)), 1)
    rtol = 100 * float(np.finfo(dtype).eps)
    seen = summed > 1e-12
    np.testing.assert_allclose(np.exp(got["log_cdf"][seen]), summed[seen], rtol=rtol)
    both = np.exp(got["log_cdf"]) + np.exp(got["log_sf"])
    np.testing.assert_allclose(both, 1, rtol=rtol)
    assert (got["log_cdf"][:, :2] == -np.inf).all()


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float32", "float64"], indirect=True)
@pytest.mark.parametrize("logarithms", [True, False], ids=["log", "linear"])
def test_the_hurdle_adds_its_zeros(dtype, logarithms):
    prefix = "hurdle_nb_log_" if logarithms else "hurdle_nb_"
    lower, upper = (getattr(cdf, prefix + tail) for tail in ("cdf", "sf"))
    arguments = (a.astype(dtype) for a in (X[:400], MU, THETA))
    found = jax.jit(lambda *a: (lower(*a), upper(*a)))(*arguments, dtype.type(np.log(0.3 / 0.7)))
    cdf_, sf = (np.exp(np.asarray(a, float)) if logarithms else np.asarray(a) for a in found)
    summed = np.cumsum(np.exp(log_probabilities(X[:400], MU, THETA)), 1)
    hurdle = np.where(X[:400] < 0, 0, 0.3 + 0.7 * summed)
    rtol = 100 * float(np.finfo(dtype).eps)
    np.testing.assert_allclose(cdf_, hurdle, rtol=rtol)
    np.testing.assert_allclose(cdf_ + sf, 1, rtol=rtol)
    np.testing.assert_allclose(sf[:, 1], 0.7, rtol=rtol)


def log_probabilities(x, mu, theta):
    with jax.enable_x64(True):
        return np.asarray(jaxnb.log_zero_truncated_nb(x, mu, theta))


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float32", "float64"], indirect=True)
def test_upper_tail_keeps_its_digits_as_the_mean_tends_to_zero(found):
    """P(X > 1 | X > 0) tends to mu (1 + 1 / theta) / 2."""
    mu, _, got = found
    expected = np.log(mu[-1, 0] * 1.25 / 2)
    np.testing.assert_allclose(got["log_sf"][-1, X == 1], expected, rtol=3e-7)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["zero_truncated_nb", "hurdle_nb"])
def test_quantiles(name):
    rng = np.random.default_rng(4)
    n = 3000
    mu, theta = np.exp(rng.uniform(np.log(0.01), np.log(1e3), (2, n))).astype(np.float32)
    more = (3 * rng.normal(size=n).astype(np.float32),) if name == "hurdle_nb" else ()
    quantile, function = getattr(cdf, f"{name}_quantile"), getattr(cdf, f"{name}_cdf")

    @jax.jit
    def misses(q, *parameters):
        x = quantile(q, *parameters)
        right = (function(x, *parameters) >= q) & (function(x - 1, *parameters) < q)
        return jnp.sum(~right | ~jnp.isfinite(x))

    assert misses(rng.uniform(size=n).astype(np.float32), mu, theta, *more) == 0
    assert quantile(0.0, 3.0, 2.0, *([0.4] if more else [])) == (0 if more else 1)
    assert quantile(1.0, 3.0, 2.0, *([0.4] if more else [])) == np.inf


# the last five are the ends
DRAWN = [(3, 0.7), (1e-6, 2), (21, 5), (2, 1e-3), (4, np.inf)]
ENDS = [(0, 1), (np.inf, 1), (1, 0), (1, -1), (np.nan, 1)]


@pytest.fixture(scope="module")
def draws():
    mu, theta = np.array(DRAWN + ENDS, np.float32).T
    sampled = random.zero_truncated_negative_binomial(
        jax.random.key(1), mu, theta, (100_000, len(mu)), dtype=jnp.float32
    )
    return np.asarray(sampled)


@pytest.fixture(scope="module")
def moments_of_all():
    @jax.jit
    def functions(mu, theta):
        derivative = jax.grad(zero_truncated_nb.mean)(jnp.float32(0), jnp.float32(4))
        return {
            "mean": zero_truncated_nb.mean(mu, theta),
            "variance": zero_truncated_nb.variance(mu, theta),
            "mode": zero_truncated_nb.mode(mu, theta),
            "derivative": derivative,
        }

    values = functions(*np.array(DRAWN + ENDS, np.float32).T)
    return {name: np.asarray(value) for name, value in values.items()}


@pytest.mark.slow
def test_draws_and_moments(draws, moments_of_all):
    n, x = len(draws), np.arange(100_000.0)
    for place, (mu, theta) in enumerate(DRAWN):
        point = f"mu {mu}, theta {theta}"
        p = np.exp(log_probabilities(x, *np.float32([mu, theta]).astype(float)))
        mean = (p * x).sum()
        got = {name: values.item(place) for name, values in moments_of_all.items() if values.ndim}
        np.testing.assert_allclose(got["mean"], mean, rtol=1e-6, err_msg=point)
        variance = (p * (x - mean) ** 2).sum()
        np.testing.assert_allclose(got["variance"], variance, rtol=1e-5, err_msg=point)
        # of two modes the larger one, and rounding may make either the more probable
        assert got["mode"] == np.flatnonzero(p >= p.max() * (1 - 1e-12))[-1], point
        drawn = draws[:, place]
        edges = np.unique(np.quantile(drawn, np.linspace(0, 0.98, 12), method="nearest"))
        inner = np.diff([p[: int(e)].sum() for e in edges])
        expected = n * np.append(inner, p[int(edges[-1]) :].sum())
        expected[-1] += n * (1 - p.sum())
        observed = np.histogram(drawn, np.append(edges, np.inf))[0]
        assert drawn.min() >= 1, point
        assert len(edges) == 1 or scipy.stats.chisquare(observed, expected).pvalue > 1e-3, point


@pytest.mark.slow
def test_ends_of_draws_and_moments(draws, moments_of_all):
    np.testing.assert_array_equal(draws[0, len(DRAWN) :], [1, np.inf, np.nan, np.nan, np.nan])
    ends = {name: values[len(DRAWN) :] for name, values in moments_of_all.items() if values.ndim}
    np.testing.assert_array_equal(ends["mean"][:3], [1, np.inf, np.nan])
    assert ends["variance"][0] == 0
    np.testing.assert_allclose(moments_of_all["derivative"], 5 / 8)


@pytest.mark.quick
def test_the_ends_of_the_odds_of_a_zero():
    odds = jnp.array([-jnp.inf, jnp.inf])
    hurdle = random.hurdle_negative_binomial(jax.random.key(0), 3.0, 2.0, odds, (9, 2))
    assert (hurdle[:, 0] >= 1).all()
    assert (hurdle[:, 1] == 0).all()


@pytest.mark.slow
def test_classes():
    truncated = jaxnb.ZeroTruncatedNegativeBinomial(mu=jnp.array([0.5, 3.0]), theta=2.0)
    hurdle = jaxnb.HurdleNegativeBinomial(mu=3.0, theta=2.0, zi_probs=0.3)
    assert truncated.batch_shape == (2,)
    assert truncated.support.lower_bound == 1
    draws = truncated.sample(jax.random.key(0), (1000,))
    assert draws.shape == (1000, 2)
    assert draws.min() == 1
    np.testing.assert_allclose(draws.mean(0), truncated.mean, rtol=0.1)
    x = np.arange(1.0, 200.0).reshape(-1, 1)
    np.testing.assert_allclose(np.exp(truncated.log_prob(x)).sum(0), 1, rtol=1e-5)
    np.testing.assert_allclose(truncated.cdf(x)[4], np.exp(truncated.log_prob(x))[:5].sum(0), 1e-5)
    np.testing.assert_allclose(hurdle.log_prob(0), np.log(0.3), rtol=1e-6)
    np.testing.assert_allclose(hurdle.zi_logits, np.log(0.3 / 0.7), rtol=1e-5)
    checked = jaxnb.ZeroTruncatedNegativeBinomial(mu=3.0, theta=2.0, validate_args=True)
    with pytest.warns(UserWarning, match="Out-of-support"):
        outside = checked.log_prob(0)
    assert outside == -np.inf
    leaves, tree = jax.tree.flatten(hurdle)
    assert len(leaves) == 3
    assert jax.tree.unflatten(tree, leaves).zi_probs == hurdle.zi_probs


def test_lower_tails_with_small_thetas():
    """Most of the probability is above: 1 less the upper tail would lose twice as many digits."""
    thetas, means, counts = (1e-6, 1e-5, 1e-3, 0.1), (1e2, 1e5, 1e7), (1, 2)
    points = np.array(list(itertools.product(counts, means, thetas)), np.float32)
    got = np.asarray(cdf.zero_truncated_nb_log_cdf(*points.T), float)
    for value, (x, mu, theta) in zip(got, points.astype(float), strict=True):
        with mpmath.workdps(40):
            p = probabilities_up_to(int(x), mu, theta)
            expected = float(mpmath.log(mpmath.fsum(p[1:]) / (1 - p[0])))
        assert abs(value - expected) < 20 * 2.0**-23 * max(1, abs(expected)), (x, mu, theta)


def probabilities_up_to(x, mu, theta):
    """The probabilities of 0 to x of the negative binomial."""
    mu, theta = mpmath.mpf(mu), mpmath.mpf(theta)
    p, q = theta / (theta + mu), mu / (theta + mu)
    probabilities = [p**theta]
    for k in range(x):
        probabilities.append(probabilities[-1] * q * (theta + k) / (k + 1))
    return probabilities


@pytest.mark.slow
def test_the_quantile_at_0_is_the_lowest_count():
    assert cdf.zero_truncated_nb_quantile(0.0, 2.0, 1.0) == 1
    assert cdf.hurdle_nb_quantile(0.0, 2.0, 1.0, -1.0) == 0
