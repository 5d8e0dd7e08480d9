"""Dtypes, broadcasting, derivatives in x, devices: what JAX users do to a function."""

import os
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads
from nightly import nightly_but
from registry import CASES, COUNTS, DISTRIBUTIONS, FRACTIONS

import jaxnb
from jaxnb.likelihoods.arguments import promote

NB, ZINB, MIXTURE = (
    "negative_binomial",
    "zero_inflated_negative_binomial",
    "negative_binomial_mixture",
)
X = np.array([*COUNTS, *FRACTIONS], np.float64)

every_distribution = pytest.mark.parametrize("case", DISTRIBUTIONS.values(), ids=repr)


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_derivatives_agree_with_differences(name):
    case = CASES[name]
    x = X[1:5] if "truncated" in name else X[:5]
    with jax.enable_x64(True):
        at_counts = jax.jit(lambda *p: case.log_prob(x, *p))
        check_grads(at_counts, case.values, order=3, modes=["fwd"], rtol=1e-5, atol=1e-6)
        check_grads(at_counts, case.values, order=1, modes=["rev"], rtol=1e-5, atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("name", [NB, ZINB, MIXTURE, "negative_binomial_mixture_tied"])
def test_second_derivatives_in_x(name):
    case = CASES[name]
    with jax.enable_x64(True):
        along_x = jax.jit(lambda x: case.log_prob(x, *case.values))
        check_grads(along_x, (X[2:],), order=2, modes=["fwd"], rtol=1e-5, atol=1e-6)
        check_grads(along_x, (X[2:],), order=1, modes=["rev"], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", nightly_but([NB], [NB, ZINB, MIXTURE]))
def test_derivative_in_x(name):
    case, step = CASES[name], 1e-5
    with jax.enable_x64(True):

        @jax.jit
        def along_x(x):
            value, transpose = jax.vjp(lambda x: case.log_prob(x, *case.values), x)
            return value, transpose(jnp.ones_like(value))[0]

        at = [jax.tree.map(np.array, along_x(x)) for x in (X[2:] + step, X[2:] - step, X[2:])]
    (above, _), (below, _), (_, got) = at
    np.testing.assert_allclose(got, (above - below) / (2 * step), rtol=1e-6, atol=1e-7)


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_hessian_is_symmetric_and_agrees_with_jvp_of_grad(name):
    case = CASES[name]
    hessian_of = jax.jit(jax.hessian(case.log_prob, case.positions))
    gradient = jax.grad(case.log_prob, case.positions)

    @jax.jit
    def column(x, direction):
        return jax.jvp(lambda *p: gradient(x, *p), tuple(case.parameters), tuple(direction))[1]

    for x in COUNTS:
        hessian = np.array(hessian_of(x, *case.parameters))
        np.testing.assert_allclose(hessian, hessian.T, rtol=3e-5, atol=1e-7)
        for k, direction in enumerate(np.eye(len(case.values), dtype=np.float32)):
            np.testing.assert_allclose(column(x, direction), hessian[:, k], rtol=3e-5, atol=1e-7)


def test_counts_of_any_dtype_are_cast_to_that_of_the_parameters():
    parameters = {"mu": np.float32(2.5), "theta": np.float32(0.7)}
    dtypes = ["int8", "int32", "uint8", "uint16", "bool", "float16", "bfloat16"]
    counts = [jnp.array([0, 1, 1, 0], dtype) for dtype in dtypes]
    cast = jax.jit(lambda counts: [promote(x=x, **parameters)[1][0] for x in counts])(counts)
    for x, dtype in zip(cast, dtypes, strict=True):
        assert x.dtype == np.float32, dtype
        np.testing.assert_array_equal(x, [0, 1, 1, 0], dtype)
    got = jaxnb.log_nb_positive(np.array([0, 1, 3], np.int8), **parameters)
    expected = jaxnb.log_nb_positive(np.array([0, 1, 3], np.float32), **parameters)
    np.testing.assert_array_equal(got, expected)


@every_distribution
def test_results_have_the_dtype_of_the_parameters(case):
    """For integer counts and half precision; Python's numbers do not widen."""
    half = [jnp.asarray(p, jnp.bfloat16) for p in case.parameters]
    function = jax.value_and_grad(lambda x, *p: case.log_prob(x, *p).sum(), case.positions)
    value, gradient = jax.eval_shape(function, np.arange(3, dtype=np.int8), *half)
    assert all(a.dtype == jnp.bfloat16 for a in (value, *gradient))
    _, *rest = case.values
    first = jax.ShapeDtypeStruct((), np.float16)
    assert jax.eval_shape(lambda p: case.log_prob(3, p, *rest), first).dtype == np.float16


@pytest.mark.slow
def test_half_precision_is_computed_in_single():
    x, half = np.arange(9), [jnp.asarray(p, jnp.bfloat16) for p in (2.5, 1.7)]
    got = jaxnb.log_nb_positive(x, *half)
    single = jaxnb.log_nb_positive(x, *(h.astype(np.float32) for h in half))
    np.testing.assert_array_equal(got, single.astype(jnp.bfloat16))


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_strict_promotion(name):
    case = CASES[name]

    def total(*a):
        return case.log_prob(*a).sum()

    with jax.numpy_dtype_promotion("strict"):
        single = [jnp.float32(p) for p in case.values]
        case.log_prob(jnp.arange(5), *single)
        jax.grad(total, case.positions)(jnp.arange(5), *single)
        jax.hessian(total, case.positions)(jnp.arange(5), *single)
        jax.grad(total, case.positions)(jnp.arange(5.0), *single)


@pytest.mark.quick
def test_double_precision_inside_a_single_precision_program():
    def dtype_of(*arguments):
        return jax.eval_shape(jaxnb.log_nb_positive, *arguments).dtype

    with jax.enable_x64(True):
        x, mu, theta = np.arange(4), np.float64(0.3), np.float64(2)
        assert dtype_of(x, mu, theta) == np.float64
        assert dtype_of(x, np.float32(mu), np.float32(theta)) == np.float32
        assert dtype_of(x, np.float32(mu), theta) == np.float64


@pytest.mark.quick
def test_shapes_that_do_not_broadcast_are_named():
    with pytest.raises(ValueError, match=r"do not broadcast.*x \(3,\).*theta \(2,\)"):
        jaxnb.log_nb_positive(np.zeros(3), 1.0, np.ones(2))


@pytest.mark.quick
def test_complex_arguments_are_refused():
    with pytest.raises(TypeError, match="mu must be real"):
        jaxnb.log_nb_positive(1, 1j, 2.0)


def test_one_dimensional_theta_is_not_reshaped():
    rows = np.ones((5, 3))
    assert jax.eval_shape(jax.vmap(jaxnb.log_nb_positive), rows, rows, rows).shape == (5, 3)
    assert jax.eval_shape(jaxnb.log_nb_positive, rows[0], 1.0, rows[0]).shape == (3,)


@pytest.mark.slow
def test_sharded_over_devices():
    """Automatic sharding gives the plain result without gathering the arrays; so does shard_map."""
    program = """
import jax, numpy as np, jaxnb
from jax.sharding import PartitionSpec as P
mesh = jax.make_mesh((4,), ("cells",), axis_types=(jax.sharding.AxisType.Auto,))
rows = jax.sharding.NamedSharding(mesh, P("cells"))
x = np.random.default_rng(0).poisson(2.0, (64, 4000)).astype("f"); x[3, 3] = 0.5
mu, theta = np.full(x.shape, 3.0, "f"), np.linspace(1, 2, 4000, dtype="f")
f = jax.jit(jax.value_and_grad(lambda *a: jaxnb.log_nb_positive(*a).sum(), (1, 2)))
split = jax.device_put(x, rows), jax.device_put(mu, rows), theta
on_devices = f.lower(*split).compile()
assert "all-gather" not in on_devices.as_text()
jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4), f(x, mu, theta),
    on_devices(*split))
x, mu, theta = x[:8, :4], mu[:8, :4], theta[:4]
mapped = jax.jit(jax.shard_map(jaxnb.log_nb_positive, mesh=mesh,
    in_specs=(P("cells"), P("cells"), P()), out_specs=P("cells")))(x, mu, theta)
np.testing.assert_allclose(mapped, jaxnb.log_nb_positive(x, mu, theta), rtol=1e-6)
"""
    flags = "--xla_force_host_platform_device_count=4"
    subprocess.run(
        [sys.executable, "-c", program], check=True, env={**os.environ, "XLA_FLAGS": flags}
    )
