"""Log-probabilities of intervals: against sums of probabilities, and at the ends."""

import contextlib
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from cdf.exact_interval import drawn, exact
from exact_probabilities import log_probabilities
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P
from nightly import nightly_but
from registry import DISTRIBUTIONS
from scipy.special import logsumexp

import jaxnb
from jaxnb import cdf
from jaxnb.cdf.summation import nodes, rule

# Whole and not, in either tail, of one count, few and many, to either end.
LOW = np.array([-3, 0, 0, 3, 2, 21, 51, 1, 100, 40, 2.5, 20, 400, 1])
HIGH = np.array([2, 0, 7, 3, 9, 25, 60, 25, 140, 400, 6.2, np.inf, np.inf, np.inf])
X = np.arange(6000.0)  # the probability beyond is 0 in float64
NB = DISTRIBUTIONS["negative_binomial"]
NIGHTLY = [
    case if case is NB else pytest.param(case, marks=pytest.mark.slow)
    for case in DISTRIBUTIONS.values()
]


@functools.cache
def _program(case):
    places = tuple(range(2, 2 + len(case.values)))

    def summed(*given):
        values = case.family.log_interval(*given)
        return values.sum(), values

    return jax.jit(jax.grad(summed, places, has_aux=True))


def found(case, low, high, *parameters, dtype=np.float32):
    """Values and derivatives in the parameters, of as many points as LOW, in one program."""
    arrays = np.broadcast_arrays(low, high, *parameters)
    filled = [np.resize(array, len(LOW)).astype(dtype) for array in arrays]
    derivatives, values = _program(case)(*filled)
    size = arrays[0].size
    return np.asarray(values)[:size], [np.asarray(d)[:size] for d in derivatives]


def summed_probabilities(case):
    """The logarithms of the sums, and their derivatives by differences."""
    inside = (X >= LOW[:, None]) & (X <= HIGH[:, None])

    def summed(values):
        log_p = log_probabilities(case, X, values)
        return logsumexp(np.where(inside, log_p, -np.inf), axis=1)

    point = np.array(case.parameters, float)
    steps = 1e-5 * np.diag(np.maximum(np.abs(point), 1))
    with np.errstate(invalid="ignore"):  # of impossible intervals
        derivatives = [(summed(point + h) - summed(point - h)) / (2 * h.sum()) for h in steps]
    return summed(point), derivatives


@pytest.mark.parametrize("case", NIGHTLY, ids=repr)
def test_values_and_derivatives_are_those_of_sums_of_the_probabilities(case):
    value, first = found(case, LOW, HIGH, *case.parameters)
    expected, derivatives = summed_probabilities(case)
    np.testing.assert_allclose(value, expected, rtol=1e-6, atol=3e-7)
    possible = np.isfinite(expected)  # elsewhere the sum has no derivative
    for got, wanted in zip(first, derivatives, strict=True):
        np.testing.assert_allclose(got[possible], wanted[possible], rtol=2e-5, atol=1e-6)


# P(X > 19), P(21 <= X <= 25), P(51 <= X <= 60) and P(X <= 2), and the derivatives in mu
FAR_OUT = [
    (20, np.inf, 1, 50, -40.27001677, 18.69568863),
    (21, 25, 2, 5, -18.13872063, 6.95878525),
    (51, 60, 5, 2, -14.45642194, 2.75628614),
    (0, 2, 1000, 50, -145.1318193, -0.04752577),
]


@pytest.mark.slow
@pytest.mark.parametrize("case", DISTRIBUTIONS.values(), ids=repr)
def test_second_derivatives_are_those_of_sums_of_the_probabilities(case):
    low, high = np.array([0, 3, 21, 1, 40]), np.array([7, 3, 25, 25, np.inf])
    places = tuple(range(len(case.values)))
    x = X[:1000]
    inside = (x >= low[:, None]) & (x <= high[:, None])

    def summed(*parameters):
        log_p = case.log_prob(x, *parameters)
        return jax.scipy.special.logsumexp(jnp.where(inside, log_p, -jnp.inf), axis=1)

    def of_intervals(*parameters):
        return case.family.log_interval(low, high, *parameters)

    with jax.enable_x64(True):
        point = [np.float64(value) for value in case.values]
        got, expected = (
            np.array(jax.jit(jax.hessian(function, places))(*point))
            for function in (of_intervals, summed)
        )
    np.testing.assert_allclose(got, expected, rtol=1e-7, atol=1e-12)


