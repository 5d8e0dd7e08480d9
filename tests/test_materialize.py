"""The conditional that leaves out what no element needs."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxnb._materialize import if_any


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
