"""What all five samplers share: keys, shapes, dtypes, transformations, independence."""

import os
import subprocess
import sys
import textwrap
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from samplers import COUNTS, GENE, named

import jaxnb

RANDOM = jaxnb.random
# What is slow to compile is tried on these two, which between them run all of the machinery.
FEW = ["gamma", "mixture"]
IMPLEMENTATIONS = ["threefry2x32", "rbg", "unsafe_rbg"]


@pytest.fixture(params=GENE)
def sampler(request):
    return named(request.param)


@pytest.fixture(params=FEW)
def few_samplers(request):
    return named(request.param)


def assert_same(found, expected) -> None:
    """Equal counts; gamma deviates equal up to how a compiler contracts multiply and add."""
    if jnp.issubdtype(found.dtype, jnp.integer):
        np.testing.assert_array_equal(found, expected)
    else:
        np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_shapes_and_default_dtypes(sampler) -> None:
    function, parameters = sampler
    key = jax.random.key(0)
    kind = float if function is RANDOM.gamma else int
    for shape in [None, (3,), (4, 3), [2, 1, 3], (0, 3)]:
        draws = jax.eval_shape(partial(function, shape=shape), key, *parameters)
        assert draws.shape == ((3,) if shape is None else tuple(shape))
        assert draws.dtype == jnp.asarray(kind(0)).dtype
    scalars = [float(values[0]) for values in parameters]
    assert function(key, *scalars).shape == ()
    for shape in [(0, 3), (3, 0, 3)]:
        assert function(key, *parameters, shape).shape == shape
    assert function(key, *(jnp.zeros((2, 0)) for _ in parameters)).shape == (2, 0)
    outer = [values.reshape((-1, 1) if i == 0 else (-1,)) for i, values in enumerate(parameters)]
    assert jax.eval_shape(function, key, *outer).shape == ((3, 1) if len(outer) == 1 else (3, 3))


@pytest.mark.parametrize("shape", [(), (4,), (3, 4), (1,), (-3, 3)])
def test_shapes_that_do_not_fit(sampler, shape) -> None:
    function, parameters = sampler
    with pytest.raises(ValueError, match="shape"):
        function(jax.random.key(0), *parameters, shape)


def test_dtypes_that_do_not_fit(sampler) -> None:
    function, parameters = sampler
    with pytest.raises(ValueError, match="dtype"):
        function(jax.random.key(0), *parameters, dtype=jnp.complex64)
    with pytest.raises(ValueError, match="dtype"):
        function(jax.random.key(0), *parameters, dtype=bool)
    with pytest.raises(ValueError, match="float dtype"):
        RANDOM.gamma(jax.random.key(0), 1.0, dtype=jnp.int32)


def test_too_many_elements() -> None:
    with pytest.raises(ValueError, match="in parts"):
        RANDOM.poisson(jax.random.key(0), 1.0, (2**16, 2**16))


def test_several_keys_are_refused(sampler) -> None:
    function, parameters = sampler
    with pytest.raises(ValueError, match="vmap"):
        function(jax.random.split(jax.random.key(0), 2), *parameters)


@pytest.mark.parametrize("impl", IMPLEMENTATIONS)
def test_keys_of_every_kind(impl: str) -> None:
    function, parameters = named("gamma")
    key = jax.random.key(5, impl=impl)
    draws = function(key, *parameters, (50, 3))
    np.testing.assert_array_equal(draws, function(jax.random.key_data(key), *parameters, (50, 3)))
    others = function(jax.random.key(6, impl=impl), *parameters, (50, 3))
    assert np.mean(np.asarray(draws == others)[:, 2]) < 0.2
    assert len(np.unique(np.asarray(draws)[:, 2])) > 10


def test_legacy_keys(few_samplers) -> None:
    function, parameters = few_samplers
    legacy, typed = jax.random.PRNGKey(3), jax.random.key(3)
    np.testing.assert_array_equal(function(legacy, *parameters), function(typed, *parameters))


def test_jit_is_eager(few_samplers) -> None:
    function, parameters = few_samplers
    key = jax.random.key(1)
    compiled = jax.jit(lambda key, *p: function(key, *p, (400, 3)))
    assert_same(compiled(key, *parameters), function(key, *parameters, (400, 3)))


