"""Exact log-probabilities of intervals and their derivatives, by summing decimal fractions."""

from decimal import Decimal, localcontext

import mpmath
import numpy as np

_DIGITS = 60


def drawn(kind, number):
    """Points (low, high, mu, theta) of float32 numbers, in and far out of either tail."""
    rng = np.random.default_rng(["left", "right", "narrow", "wide"].index(kind))
    mu = np.exp(rng.uniform(np.log(1e-2), np.log(2e3), number)).astype(np.float32)
    theta = np.exp(rng.uniform(np.log(0.1), np.log(1e3), number)).astype(np.float32)
    deviation = np.sqrt(mu + mu * mu / theta)
    z = rng.uniform(-6, 2, number) if kind == "left" else rng.uniform(-4, 10, number)
    x = np.where(
        rng.uniform(size=number) < 0.7, mu + z * deviation, mu * np.exp(rng.uniform(-6, 3, number))
    )
    x = np.clip(np.round(x), 0, 8000)
    low, high = x + 1, np.full(number, np.inf)
    if kind == "left":
        low, high = np.zeros(number), x
    elif kind == "narrow":
        high = x + np.round(np.exp(rng.uniform(0, 5, number)))
    elif kind == "wide":
        width = np.round(deviation * np.exp(rng.uniform(-5, 2, number)))
        high = x + np.clip(width, 1, 5000)
    return np.stack([low, high, mu, theta], 1)


def exact(low, high, mu, theta):
    """log P(low <= X <= high), its derivatives in mu and theta, and the sizes of their terms.

    A derivative is the mean of that of log P(X), given the interval; the size is that of the
    absolute values.
    """
    with localcontext() as context, mpmath.workdps(_DIGITS):
        context.prec = _DIGITS
        return _exact(int(low), high, float(mu), float(theta))


def _exact(a, high, mu, theta):
    real_mu, real_theta = mpmath.mpf(mu), mpmath.mpf(theta)
    p = real_theta / (real_mu + real_theta)
    log_first = (
        mpmath.loggamma(a + real_theta)
        - mpmath.loggamma(real_theta)
        - mpmath.loggamma(a + 1)
        + real_theta * mpmath.log(p)
        + a * mpmath.log(1 - p)
    )
    harmonic = _decimal(mpmath.digamma(a + real_theta) - mpmath.digamma(real_theta))
    constant = _decimal(mpmath.log(p) + 1)
    mu, theta = Decimal(mu), Decimal(theta)
    m = mu + theta
    term, total, k = Decimal(1), Decimal(0), a
    sums = [Decimal(0)] * 4
    while True:
        d_mu = (k - mu) * theta / (mu * m)
        d_theta = harmonic + constant - (k + theta) / m
        total += term
        values = (d_mu, d_theta, abs(d_mu), abs(d_theta))
        sums = [part + term * value for part, value in zip(sums, values, strict=True)]
        if k == high:
            break
        following = term * (k + theta) / (k + 1) * mu / m
        if following < term and k > mu:
            rest = following / (1 - following / term) * (1 + abs(d_mu) + abs(d_theta))
            if rest < total * Decimal(10) ** -40:
                break
        harmonic += 1 / (k + theta)
        term, k = following, k + 1
    log_total = mpmath.log(mpmath.mpf(str(total)))
    return float(log_first + log_total), *(float(part / total) for part in sums)


def _decimal(number):
    return Decimal(mpmath.nstr(number, _DIGITS - 2))
