"""What all samplers share: keys, shapes, dtypes, transformations, independence."""

import os
import subprocess
import sys
from functools import cache, partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from nightly import nightly_but
from samplers import GENE, named

import jaxnb
from jaxnb.random._counts import in_dtype

RANDOM = jaxnb.random
# Compiling a sampler takes seconds. This one draws a gamma deviate, a Poisson count and a decision
# between components: what all share is tried on it, and on the others in the nightly run.
ONE = "hurdle_negative_binomial"

SMALL_DTYPES = "uint8", "int8", "int16", "uint32", "float16", "float32"
SMALL = (50, 3)  # tried again whole
LARGE = (30_000, 3)  # tried again through the queue


@cache
def compiled(name: str, shape: tuple[int, ...]):
    """A sampler of one key and of parameters of the shape (3,) or of that of the draws."""
    function, _ = GENE[name]
    return jax.jit(partial(function, shape=shape))


def assert_same(found, expected) -> None:
    """Equal counts; gamma deviates equal up to how a compiler contracts multiply and add."""
    if jnp.issubdtype(found.dtype, jnp.integer):
        np.testing.assert_array_equal(found, expected)
    else:
        np.testing.assert_allclose(found, expected, rtol=1e-5)


@pytest.mark.parametrize("name", GENE)
def test_shapes_dtypes_and_strict_promotion(name: str) -> None:
    """Parameters of several dtypes and shapes, traced only: nothing here is about values."""
    function, parameters = named(name)
    dtypes = ["float32", "bfloat16", "int32", "float16", "float32"]
    with jax.numpy_dtype_promotion("strict"):
        mixed = [
            values.astype(dtype).reshape((3, 1) if place == 0 else (3,))
            for place, (values, dtype) in enumerate(zip(parameters, dtypes, strict=False))
        ]
        draws = jax.eval_shape(function, jax.random.key(0), *mixed)
    assert draws.shape == ((3, 1) if len(mixed) == 1 else (3, 3))
    assert draws.dtype == jnp.result_type(float if name == "gamma" else int)


@pytest.mark.parametrize("name", ["gamma", "poisson"])
def test_shapes(name: str) -> None:
    """Once for each of the two functions behind all samplers."""
    function, parameters = named(name)
    key = jax.random.key(0)
    for shape in [None, (3,), (4, 3), [2, 1, 3], (0, 3)]:
        draws = jax.eval_shape(partial(function, shape=shape), key, *parameters)
        assert draws.shape == ((3,) if shape is None else tuple(shape))
    assert jax.eval_shape(function, key, *(float(values[0]) for values in parameters)).shape == ()
    for shape in [(0, 3), (3, 0, 3)]:
        assert function(key, *parameters, shape).shape == shape
    assert function(key, *(jnp.zeros((2, 0)) for _ in parameters)).shape == (2, 0)


@pytest.mark.quick
@pytest.mark.parametrize("name", GENE)
def test_arguments_that_do_not_fit(name: str) -> None:
    function, parameters = named(name)
    key = jax.random.key(0)
    for shape in [(), (4,), (3, 4), (1,), (-3, 3)]:
        with pytest.raises(ValueError, match="shape"):
            function(key, *parameters, shape)
    for dtype in (jnp.complex64, bool):
        with pytest.raises(ValueError, match="dtype"):
            function(key, *parameters, dtype=dtype)
    with pytest.raises(ValueError, match="vmap"):
        function(jax.random.split(key, 2), *parameters)


def test_a_gamma_deviate_is_no_integer() -> None:
    with pytest.raises(ValueError, match="float dtype"):
        RANDOM.gamma(jax.random.key(0), 1.0, dtype=jnp.int32)


def test_too_many_elements() -> None:
    with pytest.raises(ValueError, match="in parts"):
        RANDOM.poisson(jax.random.key(0), 1.0, (2**16, 2**16))


