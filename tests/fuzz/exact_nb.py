"""The distribution function of the negative binomial and its derivatives up to the second.

Its two tails are beta integrals (for theta = inf gamma integrals) by numerical integration over the
logarithm of the odds, in which the integrand is log-concave: it is computed outwards from the point
in question, on the side of it where the integrand falls. Nothing here is a formula of the package:
the derivatives are those under the integral sign, and those of the end of the integral.
"""

import math
from typing import NamedTuple

from fuzz import reals
from fuzz.jets import Jet
from fuzz.reals import number

_RELATIVE = 40  # digits wanted of each tail


class Tails(NamedTuple):
    """P(X <= x) and P(X > x), each with its derivatives in the parameters."""

    lower: Jet
    upper: Jet

    @property
    def cdf(self) -> number:
        """P(X <= x)."""
        return self.lower.value

    @property
    def sf(self) -> number:
        """P(X > x)."""
        return self.upper.value

    @property
    def d_cdf(self) -> list[number]:
        """The first derivatives of P(X <= x)."""
        return self.lower.first


def digits(*arguments: number) -> int:
    """What is needed so that differences of log-gammas of such arguments are right."""
    floats = [abs(float(a)) for a in arguments]
    sizes = [abs(int(math.log10(a))) for a in floats if 0 < a < math.inf]
    return _RELATIVE + 20 + 2 * max(sizes, default=0)


def certain(parameters: int, lower: int) -> Tails:
    """Of a count that is sure to be above x, or if `lower` is 1 not to be, whatever they are."""
    first, second = [number(0)] * parameters, [number(0)] * (parameters * (parameters + 1) // 2)
    return Tails(Jet(number(lower), first, second), Jet(number(1 - lower), first, second))


def nb(x: number, mu: number, theta: number) -> Tails:
    """The negative binomial's, with the derivatives in mean and theta.

    At a mean or theta of 0 or a mean of infinity these are left at 0.
    """
    if x < 0:
        return certain(2, 0)
    if mu == 0 or theta == 0 or x == reals.infinity:
        return certain(2, 1)
    if mu == reals.infinity:
        return certain(2, 0)
    with reals.digits(digits(x, mu, theta)):
        return _poisson(x, mu) if theta == reals.infinity else _nb(x, mu, theta)


def _nb(x: number, mu: number, theta: number) -> Tails:
    a, b, m = theta, x + 1, theta + mu
    log_p, log_q = -reals.log1p(mu / theta), -reals.log1p(theta / mu)
    if x == 0:
        zero, p, along_theta = reals.exp(a * log_p), theta / m, log_p + mu / m
        first = [-zero * p, zero * along_theta]
        second = [
            zero * (p**2 + theta / m**2),
            -zero * (p * along_theta + mu / m**2),
            zero * (along_theta**2 + mu**2 / (theta * m**2)),
        ]
        return _complete(zero, -reals.expm1(a * log_p), first, second)
    log_beta = reals.loggamma(a) + reals.loggamma(b) - reals.loggamma(a + b)

    def log_t(z: number) -> number:  # of t with the odds (theta / mu) exp(z)
        return -reals.log1p(mu / theta * reals.exp(-z))

    def log_density(z: number) -> number:
        return a * log_t(z) - b * reals.log1p(theta / mu * reals.exp(z))

    at = a * log_p + b * log_q
    slope = a * mu / m - b * theta / m
    curvature = (a + b) * theta * mu / m**2
    front = reals.exp(at - log_beta)
    centered = reals.digamma(a + b) - reals.digamma(a)
    of_centered = reals.trigamma(a + b) - reals.trigamma(a)
    center = reals.log(mu / theta)
    # the smaller tail, and the one that falls faster
    for lower in (slope > 0, slope <= 0):
        total, of_log, of_square = _outwards(
            log_density, log_t, at, slope, curvature, lower, center
        )
        if front * total < 0.5:
            break
    # at fixed t, of F = integral of t**(a - 1) (1 - t)**(b - 1) / B(a, b); dt / (t (1 - t)) is dz
    sign = 1 if lower else -1
    along_a = sign * front * (of_log + centered * total)
    twice = of_square + 2 * centered * of_log + (centered**2 + of_centered) * total
    # the end of the integral is p, at which front = p**a q**b / B(a, b) has the derivatives
    front_mu = b * theta / (mu * m) - a / m
    front_theta = log_p + (mu - b) / m + centered
    first = [-front / mu, along_a + front / theta]
    second = [
        front / mu * (1 / mu - front_mu),
        -front / mu * front_theta,
        # along_a has the derivative front / theta (log_p + centered) by the end
        sign * front * twice + front / theta * (log_p + centered + front_theta - 1 / theta),
    ]
    return _of_tail(front * total, lower, first, second)


def _poisson(x: number, mu: number) -> Tails:
    b, zero = x + 1, number(0)
    if x == 0:
        p = reals.exp(-mu)
        return _complete(p, -reals.expm1(-mu), [-p, zero], [p, zero, zero])
    at = b * reals.log(mu) - mu

    def log_density(z: number) -> number:
        return b * (reals.log(mu) - z) - mu * reals.exp(-z)

    lower = mu > b
    total, *_ = _outwards(log_density, lambda z: z, at, mu - b, mu, lower)
    front = reals.exp(at - reals.loggamma(b))
    second = front / mu * (1 / mu - (b / mu - 1))
    return _of_tail(front * total, lower, [-front / mu, zero], [second, zero, zero])


def _of_tail(tail: number, lower: bool, first: list, second: list) -> Tails:
    pair = (tail, 1 - tail) if lower else (1 - tail, tail)
    return _complete(*pair, first, second)


def _complete(cdf: number, sf: number, first: list, second: list) -> Tails:
    return Tails(Jet(cdf, first, second), -Jet(-sf, first, second))


def _outwards(log_density, log_t, at, slope, curvature, lower, center=0):
    """The integrals of exp(log_density - at) times powers of log_t, 0 to 2, to one side of 0.

    By panels over which the density falls by no more than exp(10), and none much longer than the
    distance to the singularities at center + i pi, until nothing is left of it.
    """
    sign = -1 if lower else 1
    step = 2 / (abs(slope) + reals.sqrt(slope**2 + 4 * curvature))
    nodes, weights = _rule()
    total = of_log = of_square = start = fall = number(0)
    while fall < 2.4 * _RELATIVE + 10:
        step = reals.exact(min(step, max(4, abs(sign * start - center) / 2)))
        while (after := at - log_density(sign * (start + step))) - fall > 10:
            step /= 2
        half, middle = step / 2, start + step / 2
        for t, w in zip(nodes, weights, strict=True):
            z = sign * (middle + half * t)
            density = reals.exp(log_density(z) - at) * (w * half)
            total += density
            log = log_t(z)
            of_log += density * log
            of_square += density * log**2
        start, fall, step = reals.exact(start + step), after, step * 2
    return total, of_log, of_square


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