# Small arrays are tried again whole, large ones through a queue, whatever the kind of key.
@pytest.mark.parametrize(("impl", "rows"), [("threefry2x32", 3000), ("rbg", 7), ("unsafe_rbg", 7)])
def test_vmap_over_keys_is_the_loop(few_samplers, impl: str, rows: int) -> None:
    function, parameters = few_samplers
    keys = jax.random.split(jax.random.key(2, impl=impl), 3)
    draw = partial(function, shape=(rows, 3))
    batched = jax.vmap(lambda key: draw(key, *parameters))(keys)
    assert_same(batched, jnp.stack([draw(key, *parameters) for key in keys]))


def test_vmap_over_parameters_is_the_loop(few_samplers) -> None:
    function, parameters = few_samplers
    key = jax.random.key(2)
    draw = partial(function, key, shape=(100,))
    batched = jax.vmap(draw)(*parameters)
    assert_same(batched, jnp.stack([draw(*row) for row in zip(*parameters, strict=True)]))


def test_scan_is_the_loop(few_samplers) -> None:
    function, parameters = few_samplers
    keys = jax.random.split(jax.random.key(2), 4)

    def draw(key):
        return function(key, *parameters, (20, 3))

    _, scanned = jax.lax.scan(lambda carry, key: (carry, draw(key)), None, keys)
    assert_same(scanned, jnp.stack([draw(key) for key in keys]))


@pytest.mark.parametrize("name", ["negative_binomial"])
@pytest.mark.parametrize("dtype", ["int8", "int16", "uint8", "uint32", "float16", "float32"])
def test_count_dtypes(name: str, dtype: str) -> None:
    function, parameters = GENE[name]
    key = jax.random.key(3)
    reference = function(key, *map(jnp.asarray, parameters), (200, 3), jnp.int32)
    draws = function(key, *map(jnp.asarray, parameters), (200, 3), dtype)
    assert draws.dtype == dtype
    if jnp.issubdtype(dtype, jnp.integer):
        largest = int(jnp.iinfo(dtype).max)
        np.testing.assert_array_equal(draws, np.minimum(np.asarray(reference, np.int64), largest))
    else:
        np.testing.assert_array_equal(draws, reference.astype(dtype))


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_gamma_in_half_precision_is_rounded_from_float32(dtype: str) -> None:
    key, a = jax.random.key(0), jnp.asarray([0.3, 2.0, 40.0])
    found = RANDOM.gamma(key, a, (50, 3), dtype)
    assert found.dtype == dtype
    np.testing.assert_array_equal(found, RANDOM.gamma(key, a, (50, 3), "float32").astype(dtype))


def test_64_bit_dtypes() -> None:
    if not jax.config.jax_enable_x64:
        pytest.skip("needs x64")
    key = jax.random.key(0)
    fine = np.asarray(RANDOM.gamma(key, 2.0, (1000,)))
    assert fine.dtype == np.float64
    assert np.mean(fine == fine.astype(np.float32)) < 0.01
    counts = RANDOM.negative_binomial(key, 1e15, jnp.inf, (1000,))
    assert counts.dtype == jnp.int64
    assert np.unique(np.asarray(counts) % 64).size > 50
    assert int(RANDOM.poisson(key, 1e19)) == 2**63 - 1
    assert RANDOM.poisson(key, 1e12, (5,), jnp.uint64).dtype == jnp.uint64


def test_neighbors_do_not_matter(few_samplers) -> None:
    function, parameters = few_samplers
    key, shape = jax.random.key(4), (30_000, 3)
    quiet = [jnp.broadcast_to(values, shape) for values in parameters]
    column = jnp.arange(3) == 1
    # The other columns change from rates settled at once to rates that all need further tries.
    for factor in (1e-6, 1.0, 1e3, 1e30, jnp.nan):
        loud = [jnp.where(column, values, values * factor) for values in quiet]
        np.testing.assert_array_equal(
            function(key, *loud, shape)[:, 1], function(key, *quiet, shape)[:, 1]
        )


@pytest.mark.parametrize("name", COUNTS)
def test_gradient_through_a_count_is_zero(name: str) -> None:
    function, parameters = GENE[name]

    def total(*values):
        return function(jax.random.key(0), *values, dtype="float32").sum()

    arguments = [jnp.asarray(values) for values in parameters]
    for gradient in jax.grad(total, argnums=tuple(range(len(arguments))))(*arguments):
        np.testing.assert_array_equal(gradient, 0.0)