@pytest.mark.quick
@pytest.mark.parametrize("kind", [AxisType.Auto, AxisType.Explicit])
def test_types_of_arrays_spread_over_devices(kind):
    """`shard_map` with its checks, and explicit sharding."""
    mesh = jax.make_mesh((1,), ("cells",), axis_types=(kind,))

    def function(low, mu):
        return cdf.nb_log_interval(low, low + 5, mu, 2.0)

    rows = NamedSharding(mesh, P("cells"))
    arguments = [jax.ShapeDtypeStruct((4,), "f", sharding=rows) for _ in range(2)]
    if kind == AxisType.Auto:
        function = jax.shard_map(function, mesh=mesh, in_specs=P("cells"), out_specs=P("cells"))
        got = jax.eval_shape(function, *arguments)
    else:
        with jax.set_mesh(mesh):
            got = jax.eval_shape(function, *arguments)
    assert got.shape == (4,)


@pytest.mark.quick
def test_neither_tail_is_lost():
    """Of these intervals a difference of probabilities in float32 has no digit or few."""
    *point, log_p, derivative = np.array(FAR_OUT).T
    value, (d_mu, _) = found(NB, *point)
    np.testing.assert_allclose(value, log_p, rtol=3e-7)
    np.testing.assert_allclose(d_mu, derivative, rtol=1e-5)
    low, high, mu, theta = np.float32(point)[:, 1]
    with np.errstate(divide="ignore"):
        naive = np.log(cdf.nb_cdf(high, mu, theta) - cdf.nb_cdf(low - 1, mu, theta))
    assert not np.isclose(naive, log_p[1], rtol=0.1)


# low, high, mu, theta, log P
ENDS = [
    (5, 4, 2, 3, -np.inf),
    (2.2, 2.8, 2, 3, -np.inf),
    (np.inf, np.inf, 2, 3, -np.inf),
    (-5, -1, 2, 3, -np.inf),
    (-np.inf, np.inf, 2, 3, 0),
    (2, 30, 0, 3, -np.inf),
    (2, 30, 2, 0, -np.inf),
    (0, 30, 2, 0, 0),
    (2, 30, np.inf, 3, -np.inf),
    (np.nan, 3, 2, 3, np.nan),
    (2, np.nan, 2, 3, np.nan),
    (-5, np.inf, np.nan, 3, np.nan),
    (2, 4, 2, -1, np.nan),
    (1, 2, 2, np.inf, np.log(4 * np.exp(-2))),
]


def test_ends():
    *point, expected = np.array(ENDS).T
    value, derivatives = found(NB, *point)
    np.testing.assert_allclose(value, expected, rtol=3e-7)
    for derivative in derivatives:
        assert not np.isnan(derivative[~np.isnan(expected)]).any()
        assert derivative[4] == 0  # of the whole range


@pytest.mark.slow
def test_one_count_has_its_own_probability():
    counts = np.array([1, 3, 40, 3000.0], np.float32)
    value, derivatives = found(NB, counts, counts, *NB.parameters)
    gradient = jax.vmap(jax.grad(jaxnb.log_nb_positive, (1, 2)), (0, None, None))
    np.testing.assert_allclose(value, NB.log_prob(counts, *NB.parameters), rtol=1e-6)
    for got, expected in zip(derivatives, gradient(counts, *NB.parameters), strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-5)


@pytest.mark.quick
def test_shapes_dtypes_and_what_is_refused():
    low, high, mu = (jax.ShapeDtypeStruct(s, d) for s, d in (((4, 1), "i"), ((3,), "i"), ((), "f")))
    got = jax.eval_shape(cdf.nb_log_interval, low, high, mu, mu)
    assert (got.shape, got.dtype) == ((4, 3), np.float32)
    got = jax.eval_shape(lambda mu: cdf.zip_log_interval(1, [3, 4], mu, 0.3), mu)
    assert (got.shape, got.dtype) == ((2,), np.float32)
    with pytest.raises(TypeError, match="exactly one of mu and log_mu"):
        cdf.nb_log_interval(1, 2, theta=1.0)
    with pytest.raises(TypeError, match="hurdle_nb_log_interval needs zi_logits"):
        cdf.hurdle_nb_log_interval(1, 2, 1.0, 1.0)
    with pytest.raises(ValueError, match="broadcast"):
        cdf.nb_log_interval(np.ones(2), np.ones(3), 1.0, 1.0)


