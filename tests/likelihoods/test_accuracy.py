"""Values and derivatives against exact ones, region by region, in float32 and float64."""

from functools import cache

import jax
import numpy as np
import pytest
import reference_values as reference
from likelihoods.programs import SIZE, assert_at, at_points, derivatives
from nightly import nightly_but
from reference_values import percentile_99, worst
from registry import DISTRIBUTIONS
from scipy.special import gammaln

import jaxnb

NB, ZINB, MIXTURE = (
    "negative_binomial",
    "zero_inflated_negative_binomial",
    "negative_binomial_mixture",
)
PREFIX = {NB: "nb", ZINB: "zinb", MIXTURE: "mix"}
WHOLE = np.flatnonzero(reference.REGION != "fractional")
FRACTIONAL = np.flatnonzero(reference.REGION == "fractional")
TYPICAL = reference.REGION[WHOLE] == "typical"

dtypes = pytest.mark.parametrize("dtype", ["float32", "float64"])
# In the mixture a dtype changes nothing but the kernels of its components.
NAMES_AND_DTYPES = [
    pytest.param(
        name, dtype, marks=pytest.mark.slow if (name, dtype) == (MIXTURE, "float64") else ()
    )
    for name in PREFIX
    for dtype in ("float32", "float64")
]
names_and_dtypes = pytest.mark.parametrize(("name", "dtype"), NAMES_AND_DTYPES)
branches = pytest.mark.parametrize("branch", ["kernel", "full range"])


def eps_of(dtype):
    return float(np.finfo(dtype).eps)


@cache
def evaluated(name, dtype, branch):
    """At the whole counts; the last point is replaced by an unusual one for the longer way."""
    arguments = reference.arguments(PREFIX[name], np.dtype(dtype), WHOLE)
    if branch == "full range":
        arguments[0][-1] = 0.5
    return derivatives(name, *arguments, second=name == NB)


@cache
def evaluated_at_fractions(name, dtype):
    where = np.resize(FRACTIONAL, SIZE)
    arguments = reference.arguments(PREFIX[name], np.dtype(dtype), where)
    return derivatives(name, *arguments, second=name == NB)


def errors(stored, got, branch="kernel"):
    where = WHOLE[:-1] if branch == "full range" else WHOLE
    return reference.errors(stored, got[: len(where)], where)


def errors_at_fractions(stored, got):
    return reference.errors(stored, got[: len(FRACTIONAL)], FRACTIONAL)


@branches
@names_and_dtypes
def test_values(name, dtype, branch):
    value, *_ = evaluated(name, dtype, branch)
    assert value.dtype == dtype
    ulp = errors(PREFIX[name], value, branch).ulp
    assert worst(ulp) < 3.3
    assert percentile_99(ulp) < 1.5


@branches
@dtypes
def test_first_derivatives_of_nb(dtype, branch):
    for stored, got in zip(("nb_mu", "nb_theta"), evaluated(NB, dtype, branch)[1], strict=True):
        e = errors(stored, got, branch)
        assert not (e.wrong_sign | e.wrong_zero | e.not_finite).any(), stored
        assert worst(e.backward) < 2.5, stored


@branches
@dtypes
def test_second_derivatives_of_nb(dtype, branch):
    (mu_mu, theta_mu), (mu_theta, theta_theta) = evaluated(NB, dtype, branch)[2]
    for stored, got in (
        ("nb_mu_mu", mu_mu),
        ("nb_mu_theta", mu_theta),
        ("nb_mu_theta", theta_mu),
        ("nb_theta_theta", theta_theta),
    ):
        e = errors(stored, got, branch)
        assert not e.not_finite.any(), stored
        assert percentile_99(e.relative) < 85 * eps_of(dtype), stored


STORED = {
    ZINB: ("zinb_mu", "zinb_theta", "zinb_pi"),
    MIXTURE: ("mix_mu_1", "mix_mu_2", "mix_theta_1", "mix_theta_2"),
}


@pytest.mark.parametrize(
    ("name", "dtype"), [case for case in NAMES_AND_DTYPES if case.values[0] in STORED]
)
def test_derivatives_of_two_components(name, dtype):
    stored = STORED[name]
    for of, got in zip(stored, evaluated(name, dtype, "kernel")[1], strict=False):
        e = errors(of, got)
        assert not (e.wrong_sign | e.wrong_zero | e.not_finite).any(), of
        assert percentile_99(e.relative[TYPICAL]) < 85 * eps_of(dtype), of


@pytest.mark.parametrize("dtype", ["float32", pytest.param("float64", marks=pytest.mark.slow)])
def test_log_odds_derivative_of_mixture(dtype):
    e = errors("mix_q", evaluated(MIXTURE, dtype, "kernel")[1][4])
    assert not (e.wrong_zero | e.not_finite).any()
    # where the components agree to nearly all digits the sign is that of a rounding error
    assert not (e.wrong_sign & (np.abs(reference.exact("mix_q", WHOLE)) > 1e-5)).any()
    assert percentile_99(e.relative[TYPICAL]) < 850 * eps_of(dtype)


