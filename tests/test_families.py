"""The table of distributions: complete, and right in each of its entries."""

import inspect

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxnb
from jaxnb.families import FAMILIES, NEGATIVE_BINOMIAL_MIXTURE, tied
from jaxnb.likelihoods.arguments import promote

X = np.array([0.0, 1.0, 4.0, 30.0], np.float32)


def values(family):
    """One value for each parameter, all different and far from the ends."""
    start = {"nonnegative": 1.5, "extended real": -0.7}
    return [
        np.float32(start[parameter.constraint] * (1 + place))
        for place, parameter in enumerate(family.parameters)
    ]


def kernel(family, x, *parameters):
    _, arguments = promote(x=x, **dict(zip(family.arguments[1:], parameters, strict=True)))
    return family.with_derivatives(*arguments, jnp.float32(0), family.linear_scales)


TABLE = [*FAMILIES.values(), tied(NEGATIVE_BINOMIAL_MIXTURE)]
IDS = [*FAMILIES, "tied mixture"]
each_family = pytest.mark.parametrize("family", TABLE, ids=IDS)


@pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES)
def test_names_are_those_of_the_functions_and_classes(family):
    named = [parameter.name for parameter in family.parameters]
    arguments = list(inspect.signature(family.log_prob).parameters)
    assert arguments[: len(named) + 1] == ["x", *named]
    assert getattr(jaxnb, family.function_name) is family.log_prob
    assert getattr(jaxnb.random, family.name) is family.sampler
    keywords = inspect.signature(getattr(jaxnb, family.class_name)).parameters
    assert {parameter.attribute for parameter in family.parameters} < set(keywords)


@each_family
def test_the_kernel_is_the_function_and_its_derivatives(family):
    parameters = values(family)
    value, derivatives = kernel(family, X, *parameters)
    np.testing.assert_allclose(value, family.log_prob(X, *parameters), rtol=1e-6)
    assert len(derivatives) == 1 + len(parameters)
    for place, derivative in enumerate(derivatives):
        arguments = [X, *parameters]
        direction = [np.zeros_like(a) for a in arguments]
        direction[place] = np.ones_like(arguments[place])
        _, expected = jax.jvp(family.log_prob, arguments, direction)
        broadcast = np.broadcast_to(derivative(), X.shape)
        np.testing.assert_allclose(broadcast, expected, rtol=1e-5, atol=1e-7)


@each_family
def test_moments_and_mode_are_those_of_the_probabilities(family):
    parameters = values(family)
    x = np.arange(3000.0, dtype=np.float32)
    p = np.exp(np.asarray(family.log_prob(x, *parameters), float))
    mean = (p * x).sum()
    np.testing.assert_allclose(family.mean(*parameters), mean, rtol=1e-5)
    np.testing.assert_allclose(family.variance(*parameters), (p * (x - mean) ** 2).sum(), rtol=1e-4)
    # two counts may be modes
    np.testing.assert_allclose(p[int(family.mode(*parameters))], p.max(), rtol=1e-6)


@each_family
def test_draws_have_the_mean(family):
    parameters = values(family)
    draws = family.sampler(jax.random.key(0), *parameters, shape=(20_000,), dtype=jnp.float32)
    error = np.sqrt(family.variance(*parameters) / draws.size)
    assert abs(draws.mean() - family.mean(*parameters)) < 4 * error


@each_family
def test_distribution_functions_are_sums_of_the_probabilities(family):
    parameters = values(family)
    x = np.arange(30.0, dtype=np.float32)
    cdf = np.exp(np.asarray(family.log_prob(x, *parameters), float)).cumsum()
    np.testing.assert_allclose(family.cdf(x, *parameters), cdf, rtol=1e-5)
    np.testing.assert_allclose(family.sf(x, *parameters), 1 - cdf, atol=1e-6)
    with np.errstate(divide="ignore"):  # without a zero among the counts
        np.testing.assert_allclose(family.log_cdf(x, *parameters), np.log(cdf), atol=1e-5)
    np.testing.assert_allclose(np.exp(family.log_sf(x, *parameters)), 1 - cdf, atol=1e-6)
    middle = np.searchsorted(cdf, 0.5)
    assert family.quantile(0.5, *parameters) == middle
