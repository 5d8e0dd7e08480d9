"""jit, vmap, derivatives of every kind, dtypes, broadcasting: what JAX users do to a function."""

import itertools
import os
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

import jaxnb

FUNCTIONS = {
    "nb": (jaxnb.log_nb_positive, (2.5, 1.7)),
    "zinb": (jaxnb.log_zinb_positive, (2.5, 1.7, -0.4)),
    "mix": (jaxnb.log_mixture_nb, (2.5, 4.1, 1.7, 0.9, -0.4)),
    "mix-shared-theta": (
        lambda x, mu_1, mu_2, theta, q: jaxnb.log_mixture_nb(x, mu_1, mu_2, theta, None, q),
        (2.5, 4.1, 1.7, -0.4),
    ),
}
COUNTS = np.array([0.0, 1.0, 2.0, 3.0, 17.0, 0.4, 1.3])


@pytest.fixture(params=FUNCTIONS)
def case(request):
    return FUNCTIONS[request.param]


def test_jit_and_vmap_agree_with_the_plain_call(case):
    function, parameters = case
    plain = function(COUNTS, *parameters)
    np.testing.assert_allclose(jax.jit(function)(COUNTS, *parameters), plain, rtol=2e-6)
    mapped = jax.vmap(function, (0, *[None] * len(parameters)))(COUNTS, *parameters)
    np.testing.assert_allclose(mapped, plain, rtol=2e-6)
    rows = jax.vmap(function, (None, *[0] * len(parameters)))(
        COUNTS, *(jnp.full(3, p) for p in parameters)
    )
    np.testing.assert_allclose(rows, np.broadcast_to(plain, (3, 7)), rtol=2e-6)


@pytest.mark.slow
def test_derivatives_agree_with_differences(case):
    function, parameters = case
    with jax.enable_x64(True):
        at_counts = jax.jit(lambda *p: function(COUNTS, *p))
        check_grads(at_counts, parameters, order=3, modes=["fwd"], rtol=1e-5, atol=1e-6)
        check_grads(at_counts, parameters, order=1, modes=["rev"], rtol=1e-5, atol=1e-6)


def test_derivative_in_x(case):
    function, parameters = case
    with jax.enable_x64(True):
        along_x = jax.jit(lambda x: function(x, *parameters))
        check_grads(along_x, (COUNTS[2:],), order=2, modes=["fwd"], rtol=1e-5, atol=1e-6)
        check_grads(along_x, (COUNTS[2:],), order=1, modes=["rev"], rtol=1e-5, atol=1e-6)


def test_hessian_is_symmetric_and_agrees_with_jvp_of_grad(case):
    function, parameters = case
    positions = tuple(range(1, len(parameters) + 1))
    hessian_of = jax.jit(jax.hessian(function, positions))
    gradient = jax.grad(function, positions)

    @jax.jit
    def column(x, direction):
        return jax.jvp(lambda *p: gradient(x, *p), parameters, tuple(direction))[1]

    for x in COUNTS[:5]:
        hessian = np.array(hessian_of(x, *parameters))
        np.testing.assert_allclose(hessian, hessian.T, rtol=3e-5, atol=1e-7)
        for k, direction in enumerate(jnp.eye(len(parameters))):
            np.testing.assert_allclose(column(x, direction), hessian[:, k], rtol=3e-5, atol=1e-7)


