"""Second derivatives of log F and log(1 - F) of the negative binomial, within a bounded range.

Notation of `tails`: b = x + 1, m = theta + mu, p = theta / m, q = mu / m, u = log(mu),
v = log(theta), l the logarithm of the tail that is computed directly, w its odds. Indices are
derivatives. As dF/du is one probability, -G = -b pmf(b), and dG/du = G p (b - mu), no second
derivative in u or in u and v needs more than a derivative of log(R) or of the series in `tails`:

    l_uu = l_u (p + (C - 1) Y)                 (F by the integral; Y, M of `quadrature.Moments`)
         = -l_u (q + (C - 1) Y)                (1 - F by the integral)
         = l_u (b p - s_u)                     (the series; s = log(1 + t S) of `small_theta`)
         = l_u p                               (x = 0)
    l_uv = l_u (q - M),  l_u (1 - b p - s_v),  l_u q.

What is in brackets falls to 0 with its terms, or where the derivative changes its sign. In theta
there are the curvatures of the probability, of log(1 + x / theta), and of log(R).

The derivatives of log(1 - exp(l)) with l_u = -+G exp(-l) put in are, with n = theta + x,

    o_u = -w l_u,    o_uu = o_u (p (b - mu) - o_u),    o_uv = o_u (k + w l_v),
    o_vv = -w (l_vv + (1 + w) l_v**2),    k = dlog(G)/dv = theta dlog(pmf)/dtheta + theta/n - p.

A derivative in mu itself is l_uu - l_u over mu**2, in which p - 1 is -q; the same is true of theta.
Either numerator is computed as what it is: a difference would lose all of it in the limits.
"""

from typing import Final, NamedTuple

import jax.numpy as jnp

from jaxnb._materialize import materialize
from jaxnb._types import Array
from jaxnb.cdf.quadrature import Moments, integrate_with_moments
from jaxnb.cdf.small_theta import Slopes, shares, slopes_of_series
from jaxnb.cdf.tails import (
    Regions,
    Tails,
    complete,
    d_log_mu,
    direct_tail,
    dispersion_of,
    log_theta_at_zero,
    log_theta_in_series,
    odds_of,
    regions,
)
from jaxnb.likelihoods.dispersion import Dispersion
from jaxnb.likelihoods.nb_kernel import Ratios, d_theta, ratios, zeta_difference
from jaxnb.special.elementary import reciprocal, two_sum

__all__ = ["MU", "THETA", "Derivatives", "Pair", "log_tails_with_curvature"]

MU: Final = "mu"
THETA: Final = "theta"
Pair = tuple[str, str]
"""Two parameters, the mean first."""


class Derivatives(NamedTuple):
    """Both logarithms and their derivatives in logarithms of parameters.

    Attributes:
        value: The logarithms.
        first: Their derivatives, by parameter.
        second: By pair. Twice in a parameter that is wanted itself, parameter**2 times the
            derivative in it.
    """

    value: Tails
    first: dict[str, Tails]
    second: dict[Pair, Tails]


class _Point(NamedTuple):
    """The arguments with what all forms need of them; `linear` are parameters wanted themselves."""

    x: Array
    mu: Array
    theta: Array
    p: Array
    q: Array
    inverse_n: Array
    linear: tuple[str, ...]
    r: Regions
    d: Dispersion
    ratios: Ratios

    def choose(self, zero: Array, series: Array, elsewhere: Array) -> Array:
        """The form of each element."""
        return jnp.where(self.r.zero, zero, jnp.where(self.r.series, series, elsewhere))

    def above(self) -> Array:
        """(x - mu) / m."""
        difference, error = two_sum(self.x, -self.mu)
        return (difference + error) * self.ratios.inverse_m

    def both(self, direct: Array, other: Array) -> Tails:
        """The tails of which the one is computed directly."""
        is_cdf = self.r.is_cdf
        return Tails(jnp.where(is_cdf, direct, other), jnp.where(is_cdf, other, direct))


