"""Every edge of the parameter space, values and derivatives: no NaN but those of the input."""

import itertools

import jax
import mpmath
import numpy as np
import pytest
from likelihoods.programs import assert_at, at_points, exact
from registry import DISTRIBUTIONS
from scipy.stats import poisson

import jaxnb

INF, NAN = np.inf, np.nan
NB, ZINB, MIXTURE, ZERO_TRUNCATED, HURDLE = (
    "negative_binomial",
    "zero_inflated_negative_binomial",
    "negative_binomial_mixture",
    "zero_truncated_negative_binomial",
    "hurdle_negative_binomial",
)
nb = jaxnb.log_nb_positive
TINY = float(np.finfo(np.float32).tiny)

# The mixture by night: its program takes longest to compile.
every_distribution = pytest.mark.parametrize(
    "case",
    [
        pytest.param(case, marks=pytest.mark.slow if name == "negative_binomial_mixture" else ())
        for name, case in DISTRIBUTIONS.items()
    ],
    ids=repr,
)


def evaluated(name, points, eps=None):
    """As everywhere in this module: of NB the program with second derivatives."""
    return at_points(name, points, eps=eps, second=name == NB)[:2]


@every_distribution
def test_outside_the_support(case):
    whole = "zero_truncated" in case.name or "hurdle" in case.name
    points = [(x, *case.values) for x in ((-1.0, 1.5) if whole else (-1.0,))]
    value, gradient = evaluated(case.name, points)
    assert_at(points, value, -INF)
    assert_at(points, gradient, 0)


@every_distribution
def test_nan_and_negative_parameters_give_nan(case):
    usual = [(x, *case.values) for x in (0.0, 1.0, 3.0, -1.0)]
    points = [
        (*point[:place], NAN, *point[place + 1 :])
        for point in usual
        for place in range(len(case.values) + 1)
    ]
    points += [
        (*point[:place], -1.0, *point[place + 1 :])
        for point in usual
        for place, parameter in enumerate(case.family.parameters, 1)
        if parameter.constraint == "nonnegative"
    ]
    value, _ = evaluated(case.name, points)
    assert_at(points, value, NAN)


@every_distribution
def test_derivatives_are_never_nan(case):
    """At all combinations of the ends of the ranges, with a floor and without one."""
    ends = {"nonnegative": (0.0, 1e-38, 1e-8, 1.5, 1e8, 3e38, INF), "extended real": (-INF, 0, INF)}
    ranges = [ends[parameter.constraint] for parameter in case.family.parameters]
    points = list(itertools.product((0.0, 1.0, 3.0, 0.5, 1e7), *ranges))
    if len(points) > 400:
        chosen = np.random.default_rng(0).choice(len(points), 400, replace=False)
        points = [points[i] for i in chosen]
    for eps in (0.0, None):
        value, gradient = evaluated(case.name, points, eps)
        assert_at(points, np.isnan(value), False)
        assert_at(points, np.isnan(gradient), False)


def test_infinite_theta_is_poisson():
    points = list(itertools.product((0, 1, 2, 7, 1000), (1e-6, 0.3, 5, 900), (INF,)))
    x, mu, _ = np.transpose(points).astype(np.float32).astype(float)
    value, (d_mu, d_theta) = evaluated(NB, points)
    assert_at(points, value, poisson.logpmf(x, mu), rtol=1e-6)
    assert_at(points, d_mu, x / mu - 1, rtol=1e-6, atol=1e-7)
    assert_at(points, d_theta, 0)


def test_no_step_on_the_way_to_poisson():
    theta = np.logspace(2, 30, 2000, dtype=np.float32)
    value = np.asarray(nb(40, 33, theta))
    assert (np.abs(np.diff(value)) < 3e-4).all()
    assert (np.abs(np.diff(value[theta > 1e9])) < 2e-7 * 5).all()


def test_vanishing_theta_is_a_point_mass():
    points = [(0, 2.0, 0.0), (0, 2.0, 1e-30)]
    value, gradient = evaluated(NB, points)
    assert_at(points, value, 0, atol=1e-27)
    assert np.isfinite(gradient).all()
    points = [(3, 2.0, 0.0), (3, 2.0, 1e-30)]
    value, (d_mu, d_theta) = evaluated(NB, points)
    assert_at(points[:1], value[:, :1], -INF)
    assert (value < -60).all()
    assert np.isfinite(d_mu).all()
    assert (d_theta > 1e29).all()


