"""Element-wise functions evaluated for some columns after the others."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxnb import _blockwise
from jaxnb._blockwise import blockwise
from jaxnb.cdf import (
    mixture_nb_entropy,
    nb_entropy,
    nb_kl_divergence,
    nb_log_interval,
    nb_log_sf,
)


def _plain(a, b):
    return jnp.sin(a) * jnp.exp(b) + a**3 * b


def _in_blocks(a, b):
    return blockwise(_plain, a, b)


@pytest.fixture
def small_blocks(monkeypatch):
    monkeypatch.setattr(_blockwise, "_ON_CPU", 6)
    jax.clear_caches()


@pytest.mark.quick
@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("row", [(1, 7), (3, 7)])
def test_values_and_derivatives_of_three_orders(row):
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(3, 7)), rng.normal(size=row)

    def every_order(function):
        def first(a, b):
            return jax.grad(lambda *at: function(*at).sum(), (0, 1))(a, b)

        def second(a, b):
            return jax.jvp(first, (a, b), (jnp.cos(a), jnp.ones_like(b)))[1]

        third = jax.grad(lambda *at: sum(jnp.sum(v * v) for v in second(*at)), (0, 1))
        return lambda a, b: (function(a, b), first(a, b), second(a, b), third(a, b))

    with jax.enable_x64(True):
        a, b = jnp.asarray(a), jnp.asarray(b)
        found = jax.jit(every_order(_in_blocks))(a, b)
        expected = every_order(_plain)(a, b)
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, rtol=1e-12), found, expected)


@pytest.mark.quick
@pytest.mark.usefixtures("small_blocks")
def test_a_program_holds_a_loop_over_blocks():
    shapes = [jax.ShapeDtypeStruct((3, 7), jnp.float32)] * 2
    text = jax.jit(_in_blocks).lower(*shapes).as_text()
    assert "stablehlo.while" in text
    assert "tensor<3x2xf32>" in text


@pytest.mark.quick
@pytest.mark.usefixtures("small_blocks")
def test_batches_and_empty_arrays():
    a, b = np.random.default_rng(0).normal(size=(2, 4, 3, 7)).astype(np.float32)
    found = jax.vmap(_in_blocks, (0, None))(a, b[0])
    np.testing.assert_allclose(found, _plain(a, b[0]), rtol=1e-6, atol=1e-6)
    empty = np.zeros((0, 7), np.float32)
    assert _in_blocks(empty, b[0][:0]).shape == (0, 7)
    assert jax.grad(lambda a: _in_blocks(a, b[0][:0]).sum())(empty).shape == (0, 7)


@pytest.mark.parametrize(
    ("function", "arguments"),
    [
        (nb_entropy, 2),
        (nb_log_sf, 3),
        pytest.param(nb_log_interval, 4, marks=pytest.mark.slow),
        pytest.param(nb_kl_divergence, 4, marks=pytest.mark.slow),
        pytest.param(mixture_nb_entropy, 5, marks=pytest.mark.slow),
    ],
    ids=["entropy", "tail", "interval", "divergence", "mixture"],
)
def test_memory_besides_arguments_and_results(function, arguments):
    """In arrays, for the value and with all derivatives."""
    shape = (512, 2000)
    given = [jax.ShapeDtypeStruct(shape, jnp.float32)] * arguments

    def temporaries(function):
        compiled = jax.jit(function).lower(*given).compile()
        return compiled.memory_analysis().temp_size_in_bytes / (4 * shape[0] * shape[1])

    gradient = jax.grad(lambda *at: function(*at).sum(), tuple(range(arguments)))
    assert temporaries(function) < 2
    assert temporaries(gradient) < 4 + arguments
