"""The special functions against mpmath, over their whole domain, in float32 and float64."""

import contextlib
import pathlib
import subprocess
import sys

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest
from mpmath import mp, mpf

from jaxnb.special import (
    coefficients,
    complements,
    elementary,
    exponential,
    gamma,
    log1p,
    polynomial,
)


@pytest.fixture(params=["float32", "float64"])
def dtype(request):
    with jax.enable_x64(True) if request.param == "float64" else contextlib.nullcontext():
        yield np.dtype(request.param)


def exactly(function, *arguments):
    """A function of mpmath at the points as they are, to 50 digits, rounded to doubles in pairs."""
    with mp.workdps(50):
        values = [function(*(mpf(float(a)) for a in row)) for row in zip(*arguments, strict=True)]
        high = np.array([float(v) for v in values])
        return high, np.array([float(v - mpf(h)) for v, h in zip(values, high, strict=True)])


def relative_error(got, high, low):
    """In units of the dtype's eps."""
    error = np.abs((np.asarray(got, float) - high) - low)
    return error / np.abs(high) / np.finfo(np.asarray(got).dtype).eps


def spread(dtype, low, high, n=400):
    return np.exp(np.random.default_rng(0).uniform(np.log(low), np.log(high), n)).astype(dtype)


def test_reciprocal(dtype):
    y = np.concatenate([spread(dtype, 1e-37, 1e37), -spread(dtype, 1e-37, 1e37)])
    error = relative_error(jax.jit(elementary.reciprocal)(y), *exactly(lambda y: 1 / y, y))
    assert error.max() < 1
    assert np.isnan(jax.jit(elementary.reciprocal)(dtype.type(np.nan)))
    derivative = jax.grad(elementary.reciprocal)(dtype.type(3))
    np.testing.assert_allclose(derivative, -1 / 9, rtol=1e-6)


def test_reciprocal_is_the_same_formula_everywhere(dtype):
    """The iteration used on CPU against the division used elsewhere."""
    y = spread(dtype, 1e-30, 1e30)
    np.testing.assert_allclose(elementary._iterated_reciprocal(jnp.asarray(y)), 1 / y, rtol=3e-7)


def test_the_derivative_of_a_reciprocal_does_not_overflow_before_it_is_multiplied():
    y, tangents = np.float32(1e-24), np.float32([0, 1e-15])
    found = jax.vmap(lambda t: jax.jvp(elementary.reciprocal, (y,), (t,))[1])(tangents)
    np.testing.assert_allclose(found, [0, -1e33], rtol=1e-6)


def test_split_binary(dtype):
    y = np.concatenate([spread(dtype, 1e-37, 1e37), np.array([2 / 3, 1, 4 / 3, 2], dtype)])
    k, power, inverse_power, mantissa = map(np.asarray, elementary.split_binary(jnp.asarray(y)))
    np.testing.assert_array_equal(mantissa * power, y)
    np.testing.assert_array_equal(power, np.exp2(k))
    np.testing.assert_array_equal(inverse_power, np.exp2(-k))
    assert mantissa.min() >= dtype.type(2 / 3)
    assert mantissa.max() < dtype.type(4 / 3)


@pytest.mark.quick
def test_log(dtype):
    y = np.concatenate([spread(dtype, 1e-37, 1e37), spread(dtype, 0.5, 2)])
    error = relative_error(jax.jit(log1p.log)(y), *exactly(mpmath.log, y))
    assert error.max() < 2


@pytest.mark.quick
def test_log1p(dtype):
    tiny = spread(dtype, 1e-12, 0.9)
    u = np.concatenate([tiny, -tiny, spread(dtype, 0.3, 1e9)])
    one_plus_u = (1 + u.astype(np.longdouble)).astype(dtype)
    error = relative_error(jax.jit(log1p.log1p)(u, one_plus_u), *exactly(mpmath.log1p, u))
    assert error.max() < 3


