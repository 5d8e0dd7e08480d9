"""The Poisson sampler's parts against multiple precision and SciPy's quantiles."""

import math

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest
from scipy import stats

import jaxnb
from jaxnb.random._bits import POISSON, Word, complement, fold_key, random_words, uniform
from jaxnb.random._poisson import (
    _half_deviance,
    _invert,
    _invert_from_above,
    _log_factorial_rest,
    _sum,
)


def working_dtypes() -> list:
    return [jnp.float32, jnp.float64] if jax.config.jax_enable_x64 else [jnp.float32]


def test_inversion_is_the_quantile_function() -> None:
    lam = np.float32([1e-6, 1e-3, 0.3, 2.0, 9.999])
    rates = jnp.tile(jnp.asarray(lam), 100_000)
    index = jnp.arange(rates.size, dtype=jnp.uint32)
    key = fold_key(jax.random.key(5))

    @jax.jit
    def inverted(index, rates):
        word, _ = random_words(key, index, POISSON, wide=True)
        return (
            uniform(word, rates.dtype),
            uniform(complement(word), rates.dtype),
            _invert(key, index, rates, settle=True),
            _invert(key, index, rates, settle=False),
        )

    level, upper, settled, quick = (
        np.asarray(found).reshape(-1, lam.size) for found in inverted(index, rates)
    )
    exact = np.where(
        level < 0.5,
        stats.poisson.ppf(level.astype(float), lam.astype(float)),
        stats.poisson.isf(upper.astype(float), lam.astype(float)),
    )
    # A uniform may lie within rounding of a boundary: a few in a million do.
    assert (np.mean(settled != exact, axis=0) <= 2e-5).all()
    np.testing.assert_array_equal(quick[quick >= 0], settled[quick >= 0])
    left = np.mean(quick < 0, axis=0)
    np.testing.assert_array_less(left, [0.005, 0.005, 0.005, 0.005, 0.035])


def test_inversion_in_the_upper_tail(monkeypatch) -> None:
    """Uniforms so near to 1 are too rare to be drawn."""
    wanted = np.geomspace(2.0**-29, 2.0**-9, 300)
    word = Word(~jnp.asarray(np.uint32(wanted * 2.0**32)), jnp.zeros(wanted.size, jnp.uint32))
    monkeypatch.setattr("jaxnb.random._poisson.random_words", lambda *_, **__: (word, word))
    upper = np.asarray(uniform(complement(word), jnp.float32)).astype(float)
    key, index = fold_key(jax.random.key(0)), jnp.arange(wanted.size, dtype=jnp.uint32)
    for lam in (0.3, 5.0):
        rates = jnp.full(wanted.shape, lam, jnp.float32)
        got = np.asarray(_invert(key, index, rates, settle=True))
        least, most = (stats.poisson.isf(upper * (1 + e), np.float32(lam)) for e in (2e-5, -2e-5))
        assert np.all((got >= least) & (got <= most))


def test_far_tail_keeps_relative_precision() -> None:
    points = []
    for lam in np.float32([1e-30, 1e-6, 0.01, 1.0, 9.99]):
        for k in (0, 1, 2, 5, 12, 30):
            with mpmath.workdps(60):
                tail = mpmath.gammainc(k + 1, 0, mpmath.mpf(float(lam)), regularized=True)
            if 2.0**-63 < tail < 0.9:
                points.append((lam, k, float(tail)))
    lam, k, tail = np.array(points).T
    dtype = jnp.result_type(float)
    # Just above P(X > k) the count is at most k, just below it is k + 1.
    above, below = (
        jax.jit(_invert_from_above)(lam.astype(dtype), (tail * (1 + sign * 2e-5)).astype(dtype))
        for sign in (1, -1)
    )
    np.testing.assert_array_equal(above, k)
    np.testing.assert_array_equal(below, k + 1)