def test_zero_mean_without_floor():
    points = [(0, 0.0, 2.0)]
    value, (d_mu, d_theta) = evaluated(NB, points, eps=0.0)
    assert_at(points, [value, d_mu, d_theta], [[[0]], [[-1]], [[0]]])
    points = [(3, 0.0, 2.0)]
    value, gradient = evaluated(NB, points, eps=0.0)
    assert_at(points, value, -INF)
    assert not np.isnan(gradient).any()


@pytest.mark.quick
def test_the_default_floor():
    floor = 1e-290 if jax.config.jax_enable_x64 else 1e-30
    got = nb(3, np.array([0.0, floor / 10]), 2.0)
    np.testing.assert_array_equal(got, np.full(2, nb(3, floor, 2.0, eps=0.0)))


@pytest.mark.parametrize("eps", [1e-8, 1e-30])
def test_value_and_derivative_agree_on_the_floor(eps):
    """Below it the value is constant and the derivative 0; at it and above both are exact."""
    points = [(3, 0.0, 2.0), (3, eps / 2, 2.0), (3, eps, 2.0), (3, 2 * eps, 2.0)]
    value, (d_mu, _) = evaluated(NB, points, eps=eps)
    unfloored, _ = evaluated(NB, points[2:], eps=0.0)
    assert_at(points, value, unfloored[:, [0, 0, 0, 1]])
    assert_at(points, d_mu, [0, 0, 3 / eps, 1.5 / eps], rtol=1e-6)


def test_the_floor_is_not_a_bias():
    """x = 1, mu = 1e-8: eps inside the logarithms would be off by log 2."""
    points = [(1, 1e-8, 2.0), (1, 1e-9, 2.0)]
    for eps in (1e-30, 0.0):
        assert_at(points, evaluated(NB, points, eps)[0], np.log([1e-8, 1e-9]), rtol=1e-6)
    assert_at(points, evaluated(NB, points, 1e-5)[0], evaluated(NB, [(1, 1e-5, 2.0)])[0], rtol=1e-6)


def test_infinite_mean():
    points = [(0, INF, 2.0), (3, INF, 2.0)]
    assert_at(points, evaluated(NB, points)[0], -INF)
    points = [(0, INF, 2.0, 0.3)]
    value, gradient = evaluated(ZINB, points)
    assert_at(points, value, -np.log1p(np.exp(-0.3)), rtol=1e-6)
    assert np.isfinite(gradient).all()


def test_infinite_log_odds():
    plain = [(0, 1.0, 2.0), (3, 1.0, 2.0)]
    expected, expected_gradient = evaluated(NB, plain)
    points = [(*point, -INF) for point in plain]
    value, gradient = evaluated(ZINB, points)
    assert_at(points, value, expected, rtol=1e-6)
    assert_at(points, gradient[:2], expected_gradient, rtol=1e-6)
    assert_at(points, gradient[2], 0, atol=1e-30)

    points = [(*point, INF) for point in plain]
    value, gradient = evaluated(ZINB, points)
    assert_at(points, value, [0, -INF])
    assert np.isfinite(gradient).all()
    assert_at(points, gradient[2], 0, atol=1e-30)

    points = [(x, 1.0, 3.0, 2.0, 2.0, q) for x in (0, 3) for q in (-INF, INF)]
    value, gradient = evaluated(MIXTURE, points)
    left = [(x, 1.0 if q > 0 else 3.0, theta) for x, _, _, theta, _, q in points]
    assert_at(points, value, evaluated(NB, left)[0], rtol=1e-6)
    assert np.isfinite(gradient).all()


def test_deep_zero_is_rescued_by_inflation():
    """NB(0) = -1000 and pi = -40: the extra zeros explain the count, e**-1000 does not."""
    points = [(0, 1000.0, INF, -40.0)]
    value, gradient = evaluated(ZINB, points)
    assert_at(points, value, -40, rtol=1e-6)
    assert_at(points, gradient, [[[0]], [[0]], [[1]]], atol=1e-12)


def test_a_component_that_cannot_explain_the_count_has_no_weight():
    points = [(2, 0.0, 2.0, 1.0, 1.0, 0.3)]
    value, gradient = evaluated(MIXTURE, points, eps=0.0)
    alone, _ = evaluated(NB, [(2, 2.0, 1.0)])
    assert_at(points, value, alone - np.log1p(np.exp(0.3)), rtol=1e-6)
    assert not np.isnan(gradient).any()
    points = [(2, 0.0, 0.0, 1.0, 1.0, 0.3)]
    value, gradient = evaluated(MIXTURE, points, eps=0.0)
    assert_at(points, value, -INF)
    assert_at(points, gradient[4], 0)
    points = [(1.5, 2.0, 0.0, 1.0, 1.0, 0.0)]
    alone, _ = evaluated(NB, [(1.5, 2.0, 1.0)])
    assert_at(points, evaluated(MIXTURE, points, eps=0.0)[0], alone - np.log(2), rtol=1e-6)