@pytest.mark.parametrize("form", [log1p.log1p_minus_x, log1p._native_log1p_minus_x])
def test_log1p_minus_x(form, dtype):
    """As it is here, and in the form of float64 on GPU and TPU."""
    tiny = spread(dtype, 1e-12, 0.9)
    u = np.concatenate([tiny, -tiny, spread(dtype, 0.3, 1e9)])
    one_plus_u = (1 + u.astype(np.longdouble)).astype(dtype)
    error = relative_error(jax.jit(form)(u, one_plus_u), *exactly(lambda u: mpmath.log1p(u) - u, u))
    assert error.max() < 4
    assert np.percentile(error, 99) < 2.5


@pytest.mark.quick
def test_the_derivative_of_log1p_minus_x(dtype):
    u = np.array([-0.7, -1e-3, 1e-3, 0.4, 30], dtype)
    derivative = jax.vmap(jax.grad(lambda u: log1p.log1p_minus_x(u, 1 + u)))(u)
    np.testing.assert_allclose(derivative, -u / (1 + u), rtol=1e-6)


@pytest.mark.quick
def test_logarithms_of_subnormal_numbers(dtype):
    info = np.finfo(dtype)
    y = np.array([info.smallest_subnormal, info.tiny / 8, info.tiny, 1, info.max, 0, -1], dtype)
    got = np.asarray(jax.jit(log1p.log_of_any)(y), float)
    with np.errstate(divide="ignore", invalid="ignore"):
        np.testing.assert_allclose(got, np.log(y.astype(np.longdouble)), rtol=3e-7)


@pytest.mark.quick
def test_one_minus_exp_and_what_it_leaves_of_its_argument(dtype):
    s = np.concatenate([spread(dtype, 1e-12, 0.3), spread(dtype, 0.3, 50)])
    u, rest = jax.jit(complements.one_minus_exp)(s)
    assert relative_error(u, *exactly(lambda s: -mp.expm1(-s), s)).max() < 4
    assert relative_error(rest, *exactly(lambda s: s + mp.expm1(-s), s)).max() < 12


def test_log1p_minus_x_where_the_obvious_form_fails():
    u = np.float32(1e-4)
    exact = float(mpmath.log1p(mpf(float(u))) - mpf(float(u)))
    assert abs(np.log1p(u) - u - exact) > 1e-4 * abs(exact)
    np.testing.assert_allclose(log1p.log1p_minus_x(u, 1 + u), exact, rtol=3e-7)


def test_log1p_minus_x_uses_what_the_caller_knows_of_one_plus_u():
    one_plus_u = np.float32(1e-20)
    value = log1p.log1p_minus_x(np.float32(-1), one_plus_u)
    np.testing.assert_allclose(value, np.log(1e-20) + 1, rtol=1e-6)


def test_double_atanh(dtype):
    v = np.concatenate([spread(dtype, 1e-20, 1 / 3), -spread(dtype, 1e-20, 1 / 3)])
    error = relative_error(
        jax.jit(log1p.double_atanh)(v), *exactly(lambda v: 2 * mpmath.atanh(v), v)
    )
    assert error.max() < 2


@pytest.mark.parametrize("name", ["exp", "expm1"])
def test_exponentials(name, dtype):
    z = -np.concatenate([spread(dtype, 1e-12, 1), spread(dtype, 1, 85)])
    function = jax.jit(getattr(exponential, name))
    error = relative_error(function(z), *exactly(getattr(mpmath, name), z))
    assert error.max() < 2
    assert function(dtype.type(0)) == (1 if name == "exp" else 0)
    assert function(dtype.type(-1e30)) == (0 if name == "exp" else -1)
    assert np.isnan(function(dtype.type(np.nan)))
    derivative = jax.grad(getattr(exponential, name))(dtype.type(-0.7))
    np.testing.assert_allclose(derivative, np.exp(-0.7), rtol=1e-6)


def stirling(z):
    return mpmath.loggamma(z + 1) - (z + 0.5) * mpmath.log(z) + z - mpmath.log(2 * mpmath.pi) / 2


def digamma_remainder(z):
    return mpmath.log(z) - mpmath.psi(0, z)


