"""The table of distributions: complete, and right in each of its entries."""

import functools
import inspect

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from registry import CASES, COUNTS, DISTRIBUTIONS

import jaxnb
from jaxnb.likelihoods.arguments import promote

GRID = np.arange(3000.0, dtype=np.float32)

# The variants share their kernels with the distributions.
_ORDER = [pytest.param(n, marks=() if n in DISTRIBUTIONS else pytest.mark.slow) for n in CASES]
each_case = pytest.mark.parametrize("name", _ORDER)
each_distribution = pytest.mark.parametrize("name", DISTRIBUTIONS)


@each_case
@pytest.mark.slow
def test_logarithms_of_the_distribution_functions(name):
    """By default in tests/cdf, of one distribution a kernel."""
    case = CASES[name]
    p, *_ = computed(name)
    expected = p.cumsum()[:30]
    log_cdf, log_sf = (
        jax.jit(function)(GRID[:30], *case.parameters)
        for function in (case.family.log_cdf, case.family.log_sf)
    )
    with np.errstate(divide="ignore"):  # without a zero among the counts
        np.testing.assert_allclose(log_cdf, np.log(expected), atol=1e-5)
    np.testing.assert_allclose(np.exp(log_sf), 1 - expected, atol=1e-6)


@pytest.mark.quick
@each_distribution
def test_names_are_those_of_the_functions_and_classes(name):
    family = DISTRIBUTIONS[name].family
    named = [parameter.name for parameter in family.parameters]
    arguments = list(inspect.signature(family.log_prob).parameters)
    assert arguments[: len(named) + 1] == ["x", *named]
    assert getattr(jaxnb, family.function_name) is family.log_prob
    assert getattr(jaxnb.random, family.name) is family.sampler
    keywords = inspect.signature(getattr(jaxnb, family.class_name)).parameters
    assert {parameter.attribute for parameter in family.parameters} < set(keywords)


@each_case
def test_the_kernel_is_the_function_and_its_derivatives(name):
    case = CASES[name]
    family = case.family

    @jax.jit
    def kernel(x, *parameters):
        _, arguments = promote(x=x, **dict(zip(family.arguments[1:], parameters, strict=True)))
        value, derivatives = family.with_derivatives(
            *arguments, jnp.float32(0), family.linear_scales
        )
        return value, [jnp.broadcast_to(derivative(), x.shape) for derivative in derivatives]

    def function(*arguments):
        def total(*arguments):
            value = case.log_prob(*arguments)
            return value.sum(), value

        places = tuple(range(len(arguments)))
        (_, value), derivatives = jax.value_and_grad(total, places, has_aux=True)(*arguments)
        return value, derivatives

    value, derivatives = kernel(COUNTS, *case.parameters)
    spread = [np.broadcast_to(p, COUNTS.shape) for p in case.parameters]
    expected_value, expected = jax.jit(function)(COUNTS, *spread)
    np.testing.assert_allclose(value, expected_value, rtol=1e-6)
    assert len(derivatives) == 1 + len(case.values)
    names = family.arguments
    for argument, got, derivative in zip(names, derivatives, expected, strict=True):
        np.testing.assert_allclose(got, derivative, rtol=1e-5, atol=1e-7, err_msg=argument)


@each_distribution
@pytest.mark.parametrize(
    "functions",
    [
        ("log_prob", "deviance"),
        pytest.param(
            ("log_cdf", "log_sf", "cdf", "sf", "quantile", "entropy", "mode"),
            marks=pytest.mark.slow,
        ),
    ],
)
def test_a_nan_in_any_argument_gives_nan(functions, name):
    case = DISTRIBUTIONS[name]
    given = [np.float32(0.5), *case.parameters]
    # One argument is NaN in each row, and none in the last.
    rows = np.tile(np.float32(given), (len(given) + 1, 1))
    np.fill_diagonal(rows, np.nan)
    of_counts = {function for function in functions if function not in ("mode", "entropy")}
    # The count 1 is in the support of all.
    counts = np.where(np.isnan(rows[:, 0]), rows[:, 0], np.float32(1))

    @jax.jit
    def every(counts, *columns):
        found = {}
        for function in functions:
            if (evaluated := getattr(case.family, function)) is not None:
                first = columns[0] if function == "quantile" else counts
                found[function] = evaluated(*[first] * (function in of_counts), *columns[1:])
        return found

    for function, values in every(counts, *rows.T).items():
        values = np.asarray(values if function in of_counts else values[1:])
        assert np.isnan(values[:-1]).all(), f"{function}: {values}"
        assert np.isfinite(values[-1]), f"{function}: {values}"


@functools.cache
def computed(name):
    """The probabilities of the counts of the grid, the moments and draws."""
    case = CASES[name]
    family = case.family

    @jax.jit
    def functions(key, *parameters):
        moments = {
            "mean": family.mean(*parameters),
            "variance": family.variance(*parameters),
            "mode": family.mode(*parameters),
        }
        draws = family.sampler(key, *parameters, shape=(20_000,), dtype=jnp.float32)
        return family.log_prob(GRID, *parameters), moments, draws

    log_p, moments, draws = functions(jax.random.key(0), *case.parameters)
    return np.exp(np.asarray(log_p, float)), moments, np.asarray(draws)


@each_case
def test_moments_and_mode_are_those_of_the_probabilities(name):
    p, moments, _ = computed(name)
    mean = (p * GRID).sum()
    np.testing.assert_allclose(moments["mean"], mean, rtol=1e-5)
    np.testing.assert_allclose(moments["variance"], (p * (GRID - mean) ** 2).sum(), rtol=1e-4)
    # Two neighbors share the largest probability where (theta - 1) mu / theta is whole.
    assert p[int(moments["mode"])] == pytest.approx(p.max(), rel=1e-6)


@each_case
def test_draws_have_the_mean(name):
    _, moments, draws = computed(name)
    error = np.sqrt(moments["variance"] / draws.size)
    assert abs(draws.mean() - moments["mean"]) < 4 * error


@each_case
def test_distribution_functions_are_sums_of_the_probabilities(name):
    case = CASES[name]
    family = case.family
    levels = np.append(np.random.default_rng(0).uniform(size=61), [0.5, 0, 1]).astype(np.float32)

    @jax.jit
    def functions(q, *parameters):
        counts = family.quantile(q, *parameters)
        x = jnp.concatenate([GRID[:30], counts, counts - 1])
        return counts, [function(x, *parameters) for function in (family.cdf, family.sf)]

    counts, values = functions(levels, *case.parameters)
    cdf, sf = (np.asarray(v[:30]) for v in values)
    p, *_ = computed(name)
    expected = p.cumsum()
    np.testing.assert_allclose(cdf, expected[:30], rtol=1e-5)
    np.testing.assert_allclose(sf, 1 - expected[:30], atol=1e-6)

    reached, missed = np.split(np.asarray(values[0][30:]), 2)
    inner = slice(-2)
    right = (reached >= levels) & (missed < levels) & np.isfinite(counts)
    assert right[inner].all(), f"at {levels[inner][~right[inner]]}"
    assert counts[-3] == np.searchsorted(expected, 0.5)
    assert counts[-2] == np.flatnonzero(p)[0]
    assert counts[-1] == np.inf
