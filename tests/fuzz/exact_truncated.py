"""The sum of the counts of an interval times their probabilities, of every distribution.

By the ratio of neighbors, (k + 1) P(k + 1) (theta + mu) = (theta + k) mu P(k), whose sum over the
counts from a to b of a negative binomial is

    sum of k P(k) = mu P(a..b) + (1 + mu / theta) (a P(a) - (b + 1) P(b + 1)).
"""

import math
from functools import lru_cache

import mpmath
from fuzz import exact_masses, exact_tails, reals
from fuzz.exact_masses import Mass
from fuzz.reals import number
from mpmath import mpf


def _nb(a, b, mu: number, theta: number) -> Mass:
    """Of counts from a to b, with its derivatives in mean and theta."""
    if a > b:
        return Mass(number(0), [number(0)] * 2)
    inside = exact_masses.nb(a, b, mu, theta)
    ends = exact_masses.nb(a, a, mu, theta).times(a)
    if b < math.inf:
        after = exact_masses.nb(b + 1, b + 1, mu, theta).times(-(b + 1))
        ends = Mass(ends.p + after.p, [x + y for x, y in zip(ends.d, after.d, strict=True)])
    if theta == reals.infinity:
        scale, of_scale = number(1), (number(0), number(0))
    else:
        scale, of_scale = 1 + mu / theta, (1 / theta, -mu / theta**2)
    along = [
        mu * x + scale * y + s * ends.p
        for x, y, s in zip(inside.d, ends.d, of_scale, strict=True)
    ]  # fmt: skip
    return Mass(mu * inside.p + scale * ends.p, [along[0] + inside.p, along[1]])


def _zero_truncated(a, b, mu: number, theta: number) -> Mass:
    inside, rest = _nb(max(a, 1), b, mu, theta), exact_tails.nb(number(0), mu, theta)
    p = inside.p / rest.sf
    return Mass(p, [(x + p * y) / rest.sf for x, y in zip(inside.d, rest.d_cdf, strict=True)])


def _share(found: Mass, q: number, sign: int) -> Mass:
    """A component of this share, with the derivative in the log-odds last."""
    share, other = 1 / (1 + reals.exp(-sign * q)), 1 / (1 + reals.exp(sign * q))
    return Mass(share * found.p, [*found.times(share).d, sign * share * other * found.p])


def _mixture(a, b, mu_1, mu_2, theta_1, theta_2, q) -> Mass:
    first, second = _share(_nb(a, b, mu_1, theta_1), q, 1), _share(_nb(a, b, mu_2, theta_2), q, -1)
    (mu, theta, along), (other_mu, other_theta, other_along) = first.d, second.d
    return Mass(first.p + second.p, [mu, other_mu, theta, other_theta, along + other_along])


_SUMS = {
    "negative_binomial": _nb,
    "zero_inflated_negative_binomial": lambda a, b, *p: _share(_nb(a, b, *p[:2]), p[2], -1),
    "zero_truncated_negative_binomial": _zero_truncated,
    "hurdle_negative_binomial": lambda a, b, *p: _share(_zero_truncated(a, b, *p[:2]), p[2], -1),
    "negative_binomial_mixture": _mixture,
}


@lru_cache(1 << 12)
def mean(name: str, a: float, b: float, *parameters: float) -> Mass:
    """That of the whole numbers from a to b, in numbers of mpmath; 0 <= a <= b."""

    def once() -> Mass:
        ends = [v for v in (a, b) if v < math.inf]
        with reals.digits(exact_tails.digits(*ends, *parameters) + 60):
            numbers = list(map(number, parameters))
            total = exact_masses.MASSES[name](a, b, *numbers)
            p = _SUMS[name](a, b, *numbers)
            found = p.p / total.p
            slopes = [(x - found * y) / total.p for x, y in zip(p.d, total.d, strict=True)]
            value = reals.known(found, mpf(10) ** -60)
            sizes = [abs(v) if 0 < abs(v) < mpmath.inf else mpf(1) for v in map(mpf, parameters)]
            return Mass(value, tuple(
                reals.known(d, mpf(10) ** -40 / size)
                for d, size in zip(slopes, sizes, strict=True)
            ))  # fmt: skip

    return reals.repeated(once)