def test_impossible_counts_without_a_floor():
    points = [(5.0, 0.0, 0.0), (0.5, 0.0, 1.0), (2.0, 1.0, 0.0)]
    assert_at(points, evaluated(NB, points, eps=0.0)[0], -INF)


def test_large_finite_values():
    points = [(1e15, 1e15, 1e10), (16_777_215, 1e-6, 1e10)]
    value, gradient = evaluated(NB, points)
    assert np.isfinite(value).all()
    assert np.isfinite(gradient).all()
    assert_at([(INF, 1.0, 1.0)], evaluated(NB, [(INF, 1.0, 1.0)])[0], -INF)


@pytest.mark.parametrize("name", [NB, pytest.param(ZINB, marks=pytest.mark.slow)])
def test_second_derivatives_at_the_edges_are_never_nan(name):
    points = [(1.0, 1e-8, 0.0), (1.0, 1e-30, 1e-30), (0.0, 0.0, 1.0), (3.0, 0.0, 2.0)]
    points += list(itertools.product((0.0, 1.0, 2.0, 0.5), (0.0, 1e-30, 1.0), (0.0, 1.0, INF)))
    if name == ZINB:
        points = [(*point, pi) for point in points for pi in (0.0, 0.3)]
    *_, hessian = at_points(name, points, eps=0.0, second=True)
    assert_at(points, np.isnan(hessian), False)


def test_no_product_with_zero_is_nan():
    """A derivative that would overflow is a number, so that a masked loss stays one."""
    points = [(1e9, 1e-37, 2.0)]
    _, gradient = evaluated(NB, points, eps=0.0)
    assert_at(points, 0 * gradient, 0)


