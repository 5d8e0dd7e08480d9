"""Exact log-probabilities and deviances with first and second derivatives, by many digits.

The textbook formulas, whose cancellations are met by digits: nothing is rearranged, so that nothing
here is a formula of the package.
"""

import mpmath
from fuzz import jets, reals
from fuzz.jets import Jet
from mpmath import mpf


def digits(*arguments) -> int:
    """What second derivatives of differences of log-gammas of such arguments need."""
    sizes = [abs(int(mpmath.log10(abs(a)))) for a in arguments if 0 < abs(a) < mpmath.inf]
    return 50 + 2 * sum(sizes) + max(sizes, default=0)


def nb(x: reals.number, mu: Jet, theta: Jet) -> Jet:
    """The log-probability of the negative binomial."""
    if theta.value == reals.infinity:
        return x * jets.log(mu) - mu - reals.loggamma(x + 1) if x > 0 else -mu
    zero = -(theta * jets.log1p(mu / theta))
    if x == 0:
        return zero
    gammas = jets.loggamma(theta + x) - jets.loggamma(theta) - reals.loggamma(x + 1)
    return gammas + zero - x * jets.log1p(theta / mu)


def zero_inflated(x: reals.number, mu: Jet, theta: Jet, q: Jet) -> Jet:
    count = _log_sigmoid(-q) + nb(x, mu, theta)
    return _log_add(_log_sigmoid(q), count) if x == 0 else count


def mixture(x: reals.number, mu_1: Jet, mu_2: Jet, theta_1: Jet, theta_2: Jet, q: Jet) -> Jet:
    first, second = nb(x, mu_1, theta_1), nb(x, mu_2, theta_2)
    return _log_add(_log_sigmoid(q) + first, _log_sigmoid(-q) + second)


def tied_mixture(x: reals.number, mu_1: Jet, mu_2: Jet, theta: Jet, q: Jet) -> Jet:
    return mixture(x, mu_1, mu_2, theta, theta, q)


def zero_truncated(x: reals.number, mu: Jet, theta: Jet) -> Jet:
    return nb(x, mu, theta) - jets.log(-jets.expm1(nb(reals.number(0), mu, theta)))


def hurdle(x: reals.number, mu: Jet, theta: Jet, q: Jet) -> Jet:
    if x == 0:
        return _log_sigmoid(q)
    return _log_sigmoid(-q) + zero_truncated(x, mu, theta)


def nb_deviance(x: reals.number, mu: Jet, theta: Jet) -> Jet:
    """Twice what the count loses by not being the mean."""
    if x == 0:
        return -2 * nb(x, mu, theta)
    return 2 * (nb(x, mu.constant(x), theta) - nb(x, mu, theta))


def _log_sigmoid(q: Jet) -> Jet:
    return -jets.log1p(jets.exp(-q))


def _log_add(a: Jet, b: Jet) -> Jet:
    larger, smaller = (a, b) if a.value >= b.value else (b, a)
    return larger + jets.log1p(jets.exp(smaller - larger))


LOG_PROB = {
    "negative_binomial": nb,
    "zero_inflated_negative_binomial": zero_inflated,
    "negative_binomial_mixture": mixture,
    "negative_binomial_mixture_tied": tied_mixture,
    "zero_truncated_negative_binomial": zero_truncated,
    "hurdle_negative_binomial": hurdle,
}


_ZERO = mpf(10) ** -700
"""An error of what is exactly 0, as a deviance and its derivatives where the count is the mean."""


def evaluated(function, x, values, log_scale=(), more=1) -> Jet:
    """A function of these at floating-point arguments; those of `log_scale` are logarithms.

    `more` multiplies the digits, which shows whether there were enough where that is not known.
    """
    logs = [*log_scale, *[False] * (len(values) - len(log_scale))]
    sizes = [
        mpmath.exp(mpf(v)) if is_log else mpf(v) for v, is_log in zip(values, logs, strict=True)
    ]

    def once():
        with reals.digits(more * digits(mpf(x), *sizes)):
            variables = Jet.variables([reals.number(float(v)) for v in values])
            parameters = [
                jets.exp(v) if is_log else v for v, is_log in zip(variables, logs, strict=True)
            ]
            return function(reals.number(float(x)), *parameters).known(_ZERO, zero=_ZERO)

    return reals.repeated(once)
