"""The probability of an interval, of every distribution, and its derivatives in the parameters.

Of few counts it is the sum of their probabilities, each from the one before by the ratio of
neighbors; of more it is a difference of two tails of `exact_tails`, of many digits.
"""

import math
from functools import partial
from typing import NamedTuple

from fuzz import exact_tails, reals
from fuzz.reals import number
from mpmath import mpf

_FEW = 40


class Mass(NamedTuple):
    """A probability and its derivatives in the parameters."""

    p: mpf
    d: tuple[mpf, ...]

    def times(self, factor) -> "Mass":
        return Mass(factor * self.p, [factor * d for d in self.d])


def nb(a, b, mu: number, theta: number) -> Mass:
    """Of the counts from a to b, b infinite or not; 0 <= a <= b."""
    if b - a < _FEW:
        return _of_few(int(a), int(b), mu, theta)
    if a == 0 and b == math.inf:
        return Mass(number(1), [number(0)] * 2)
    before = exact_tails.nb(number(a - 1), mu, theta)
    if b == math.inf:
        return Mass(before.sf, [-d for d in before.d_cdf])
    last = exact_tails.nb(number(b), mu, theta)
    p = last.cdf - before.cdf if before.cdf < before.sf else before.sf - last.sf
    return Mass(p, [x - y for x, y in zip(last.d_cdf, before.d_cdf, strict=True)])


def _of_few(a: int, b: int, mu: number, theta: number) -> Mass:
    poisson, m = theta == reals.infinity, theta + mu
    log_p = -reals.loggamma(number(a + 1))
    if poisson:
        log_p += a * reals.log(mu) - mu
    else:
        log_p += reals.loggamma(theta + a) - reals.loggamma(theta)
        log_p -= theta * reals.log1p(mu / theta) + a * reals.log1p(theta / mu)
        # of d log P / dtheta, psi(theta + k) - psi(theta) + log(theta / m) + (mu - k) / m
        harmonic = reals.digamma(theta + a) - reals.digamma(theta) - reals.log1p(mu / theta)
    p, total, d_mu, d_theta = reals.exp(log_p), number(0), number(0), number(0)
    for k in range(a, b + 1):
        total += p
        if poisson:
            d_mu += p * ((k - mu) / mu)
            p *= mu / (k + 1)
        else:
            d_mu += p * ((k - mu) * theta / (mu * m))
            d_theta += p * (harmonic + (mu - k) / m)
            harmonic += 1 / (theta + k)
            p *= (theta + k) / (k + 1) * mu / m
    return Mass(total, [d_mu, d_theta])


def zero_truncated(a, b, mu: number, theta: number) -> Mass:
    a = max(a, 1)
    if a > b:
        return Mass(number(0), [number(0)] * 2)
    inside, rest = nb(a, b, mu, theta), exact_tails.nb(number(0), mu, theta)
    p = inside.p / rest.sf
    # the probability of a count above 0 has the derivatives -d_cdf
    return Mass(p, [(x + p * y) / rest.sf for x, y in zip(inside.d, rest.d_cdf, strict=True)])


def _with_zeros(of, a, b, mu: number, theta: number, q: number) -> Mass:
    inside = of(a, b, mu, theta)
    zero, rest = 1 / (1 + reals.exp(-q)), 1 / (1 + reals.exp(q))
    of_zero = number(1 if a == 0 else 0)
    along = zero * rest * (of_zero - inside.p)
    return Mass(zero * of_zero + rest * inside.p, [*inside.times(rest).d, along])


def mixture(a, b, mu_1: number, mu_2: number, theta_1: number, theta_2: number, q: number) -> Mass:
    first, second = nb(a, b, mu_1, theta_1), nb(a, b, mu_2, theta_2)
    of_1, of_2 = 1 / (1 + reals.exp(-q)), 1 / (1 + reals.exp(q))
    x, y = first.times(of_1), second.times(of_2)
    along = of_1 * of_2 * (first.p - second.p)
    return Mass(x.p + y.p, [x.d[0], y.d[0], x.d[1], y.d[1], along])


MASSES = {
    "negative_binomial": nb,
    "zero_inflated_negative_binomial": partial(_with_zeros, nb),
    "zero_truncated_negative_binomial": zero_truncated,
    "hurdle_negative_binomial": partial(_with_zeros, zero_truncated),
    "negative_binomial_mixture": mixture,
}


def mass(name: str, a: float, b: float, *parameters: float) -> Mass:
    """That of the whole numbers from a to b, in numbers of mpmath; 0 <= a <= b."""

    def once() -> Mass:
        ends = [v for v in (a, b) if v < math.inf]
        with reals.digits(exact_tails.digits(*ends, *parameters) + 60):
            found = MASSES[name](a, b, *map(number, parameters))
            p = reals.known(found.p)
            error = p * mpf(10) ** -20
            return Mass(p, tuple(reals.known(d, error) for d in found.d))

    return reals.repeated(once)