@pytest.mark.parametrize("order", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_no_false_alarm_under_debug_nans(order):
    """Not jitted as a whole, so that what one compiled part hands to the next is checked too."""
    x = np.array([0, 1, 5, 0.5, 0, 3, 0, 0], np.float32)
    mu = np.array([1, 2, 3, 1, 0, 1e-9, 1e3, 1], np.float32)
    theta = np.array([INF, 1, 1e-3, 2, 1, 1e9, INF, 2], np.float32)
    pi = np.array([0, 0.3, 1, -INF, INF, 0, -40, -INF], np.float32)

    def total(mu, theta, pi):
        return jaxnb.log_zinb_positive(x, mu, theta, pi).sum()

    with jax.debug_nans(True):
        jax.value_and_grad(total, (0, 1, 2))(mu, theta, pi)
        if order == 2:
            jax.value_and_grad(lambda mu, theta: nb(x, mu, theta).sum(), (0, 1))(mu, theta)
            jax.hessian(lambda mu, theta: nb(x, mu, theta).sum(), (0, 1))(mu, theta)
            jax.hessian(total, (0, 1, 2))(mu, theta, pi)


def test_weight_of_components_alike_and_far_apart():
    points_and_differences = [
        ((1, 9.3e-24, 9.3e-24, 2e28), 0),  # the same component twice
        ((1e7, 2e-23, 2e-23, 3e29), 0),
        ((3, 1.9, 1.9, INF), 0),
        ((0, 2.0**69, 2.0**-99, 100), -4322.20),  # whose quotient overflows
        ((3, 2.0**69, 2.0**-99, 100), -4322.20 + 3 * 73.2267),
        ((0, 2.25e-9, 6e-9, INF), 3.75e-9),  # 1/theta underflows
        ((2, 2.25e-9, 6e-9, INF), 2 * np.log(0.375)),
    ]
    points = [(*point, point[-1], 0.0) for point, _ in points_and_differences]
    difference = np.array([d for _, d in points_and_differences])
    _, gradient = evaluated(MIXTURE, points)
    # sigma(d + q) - sigma(q) at q = 0
    assert_at(points, gradient[4], 0.5 * np.tanh(difference / 2), rtol=2e-6)


def of_nb(points, eps=None):
    return at_points(NB, points, eps=eps, second=True)


def test_means_near_the_largest_number():
    """The value and mu times its derivative: a mean above 2**99 was scored as 2**99."""
    points = [(3.0, mu, 1.0) for mu in (1e30, 1e34, 3e38)]
    value, (d_mu, _), _ = of_nb(points)
    assert_at(points, value, [exact(*point) for point in points], rtol=3e-7)
    mu = np.array([mu for _, mu, _ in points])
    # -1 / mu is subnormal for the last, and flushed to 0
    assert_at(points, d_mu * mu, np.where(1 / mu > TINY, -1, 0), rtol=1e-6)


def test_mean_and_theta_both_large():
    points = [(7.0, 1e34, 3e33), (7.0, 1e34, np.inf)]
    assert_at(points, of_nb(points)[0], [exact(*points[0]), -1e34], rtol=3e-7)


def test_subnormal_theta():
    points = [(3.0, 2.0, 1e-40)]
    value, (_, d_theta), _ = of_nb(points)
    assert_at(points, value, -93.202, rtol=1e-5)
    assert np.isfinite(d_theta).all()
    assert (d_theta > 1e38).all()


def test_small_fractional_count_has_no_probability_above_one():
    points = [(1.1920929e-7, 4.4416964e-8, 6005126144.0)]
    assert_at(points, of_nb(points, eps=0.0)[0], -2.0e-6, atol=2e-7)


def test_log_odds_of_a_mixture_of_distant_means():
    """x = 0, means 1.9e-6 and 6,394, both thetas 1.3e-6."""
    points = [np.float32([0, 1.8807e-6, 6393.99, 1.3049e-6, 1.3049e-6, 12.1985])]
    _, gradient = at_points(MIXTURE, points)
    _, mu_1, mu_2, theta, _, q = (mpmath.mpf(float(a)) for a in points[0])
    with mpmath.workdps(40):
        d = -theta * mpmath.log((theta + mu_1) / (theta + mu_2))
        sigma = lambda t: 1 / (1 + mpmath.exp(-t))  # noqa: E731
        expected = float(sigma(q + d) - sigma(q))
    assert_at(points, gradient[4], expected, rtol=1e-4)


def test_derivatives_in_theta_vanish_with_the_mean_at_one():
    """mu / theta**2 at x = 1: nothing of 1 / theta is left."""
    means_and_thetas = [(9.8e-32, 6.8e-10)]
    mu, theta = np.array(means_and_thetas, np.float32).T
    points = [(1, *both) for both in means_and_thetas]
    _, gradient, hessian = of_nb(points, eps=0.0)
    expected = (mu / theta) / theta
    assert_at(points, gradient[1], expected, rtol=1e-5)
    assert_at(points, hessian[1, 1], -2 * expected / theta, rtol=1e-5)
    points = [(0, *both) for both in means_and_thetas]
    _, gradient, _ = of_nb(points, eps=0.0)
    assert (gradient[1] <= 0).all()
    assert_at(points, gradient[1], 0, atol=1e-30)


def test_second_derivatives_that_overflow_are_the_largest_number():
    """Their products with a tangent of 0 are 0, and not NaN."""
    points = [(5.0, 1e-30, 1.0)]
    *_, hessian = of_nb(points)
    assert_at(points, hessian[0, 0], -np.finfo(np.float32).max)
    assert_at(points, hessian[1, 0], 5, rtol=1e-6)
    assert_at(points, hessian[0, 1], 5, rtol=1e-6)
    assert np.isfinite(of_nb([(1e15, 1e-3, 1e-12)])[2]).all()


def test_a_second_theta_may_be_given_by_its_logarithm_alone():
    parameters = {"mu_1": 2.0, "mu_2": 5.0, "theta_1": 1.5, "pi_logits": 0.3}
    expected = jaxnb.log_mixture_nb(3, **parameters, theta_2=4.0)
    got = jaxnb.log_mixture_nb(3, **parameters, log_theta_2=np.log(4.0))
    np.testing.assert_allclose(got, expected, rtol=1e-6)
    assert abs(expected - jaxnb.log_mixture_nb(3, **parameters)) > 0.01


@pytest.mark.parametrize("name", ["mu_2", pytest.param("theta_1", marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    "function",
    [
        jaxnb.log_mixture_nb,
        pytest.param(jaxnb.mixture_nb_log_cdf, marks=pytest.mark.slow),
    ],
)
def test_each_component_of_a_mixture_has_scales_of_its_own(function, name):
    parameters = {"mu_1": 2.0, "mu_2": 9.0, "theta_1": 1.5, "theta_2": 4.0, "pi_logits": 0.3}
    expected = function(3, **parameters)
    logarithm = {f"log_{name}": np.log(parameters.pop(name))}
    np.testing.assert_allclose(function(3, **parameters, **logarithm), expected, rtol=1e-5)
