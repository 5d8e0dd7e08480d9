"""The censored and truncated classes, around every distribution of the package."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import pytest
from distributions.cases import ONE_OF_EACH, SHAPE
from registry import DISTRIBUTIONS
from scipy import stats

import jaxnb

X = np.arange(80.0, dtype=np.float32)
LOW, HIGH = 2, 60  # 59 counts: more than are summed one by one


@functools.cache
def _functions(name):
    """The program of every function of a truncated distribution, and what it returns."""
    case = DISTRIBUTIONS[name]

    @jax.jit
    def functions(low, high):
        base = case.distribution()
        truncated = jaxnb.Truncated(base, low, high)
        q = jnp.linspace(0, 1, 21)
        parts = {
            "log_prob": truncated.log_prob(X),
            "log_cdf": truncated.log_cdf(X),
            "log_sf": truncated.log_sf(X),
            "icdf": truncated.icdf(q),
            "mean": truncated.mean,
            "draws": truncated.sample(jax.random.key(1), (20_000,)),
        }
        return parts | {"of_base": base.log_prob(X)}

    return functions


@functools.cache
def found(name, low=LOW, high=HIGH):
    values = _functions(name)(np.float32(low), np.float32(high))
    return {key: np.asarray(value, float) for key, value in values.items()}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Out-of-support")  # 0, without zeros
@pytest.mark.parametrize("name", ONE_OF_EACH)
@pytest.mark.parametrize(("low", "high"), [(LOW, HIGH), (8, 14)])
def test_functions_of_a_truncated_distribution(name, low, high):
    got = found(name, low, high)
    inside = (low <= X) & (high >= X)
    p = np.where(inside, np.exp(got["of_base"]), 0)
    p = p / p.sum()
    with np.errstate(divide="ignore"):
        np.testing.assert_allclose(got["log_prob"], np.log(p), rtol=1e-6, atol=2e-6)
    np.testing.assert_allclose(np.exp(got["log_cdf"]), p.cumsum(), rtol=4e-6, atol=1e-7)
    above = p[::-1].cumsum()[::-1] - p
    np.testing.assert_allclose(np.exp(got["log_sf"])[X < high], above[X < high], rtol=2e-4)
    np.testing.assert_allclose(got["mean"], (p * X).sum(), rtol=3e-6)
    q = np.linspace(0, 1, 21)
    cdf = np.exp(got["log_cdf"])
    x = got["icdf"].astype(int)
    assert (x[0], x[-1]) == (low, high)
    assert (cdf[x[1:-1]] >= q[1:-1] - 1e-6).all()
    assert ((cdf[x - 1] <= q + 1e-6) | (x == low))[1:-1].all()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Out-of-support")  # 0, without zeros
@pytest.mark.parametrize("name", ONE_OF_EACH)
def test_draws_have_the_probabilities(name):
    got = found(name)
    draws = got["draws"]
    assert draws.min() >= LOW
    assert draws.max() <= HIGH
    p = np.exp(got["log_prob"])
    expected = len(draws) * p / p.sum()
    observed = np.bincount(draws.astype(int), minlength=len(X))[: len(X)]
    enough = expected > 10
    observed = np.append(observed[enough], observed[~enough].sum())
    expected = np.append(expected[enough], expected[~enough].sum())
    assert stats.chisquare(observed, expected).pvalue > 1e-3
    steps = np.abs(np.searchsorted(np.sort(draws), X, "right") / len(draws) - p.cumsum())
    assert steps.max() < 1.95 / np.sqrt(len(draws))  # Kolmogorov and Smirnov's, at 1e-3


@pytest.mark.slow
def test_log_prob_and_draws_between_two_bounds():
    nb = jaxnb.NegativeBinomial(mu=5.0, theta=2.0)
    truncated = jaxnb.Truncated(nb, low=3, high=6, validate_args=False)
    x = np.arange(9)
    expected = np.where((x >= 3) & (x <= 6), stats.nbinom.pmf(x, 2, 2 / 7), 0)
    expected /= expected.sum()
    np.testing.assert_allclose(np.exp(truncated.log_prob(x)), expected, rtol=2e-6)
    draws = np.asarray(truncated.sample(jax.random.key(0), (2000,)))
    observed = np.bincount(draws, minlength=9)
    assert observed[3:7].sum() == 2000
    assert stats.chisquare(observed[3:7], 2000 * expected[3:7]).pvalue > 1e-3


@pytest.mark.slow
def test_draws_far_out_in_a_tail():
    """10 % of the counts beyond 200, of which the distribution has 3e-24, are beyond 203."""
    truncated = jaxnb.Truncated(jaxnb.NegativeBinomial(mu=10.0, theta=3.0), low=200)
    draws = np.asarray(jax.jit(lambda key: truncated.sample(key, (20_000,)))(jax.random.key(2)))
    x = np.arange(200, 400)
    log_p = stats.nbinom.logpmf(x, 3, 3 / 13)
    p = np.exp(log_p - log_p.max())
    p /= p.sum()
    expected = len(draws) * np.append(p[:30], p[30:].sum())
    observed = np.bincount(np.minimum(draws - 200, 30), minlength=31)
    assert stats.chisquare(observed, expected).pvalue > 1e-3
    np.testing.assert_allclose(truncated.mean, (p * x).sum(), rtol=1e-4)


def censored_and_truncated(base):
    """One of each class, with arrays of the batch shape's last axis."""
    flags = np.array([True, False])
    return {
        "left": (jaxnb.LeftCensored(base, flags), np.float32(4)),
        "right": (jaxnb.RightCensored(base, flags), np.float32(4)),
        "interval": (jaxnb.IntervalCensored(base, flags, ~flags), np.float32([4, 9])),
        "truncated": (jaxnb.Truncated(base, np.array([1, 3]), 30), np.full(SHAPE, 4, np.float32)),
    }