@pytest.mark.quick
def test_log_probability() -> None:
    for dtype in working_dtypes():
        points = []
        for lam in (10.0, 33.3, 1e3, 1e6, 1e10, 1e15):
            rate = float(jnp.asarray(lam, dtype))
            for standard_deviations in (-3.0, -1.0, -0.1, 0.0, 0.4, 1.5, 3.0, 6.0):
                excess = round(standard_deviations * math.sqrt(lam)) - math.modf(rate)[0]
                with mpmath.workdps(60):
                    m = mpmath.mpf(rate)
                    k = m + float(np.asarray(excess, dtype))
                    k = mpmath.mpf(max(0, mpmath.nint(k)))
                    exact = k * mpmath.log(m) - m - mpmath.loggamma(k + 1)
                    exact = float(exact + mpmath.log(max(k, 1)) / 2)
                    points.append((float(k), rate, float(k - m), exact))
        *arguments, exact = np.array(points).T
        found = jax.jit(
            lambda count, rate, excess: (
                -_half_deviance(count, rate, excess) - _log_factorial_rest(count)
            )
        )(*(argument.astype(dtype) for argument in arguments))
        error = np.abs(np.asarray(found, float) - exact) / np.maximum(1, np.abs(exact))
        tolerance = 2e-5 if dtype == jnp.float32 else 2e-13
        assert error.max() < tolerance, (points[error.argmax()], dtype)


def test_log_factorial() -> None:
    for dtype in working_dtypes():
        counts = np.array([*range(20), 100, 10_000], float)
        powers = [k * math.log(k) - k + 0.5 * math.log(k) if k else 0.0 for k in counts]
        exact = [math.lgamma(k + 1) - power for k, power in zip(counts, powers, strict=True)]
        rtol, atol = (1e-6, 1e-7) if dtype == jnp.float32 else (1e-10, 1e-10)
        found = jax.jit(_log_factorial_rest)(counts.astype(dtype))
        np.testing.assert_allclose(found, exact, rtol=rtol, atol=atol)


def test_counts_are_exact_and_saturate() -> None:
    whole = np.asarray([5.0, 2.0**30, 2.0**31 - 128, 2.0**31 - 128, 1e15], np.float32)
    offset = np.asarray([-3.0, 1.0, -1.0, 200.0, -5.0], np.float32)
    found = jax.jit(lambda whole, offset: _sum(whole, offset, jnp.dtype(jnp.int32)))(whole, offset)
    largest = 2**31 - 1
    np.testing.assert_array_equal(found, [2, 2**30 + 1, 2**31 - 129, largest, largest])


@pytest.mark.slow
def test_large_integer_counts_have_every_parity() -> None:
    draws = np.asarray(jaxnb.random.poisson(jax.random.key(0), 1e9, (10_000,), jnp.int32))
    residues = np.bincount(draws % 8, minlength=8)
    assert stats.chisquare(residues).pvalue > 1e-3


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float32", "int64"])
def test_means_up_to_1e15(dtype: str) -> None:
    if dtype == "int64" and not jax.config.jax_enable_x64:
        pytest.skip("int64 needs x64")
    for lam in (1e9, 1e12, 1e15):
        draws = jaxnb.random.poisson(jax.random.key(2), lam, (100_000,), dtype)
        scores = (np.asarray(draws, float) - float(np.asarray(lam, draws.dtype))) / math.sqrt(lam)
        # At 1e15 a float32 is 2 standard deviations from the next.
        slack = 0.2 if dtype == "float32" and lam == 1e15 else 0.0
        assert abs(scores.mean()) < 4 / math.sqrt(draws.size) + slack
        assert abs(scores.std() - 1) < 4 / math.sqrt(2 * draws.size) + 2 * slack


def test_rates_whose_spread_is_below_a_float() -> None:
    draws = jaxnb.random.poisson(jax.random.key(0), np.float32([1e30, np.inf]), dtype="float32")
    np.testing.assert_array_equal(draws, np.asarray([1e30, np.inf], np.float32))
