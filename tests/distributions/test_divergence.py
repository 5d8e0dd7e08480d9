"""Divergences of distributions that are negative binomials but for their zeros."""

from itertools import product

import jax
import numpy as np
import numpyro.distributions as dist
import pytest
from cdf.sums import MU, OTHER_MU, OTHER_THETA, THETA, log_nb
from nightly import nightly_but
from scipy.special import expit

import jaxnb

ODDS, OTHER_ODDS = np.linspace(-3, 2, len(MU)), np.linspace(1, -4, len(MU))
KINDS = {
    "nb": (jaxnb.NegativeBinomial, False),
    "zinb": (jaxnb.ZeroInflatedNegativeBinomial, True),
    "truncated": (jaxnb.ZeroTruncatedNegativeBinomial, False),
    "hurdle": (jaxnb.HurdleNegativeBinomial, True),
}
PAIRS = [
    f"{one} {other}" for one, other in product(KINDS, repeat=2) if (one, other) != ("nb", "nb")
]


def made(kind, mu, theta, odds):
    cls, has_odds = KINDS[kind]
    return cls(mu=mu, theta=theta, **({"zi_logits": odds} if has_odds else {}))


def log_probabilities(kind, mu, theta, odds):
    """Of all counts that matter, in float64."""
    log_p = log_nb(np.asarray(mu), np.asarray(theta))
    pi = expit(np.asarray(odds, np.float32).astype(float)) if KINDS[kind][1] else 0.0
    with np.errstate(divide="ignore"):
        if kind in ("truncated", "hurdle"):
            log_p = log_p - np.log1p(-np.exp(log_p[:1])) + np.log1p(-pi)
            log_p[0] = np.log(pi)
        else:
            zero = np.log(pi + (1 - pi) * np.exp(log_p[0]))
            log_p = log_p + np.log1p(-pi)
            log_p[0] = zero
    return log_p


def expected(one, other, *parameters):
    first = log_probabilities(one, *parameters[:3])
    second = log_probabilities(other, *parameters[3:])
    with np.errstate(invalid="ignore"):
        terms = np.exp(first) * (first - second)
    return np.where(first > -np.inf, terms, 0.0).sum(0)


@pytest.mark.parametrize("pair", nightly_but(["hurdle zinb"], PAIRS))
def test_they_are_sums_over_all_counts(pair):
    one, other = pair.split()
    other_mu = np.where(MU < 0.01, 5 * MU, OTHER_MU)
    parameters = MU, THETA, ODDS, other_mu, OTHER_THETA, OTHER_ODDS
    got = dist.kl_divergence(made(one, *parameters[:3]), made(other, *parameters[3:]))
    np.testing.assert_allclose(got, expected(one, other, *parameters), rtol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["zinb", "truncated", "hurdle"])
def test_of_close_distributions_it_keeps_its_digits(kind):
    """Of differences of 1e-3, the sum over differences of logarithms has no digit in float32."""
    close = MU * np.float32(1.001), THETA * np.float32(0.999), ODDS + 1e-3
    parameters = MU, THETA, ODDS, *close
    got = dist.kl_divergence(made(kind, *parameters[:3]), made(kind, *close))
    np.testing.assert_allclose(got, expected(kind, kind, *parameters), rtol=1e-4)
    same = made(kind, *parameters[:3])
    np.testing.assert_array_equal(dist.kl_divergence(same, same), 0)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["zinb", "hurdle"])
def test_derivatives(kind):
    parameters = MU[:6], THETA[:6], ODDS[:6], OTHER_MU[:6], OTHER_THETA[:6], OTHER_ODDS[:6]
    given = [np.asarray(p, np.float32) for p in parameters]

    def divergence(*p):
        return dist.kl_divergence(made(kind, *p[:3]), made(kind, *p[3:]))

    def total(*p):
        return divergence(*p).sum()

    places = tuple(range(6))
    with jax.enable_x64(True):
        exact = [p.astype(float) for p in given]
        gradient = jax.grad(total, places)(*exact)
        for place in places:
            step = 1e-5 * exact[place]
            ends = [
                np.asarray(divergence(*(p + sign * step if k == place else p
                                        for k, p in enumerate(exact))))
                for sign in (1, -1)
            ]  # fmt: skip
            numeric = (ends[0] - ends[1]) / (2 * step)
            np.testing.assert_allclose(gradient[place], numeric, rtol=1e-6, atol=1e-9)
    single = jax.grad(total, places)(*given)
    for got, of_double in zip(single, gradient, strict=True):
        np.testing.assert_allclose(got, of_double, rtol=1e-4)


@pytest.mark.slow
def test_what_only_one_of_them_has():
    nb, zinb = (made(kind, 3.0, 2.0, 0.5) for kind in ("nb", "zinb"))
    truncated, hurdle = (made(kind, 3.0, 2.0, 0.5) for kind in ("truncated", "hurdle"))
    assert dist.kl_divergence(zinb, truncated) == np.inf
    assert dist.kl_divergence(zinb, made("nb", 0.0, 2.0, None)) == np.inf
    nothing = made("nb", 0.0, 2.0, None)
    np.testing.assert_allclose(dist.kl_divergence(nothing, hurdle), -np.log(expit(0.5)), rtol=1e-6)
    np.testing.assert_allclose(
        dist.kl_divergence(truncated, nb), -np.log1p(-((2 / 5) ** 2)), rtol=1e-6
    )
    assert np.isnan(dist.kl_divergence(made("hurdle", 3.0, 0.0, 0.5), hurdle))
    poisson = dist.Poisson(3.0)
    limit = made("zinb", 3.0, np.inf, -30.0)
    np.testing.assert_allclose(dist.kl_divergence(poisson, limit), 0, atol=1e-12)


@pytest.mark.quick
def test_of_mixtures_there_is_none():
    mixture = jaxnb.NegativeBinomialMixture(
        mu_1=1.0, mu_2=2.0, theta_1=1.0, theta_2=1.0, mixture_logits=0.0
    )
    for pair in ((mixture, mixture), (mixture, made("nb", 3.0, 2.0, None))):
        with pytest.raises(NotImplementedError):
            dist.kl_divergence(*pair)
