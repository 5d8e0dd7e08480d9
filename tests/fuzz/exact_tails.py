"""The distribution functions of every distribution and their derivatives.

The negative binomial's two tails are beta integrals (for theta = inf gamma integrals) by numerical
integration over the logarithm of the odds, in which the integrand is log-concave: it is computed
outwards from the point in question, on the side of it where the integrand falls. Nothing here is a
formula of the package: the derivatives are those under the integral sign.
"""

import math
from functools import partial, wraps
from typing import NamedTuple

from fuzz import reals
from fuzz.reals import number
from mpmath import mpf

_RELATIVE = 40  # digits wanted of each tail


class Tails(NamedTuple):
    """P(X <= x), P(X > x), and the derivatives of the first one in the parameters."""

    cdf: mpf
    sf: mpf
    d_cdf: tuple[mpf, ...]


def digits(*arguments: number) -> int:
    """What is needed so that differences of log-gammas of such arguments are right."""
    floats = [abs(float(a)) for a in arguments]
    sizes = [abs(int(math.log10(a))) for a in floats if 0 < a < math.inf]
    return _RELATIVE + 20 + 2 * max(sizes, default=0)


def nb(x: number, mu: number, theta: number) -> Tails:
    """The negative binomial's, with the derivatives in mean and theta."""
    if x < 0:
        return Tails(number(0), number(1), (number(0), number(0)))
    with reals.digits(digits(x, mu, theta)):
        return _poisson(x, mu) if theta == reals.infinity else _nb(x, mu, theta)


def _nb(x: number, mu: number, theta: number) -> Tails:
    a, b, m = theta, x + 1, theta + mu
    log_p, log_q = -reals.log1p(mu / theta), -reals.log1p(theta / mu)
    if x == 0:
        zero = reals.exp(a * log_p)
        d_theta = zero * (log_p + mu / m)
        return Tails(zero, -reals.expm1(a * log_p), (-zero * theta / m, d_theta))
    log_beta = reals.loggamma(a) + reals.loggamma(b) - reals.loggamma(a + b)

    def log_t(z: number) -> number:  # of t with the odds (theta / mu) exp(z)
        return -reals.log1p(mu / theta * reals.exp(-z))

    def log_density(z: number) -> number:
        return a * log_t(z) - b * reals.log1p(theta / mu * reals.exp(z))

    at = a * log_p + b * log_q
    slope = a * mu / m - b * theta / m
    lower = slope > 0
    curvature = (a + b) * theta * mu / m**2
    front = reals.exp(at - log_beta)
    centered = reals.digamma(a + b) - reals.digamma(a)
    found = {}
    # the smaller tail, and the one that falls faster
    center = reals.log(mu / theta)
    for lower in (slope > 0, slope <= 0):
        total, of_log = _outwards(log_density, log_t, at, slope, curvature, lower, center)
        along_a = front * (of_log + centered * total)
        found[lower] = front * total, along_a if lower else -along_a
        if front * total < 0.5:
            break
    # at fixed t, and by the end of the integral, p: dt / (t (1 - t)) is dz
    d_theta = found[lower][1] + front / theta
    d_mu = -front / mu
    return _complete(found[lower][0], lower, (d_mu, d_theta))


def _poisson(x: number, mu: number) -> Tails:
    b = x + 1
    if x == 0:
        zero = reals.exp(-mu)
        return Tails(zero, -reals.expm1(-mu), (-zero, number(0)))
    at = b * reals.log(mu) - mu

    def log_density(z: number) -> number:
        return b * (reals.log(mu) - z) - mu * reals.exp(-z)

    total, _ = _outwards(log_density, lambda z: z, at, mu - b, mu, mu > b)
    front = reals.exp(at - reals.loggamma(b))
    return _complete(front * total, mu > b, (-front / mu, number(0)))


def _complete(tail: number, lower: bool, d_cdf: tuple[mpf, ...]) -> Tails:
    other = 1 - tail
    return Tails(tail, other, d_cdf) if lower else Tails(other, tail, d_cdf)


