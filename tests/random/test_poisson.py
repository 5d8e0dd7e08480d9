"""The Poisson sampler's parts against multiple precision and SciPy's quantiles."""

import math

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest
from scipy import stats

import jaxnb
from jaxnb.random._bits import POISSON, complement, fold_key, random_words, uniform
from jaxnb.random._poisson import (
    _half_deviance,
    _invert,
    _invert_from_above,
    _log_factorial_rest,
    _sum,
)


def working_dtypes() -> list:
    return [jnp.float32, jnp.float64] if jax.config.jax_enable_x64 else [jnp.float32]


@pytest.mark.parametrize("lam", [1e-6, 1e-3, 0.3, 2.0, 9.999])
def test_inversion_is_the_quantile_function(lam: float) -> None:
    index = jnp.arange(100_000, dtype=jnp.uint32)
    key = fold_key(jax.random.key(5))
    rates = jnp.full(index.shape, lam)
    word, _ = random_words(key, index, POISSON, wide=True)
    level = np.asarray(uniform(word, rates.dtype), float)
    upper = np.asarray(uniform(complement(word), rates.dtype), float)
    exact = np.where(
        level < 0.5,
        stats.poisson.ppf(level, float(rates[0])),
        stats.poisson.isf(upper, float(rates[0])),
    )
    settled = np.asarray(_invert(key, index, rates, settle=True))
    # A uniform may lie within rounding of a boundary: a few in a million do.
    assert np.mean(settled != exact) <= 2e-5
    quick = np.asarray(_invert(key, index, rates, settle=False))
    np.testing.assert_array_equal(quick[quick >= 0], settled[quick >= 0])
    assert np.mean(quick < 0) < (0.035 if lam > 5 else 0.005)


@pytest.mark.parametrize("lam", [1e-30, 1e-6, 0.01, 1.0, 9.99])
def test_far_tail_keeps_relative_precision(lam: float) -> None:
    rate = jnp.asarray(lam)
    for k in (0, 1, 2, 5, 12, 30):
        with mpmath.workdps(60):
            tail = mpmath.gammainc(k + 1, 0, mpmath.mpf(float(rate)), regularized=True)
        if not 2.0**-63 < tail < 0.9:
            continue
        # Just above P(X > k) the count is at most k, just below it is k + 1.
        above = _invert_from_above(rate, jnp.asarray(float(tail) * (1 + 2e-5)))
        below = _invert_from_above(rate, jnp.asarray(float(tail) * (1 - 2e-5)))
        assert (int(above), int(below)) == (k, k + 1)


@pytest.mark.parametrize("lam", [10.0, 33.3, 1e3, 1e6, 1e10, 1e15])
def test_log_probability(lam: float) -> None:
    for dtype in working_dtypes():
        rate = jnp.asarray(lam, dtype)
        for standard_deviations in (-3.0, -1.0, -0.1, 0.0, 0.4, 1.5, 3.0, 6.0):
            excess = round(standard_deviations * math.sqrt(lam)) - math.modf(float(rate))[0]
            excess = float(jnp.asarray(excess, dtype))
            with mpmath.workdps(60):
                k = mpmath.mpf(float(rate)) + excess
                k = mpmath.mpf(max(0, mpmath.nint(k)))
                m = mpmath.mpf(float(rate))
                exact = k * mpmath.log(m) - m - mpmath.loggamma(k + 1)
                exact = float(exact + mpmath.log(max(k, 1)) / 2)
                excess = float(k - m)
            count = jnp.asarray(float(k), dtype)
            deviance = _half_deviance(count, rate, jnp.asarray(excess, dtype))
            found = float(-deviance - _log_factorial_rest(count))
            tolerance = 2e-5 if dtype == jnp.float32 else 2e-13
            assert abs(found - exact) < tolerance * max(1.0, abs(exact)), (lam, excess, dtype)


def test_log_factorial() -> None:
    for dtype in working_dtypes():
        for k in [*range(20), 100, 10_000]:
            exact = math.lgamma(k + 1) - (k * math.log(k) - k + 0.5 * math.log(k) if k else 0.0)
            rtol = 1e-6 if dtype == jnp.float32 else 1e-10
            atol = 1e-7 if dtype == jnp.float32 else 1e-10
            np.testing.assert_allclose(
                _log_factorial_rest(jnp.asarray(float(k), dtype)), exact, rtol=rtol, atol=atol
            )


def test_counts_are_exact_and_saturate() -> None:
    whole = jnp.asarray([5.0, 2.0**30, 2.0**31 - 128, 2.0**31 - 128, 1e15], jnp.float32)
    offset = jnp.asarray([-3.0, 1.0, -1.0, 200.0, -5.0], jnp.float32)
    found = _sum(whole, offset, jnp.dtype(jnp.int32))
    largest = 2**31 - 1
    np.testing.assert_array_equal(found, [2, 2**30 + 1, 2**31 - 129, largest, largest])


def test_large_integer_counts_have_every_parity() -> None:
    draws = np.asarray(jaxnb.random.poisson(jax.random.key(0), 1e9, (10_000,), jnp.int32))
    residues = np.bincount(draws % 8, minlength=8)
    assert stats.chisquare(residues).pvalue > 1e-3


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
    draws = jaxnb.random.poisson(jax.random.key(0), jnp.asarray([1e30, jnp.inf]), dtype="float32")
    np.testing.assert_array_equal(draws, np.asarray([1e30, np.inf], np.float32))
