"""Values and derivatives against exact ones, region by region, in float32 and float64."""

import contextlib

import jax
import numpy as np
import pytest
import reference_values as reference
from reference_values import percentile_99, worst

import jaxnb

FUNCTIONS = {
    "nb": jaxnb.log_nb_positive,
    "zinb": jaxnb.log_zinb_positive,
    "mix": jaxnb.log_mixture_nb,
}
WHOLE = reference.REGION != "fractional"
FRACTIONAL = ~WHOLE


@pytest.fixture(params=["float32", "float64"])
def dtype(request):
    with jax.enable_x64(True) if request.param == "float64" else contextlib.nullcontext():
        yield np.dtype(request.param)


def evaluate(name, derivative, dtype, where):
    """The derivative of a likelihood in the argument positions given, at the reference points."""

    def function(*args):
        return FUNCTIONS[name](*args, eps=0.0)

    for position in derivative:
        function = jax.grad(function, position)
    arguments = reference.arguments(name, dtype, where)
    got = jax.jit(jax.vmap(function) if derivative else function)(*arguments)
    assert got.dtype == dtype
    return got


@pytest.mark.parametrize("name", FUNCTIONS)
def test_values(name, dtype):
    ulp = reference.errors(name, evaluate(name, (), dtype, WHOLE), WHOLE).ulp
    assert worst(ulp) < 3.3
    assert percentile_99(ulp) < 1.5


@pytest.mark.parametrize(("name", "derivative"), [("nb_mu", (1,)), ("nb_theta", (2,))])
def test_first_derivatives_of_nb(name, derivative, dtype):
    e = reference.errors(name, evaluate("nb", derivative, dtype, WHOLE), WHOLE)
    assert not (e.wrong_sign | e.wrong_zero | e.not_finite).any()
    assert worst(e.backward) < 2.5


@pytest.mark.parametrize(
    ("name", "derivative"),
    [
        ("nb_mu_mu", (1, 1)),
        ("nb_mu_theta", (1, 2)),
        ("nb_mu_theta", (2, 1)),
        ("nb_theta_theta", (2, 2)),
    ],
)
def test_second_derivatives_of_nb(name, derivative, dtype):
    e = reference.errors(name, evaluate("nb", derivative, dtype, WHOLE), WHOLE)
    assert not e.not_finite.any()
    scale = np.finfo(dtype).eps / np.finfo(np.float32).eps
    assert percentile_99(e.relative) < 1e-5 * scale


@pytest.mark.parametrize(
    ("name", "position"),
    [
        ("zinb_mu", 1),
        ("zinb_theta", 2),
        ("zinb_pi", 3),
        ("mix_mu_1", 1),
        ("mix_mu_2", 2),
        ("mix_theta_1", 3),
        ("mix_theta_2", 4),
    ],
)
def test_derivatives_of_two_components(name, position, dtype):
    got = evaluate(name.split("_")[0], (position,), dtype, WHOLE)
    e = reference.errors(name, got, WHOLE)
    assert not (e.wrong_sign | e.wrong_zero | e.not_finite).any()
    typical = reference.REGION[WHOLE] == "typical"
    scale = np.finfo(dtype).eps / np.finfo(np.float32).eps
    assert percentile_99(e.relative[typical]) < 1e-5 * scale


def test_log_odds_derivative_of_mixture(dtype):
    e = reference.errors("mix_q", evaluate("mix", (5,), dtype, WHOLE), WHOLE)
    assert not (e.wrong_zero | e.not_finite).any()
    # where the components agree to nearly all digits the sign is that of a rounding error
    assert not (e.wrong_sign & (np.abs(reference.exact("mix_q", WHOLE)) > 1e-5)).any()
    typical = reference.REGION[WHOLE] == "typical"
    scale = np.finfo(dtype).eps / np.finfo(np.float32).eps
    assert percentile_99(e.relative[typical]) < 1e-4 * scale


@pytest.mark.parametrize("name", FUNCTIONS)
def test_values_of_fractional_counts(name, dtype):
    ulp = reference.errors(name, evaluate(name, (), dtype, FRACTIONAL), FRACTIONAL).ulp
    assert worst(ulp) < 4


@pytest.mark.parametrize(
    ("name", "derivative"),
    [("nb_x", (0,)), ("nb_mu", (1,)), ("nb_theta", (2,)), ("nb_theta_theta", (2, 2))],
)
def test_derivatives_at_fractional_counts(name, derivative, dtype):
    e = reference.errors(name, evaluate("nb", derivative, dtype, FRACTIONAL), FRACTIONAL)
    assert not e.not_finite.any()
    scale = np.finfo(dtype).eps / np.finfo(np.float32).eps
    assert np.median(e.relative) < 5e-7 * scale
    assert percentile_99(e.relative) < 3e-5 * scale


def test_naive_form_loses_what_this_one_keeps():
    """The textbook formula in float32, at large theta: why this package exists."""

    def textbook(x, mu, theta):
        gammaln = jax.scipy.special.gammaln
        value = gammaln(x + theta) - gammaln(theta) - gammaln(x + 1)
        total = theta + mu
        return value + theta * np.log(theta / total) + x * np.log(mu / total)

    x, mu, theta = np.float32(1), np.float32(1), np.float32(1e6)
    assert abs(textbook(x, mu, theta) + 1.0000005) > 0.04
    np.testing.assert_allclose(jaxnb.log_nb_positive(x, mu, theta), -1.0000005, rtol=1e-7)


@pytest.mark.parametrize(
    ("x", "mu", "theta", "expected"),
    [
        (1, 1, 1e06, -1.0000005),
        (1000, 1000, 1e09, -4.372900006),
        (0, 50, 1e09, -49.99999875),
        (7, 5, 1e07, -2.259096124),
        (1, 1e-09, 3, -20.72326587),
    ],
)
def test_points_where_peers_fail(x, mu, theta, expected):
    got = jaxnb.log_nb_positive(np.float32(x), np.float32(mu), np.float32(theta), eps=0.0)
    np.testing.assert_allclose(got, expected, rtol=3e-7)


def test_agrees_with_the_textbook_formula_where_that_holds():
    from scipy.special import gammaln

    rng = np.random.default_rng(0)
    mu, theta = np.exp(rng.uniform(np.log([[1e-3], [0.05]]), np.log([[1e3], [100]]), (2, 4000)))
    x = rng.poisson(rng.gamma(theta) / theta * mu)
    total = theta + mu
    formula = gammaln(x + theta) - gammaln(theta) - gammaln(x + 1)
    formula += theta * np.log(theta / total) + x * np.log(mu / total)
    with jax.enable_x64(True):
        np.testing.assert_allclose(jaxnb.log_nb_positive(x, mu, theta, eps=0), formula, rtol=1e-6)


@pytest.mark.parametrize(("mu", "theta"), [(0.3, 0.05), (3, 1), (20, 4), (60, 1e4), (100, np.inf)])
def test_probabilities_sum_to_one(mu, theta):
    x = np.arange(40_000)
    log_probs = (
        jaxnb.log_nb_positive(x, mu, theta),
        jaxnb.log_zinb_positive(x, mu, theta, -0.7),
        jaxnb.log_mixture_nb(x, mu, 3 * mu, theta, 2 * theta, 0.4),
    )
    for log_prob in log_probs:
        assert abs(np.exp(np.asarray(log_prob, float)).sum() - 1) < 1e-6