def trigamma_remainder(z):
    return mpmath.psi(1, z) - 1 / z


@pytest.mark.quick
def test_stirling_error(dtype):
    z = np.concatenate([spread(dtype, 2, 30), spread(dtype, 2, 1e12), [dtype.type(2)]])
    got = jax.jit(lambda z: gamma.stirling_error(gamma.reciprocal_argument(z)))(z)
    high, low = exactly(stirling, z)
    assert (np.abs(np.asarray(got, float) - high - low) < 0.4 * np.finfo(dtype).eps).all()


@pytest.mark.parametrize(
    ("function", "exact"),
    [(gamma.digamma_remainder, digamma_remainder), (gamma.trigamma_remainder, trigamma_remainder)],
)
def test_remainders(function, exact, dtype):
    z = np.concatenate([spread(dtype, 1e-4, 10), spread(dtype, 1, 1e8)])
    error = relative_error(jax.jit(function)(z), *exactly(exact, z))
    assert error.max() < 12
    assert np.median(error) < 1.5


@pytest.mark.parametrize(
    ("function", "exact", "limits"),
    [
        (gamma.digamma_remainder_difference, digamma_remainder, {"float32": 4, "float64": 4}),
        (gamma.trigamma_remainder_difference, trigamma_remainder, {"float32": 10, "float64": 80}),
    ],
)
def test_remainder_differences_do_not_cancel(function, exact, limits, dtype):
    """Down to neighbouring numbers, where the difference of two values would be all rounding."""
    y = np.concatenate([spread(dtype, 2, 100), spread(dtype, 2, 1e7)])
    z = np.maximum(np.nextafter(y, dtype.type(np.inf)), y * (1 + spread(dtype, 1e-9, 10, len(y))))
    z = z.astype(dtype)

    @jax.jit
    def got(y, z):
        p, q = gamma.reciprocal_argument(y), gamma.reciprocal_argument(z)
        return function(p, q, z - y)

    error = relative_error(got(y, z), *exactly(lambda y, z: exact(y) - exact(z), y, z))
    assert error.max() < limits[dtype.name]
    assert np.median(error) < 1


def test_polynomials():
    p, q = jnp.float32(0.3), jnp.float32(0.7)
    cubic = (2.0, -1.0, 0.5, 3.0)
    np.testing.assert_allclose(polynomial.horner(cubic, p), np.polyval(cubic, 0.3), rtol=1e-6)
    derivative = (np.polyval(cubic, 0.3) - np.polyval(cubic, 0.7)) / (0.3 - 0.7)
    np.testing.assert_allclose(polynomial.divided_difference(cubic, p, q), derivative, rtol=1e-6)
    derivative = np.polyval(np.polyder(cubic), 0.7)
    np.testing.assert_allclose(polynomial.divided_difference(cubic, q, q), derivative, rtol=1e-6)


@pytest.mark.slow
def test_the_coefficients_are_those_that_the_script_fits(tmp_path):
    script = pathlib.Path(__file__).parents[1] / "reference" / "fit_coefficients.py"
    target = tmp_path / "coefficients.py"
    subprocess.run([sys.executable, str(script), "--out", str(target)], check=True)
    scope: dict = {}
    exec(target.read_text(), scope)
    for name in ("ATANH_TAIL", "LOG1P_MINUS_X", "STIRLING_ERROR", "DIGAMMA_REMAINDER_DERIVATIVE"):
        for dtype, stored in getattr(coefficients, name).items():
            np.testing.assert_allclose(scope[name][dtype], stored, rtol=1e-9)


@pytest.mark.parametrize(("dtype", "largest"), [("float32", 127), ("float64", 1023)])
def test_powers_of_two_are_exact_without_bits(dtype, largest):
    k = np.arange(1 - largest, largest + 1).astype(dtype)
    with jax.enable_x64(True):
        got = np.asarray(elementary.power_by_products(jnp.asarray(k), largest))
    assert got.dtype == dtype
    np.testing.assert_array_equal(got, 2.0**k)