def test_gradients_have_the_shape_of_their_arguments(case):
    function, parameters = case
    x = np.arange(12.0).reshape(4, 3)
    shapes = itertools.cycle([(4, 1), (3,), (), (1, 3), (4, 3)])
    arrays = [jnp.full(s, p) for s, p in zip(shapes, parameters, strict=False)]
    total, slopes = jax.value_and_grad(lambda *p: function(x, *p).sum(), tuple(range(len(arrays))))(
        *arrays
    )
    assert np.isfinite(total)
    assert [s.shape for s in slopes] == [a.shape for a in arrays]
    full = [jnp.broadcast_to(a, (4, 3)) for a in arrays]
    expected = jax.grad(lambda *p: function(x, *p).sum(), tuple(range(len(full))))(*full)
    for slope, wide in zip(slopes, expected, strict=True):
        narrow = wide.sum(tuple(range(wide.ndim - slope.ndim)))
        axes = tuple(k for k, n in enumerate(slope.shape) if n == 1 and narrow.shape[k] != 1)
        np.testing.assert_allclose(slope, narrow.sum(axes, keepdims=True), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("dtype", ["int8", "int32", "uint8", "uint16", "bool"])
def test_integer_counts(case, dtype):
    function, parameters = case
    x = np.array([0, 1, 1], dtype)
    got = function(x, *parameters)
    np.testing.assert_array_equal(got, function(x.astype(float), *parameters))
    assert got.dtype == jnp.result_type(float)
    jax.grad(lambda mu: function(x, mu, *parameters[1:]).sum())(parameters[0])


@pytest.mark.parametrize("dtype", [jnp.float16, jnp.bfloat16])
def test_half_precision_is_computed_in_single(case, dtype):
    function, parameters = case
    half = [jnp.asarray(p, dtype) for p in parameters]
    got = function(np.arange(9), *half)
    assert got.dtype == dtype
    single = function(np.arange(9), *(h.astype(jnp.float32) for h in half))
    np.testing.assert_array_equal(got, single.astype(dtype))
    slopes = jax.grad(lambda *p: function(3, *p), tuple(range(len(half))))(*half)
    assert all(s.dtype == dtype for s in slopes)


def test_python_scalars_do_not_widen(case):
    function, parameters = case
    first, *rest = parameters
    assert function(3, jnp.float32(first), *rest).dtype == jnp.float32
    assert function(3, jnp.bfloat16(first), *rest).dtype == jnp.bfloat16


@pytest.mark.slow
def test_strict_promotion(case):
    function, parameters = case
    with jax.numpy_dtype_promotion("strict"):
        single = [jnp.float32(p) for p in parameters]
        positions = tuple(range(1, len(single) + 1))
        function(jnp.arange(5), *single)
        jax.grad(lambda *a: function(*a).sum(), positions)(jnp.arange(5), *single)
        jax.hessian(lambda *a: function(*a).sum(), positions)(jnp.arange(5), *single)
        jax.grad(lambda *a: function(*a).sum(), positions)(jnp.arange(5.0), *single)


def test_double_precision_inside_a_single_precision_program():
    with jax.enable_x64(True):
        x, mu, theta = np.arange(4), np.float64(0.3), np.float64(2)
        assert jaxnb.log_nb_positive(x, mu, theta).dtype == jnp.float64
        assert jaxnb.log_nb_positive(x, jnp.float32(mu), jnp.float32(theta)).dtype == jnp.float32
        assert jaxnb.log_nb_positive(x, jnp.float32(mu), theta).dtype == jnp.float64


def test_scan_checkpoint_and_remat(case):
    function, parameters = case

    def total(mu):
        def step(carry, x):
            return carry + function(x, mu, *parameters[1:]), None

        return jax.lax.scan(jax.checkpoint(step), 0.0, COUNTS.astype(np.float32))[0]

    direct = jax.grad(lambda mu: function(COUNTS, mu, *parameters[1:]).sum())(parameters[0])
    np.testing.assert_allclose(jax.grad(total)(parameters[0]), direct, rtol=1e-5)


def test_shapes_that_do_not_broadcast_are_named():
    with pytest.raises(ValueError, match=r"do not broadcast.*x \(3,\).*theta \(2,\)"):
        jaxnb.log_nb_positive(np.zeros(3), 1.0, np.ones(2))


def test_complex_arguments_are_refused():
    with pytest.raises(TypeError, match="mu must be real"):
        jaxnb.log_nb_positive(1, 1j, 2.0)


def test_one_dimensional_theta_is_not_reshaped():
    got = jax.vmap(jaxnb.log_nb_positive)(np.zeros((5, 3)), np.ones((5, 3)), np.ones((5, 3)))
    assert got.shape == (5, 3)
    assert jaxnb.log_nb_positive(np.zeros(3), 1.0, np.ones(3)).shape == (3,)


def test_sharded_over_devices():
    """Automatic sharding and shard_map give the plain result, without gathering the arrays."""
    program = """
import jax, jax.numpy as jnp, numpy as np, jaxnb
from jax.sharding import PartitionSpec as P
mesh = jax.make_mesh((4,), ("cells",), axis_types=(jax.sharding.AxisType.Auto,))
x = np.arange(32.0).reshape(8, 4); mu = np.full((8, 4), 3.0); theta = np.arange(1.0, 5.0)
f = jax.value_and_grad(lambda x, m, t: jaxnb.log_nb_positive(x, m, t).sum(), (1, 2))
plain = f(x, mu, theta)
rows = jax.sharding.NamedSharding(mesh, P("cells"))
split = jax.jit(f)(jax.device_put(x, rows), jax.device_put(mu, rows), theta)
jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5), plain, split)
mapped = jax.jit(jax.shard_map(jaxnb.log_nb_positive, mesh=mesh,
    in_specs=(P("cells"), P("cells"), P()), out_specs=P("cells")))(x, mu, theta)
np.testing.assert_allclose(mapped, jaxnb.log_nb_positive(x, mu, theta), rtol=1e-6)
x = np.random.default_rng(0).poisson(2.0, (64, 4000)).astype(np.float32); x[3, 3] = 0.5
mu = np.full(x.shape, 3.0); theta = np.ones(4000)
large = jax.device_put(x, rows), jax.device_put(mu, rows), theta
jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4), f(x, mu, theta),
    jax.jit(f)(*large))
for function in f, jaxnb.log_nb_positive:
    assert "all-gather" not in jax.jit(function).lower(*large).compile().as_text()
"""
    flags = "--xla_force_host_platform_device_count=4"
    subprocess.run(
        [sys.executable, "-c", program], check=True, env={**os.environ, "XLA_FLAGS": flags}
    )
