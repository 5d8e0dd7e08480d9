"""The table of distributions: complete, and right in each of its entries."""

import functools
import inspect

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from exact_probabilities import log_probabilities
from nightly import nightly_but
from registry import CASES, COUNTS, DISTRIBUTIONS

import jaxnb
from jaxnb.families import tied
from jaxnb.likelihoods.arguments import promote
from jaxnb.likelihoods.evaluate import VALUE

GRID = np.arange(3000.0, dtype=np.float32)

# The variants share their kernels with the distributions.
each_case = pytest.mark.parametrize("name", nightly_but(DISTRIBUTIONS, CASES))
SINGLE = [name for name in DISTRIBUTIONS if name != "negative_binomial_mixture"]
each_distribution = pytest.mark.parametrize("name", DISTRIBUTIONS)


@each_case
@pytest.mark.slow
def test_logarithms_of_the_distribution_functions(name):
    """By default in tests/cdf, of one distribution a kernel; and so in the next test."""
    case = CASES[name]
    expected = probabilities(name).cumsum()[:30]
    log_cdf, log_sf = (
        jax.jit(function)(GRID[:30], *case.parameters)
        for function in (case.family.log_cdf, case.family.log_sf)
    )
    with np.errstate(divide="ignore"):  # without a zero among the counts
        np.testing.assert_allclose(log_cdf, np.log(expected), atol=1e-5)
    np.testing.assert_allclose(np.exp(log_sf), 1 - expected, atol=1e-6)


@each_case
@pytest.mark.slow
def test_distribution_functions_are_sums_of_the_probabilities(name):
    case = CASES[name]
    expected = probabilities(name).cumsum()[:30]
    cdf, sf = (
        jax.jit(function)(GRID[:30], *case.parameters)
        for function in (case.family.cdf, case.family.sf)
    )
    np.testing.assert_allclose(cdf, expected, rtol=1e-5)
    np.testing.assert_allclose(sf, 1 - expected, atol=1e-6)


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


@pytest.mark.slow
@each_case
def test_the_kernel_is_the_function_and_its_derivatives(name):
    case = CASES[name]
    family = case.family

    @jax.jit
    def kernel(x, *parameters):
        _, arguments = promote(x=x, **dict(zip(family.arguments[1:], parameters, strict=True)))
        places = (VALUE, *range(1 + len(parameters)))
        found = family.outputs(places, *arguments, jnp.float32(0), family.linear_scales)
        value, *derivatives = (jnp.broadcast_to(output, x.shape) for output in found)
        return value, derivatives

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


def test_a_theta_of_both_components_has_the_sum_of_their_derivatives():
    family = DISTRIBUTIONS["negative_binomial_mixture"].family
    shared = tied(family)
    assert shared.arguments == tuple(n for n in family.arguments if n != "theta_2")

    @jax.jit
    def derivatives(x, mu_1, mu_2, theta, logits):
        options = jnp.float32(0), family.linear_scales
        of_each = tuple(map(family.arguments.index, ("theta_1", "theta_2")))
        each = family.outputs(of_each, x, mu_1, mu_2, theta, theta, logits, *options)
        (of_both,) = shared.outputs(of_each[:1], x, mu_1, mu_2, theta, logits, *options)
        return of_both, sum(each)

    got, expected = derivatives(*np.float32([3, 2, 5, 0.7, 0.4]))
    np.testing.assert_allclose(got, expected, rtol=1e-6)


@pytest.mark.parametrize(
    "name", nightly_but(["negative_binomial", "negative_binomial_mixture"], DISTRIBUTIONS)
)
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
def probabilities(name):
    """Of the counts of the grid."""
    case = CASES[name]
    p = np.exp(log_probabilities(case, GRID, case.parameters))
    np.testing.assert_allclose(p.sum(), 1, rtol=1e-6)
    return p


@functools.cache
def moments(name):
    case = CASES[name]
    family = case.family

    @jax.jit
    def functions(*parameters):
        return {
            "mean": family.mean(*parameters),
            "variance": family.variance(*parameters),
            "mode": family.mode(*parameters),
        }

    return functions(*case.parameters)


@pytest.mark.parametrize("name", nightly_but(SINGLE, CASES))
def test_moments_and_mode_are_those_of_the_probabilities(name):
    p, found = probabilities(name), moments(name)
    mean = (p * GRID).sum()
    np.testing.assert_allclose(found["mean"], mean, rtol=1e-5)
    np.testing.assert_allclose(found["variance"], (p * (GRID - mean) ** 2).sum(), rtol=1e-4)
    # Two neighbors share the largest probability where (theta - 1) mu / theta is whole.
    assert p[int(found["mode"])] == pytest.approx(p.max(), rel=1e-6)


@each_case
@pytest.mark.slow
def test_draws_have_the_mean(name):
    """By default their whole distribution in tests/random, of each part of a sampler."""
    case, found = CASES[name], moments(name)
    draws = case.family.sampler(
        jax.random.key(0), *case.parameters, shape=(20_000,), dtype=jnp.float32
    )
    error = np.sqrt(found["variance"] / draws.size)
    assert abs(draws.mean() - found["mean"]) < 4 * error


# The negative binomial in tests/cdf.
@pytest.mark.parametrize("name", nightly_but(["zero_truncated_negative_binomial"], CASES))
def test_quantiles_are_the_smallest_counts_that_reach_the_level(name):
    case = CASES[name]
    levels = np.append(np.random.default_rng(0).uniform(size=61), [0.5, 0, 1]).astype(np.float32)
    p = probabilities(name)
    expected = p.cumsum()
    counts = np.asarray(jax.jit(case.family.quantile)(levels, *case.parameters))
    inner = slice(-2)
    near = np.abs(levels[:, None] - expected).min(1) < 1e-6
    right = near | (counts == np.searchsorted(expected, levels.astype(float)))
    assert right[inner].all(), f"at {levels[inner][~right[inner]]}"
    assert near[inner].sum() < 3
    assert counts[-2] == np.flatnonzero(p)[0]
    assert counts[-1] == np.inf