@pytest.mark.slow
@pytest.mark.parametrize("impl", ["rbg", "threefry2x32", "unsafe_rbg"])
def test_keys_of_every_kind(impl: str) -> None:
    _, parameters = named("gamma")
    draw = compiled("gamma", SMALL)
    key = jax.random.key(5, impl=impl)
    draws = draw(key, *parameters)
    np.testing.assert_array_equal(draws, draw(jax.random.key_data(key), *parameters))
    others = draw(jax.random.key(6, impl=impl), *parameters)
    assert np.mean(np.asarray(draws == others)[:, 2]) < 0.2
    assert len(np.unique(np.asarray(draws)[:, 2])) > 10


@pytest.mark.slow
def test_legacy_keys() -> None:
    legacy, typed = (
        RANDOM.poisson(make(3), np.float32([0.4, 8, 300]), SMALL, "int32")
        for make in (jax.random.PRNGKey, jax.random.key)
    )
    np.testing.assert_array_equal(legacy, typed)


@pytest.mark.slow
@pytest.mark.parametrize("name", GENE)
def test_jit_is_eager(name: str) -> None:
    function, parameters = named(name)
    key = jax.random.key(1)
    found = compiled(name, SMALL)(key, *parameters)
    assert_same(found, function(key, *parameters, SMALL))


# Small arrays are tried again whole, large ones through a queue, whatever the kind of key.
@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "impl", "rows"),
    [
        ("gamma", "threefry2x32", 3000),
        (ONE, "threefry2x32", 50),
        ("gamma", "rbg", 7),
        ("gamma", "unsafe_rbg", 7),
        (ONE, "rbg", 7),
        (ONE, "unsafe_rbg", 7),
        (ONE, "threefry2x32", 3000),
        ("negative_binomial_mixture", "threefry2x32", 3000),
    ],
)
def test_vmap_over_keys_is_the_loop(name: str, impl: str, rows: int) -> None:
    _, parameters = named(name)
    keys = jax.random.split(jax.random.key(2, impl=impl), 3)
    draw = compiled(name, (rows, 3))
    batched = jax.jit(jax.vmap(lambda key: draw(key, *parameters)))(keys)
    assert_same(batched, np.stack([draw(key, *parameters) for key in keys]))


@pytest.mark.slow
@pytest.mark.parametrize("name", nightly_but([ONE], GENE))
def test_vmap_over_parameters_is_the_loop(name: str) -> None:
    _, parameters = named(name)
    draw = partial(compiled(name, SMALL), jax.random.key(2))
    rows = [jnp.stack([values, values[::-1]]) for values in parameters]
    batched = jax.jit(jax.vmap(draw))(*rows)
    assert_same(batched, np.stack([draw(*row) for row in zip(*rows, strict=True)]))


@pytest.mark.slow
@pytest.mark.parametrize("name", GENE)
def test_scan_is_the_loop(name: str) -> None:
    _, parameters = named(name)
    keys = jax.random.split(jax.random.key(2), 4)
    draw = compiled(name, SMALL)

    @jax.jit
    def scan(keys):
        return jax.lax.scan(lambda carry, key: (carry, draw(key, *parameters)), None, keys)[1]

    assert_same(scan(keys), np.stack([draw(key, *parameters) for key in keys]))


@pytest.mark.parametrize(
    ("dtype", "counting", "expected"),
    [
        ("int8", jnp.int32, [-1, 0, 5, 127, 127]),
        ("int16", jnp.int32, [-1, 0, 5, 300, 2**15 - 1]),
        ("int32", jnp.int32, [-1, 0, 5, 300, 2**31 - 1]),
        ("uint8", jnp.float32, [0, 0, 5, 255, 255]),
        ("uint32", jnp.float32, [0, 0, 5, 300, 2**32 - 1]),
        ("float16", jnp.float32, [np.nan, 0, 5, 300, np.inf]),
        ("float32", jnp.float32, [np.nan, 0, 5, 300, np.inf]),
    ],
)
def test_counts_in_every_dtype(dtype: str, counting, expected: list) -> None:
    largest = 2**31 - 1 if counting == jnp.int32 else jnp.inf
    counts = jnp.asarray([-1, 0, 5, 300, largest], counting)
    found = in_dtype(counts, np.dtype(dtype))
    assert found.dtype == dtype
    np.testing.assert_array_equal(found, np.asarray(expected, dtype))


