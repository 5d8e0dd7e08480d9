"""Normal deviates against SciPy's quantile function."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import special, stats

from jaxnb.random._bits import GAMMA, Word, fold_key, random_words
from jaxnb.random._normal import normal


@pytest.mark.parametrize(("dtype", "rtol"), [(jnp.float32, 5e-7), (jnp.float64, 1e-14)])
def test_against_the_quantile_function(dtype, rtol: float) -> None:
    if dtype == jnp.float64 and not jax.config.jax_enable_x64:
        pytest.skip("float64 needs x64")
    # Tail probabilities from 2⁻³³ to a half, evenly spaced in the logarithm.
    halves = np.unique(np.logspace(0, np.log10(2**31 - 2), 4000).astype(np.uint32))
    p = 0.5 * (halves + 0.5) * 2.0**-31
    exact = -special.ndtri(p)
    for sign in (0, 1):
        found = normal(Word(jnp.asarray(halves * np.uint32(2) + np.uint32(sign)), None), dtype)
        np.testing.assert_allclose(found, -exact if sign else exact, rtol=rtol, atol=5e-8)


def test_is_normal() -> None:
    index = jnp.arange(200_000, dtype=jnp.uint32)
    words = random_words(fold_key(jax.random.key(4)), index, GAMMA, wide=False)
    for word in words:
        draws = np.asarray(normal(word, jnp.float32), float)
        assert stats.kstest(draws, "norm").pvalue > 1e-3
    first, second = (np.asarray(normal(word, jnp.float32), float) for word in words)
    assert abs(np.corrcoef(first, second)[0, 1]) < 4 / np.sqrt(index.size)
    assert abs(np.corrcoef(first[1:], first[:-1])[0, 1]) < 4 / np.sqrt(index.size)
