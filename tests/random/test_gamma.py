"""The gamma sampler's parts against multiple precision and SciPy, and its implicit derivative."""

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest
from scipy import special, stats

import jaxnb
from jaxnb.random._bits import BOOST, GAMMA, Word, complement, fold_key, random_words
from jaxnb.random._gamma import _attempt, _boost, _log_acceptance, normal


def working_dtypes() -> list:
    return [jnp.float32, jnp.float64] if jax.config.jax_enable_x64 else [jnp.float32]


@pytest.mark.quick
def test_log_acceptance() -> None:
    points = []
    with mpmath.workdps(50):
        for s in (1.0, 1.5, 3.0, 30.0, 1e3, 1e6, 1e10):
            d = mpmath.mpf(s) - mpmath.mpf(1) / 3
            c = 1 / mpmath.sqrt(9 * d)
            for x in (-6.0, -2.3, -1.0, -0.4, 1e-3, 0.2, 0.61, 1.0, 2.0, 4.0, 6.0):
                if 1 + c * x > 0:
                    v = (1 + c * x) ** 3
                    exact = mpmath.mpf(x) ** 2 / 2 + d - d * v + d * mpmath.log(v)
                    points.append((x * x, float(c * x), float(exact)))
    x_squared, t, exact = np.array(points).T
    for dtype in working_dtypes():
        found = jax.jit(_log_acceptance)(jnp.asarray(x_squared, dtype), jnp.asarray(t, dtype))
        # A difference here is a relative error of the density at x.
        rtol, atol = (3e-6, 3e-6) if dtype == jnp.float32 else (1e-12, 1e-12)
        np.testing.assert_allclose(found, exact, rtol=rtol, atol=atol)


def test_share_of_first_tries_accepted() -> None:
    """0.9517 at s = 1, 0.9816 at s = 2, and 1 in the limit."""
    s = jnp.tile(jnp.asarray([1.0, 2.0, 1e6, np.inf]), 100_000)
    index = jnp.arange(s.size, dtype=jnp.uint32)
    draws = jax.jit(lambda index, s: _attempt(fold_key(jax.random.key(0)), 0, index, s))(index, s)
    shares = np.mean(np.asarray(draws).reshape(-1, 4) >= 0, axis=0)
    np.testing.assert_array_less([0.95, 0.98, 0.98, 0.98], shares)
    assert shares[0] < 0.955


def test_boost_at_both_ends_of_the_uniform() -> None:
    a = jnp.tile(jnp.asarray([1e-6, 1e-3, 0.3, 0.9]), 200_000)
    index = jnp.arange(a.size, dtype=jnp.uint32)
    key = fold_key(jax.random.key(0))

    @jax.jit
    def found_from(index, a):
        word, _ = random_words(key, index, BOOST, wide=bool(jax.config.jax_enable_x64))
        return word, complement(word), _boost(key, index, a)

    word, other, found = found_from(index, a)
    low = 0.5 if word.low is None else (np.asarray(word.low, float) // 2 + 0.5) * 2.0**-31
    upper = (np.asarray(other.high, float) // 2 + (1 - low)) * 2.0**-31
    a_rounded = np.asarray(a, float)
    exact = np.exp(np.log1p(-upper) / a_rounded) * (a_rounded + 1) / a_rounded
    # The power, an exponent of at most 85, must not underflow; its rounding then costs some 100
    # units in the last place, a harmless change of scale in a factor that spans 35 decades.
    normal = exact * a_rounded > 1e-37
    found = np.asarray(found, float)
    np.testing.assert_allclose(found[normal], exact[normal], rtol=1e-4)
    assert np.all(found[~normal] * a_rounded[~normal] < 1e-36)


def test_implicit_derivative() -> None:
    key = jax.random.key(1)
    shapes = jnp.tile(jnp.asarray([0.05, 0.7, 1.0, 4.0, 300.0]), (50, 1))
    draws, derivatives = jax.jit(
        lambda a: jax.jvp(lambda a: jaxnb.random.gamma(key, a), (a,), (jnp.ones_like(a),))
    )(shapes)
    a, w = np.asarray(shapes, float), np.maximum(np.asarray(draws, float), 1e-30)
    step = 1e-4 * a
    by_a = (special.gammainc(a + step, w) - special.gammainc(a - step, w)) / (2 * step)
    density = np.exp((a - 1) * np.log(w) - w - special.gammaln(a))
    regular = (w > 1e-20) & (density > 0)
    assert (regular.sum(axis=0) > 5).all()
    expected = -by_a[regular] / density[regular]
    np.testing.assert_allclose(np.asarray(derivatives)[regular], expected, rtol=2e-3)


@pytest.mark.slow
def test_gradient_per_component_is_jaxs() -> None:
    key = jax.random.key(1)
    shapes = jnp.asarray([0.3, 1.0, 2.5, 80.0])
    found = jax.jacrev(lambda a: jaxnb.random.gamma(key, a))(shapes)
    draws = jaxnb.random.gamma(key, shapes)
    np.testing.assert_allclose(found, jnp.diag(jax.lax.random_gamma_grad(shapes, draws)), rtol=1e-5)


def test_gradient_at_the_edges_is_finite() -> None:
    shapes = jnp.asarray([0.0, 1e-6, 1e10, jnp.inf])
    found = jax.grad(lambda a: jaxnb.random.gamma(jax.random.key(1), a)[:2].sum())(shapes)
    assert np.all(np.isfinite(found))


def test_edges() -> None:
    shapes = jnp.asarray([0.0, jnp.inf, jnp.nan, -1.0])
    np.testing.assert_array_equal(
        jaxnb.random.gamma(jax.random.key(0), shapes), [0.0, jnp.inf, jnp.nan, jnp.nan]
    )
    huge = jaxnb.random.gamma(jax.random.key(0), 1e10, (1000,))
    assert abs(float((huge / 1e10).mean()) - 1) < 1e-6


@pytest.mark.parametrize(("dtype", "rtol"), [(jnp.float32, 5e-7), (jnp.float64, 1e-14)])
def test_normal_against_the_quantile_function(dtype, rtol: float) -> None:
    if dtype == jnp.float64 and not jax.config.jax_enable_x64:
        pytest.skip("float64 needs x64")
    # Tail probabilities from 2⁻³³ to a half, evenly spaced in the logarithm.
    halves = np.unique(np.logspace(0, np.log10(2**31 - 2), 4000).astype(np.uint32))
    p = 0.5 * (halves + 0.5) * 2.0**-31
    exact = -special.ndtri(p)
    deviates = jax.jit(lambda high: normal(Word(high, None), dtype))
    for sign in (0, 1):
        found = deviates(halves * np.uint32(2) + np.uint32(sign))
        np.testing.assert_allclose(found, -exact if sign else exact, rtol=rtol, atol=5e-8)


def test_normal_deviates_are_normal() -> None:
    index = jnp.arange(200_000, dtype=jnp.uint32)
    key = fold_key(jax.random.key(4))

    @jax.jit
    def deviates(index):
        return [normal(word, jnp.float32) for word in random_words(key, index, GAMMA, wide=False)]

    first, second = (np.asarray(draws, float) for draws in deviates(index))
    for draws in (first, second):
        assert stats.kstest(draws, "norm").pvalue > 1e-3
    assert abs(np.corrcoef(first, second)[0, 1]) < 4 / np.sqrt(index.size)
    assert abs(np.corrcoef(first[1:], first[:-1])[0, 1]) < 4 / np.sqrt(index.size)