@pytest.mark.parametrize("dtype", nightly_but(["uint8", "float16"], SMALL_DTYPES))
def test_draws_are_the_same_in_every_dtype(dtype: str) -> None:
    rates, key = np.array([0.4, 8.0, 300.0], np.float32), jax.random.key(3)
    reference = np.asarray(RANDOM.poisson(key, rates, SMALL, "int32"), np.int64)
    draws = RANDOM.poisson(key, rates, SMALL, dtype)
    assert draws.dtype == dtype
    if np.issubdtype(dtype, np.integer):
        reference = np.minimum(reference, np.iinfo(dtype).max)
    np.testing.assert_array_equal(draws, reference.astype(dtype))


@pytest.mark.parametrize("dtype", nightly_but(["float16"], ["float16", "bfloat16"]))
def test_gamma_in_half_precision_is_rounded_from_float32(dtype: str) -> None:
    key, a = jax.random.key(0), jnp.asarray([0.3, 2.0, 40.0])
    found = RANDOM.gamma(key, a, SMALL, dtype)
    assert found.dtype == dtype
    np.testing.assert_array_equal(found, RANDOM.gamma(key, a, SMALL, "float32").astype(dtype))


def test_64_bit_dtypes() -> None:
    with jax.enable_x64(True):
        key = jax.random.key(0)
        fine = np.asarray(RANDOM.gamma(key, np.full(1000, 2.0)))
        rates = np.append(np.full(1000, 1e15), 1e19)
        counts = np.asarray(RANDOM.poisson(key, rates))
        assert jax.eval_shape(lambda: RANDOM.poisson(key, 1.0, (5,), "uint64")).dtype == np.uint64
    assert fine.dtype == np.float64
    assert np.mean(fine == fine.astype(np.float32)) < 0.01
    assert counts.dtype == np.int64
    assert np.unique(counts[:-1] % 64).size > 50
    assert counts[-1] == 2**63 - 1


@pytest.mark.slow
def test_64_bit_counts_of_a_negative_binomial() -> None:
    with jax.enable_x64(True):
        counts = RANDOM.negative_binomial(jax.random.key(0), 1e15, jnp.inf, (1000,))
        assert counts.dtype == jnp.int64
        assert np.unique(np.asarray(counts) % 64).size > 50
        assert RANDOM.poisson(jax.random.key(0), 1e12, (5,), jnp.uint64).dtype == jnp.uint64


@pytest.mark.slow
@pytest.mark.parametrize("name", GENE)
def test_neighbors_do_not_matter(name: str) -> None:
    _, parameters = named(name)
    draw = partial(compiled(name, LARGE), jax.random.key(4))
    quiet = [np.broadcast_to(values, LARGE) for values in parameters]
    expected = np.asarray(draw(*quiet))[:, 1]
    column = np.arange(3) == 1
    # The other columns change from rates settled at once to rates that all need further tries.
    for factor in np.array([1e-6, 1e3, 1e30, np.nan], np.float32):
        loud = [np.where(column, values, values * factor) for values in quiet]
        np.testing.assert_array_equal(draw(*loud)[:, 1], expected, err_msg=f"{factor=}")


@pytest.mark.slow
def test_gradient_through_a_count_is_zero() -> None:
    """Which is decided for all samplers in one place."""
    function, arguments = named("negative_binomial")

    @jax.jit
    def gradients(*values):
        def total(*values):
            return function(jax.random.key(0), *values, dtype="float32").sum()

        return jax.grad(total, argnums=tuple(range(len(values))))(*values)

    for gradient in gradients(*arguments):
        np.testing.assert_array_equal(gradient, 0.0)


