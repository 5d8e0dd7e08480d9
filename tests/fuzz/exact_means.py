"""Means of log-gammas under a negative binomial, and the divergence and entropy that follow.

With G(t) = E t**X, Malmsten's integral of a log-gamma (DLMF 5.9.18) has the mean

    E log Gamma(X + z) - log Gamma(z)
        = integral over s > 0 of (mu exp(-s) - exp(-z s) (1 - G(exp(-s))) / (1 - exp(-s))) / s,

analytic in log(s) up to an imaginary part of pi / 2, so that equal steps in log(s) converge
geometrically. No probability is summed, nor anything that the package computes.
"""

from functools import cache

import mpmath
from fuzz import reals
from fuzz.reals import number

DIGITS = 60
_STEP = 0.06  # an error of exp(-pi**2 / step), 1e-71


def _zero(mu: number, theta: number, t: number) -> number:
    """1 - G(1 - t)."""
    log_g = -mu * t if theta == reals.infinity else -theta * reals.log1p(mu / theta * t)
    return -reals.expm1(log_g)


@cache
def _node(k: int, digits: int) -> tuple[number, number]:
    """s and 1 - exp(-s) at a step."""
    s = reals.exp(k * number(_STEP))
    return s, -reals.expm1(-s)


def mean_log_gamma(mu: number, theta: number, shifts: list) -> list:
    """E log Gamma(X + z) - log Gamma(z) for each shift z."""
    size = [abs(float(reals.log(v))) for v in (mu, *shifts) if v < reals.infinity]
    spread = 0 if theta == reals.infinity else abs(float(reals.log(theta)))
    low = -int((150 + 2 * max(size) + spread) / _STEP)
    high = int((6 + max([0.0, *(-float(reals.log(z)) for z in shifts)])) / _STEP)
    totals = [number(0) for _ in shifts]
    step, digits = number(_STEP), mpmath.mp.dps
    for k in range(low, high):
        s, t = _node(k, digits)
        first, rest = mu * (1 - t), _zero(mu, theta, t) / t
        for j, z in enumerate(shifts):
            totals[j] += first - reals.exp(-z * s) * rest
    return [step * total for total in totals]


def divergence(mu_1, theta_1, mu_2, theta_2) -> number:
    """E log(P_1 / P_2) under the first distribution."""
    finite = [t for t in (theta_1, theta_2) if t < reals.infinity]
    with reals.digits(2 * DIGITS):
        means = iter(mean_log_gamma(number(mu_1), number(theta_1), [*map(number, finite)]))
        parts = []
        for mu, theta in ((mu_1, theta_1), (mu_2, theta_2)):
            m, t = number(mu), number(theta)
            if theta == reals.infinity:
                parts.append(number(mu_1) * reals.log(m) - m)
            else:
                of_zero = t * reals.log1p(m / t) + number(mu_1) * reals.log1p(t / m)
                parts.append(next(means) - of_zero)
        return parts[0] - parts[1]


def entropy(mu, theta) -> number:
    """-E log P(X)."""
    with reals.digits(2 * DIGITS):
        m, t = number(mu), number(theta)
        if theta == reals.infinity:
            (of_x,) = mean_log_gamma(m, t, [number(1)])
            return of_x - m * reals.log(m) + m
        of_theta, of_x = mean_log_gamma(m, t, [t, number(1)])
        return of_x - of_theta + t * reals.log1p(m / t) + m * reals.log1p(t / m)


def _log_zero(mu, theta) -> tuple[number, number]:
    """log P(0) and P(X > 0)."""
    m, t = number(mu), number(theta)
    log_p = -m if t == reals.infinity else -t * reals.log1p(m / t)
    return log_p, -reals.expm1(log_p)


def entropy_without_zeros(mu, theta) -> number:
    """Of the zero-truncated distribution, by the sum without its first term."""
    with reals.digits(2 * DIGITS):
        log_p, rest = _log_zero(mu, theta)
        return (entropy(mu, theta) + reals.exp(log_p) * log_p) / rest + reals.log(rest)


def entropy_of_hurdle(mu, theta, q) -> number:
    """That of having a zero, and what is left otherwise."""
    with reals.digits(2 * DIGITS):
        return _of_two(number(q)) + entropy_without_zeros(mu, theta) / (1 + reals.exp(number(q)))


def entropy_with_zeros(mu, theta, q) -> number:
    """Of the zero-inflated distribution, the hurdle with the same probability of 0."""
    with reals.digits(2 * DIGITS):
        _, rest = _log_zero(mu, theta)
        share = rest / (1 + reals.exp(number(q)))
        of_zero = -(1 - share) * reals.log1p(-share) - share * reals.log(share)
        return of_zero + share * entropy_without_zeros(mu, theta)


def _of_two(q: number) -> number:
    return sum(reals.log1p(reals.exp(-s * q)) / (1 + reals.exp(-s * q)) for s in (1, -1))


ENTROPIES = {
    "negative_binomial": entropy,
    "zero_inflated_negative_binomial": entropy_with_zeros,
    "zero_truncated_negative_binomial": entropy_without_zeros,
    "hurdle_negative_binomial": entropy_of_hurdle,
}