@pytest.mark.quick
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_rule_sums_powers_over_few_and_many_numbers(dtype):
    first = np.array([1, 4, 3, 100, 1000, 10, 2000, 500_000.0])
    last = np.array([24, 60, 37, 150, 5000, 140, 2001, 600_000.0])
    with jax.enable_x64(True) if dtype is np.float64 else contextlib.nullcontext():
        x, weight = (np.asarray(a, float) for a in jax.jit(rule)(*np.array([first, last], dtype)))
    assert len(x) == nodes(np.dtype(dtype))
    for power in (0, 1, -1, -3, 5):
        got = (weight * (x / first) ** power).sum(0)
        pairs = zip(first, last, strict=True)
        expected = [((np.arange(a, b + 1) / a) ** power).sum() for a, b in pairs]
        np.testing.assert_allclose(got, expected, rtol=5e-7 if dtype is np.float32 else 1e-13)


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("kind", ["left", "right", "narrow", "wide"])
def test_intervals_drawn_at_random(kind, dtype):
    """Against decimal arithmetic, in units of what the terms of a derivative add up to."""
    points = drawn(kind, 500)
    log_p, *derivatives = np.array([exact(*point) for point in points]).T
    with jax.enable_x64(True) if dtype is np.float64 else contextlib.nullcontext():
        parts = [found(NB, *chunk.T, dtype=dtype) for chunk in np.array_split(points, 50)]
    eps = float(np.finfo(dtype).eps)
    value = np.concatenate([value for value, _ in parts])
    assert (np.abs(value - log_p) < 16 * eps * np.maximum(np.abs(log_p), 1)).all()
    seen = np.abs(log_p) > 1e-30  # below, 1 - P underflows in float32
    for place, (wanted, size) in enumerate(zip(derivatives[:2], derivatives[2:], strict=True)):
        got = np.concatenate([first[place] for _, first in parts])
        error = (np.abs(got - wanted) / np.maximum(size, np.abs(wanted)))[seen] / eps
        assert np.quantile(error, 0.98) < 25
        assert error.max() < 150


# ends, mu, theta: sums over so many counts are taken at numbers between them; below the last
# interval lie the zeros, and above it the rest
WIDE = [
    (1000, 1060, 150, 0.5),
    (10, 40, 150, 0.5),
    (400, 900, 1000, 5.0),
    (50, 300, 100, 2.0),
    (7, 143, 6214, 2e7),
]


@pytest.mark.parametrize(
    "name",
    nightly_but(
        ["hurdle_nb_log_interval"], ["hurdle_nb_log_interval", "zero_truncated_nb_log_interval"]
    ),
)
def test_wide_intervals_of_distributions_without_the_usual_zeros(name):
    """Those of the negative binomial but for a factor."""
    low, high, mu, theta = np.array(WIDE, np.float32).T
    odds = (np.float32(0.3),) if name.startswith("hurdle") else ()

    def positive(low, high, mu, theta):
        counted = np.log1p(-np.exp(jaxnb.nb_log_prob(0, mu, theta)))
        return jaxnb.nb_log_interval(low, high, mu, theta) - counted - sum(np.logaddexp(0, odds))

    got = getattr(jaxnb, name)(low, high, mu, theta, *odds)
    np.testing.assert_allclose(got, positive(low, high, mu, theta), rtol=2e-6)


# low, high, mu, theta, log P, by integrals of many digits (`fuzz.exact_masses`)
SMALL_THETA = [
    (20, 575051, 293599808, 3.4415036e-12, -24.06377579),
    (3, 2326, 194073968, 6.6496e-09, -16.90748191),
]


def test_wide_intervals_in_which_probabilities_fall_as_powers():
    *point, expected = np.array(SMALL_THETA).T
    value, _ = found(NB, *point)
    np.testing.assert_allclose(value, expected, rtol=1e-6)


# low, high, mu_1, mu_2, theta_1, theta_2, log-odds, log P: between the two components
BETWEEN = [
    (1, 71212, 3e-4, 1e8, 70, 600, 3.7, -8.136303019),
    (400, 600, 20, 8000, 5, 1e6, 1, -75.15543031),
]


def test_intervals_between_the_components_of_a_mixture():
    """Most of the probability is below, the rest above: either tail hides the interval."""
    *point, expected = np.array(BETWEEN).T.astype(np.float32)
    value = cdf.mixture_nb_log_interval(*point)
    np.testing.assert_allclose(value, expected, rtol=1e-6)