def log_tails_with_curvature(
    pairs: tuple[Pair, ...], linear: tuple[str, ...], x: Array, mu: Array, theta: Array
) -> Derivatives:
    """Both logarithms, all first derivatives that these second ones have, and those.

    Args:
        pairs: The second derivatives.
        linear: The parameters that are wanted themselves, not as logarithms.
        x: Counts, as the next two of `tails`.
        mu: Means.
        theta: Thetas.
    """
    names = [name for name in (MU, THETA) if any(name in pair for pair in pairs)]
    r, d = regions(x, mu, theta), dispersion_of(theta, x)
    counts, *_ = r.elsewhere
    sums = integrate_with_moments(r.integral, counts, of_theta=THETA in names)
    sums = Moments(*materialize(*sums))
    direct, log_probability = direct_tail(r, sums.total, d)
    value = complete(r, direct)
    odds = odds_of(r, value)
    p, q = shares(mu, theta)
    at = _Point(
        x, mu, theta, p, q, reciprocal(theta + x), linear, r, d, ratios(x, mu, d.theta)
    )  # fmt: skip
    slopes = slopes_of_series(*r.in_series)
    own: dict[str, Array] = {}
    if MU in names:
        own[MU] = d_log_mu(r, sums.total, value.log_cdf, log_probability)
    of_theta = None
    if THETA in names:
        own[THETA], of_theta = _in_theta(at, sums, slopes)
    own = dict(zip(own, materialize(*own.values()), strict=True))
    first = {name: at.both(slope, -odds * slope) for name, slope in own.items()}
    second = {}
    for pair in pairs:
        if pair == (MU, MU):
            second[pair] = _twice_in_mu(at, sums, slopes.mu, own[MU], odds)
        elif pair == (MU, THETA):
            second[pair] = _in_both(at, sums, slopes.theta, own, odds)
        else:
            assert of_theta is not None
            # in this order, since the square may overflow
            square = (odds * own[THETA]) * ((1 + odds) * own[THETA])
            other = -(odds * of_theta + square)
            second[pair] = at.both(of_theta, other)
    return Derivatives(value, first, second)


def _twice_in_mu(at: _Point, sums: Moments, slope: Array, l_u: Array, odds: Array) -> Tails:
    p, q = at.p, at.q
    itself = MU in at.linear
    lower = at.r.integral.lower
    of_exponent = at.r.integral.exponent * sums.share
    of_integral = jnp.where(
        lower,
        of_exponent - q if itself else of_exponent + p,
        -(of_exponent + (1 + q if itself else q)),
    )
    b_p = (at.x + 1) * p
    direct = at.choose(-q if itself else p, (b_p - 1 if itself else b_p) - slope, of_integral)
    of_probability = at.theta * at.above() - q if itself else at.theta * at.above() + p
    o_u = -odds * l_u
    return at.both(l_u * direct, o_u * (of_probability - o_u))


def _in_both(at: _Point, sums: Moments, slope: Array, own: dict[str, Array], odds: Array) -> Tails:
    q = at.q
    direct = at.choose(q, 1 - (at.x + 1) * at.p - slope, q - sums.moment)
    of_probability = at.theta * (d_theta(at.x, at.d, at.ratios) - at.above() * at.inverse_n)
    other = of_probability + odds * own[THETA]
    return at.both(own[MU] * direct, -odds * own[MU] * other)


def _in_theta(at: _Point, sums: Moments, slopes: Slopes) -> tuple[Array, Array]:
    """The first and the second derivative of l in theta."""
    theta, x = at.theta, at.x
    first = theta * d_theta(x, at.d, at.ratios) + sums.moment - x * at.inverse_n
    phi = log_theta_at_zero(*at.r.at_zero)
    first = at.choose(phi, log_theta_in_series(at.r), first)
    of_gamma, of_powers = _trigammas(at), theta * (at.q * at.q)
    # (t c)**2 / n, n = theta + x, is theta q**2 + x p**2 - theta x / n
    above = at.above()
    in_front = (theta * above) * ((theta * at.inverse_n) * above)
    second = at.choose(
        of_powers,
        of_powers + (of_gamma - theta * (x * at.inverse_n)) + slopes.twice_theta,
        in_front + of_gamma + sums.curvature,
    )
    return first, second if THETA in at.linear else first + second


def _trigammas(at: _Point) -> Array:
    """t**2 (psi'(b + t) - psi'(1 + t)) + t x / (t + x) for x >= 1.

    Up to powers of p and q, pmf(x) (1 + x / t) is a ratio of gamma functions of b + t and 1 + t,
    and without them its second derivative in t is that. The likelihood has the trigamma functions
    of t and t + x, less their leading terms 1 / t and 1 / (t + x), and their recurrence from t on:
    of its first two steps

        1 - 1 / (1 + t) - t**2 / ((1 + t)**2 (2 + t)) = t (t**2 + 2 t + 2) / ((1 + t)**2 (2 + t))

    is left, with -(t / (t + x))**2 that of 1 + x / t.
    """
    t, x, part = at.theta, at.x, at.theta * at.inverse_n
    share = x * at.inverse_n
    small = at.d.steps > 0
    bounded = jnp.where(small, t, 1.0)
    steps = bounded * (bounded * (bounded + 2) + 2) * reciprocal((1 + bounded) ** 2 * (2 + bounded))
    many = jnp.where(small, steps - part * part, share * (1 + part))
    many = many - zeta_difference(at.ratios, at.d, t)
    # (t / (1 + t)) - (t / (1 + t))**2
    return jnp.where(at.ratios.many, many, part * share)
