"""Exact log-probabilities and derivatives of the negative binomial and its relatives, by mpmath."""

import mpmath
from mpmath import mpf

# theta and x + theta differ by 1e7 at the least where theta may be 1e38 (1e308)
DIGITS = {"float32": 120, "float64": 800}


def nb(x: mpf, mu: mpf, theta: mpf) -> mpf:
    """The log-probability."""
    zero = -theta * mpmath.log1p(mu / theta)
    if x == 0:
        return zero
    gammas = mpmath.loggamma(x + theta) - mpmath.loggamma(theta) - mpmath.loggamma(x + 1)
    return gammas + zero + x * mpmath.log(mu / (theta + mu))


def nb_derivatives(x: mpf, mu: mpf, theta: mpf) -> dict[str, mpf]:
    """First and second derivatives in mean and theta, and in their logarithms."""
    m = theta + mu
    p, q = theta / m, mu / m
    first = mpmath.log(p) + q - x / m
    second = q * q / theta + x / m**2
    if x > 0:
        first += mpmath.digamma(x + theta) - mpmath.digamma(theta)
        second += mpmath.psi(1, x + theta) - mpmath.psi(1, theta)
    return {
        "mu": (x - mu) * p / mu,
        "log_mu": (x - mu) * p,
        "theta": first,
        "log_theta": theta * first,
        "mu,mu": (x + theta) / m**2 - x / mu**2,
        "mu,theta": (x - mu) / m**2,
        "theta,theta": second,
        "log_mu,log_mu": -p * q * (x + theta),
        "log_mu,log_theta": (x - mu) * p * q,
        "log_theta,log_theta": theta * first + theta**2 * second,
    }


def mixed(a: mpf, b: mpf, q: mpf) -> mpf:
    """log(sigma(q) e**a + sigma(-q) e**b)."""
    return _log_add(a - mpmath.log1p(mpmath.exp(-q)), b - mpmath.log1p(mpmath.exp(q)))


def _log_add(a: mpf, b: mpf) -> mpf:
    larger, smaller = max(a, b), min(a, b)
    return larger + mpmath.log1p(mpmath.exp(smaller - larger))
