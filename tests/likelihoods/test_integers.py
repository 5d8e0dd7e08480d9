"""Integers of every kind and size are rounded once, as the same number of floating dtype is."""

from fractions import Fraction

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from registry import DISTRIBUTIONS

import jaxnb
from jaxnb.likelihoods.arguments import Whole, argument, plain
from jaxnb.likelihoods.deviance import nb_deviance, zinb_deviance

# All of them numbers of float32; modulo 2**32 they are others, of which some are zero or negative.
LARGE = [2**33, 2**32, 3 * 2**31, 2**31, 2**40 + 2**20]
FLOATS = np.array(LARGE, jnp.result_type(float))
KINDS = {
    "int64": np.array(LARGE),
    "uint64": np.array(LARGE, np.uint64),
    "object": np.array(LARGE, object),
    "list": LARGE,
    "tuple": tuple(LARGE),
}

each_kind = pytest.mark.parametrize("kind", KINDS)
# All of them go through `argument`, and differ in what they compile: one is enough by default.
each_distribution = pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[pytest.mark.slow] if k else [])
        for k, name in enumerate(DISTRIBUTIONS)
    ],
)


@pytest.mark.quick
@pytest.mark.parametrize("x64", [False, True])
def test_integers_are_rounded_to_the_nearest_number(x64):
    rng = np.random.default_rng(0)
    sizes = [32, 40, 54, 62, 63, 64, 70, 100, 127]
    integers = [int(rng.integers(2**30)) * 2 ** (n - 30) + int(rng.integers(2**30)) for n in sizes]
    # ties, and numbers next to them that two roundings would make ties
    integers += [(2**24 + 1) * 2**40 + k for k in (-1, 0, 1)]
    integers += [(2**24 + 1) * 2**60 + k for k in (-1, 0, 1)]
    with jax.enable_x64(x64):
        for integer in [*integers, *(-i for i in integers)]:
            number = plain(argument("x", integer))
            got = number if isinstance(number, int) else float(number)
            dtype = np.float64 if x64 else np.float32
            below, above = (np.nextafter(dtype(got), dtype(s)) for s in (-np.inf, np.inf))
            error = abs(Fraction(got) - integer)
            assert error <= min(abs(Fraction(float(n)) - integer) for n in (below, above)), integer


@each_distribution
def test_log_probabilities_of_large_integers(name):
    case = DISTRIBUTIONS[name]
    means = {p.name: np.float32(1e9) for p in case.family.parameters if "mu" in p.name}
    parameters = [
        means.get(p.name, value)
        for p, value in zip(case.family.parameters, case.values, strict=True)
    ]
    expected = case.log_prob(FLOATS, *parameters)
    assert np.isfinite(expected).all()
    for x in KINDS.values():
        np.testing.assert_array_equal(case.log_prob(x, *parameters), expected)
    np.testing.assert_array_equal(case.log_prob(LARGE[0], *parameters), expected[0])


@pytest.mark.slow
@each_kind
def test_deviances_of_large_integers(kind):
    counts = KINDS[kind]
    np.testing.assert_array_equal(nb_deviance(counts, 1e9, 2.0), nb_deviance(FLOATS, 1e9, 2.0))
    expected = zinb_deviance(FLOATS, 1e9, 2.0, 0.0)
    np.testing.assert_array_equal(zinb_deviance(counts, 1e9, 2.0, 0.0), expected)


@pytest.mark.slow
@each_kind
def test_methods_of_a_class_take_large_integers(kind):
    poisson = jaxnb.NegativeBinomial(mu=np.array([10**10]), theta=np.inf)
    np.testing.assert_array_equal(poisson.mean, 1e10)
    for method in ("log_prob", "pearson_residuals", "deviance_residuals"):
        function = getattr(poisson, method)
        np.testing.assert_array_equal(function(KINDS[kind]), function(FLOATS), err_msg=method)


@pytest.mark.slow
def test_distribution_functions_of_large_integers():
    expected = jaxnb.nb_log_sf(FLOATS, 1e9, 2.0)
    for kind, counts in KINDS.items():
        np.testing.assert_array_equal(jaxnb.nb_log_sf(counts, 1e9, 2.0), expected, err_msg=kind)


@pytest.mark.slow
def test_quantile_residuals_of_large_integers():
    nb = jaxnb.NegativeBinomial(mu=10**9, theta=2)
    residuals = nb.mid_quantile_residuals(FLOATS)
    np.testing.assert_array_equal(nb.mid_quantile_residuals(np.array(LARGE)), residuals)


@pytest.mark.quick
def test_samplers_take_large_integers():
    key = jax.random.key(0)
    for mean in (10**10, np.array(10**10)):
        draws = jaxnb.random.negative_binomial(key, mean, np.inf, (5,), float)
        np.testing.assert_allclose(draws, 1e10, rtol=1e-4)
        np.testing.assert_allclose(jaxnb.random.gamma(key, mean), 1e10, rtol=1e-4)


@pytest.mark.quick
@each_kind
def test_integers_do_not_widen_the_result(kind):
    half = jnp.float16(1000.0)

    def dtype(*arguments):
        return jax.eval_shape(lambda: jaxnb.log_nb_positive(*arguments)).dtype

    assert dtype(KINDS[kind], half, half) == jnp.float16
    assert dtype(KINDS[kind], 1000, half) == jnp.float16
    assert dtype(2**33, half, half) == jnp.float16
    assert dtype(KINDS[kind], 1000, 2) == jnp.result_type(float)


@pytest.mark.quick
def test_what_jax_has_a_dtype_for_is_left_alone():
    for value in (3, 2.5, True, np.int32(7), np.float16(1.0), jnp.arange(3), np.arange(3.0)):
        assert argument("x", value) is value
    jax.jit(lambda x: None if argument("x", x) is x else pytest.fail("changed"))(jnp.arange(3))
    assert isinstance(argument("x", np.arange(3)), Whole) is (jnp.result_type(float) == np.float32)


@pytest.mark.quick
@pytest.mark.parametrize("wrong", ["3", b"3", np.array(["3"]), {"x": 3}, np.array([None])])
def test_what_is_no_number_is_refused_by_name(wrong):
    with pytest.raises(TypeError, match="x must be"):
        jaxnb.log_nb_positive(wrong, 1.0, 1.0)
    with pytest.raises(TypeError, match="theta must be"):
        jaxnb.nb_sf(1, 1.0, wrong)
    with pytest.raises(TypeError, match="mu must be"):
        jaxnb.NegativeBinomial(mu=wrong, theta=1.0)
    with pytest.raises(TypeError, match="must be"):
        jaxnb.random.poisson(jax.random.key(0), wrong)