def test_split_keys_never_repeat() -> None:
    keys = jax.random.split(jax.random.key(0), 200)
    draws = jax.vmap(lambda key: RANDOM.gamma(key, 2.0, (500,), "float32"))(keys)
    values = np.asarray(draws).ravel()
    # 100,000 deviates share some 2²⁴ floats: a few hundred coincide by chance, but no whole row.
    assert np.unique(values).size > 0.97 * values.size
    assert np.unique(np.asarray(draws), axis=0).shape == draws.shape


@pytest.mark.parametrize("name", GENE)
def test_serial_and_cross_correlation(name: str) -> None:
    function, parameters = GENE[name]
    arguments = [jnp.asarray(values[1]) for values in parameters]
    first, second = (
        np.asarray(function(key, *arguments, (300_000,)), float)
        for key in jax.random.split(jax.random.key(8))
    )
    bound = 4 / np.sqrt(first.size)
    assert abs(np.corrcoef(first, second)[0, 1]) < bound
    for lag in (1, 2, 3, 32, 2000):
        assert abs(np.corrcoef(first[lag:], first[:-lag])[0, 1]) < bound


def test_gamma_factor_and_count_share_no_words() -> None:
    key = jax.random.key(8)
    factors = np.asarray(RANDOM.gamma(key, 3.0, (300_000,)), float)
    counts = np.asarray(RANDOM.poisson(key, 6.0, (300_000,)), float)
    assert abs(np.corrcoef(factors, counts)[0, 1]) < 4 / np.sqrt(factors.size)


def test_strict_promotion(sampler) -> None:
    function, parameters = sampler
    with jax.numpy_dtype_promotion("strict"):
        mixed = [
            values.astype(dtype)
            for values, dtype in zip(
                parameters, ["float32", "bfloat16", "int32", "float16", "float32"], strict=False
            )
        ]
        assert function(jax.random.key(0), *mixed, (2, 3)).shape == (2, 3)


def test_on_several_devices() -> None:
    script = textwrap.dedent(
        """
        import warnings
        import jax, jax.numpy as jnp, numpy as np, jaxnb
        from jax.sharding import Mesh, NamedSharding, PartitionSpec as P
        draw = jaxnb.random.negative_binomial
        mesh = jax.make_mesh((4,), ("x",), axis_types=(jax.sharding.AxisType.Auto,))
        key = jax.random.key(0)
        mu = jnp.asarray(np.random.default_rng(0).gamma(0.3, 40, (8000, 3)), jnp.float32)
        expected = draw(key, mu, 2.0)

        # Sharded automatically: the draws of one device.
        placed = jax.device_put(mu, NamedSharding(mesh, P("x")))
        np.testing.assert_array_equal(jax.jit(lambda k, m: draw(k, m, 2.0))(key, placed), expected)

        # shard_map, a key for each shard: the loop over shards.
        keys = jax.random.split(key, 4)
        body = lambda k, m: draw(k[0], m, 2.0)
        sharded = jax.jit(jax.shard_map(body, mesh=mesh, in_specs=P("x"), out_specs=P("x")))
        loop = jnp.concatenate([draw(k, m, 2.0) for k, m in zip(keys, mu.reshape(4, 2000, 3))])
        np.testing.assert_array_equal(sharded(keys, mu), loop)

        # shard_map with the key or the parameters shared.
        same = jax.shard_map(lambda k: draw(k[0], 3.0, 2.0, (6000,)), mesh=mesh, in_specs=P("x"),
                             out_specs=P("x"))
        one = jax.shard_map(lambda m: draw(key, m, 2.0), mesh=mesh, in_specs=P("x"),
                            out_specs=P("x"))
        assert same(keys).shape == (24000,) and one(mu).shape == mu.shape

        mapped = jax.pmap(lambda k, m: draw(k, m, 2.0))(keys, mu.reshape(4, 2000, 3))
        np.testing.assert_array_equal(mapped.reshape(-1, 3), loop)
        """
    )
    environment = {
        **os.environ,
        "XLA_FLAGS": "--xla_force_host_platform_device_count=4",
        "JAX_THREEFRY_PARTITIONABLE": "1",
        "JAX_PLATFORMS": "cpu",
    }
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