@names_and_dtypes
def test_values_of_fractional_counts(name, dtype):
    value, *_ = evaluated_at_fractions(name, dtype)
    assert worst(errors_at_fractions(PREFIX[name], value).ulp) < 4


@dtypes
def test_derivatives_at_fractional_counts(dtype):
    _, (mu, theta), hessian = evaluated_at_fractions(NB, dtype)
    check_at_fractions("nb_mu", mu)
    check_at_fractions("nb_theta", theta)
    check_at_fractions("nb_theta_theta", hessian[1, 1])


@pytest.mark.parametrize("dtype", ["float32", pytest.param("float64", marks=pytest.mark.slow)])
def test_derivative_in_x_at_fractional_counts(dtype):
    with jax.enable_x64(dtype == "float64"):
        in_x = jax.jit(jax.vmap(jax.grad(jaxnb.log_nb_positive)))
        got = in_x(*reference.arguments("nb", np.dtype(dtype), FRACTIONAL))
    check_at_fractions("nb_x", np.array(got))


def check_at_fractions(stored, got):
    e = errors_at_fractions(stored, got)
    assert not e.not_finite.any()
    assert np.median(e.relative) < 4 * eps_of(got.dtype)
    assert percentile_99(e.relative) < 250 * eps_of(got.dtype)


@pytest.mark.quick
def test_naive_form_loses_what_this_one_keeps():
    """The textbook formula in float32, at large theta: why this package exists."""
    x, mu, theta = np.float32(1), np.float32(1), np.float32(1e6)
    total = theta + mu
    textbook = gammaln(x + theta) - gammaln(theta) - gammaln(x + 1)
    textbook += theta * np.log(theta / total) + x * np.log(mu / total)
    assert textbook.dtype == np.float32
    assert abs(textbook + 1.0000005) > 0.04
    np.testing.assert_allclose(jaxnb.log_nb_positive(x, mu, theta), -1.0000005, rtol=1e-7)


def test_points_where_peers_fail():
    points = [(1, 1, 1e6), (1000, 1000, 1e9), (0, 50, 1e9), (7, 5, 1e7), (1, 1e-9, 3)]
    expected = [-1.0000005, -4.372900006, -49.99999875, -2.259096124, -20.72326587]
    value, *_ = at_points(NB, points, eps=0.0, second=True)
    assert_at(points, value, expected, rtol=3e-7)


def test_derivatives_in_theta_vanish_with_the_mean_at_one_in_float64():
    """mu / theta**2 at x = 1: nothing of 1 / theta is left."""
    means_and_thetas = [(1.6e-290, 8e-60), (1e-300, 2.0)]
    mu, theta = np.array(means_and_thetas).T
    points = [(1, *both) for both in means_and_thetas]
    _, gradient, hessian = at_points(NB, points, "float64", eps=0.0, second=True)
    expected = (mu / theta) / theta
    assert_at(points, gradient[1], expected, rtol=1e-5)
    assert_at(points, hessian[1, 1], -2 * expected / theta, rtol=1e-5)
    points = [(0, *both) for both in means_and_thetas]
    _, gradient, _ = at_points(NB, points, "float64", eps=0.0, second=True)
    assert (gradient[1] <= 0).all()
    assert_at(points, gradient[1], 0, atol=1e-30)


def test_agrees_with_the_textbook_formula_where_that_holds():
    rng = np.random.default_rng(0)
    mu, theta = np.exp(rng.uniform(np.log([[1e-3], [0.05]]), np.log([[1e3], [100]]), (2, SIZE)))
    x = rng.poisson(rng.gamma(theta) / theta * mu).astype(float)
    total = theta + mu
    formula = gammaln(x + theta) - gammaln(theta) - gammaln(x + 1)
    formula += theta * np.log(theta / total) + x * np.log(mu / total)
    value, *_ = derivatives(NB, x, mu, theta, second=True)
    np.testing.assert_allclose(value, formula, rtol=1e-6)


@pytest.mark.parametrize("name", nightly_but([NB], DISTRIBUTIONS))
def test_probabilities_sum_to_one(name):
    case = DISTRIBUTIONS[name]
    x = np.arange(40_000, dtype=np.float32)
    for mu, theta in [(0.3, 0.05), (3, 1), (20, 4), (60, 1e4), (100, np.inf)]:
        value_of = {"mu": mu, "theta": theta, "mu_1": mu, "mu_2": 3 * mu}
        value_of |= {"theta_1": theta, "theta_2": 2 * theta}
        values = [np.float32(value_of.get(p.name, -0.7)) for p in case.family.parameters]
        log_prob = np.asarray(case.log_prob(x, *values), float)
        assert abs(np.exp(log_prob).sum() - 1) < 1e-6, (mu, theta)