KINDS = ["left", "right", "interval", "truncated"]


@pytest.mark.quick
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "name",
    [
        name if name == "negative_binomial" else pytest.param(name, marks=pytest.mark.slow)
        for name in ONE_OF_EACH
    ],
)
def test_shapes_and_trees(name, kind):
    """Nothing is computed here but shapes."""
    made, value = censored_and_truncated(ONE_OF_EACH[name].made())[kind]
    assert made.batch_shape == SHAPE
    event = made.event_shape
    leaves, structure = jax.tree.flatten(made)
    again = jax.tree.unflatten(structure, leaves)
    assert (again.batch_shape, again.event_shape) == (SHAPE, event)

    def log_prob(d):
        return d.log_prob(value)

    assert jax.eval_shape(log_prob, made).shape == SHAPE
    assert jax.eval_shape(log_prob, made.expand((5, *SHAPE))).shape == (5, *SHAPE)
    assert jax.eval_shape(log_prob, made.to_event(1)).shape == SHAPE[:1]
    assert jax.eval_shape(log_prob, made.mask(np.array([True, False]))).shape == SHAPE
    mapped = jax.vmap(log_prob)
    stacked = jax.tree.map(lambda leaf: jnp.stack([leaf] * 4), made)
    assert jax.eval_shape(mapped, stacked).shape == (4, *SHAPE)
    draws = jax.eval_shape(lambda d: d.sample(jax.random.key(0), (7,)), made)
    assert draws.shape == (7, *SHAPE, *event)
    assert jnp.issubdtype(draws.dtype, jnp.integer)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_vmap_and_grad_agree_with_one_call(kind):
    def log_prob(mu, theta):
        base = jaxnb.NegativeBinomial(mu=mu, theta=theta)
        made, value = censored_and_truncated(base)[kind]
        return made.log_prob(value if value.ndim < 2 else value[0, 0])

    mu, theta = np.float32([[1.0], [7.0]]), np.float32([[0.7], [9.0]])
    together = jax.jit(log_prob)(mu, theta)
    np.testing.assert_allclose(jax.jit(jax.vmap(log_prob))(mu, theta), together, rtol=1e-6)
    gradient = jax.jit(jax.grad(lambda *p: log_prob(*p).sum(), (0, 1)))
    with jax.enable_x64(True):
        step = 1e-6
        point = mu.astype(float), theta.astype(float)
        for place, got in enumerate(gradient(mu, theta)):
            moved = [list(point), list(point)]
            for sign, p in zip((1, -1), moved, strict=True):
                p[place] = p[place] + sign * step
            up, down = (np.asarray(log_prob(*p)).sum(-1, keepdims=True) for p in moved)
            np.testing.assert_allclose(got, (up - down) / (2 * step), rtol=2e-4, atol=1e-6)