def test_split_keys_never_repeat() -> None:
    keys = jax.random.split(jax.random.key(0), 200)
    draws = jax.vmap(lambda key: RANDOM.gamma(key, 2.0, (500,), "float32"))(keys)
    values = np.asarray(draws).ravel()
    # 100,000 deviates share some 2²⁴ floats: a few hundred coincide by chance, but no whole row.
    assert np.unique(values).size > 0.97 * values.size
    assert np.unique(np.asarray(draws), axis=0).shape == draws.shape


@pytest.mark.slow
@pytest.mark.parametrize("name", GENE)
def test_serial_and_cross_correlation(name: str) -> None:
    _, parameters = GENE[name]
    arguments = [np.full(LARGE, values[1], np.float32) for values in parameters]
    first, second = (
        np.asarray(compiled(name, LARGE)(key, *arguments), float).ravel()
        for key in jax.random.split(jax.random.key(8))
    )
    bound = 4 / np.sqrt(first.size)
    assert abs(np.corrcoef(first, second)[0, 1]) < bound
    for lag in (1, 2, 3, 32, 2000):
        assert abs(np.corrcoef(first[lag:], first[:-lag])[0, 1]) < bound


DEVICES = """
import jax, jax.numpy as jnp, numpy as np, jaxnb
from jax.sharding import NamedSharding, PartitionSpec as P
mesh = jax.make_mesh((4,), ("x",), axis_types=(jax.sharding.AxisType.Auto,))
key = jax.random.key(0)
keys = jax.random.split(key, 4)
mu = jnp.asarray(np.random.default_rng(0).gamma(0.3, 40, (8000, 3)), jnp.float32)

def sharded_automatically(draw):
    # The draws of one device.
    placed = jax.device_put(mu, NamedSharding(mesh, P("x")))
    np.testing.assert_array_equal(jax.jit(draw)(key, placed), draw(key, mu))

def mapped(draw):
    # A key for each shard.
    body = lambda k, m: draw(k[0], m)
    return jax.jit(jax.shard_map(body, mesh=mesh, in_specs=P("x"), out_specs=P("x")))

def looped(draw, mu):
    return np.concatenate([draw(k, m) for k, m in zip(keys, mu.reshape(4, -1, 3))])

negative_binomial = lambda k, m: jaxnb.random.negative_binomial(k, m, 2.0)
"""
POISSON = """
draw = jaxnb.random.poisson
sharded_automatically(draw)
np.testing.assert_array_equal(mapped(draw)(keys, mu[:800]), looped(draw, mu[:800]))
# The queue for the rejected of large arrays has the types that shard_map asks for.
assert jax.eval_shape(mapped(negative_binomial), keys, mu).shape == mu.shape
"""
EVERYWHERE = """
sharded_automatically(negative_binomial)
loop = looped(negative_binomial, mu)
np.testing.assert_array_equal(mapped(negative_binomial)(keys, mu), loop)

# shard_map with the key or the parameters shared.
same = jax.shard_map(lambda k: jaxnb.random.negative_binomial(k[0], 3.0, 2.0, (6000,)), mesh=mesh,
                     in_specs=P("x"), out_specs=P("x"))
one = jax.shard_map(lambda m: negative_binomial(key, m), mesh=mesh, in_specs=P("x"),
                    out_specs=P("x"))
assert same(keys).shape == (24000,) and one(mu).shape == mu.shape

by_pmap = jax.pmap(negative_binomial)(keys, mu.reshape(4, 2000, 3))
np.testing.assert_array_equal(by_pmap.reshape(-1, 3), loop)
"""


@pytest.mark.slow
@pytest.mark.parametrize("checks", [POISSON, EVERYWHERE], ids=["poisson", "everywhere"])
def test_on_several_devices(checks: str) -> None:
    environment = {
        **os.environ,
        # the speed of the program is no matter, that of compiling it is
        "XLA_FLAGS": "--xla_force_host_platform_device_count=4 --xla_backend_optimization_level=0",
        "JAX_THREEFRY_PARTITIONABLE": "1",
        "JAX_PLATFORMS": "cpu",
    }
    done = subprocess.run(
        [sys.executable, "-c", DEVICES + checks],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
