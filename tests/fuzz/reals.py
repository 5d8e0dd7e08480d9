"""Real numbers of many digits: balls of python-flint where it is installed, else of mpmath.

python-flint is 10 to 25 times as fast, and its balls tell whether there were enough digits.
"""

from contextlib import contextmanager

import mpmath
from mpmath import mpf

try:
    import flint
    from flint import arb
except ImportError:
    flint = arb = None

ENOUGH = 90
"""Bits to which a result has to be known."""


_MORE = [1]


def repeated(function):
    """The result of a function, with more digits than it asks for if these are too few."""
    try:
        return function()
    except TooFewDigits:
        if _MORE[0] > 8:
            raise
        _MORE[0] *= 2
        try:
            return repeated(function)
        finally:
            _MORE[0] //= 2


@contextmanager
def digits(number):
    """Within it, as many decimal digits."""
    number *= _MORE[0]
    with mpmath.workdps(number):
        if flint is None:
            yield
            return
        before = flint.ctx.dps
        flint.ctx.dps = number
        try:
            yield
        finally:
            flint.ctx.dps = before


class TooFewDigits(ArithmeticError):
    """A result is not known well enough."""


if flint is None:
    number, log, log1p, exp, expm1, sqrt = (
        mpf, mpmath.log, mpmath.log1p, mpmath.exp, mpmath.expm1, mpmath.sqrt,
    )  # fmt: skip
    loggamma, digamma, infinity = mpmath.loggamma, mpmath.digamma, mpmath.inf

    def trigamma(z):
        return mpmath.psi(1, z)

    def known(value, error=0, bits=ENOUGH, or_nan=False):
        """A number of mpmath."""
        return value

    def exact(value):
        """The middle of a ball."""
        return value

else:
    number, log, log1p, exp, expm1, sqrt, loggamma, digamma = (
        arb, arb.log, arb.log1p, arb.exp, arb.expm1, arb.sqrt,
        arb.lgamma, arb.digamma,
    )  # fmt: skip
    infinity = arb.pos_inf()

    def trigamma(z):
        return arb(2).zeta(z)

    def known(value, error=0, bits=ENOUGH, or_nan=False):
        """A number of mpmath, if the ball is small, or within an error of it."""
        if not value.is_finite():
            if value.is_nan() or value.rad() > 1:
                raise TooFewDigits(str(value))
            return mpmath.inf if value > 0 else -mpmath.inf
        if value.rel_accuracy_bits() < bits and not value.rad() <= _ball(error):
            if or_nan and _MORE[0] > 4:
                return mpmath.nan
            raise TooFewDigits(str(value))
        mantissa, exponent = map(int, value.mid().man_exp())
        return mpmath.ldexp(mpf(mantissa), exponent)

    def _ball(value):
        """A number of mpmath."""
        return arb(mpmath.nstr(value, 20)) if isinstance(value, mpf) else arb(value)

    def exact(value):
        """The middle of a ball."""
        return arb(value).mid()