@pytest.mark.slow
def test_rows_of_an_interval():
    """Each kind of row, and a truncated distribution's normalization, from the same program."""
    rows = [
        (False, False, 3, 8),
        (False, False, 4, 4),
        (True, False, 3, 8),
        (False, True, 3, 8),
        (True, True, 3, 8),
        (False, False, 8, 3),
        (True, True, 8, 3),
        (False, False, 3, np.nan),
        (False, True, 3, np.nan),
        (False, False, -1, np.inf),
    ]
    left, right, lower, upper = (np.array(column) for column in zip(*rows, strict=True))
    nb = jaxnb.NegativeBinomial(mu=5.0, theta=2.0)
    values = np.stack([lower, upper], -1).astype(np.float32)
    got = jaxnb.IntervalCensored(nb, left, right, validate_args=False).log_prob(values)
    f = stats.nbinom(2, 2 / 7)
    outside = f.cdf(3) + f.sf(8)
    expected = [f.cdf(8) - f.cdf(3), f.pmf(4), f.cdf(8), f.sf(3), outside, 0, 1, np.nan, f.sf(3), 1]
    with np.errstate(divide="ignore"):
        np.testing.assert_allclose(got, np.log(expected), rtol=2e-6, atol=1e-6)
    x = np.array([3, 4, 5, 6, 7, 8, 4, 4, 4, 4], np.float32)
    truncated = jaxnb.Truncated(nb, np.full(10, 3.0, np.float32), np.full(10, 8.0, np.float32))
    p = f.pmf(x) / f.pmf(range(3, 9)).sum()
    np.testing.assert_allclose(truncated.log_prob(x), np.log(p), rtol=2e-6)


def test_probabilities_within_the_bounds_sum_to_one():
    truncated = jaxnb.Truncated(jaxnb.NegativeBinomial(mu=4.0, theta=2.0), 2, 9)
    log_prob = truncated.log_prob(np.arange(2.0, 10, dtype=np.float32))
    np.testing.assert_allclose(np.exp(log_prob).sum(), 1, rtol=1e-5)


@pytest.mark.quick
def test_what_is_refused():
    nb = jaxnb.NegativeBinomial(mu=5.0, theta=2.0)
    with pytest.raises(
        ValueError, match="no count of NegativeBinomial is between low=5 and high=3"
    ):
        jaxnb.Truncated(nb, 5, 3)
    with pytest.raises(ValueError, match="no count"):
        jaxnb.Truncated(jaxnb.ZeroTruncatedNegativeBinomial(mu=5.0, theta=2.0), 0, 0)
    with pytest.raises(TypeError, match="a distribution of jaxnb, got a Poisson"):
        jaxnb.RightCensored(dist.Poisson(3.0), True)
    with pytest.raises(ValueError, match="does not broadcast with the batch shape"):
        jaxnb.RightCensored(jaxnb.NegativeBinomial(mu=np.ones(3), theta=2.0), np.ones(2))
    with pytest.raises(ValueError, match="pairs"):
        jaxnb.IntervalCensored(nb, False, False).log_prob(np.ones(3))
    with pytest.raises(TypeError, match="RightCensored has no parameter 'censor': did you mean ce"):
        jaxnb.RightCensored(nb, censor=True)


@pytest.mark.slow
def test_support():
    truncated = jaxnb.Truncated(jaxnb.NegativeBinomial(mu=5.0, theta=2.0), 1.5, 8.5)
    inside = truncated.support(np.array([1, 2, 8, 9, 2.5]))
    np.testing.assert_array_equal(inside, [False, True, True, False, False])
    assert truncated.is_discrete
    with pytest.warns(UserWarning, match="Out-of-support"):
        jaxnb.RightCensored(truncated.base_dist, False, validate_args=True).log_prob(2.5)


def test_quantiles_of_intervals_in_either_tail_and_hidden_by_both():
    """Above the additional zeros the counts are the negative binomial's."""
    mu, theta = np.array([20.0, 20.0, 6214.0]), np.array([2.0, 2.0, 2e7])
    low, high = np.array([1, 30, 300]), np.array([400, 900, 500])
    q = np.array([[0.01], [0.5], [0.99]])
    of = jaxnb.ZeroInflatedNegativeBinomial(mu=mu, theta=theta, zi_logits=0.3)
    found = jaxnb.Truncated(of, low=low, high=high).icdf(q.astype(np.float32))
    counts = stats.nbinom(2, 2 / 22)
    ends = counts.cdf(low - 1.0), counts.cdf(high)
    expected = counts.ppf(ends[0] + q * (ends[1] - ends[0]))
    expected[:, 2] = [499, 500, 500]  # from the ratios of neighboring probabilities
    np.testing.assert_array_equal(found, expected)
