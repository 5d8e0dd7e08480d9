"""The distribution functions of every distribution and their derivatives up to the second.

They are made of those of the negative binomial in `exact_nb`, either tail by itself.
"""

from functools import partial, wraps
from typing import NamedTuple

import mpmath
from fuzz import jets, reals
from fuzz.exact_nb import Tails, certain, digits, nb
from fuzz.jets import Jet
from fuzz.reals import number
from mpmath import mpf

__all__ = ["LOG_TAILS", "TAILS", "Tails", "digits", "nb"]


def _placed(t: Tails, places: tuple[int, ...], parameters: int) -> Tails:
    """The tails as functions of more parameters, of which theirs have these places."""
    return Tails(*(jet.placed(places, parameters) for jet in t))


def _weights(place: int, q: number, parameters: int) -> tuple[Jet, Jet]:
    """sigma(q) and sigma(-q) as functions of the parameters, of which q is the one at a place."""
    values = [number(0)] * parameters
    values[place] = q
    odds = Jet.variables(values)[place]
    if abs(q) == reals.infinity:
        return odds.constant(int(q > 0)), odds.constant(int(q < 0))
    first, second = 1 / (1 + reals.exp(-q)), 1 / (1 + reals.exp(q))
    slope, curvature = first * second, first * second * (second - first)
    return odds.through(first, slope, curvature), odds.through(second, -slope, -curvature)


def _inflated(x: number, t: Tails, q: number) -> Tails:
    if x < 0:
        return certain(3, 0)
    with reals.digits(digits(x, q) + 60):
        of_zero, of_rest = _weights(2, q, 3)
        lower, upper = _placed(t, (0, 1), 3)
        return Tails(of_zero + of_rest * lower, of_rest * upper)


def zero_inflated(x: number, mu: number, theta: number, q: number) -> Tails:
    return _inflated(x, nb(x, mu, theta), q)


def zero_truncated(x: number, mu: number, theta: number) -> Tails:
    if x < 1:
        return certain(2, 0)
    zero, t = nb(number(0), mu, theta), nb(x, mu, theta)
    if zero.sf == 0:
        return certain(2, 1)
    with reals.digits(digits(x, mu, theta)):
        inside = zero.upper - t.upper if t.sf < 0.5 else t.lower - zero.lower
        return Tails(inside / zero.upper, t.upper / zero.upper)


def hurdle(x: number, mu: number, theta: number, q: number) -> Tails:
    return _inflated(x, zero_truncated(x, mu, theta), q)


def mixture(
    x: number, mu_1: number, mu_2: number, theta_1: number, theta_2: number, q: number
) -> Tails:
    first = _placed(nb(x, mu_1, theta_1), (0, 2), 5)
    second = _placed(nb(x, mu_2, theta_2), (1, 3), 5)
    with reals.digits(digits(x, mu_1, mu_2, theta_1, theta_2, q) + 60):
        weights = _weights(4, q, 5)
        return Tails(*(weights[0] * a + weights[1] * b for a, b in zip(first, second, strict=True)))


_DEFINITIONS = {
    "negative_binomial": nb,
    "zero_inflated_negative_binomial": zero_inflated,
    "zero_truncated_negative_binomial": zero_truncated,
    "hurdle_negative_binomial": hurdle,
    "negative_binomial_mixture": mixture,
}


class LogTails(NamedTuple):
    """Both tails, and their logarithms with derivatives; None for that of a tail of 0."""

    cdf: mpf
    sf: mpf
    log_cdf: Jet | None
    log_sf: Jet | None


ERROR = mpf(10) ** -50
"""Of derivatives in the logarithms of parameters, and in log-odds."""
BITS = 50
"""To which others are known."""


def _logarithm(tail: Jet, other: Jet, sizes: list[mpf], second: bool, nothing: mpf) -> Jet | None:
    if tail.value == 0:
        return None
    found = jets.log(tail) if tail.value < 0.5 else jets.log1p(-other)
    error = ERROR * min(1, reals.known(other.value / tail.value))
    return found.known(error, sizes, second, BITS, nothing)


def _of(function, found):
    """What is made of the tails at floating-point numbers, in numbers of mpmath."""

    def once(arguments, **options):
        tails = function(*(number(float(a)) for a in arguments))
        with reals.digits(digits(*arguments)):
            return found(tails, arguments, **options)

    @wraps(function)
    def of(*arguments, **options):
        return reals.repeated(partial(once, arguments, **options))

    return of


def _tails(t: Tails, arguments: tuple) -> Tails:
    error = min(reals.known(t.cdf), reals.known(t.sf)) * mpf(10) ** -30
    sizes = [mpf(1)] * (len(arguments) - 1)
    return Tails(*(jet.known(error, sizes, second=False) for jet in t))


def _log_tails(t: Tails, arguments: tuple, second: bool = False, nothing: float = 0) -> LogTails:
    _, *values = arguments
    sizes = [mpf(v) if 0 < v < mpmath.inf else mpf(1) for v in values]
    if len(values) > 2:
        sizes[-1] = mpf(1)  # log-odds
    logs = [_logarithm(*pair, sizes, second, mpf(nothing)) for pair in (t, t[::-1])]
    return LogTails(reals.known(t.cdf), reals.known(t.sf), *logs)


TAILS = {name: _of(function, _tails) for name, function in _DEFINITIONS.items()}
LOG_TAILS = {name: _of(function, _log_tails) for name, function in _DEFINITIONS.items()}
"""The second derivatives only if `second`; derivatives within `nothing` are known well enough."""
