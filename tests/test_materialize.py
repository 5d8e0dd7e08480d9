"""The conditional that leaves out what no element needs, and blocks of columns."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxnb._materialize import if_any, in_blocks


def _costly_where_negative(x):
    return if_any(x < 0, lambda x: jnp.where(x < 0, jnp.sin(x), x), lambda x: x, x)


@pytest.mark.quick
def test_a_conditional_stays_one_under_vmap():
    """A selection would compute both branches for every element."""
    x = np.linspace(-1, 3, 12, dtype=np.float32).reshape(3, 4)
    expected = np.where(x < 0, np.sin(x), x)
    np.testing.assert_allclose(jax.vmap(_costly_where_negative)(x), expected, rtol=1e-6)
    for function in (_costly_where_negative, jax.vmap(_costly_where_negative)):
        # compiled, since what chooses the platform is a conditional before
        assert "conditional(" in jax.jit(function).lower(x).compile().as_text()


@pytest.mark.quick
def test_blocks_that_do_not_divide_the_columns():
    x, row = np.arange(42.0, dtype=np.float32).reshape(3, 14), np.arange(14, dtype=np.float32)

    def both(x, row, column):
        return x + row + column, x * column

    column = np.float32([[1], [2], [3]])
    total, product = jax.jit(lambda *a: in_blocks(both, *a, block=12))(x, row, column)
    np.testing.assert_array_equal(total, x + row + column)
    np.testing.assert_array_equal(product, x * column)