def _outwards(log_density, log_t, at, slope, curvature, lower, center=0):
    """The integrals of exp(log_density - at), without and with log_t, to one side of 0.

    By panels over which the density falls by no more than exp(10), and none much longer than the
    distance to the singularities at center + i pi, until nothing is left of it.
    """
    sign = -1 if lower else 1
    step = 2 / (abs(slope) + reals.sqrt(slope**2 + 4 * curvature))
    nodes, weights = _rule()
    total = of_log = start = fall = number(0)
    while fall < 2.4 * _RELATIVE + 10:
        step = reals.exact(min(step, max(4, abs(sign * start - center) / 2)))
        while (after := at - log_density(sign * (start + step))) - fall > 10:
            step /= 2
        half, middle = step / 2, start + step / 2
        for t, w in zip(nodes, weights, strict=True):
            z = sign * (middle + half * t)
            density = reals.exp(log_density(z) - at) * (w * half)
            total += density
            of_log += density * log_t(z)
        start, fall, step = reals.exact(start + step), after, step * 2
    return total, of_log


_RULE: list = []


def _rule():
    """Gauss and Legendre's, of 30 nodes."""
    if not _RULE:
        with reals.digits(_RELATIVE + 20):
            n = 30
            nodes, weights = [], []
            for k in range(1, n + 1):
                t = number(math.cos(math.pi * (k - 0.25) / (n + 0.5)))
                for _ in range(8):
                    p, before = number(1), number(0)
                    for j in range(n):
                        p, before = ((2 * j + 1) * t * p - j * before) / (j + 1), p
                    slope = n * (t * p - before) / (t * t - 1)
                    t = reals.exact(t - p / slope)
                nodes.append(t)
                weights.append(2 / ((1 - t * t) * slope * slope))
            _RULE.extend((nodes, weights))
    return _RULE


def zero_inflated(x: number, mu: number, theta: number, q: number) -> Tails:
    return _inflated(x, nb(x, mu, theta), q)


def zero_truncated(x: number, mu: number, theta: number) -> Tails:
    if x < 1:
        return Tails(number(0), number(1), (number(0), number(0)))
    zero, t = nb(number(0), mu, theta), nb(x, mu, theta)
    with reals.digits(digits(x, mu, theta)):
        sf = t.sf / zero.sf
        # d(S / S_0) = (dS - S / S_0 dS_0) / S_0
        d_cdf = tuple((d - sf * d_0) / zero.sf for d, d_0 in zip(t.d_cdf, zero.d_cdf, strict=True))
        return Tails((t.cdf - zero.cdf) / zero.sf, sf, d_cdf)


def hurdle(x: number, mu: number, theta: number, q: number) -> Tails:
    return _inflated(x, zero_truncated(x, mu, theta), q)


def mixture(
    x: number, mu_1: number, mu_2: number, theta_1: number, theta_2: number, q: number
) -> Tails:
    first, second = nb(x, mu_1, theta_1), nb(x, mu_2, theta_2)
    with reals.digits(digits(x, mu_1, mu_2, theta_1, theta_2)):
        of_1, of_2 = 1 / (1 + reals.exp(-q)), 1 / (1 + reals.exp(q))
        d_1, d_2 = ([w * d for d in t.d_cdf] for w, t in ((of_1, first), (of_2, second)))
        along_q = of_1 * of_2 * (first.cdf - second.cdf)
        return Tails(
            of_1 * first.cdf + of_2 * second.cdf,
            of_1 * first.sf + of_2 * second.sf,
            (d_1[0], d_2[0], d_1[1], d_2[1], along_q),
        )


def _inflated(x: number, t: Tails, q: number) -> Tails:
    if x < 0:
        return Tails(number(0), number(1), (*(0 * d for d in t.d_cdf), number(0)))
    with reals.digits(digits(x, q) + 60):
        of_zero, of_rest = 1 / (1 + reals.exp(-q)), 1 / (1 + reals.exp(q))
        return Tails(
            of_zero + of_rest * t.cdf,
            of_rest * t.sf,
            (*(of_rest * d for d in t.d_cdf), of_zero * of_rest * t.sf),
        )


def _known(function):
    """The function of floating-point numbers, in numbers of mpmath."""

    @wraps(function)
    def of(*arguments) -> Tails:
        return reals.repeated(partial(once, *arguments))

    def once(*arguments) -> Tails:
        tails = function(*(number(float(a)) for a in arguments))
        with reals.digits(digits(*arguments)):
            cdf, sf = reals.known(tails.cdf), reals.known(tails.sf)
            error = min(cdf, sf) * mpf(10) ** -30
            return Tails(cdf, sf, tuple(reals.known(d, error) for d in tails.d_cdf))

    return of


TAILS = {
    "negative_binomial": _known(nb),
    "zero_inflated_negative_binomial": _known(zero_inflated),
    "zero_truncated_negative_binomial": _known(zero_truncated),
    "hurdle_negative_binomial": _known(hurdle),
    "negative_binomial_mixture": _known(mixture),
}
