"""The zero-truncated negative binomial and its derivatives, exact as the mean tends to 0.

Notation: t = theta, m = t + mu, p = t / m, q = mu / m, z = log(m / t), y = t z. Then P(0) is
exp(-y), and the log-probability of x is L = log NB(x) - log(1 - exp(-y)). As mu tends to 0 both
parts tend to -infinity, and their difference does not. At x = 1 they combine to

    L(1) = A(z) - A(y) - y,    A(s) = log((1 - exp(-s)) / s),

in which nothing cancels: -A'(s) = M(s) is the mean and A''(s) = V(s) the variance of an exponential
variable of rate s truncated to [0, 1] (`special.truncated_exponential`), and 1 - M is as good as M.
What is left, log NB(x) - log NB(1), depends on mu by (x - 1) log(q) alone. So

    dL/dlog(mu)          = p (x - 1) - q M(z) - t q (1 - M(y)),
    d2L/dlog(mu)2        = -p q (x - 1) - p (q M(z) + t q (1 - M(y))) + q**2 V(z) - (t q)**2 V(y),
    d2L/dlog(mu) dlog(t) = q S,
    S                    = p (x - 1 + M(z)) - q V(z) - t q (y V(y) (1 - M(z)) + 1 - M(y)).

In theta, with l = log NB(x), h = q / z = p + q M(z), g = y / (exp(y) - 1) and rho = h - 1, which is
-q (1 - M(z)), the truncation adds rho g to dl/dlog(t). For x = 1, and for x > 1 with small t, where
that derivative is close to 1, the sum is rearranged:

    x = 1:         q M(z) + y rho (1 - M(y)),
    x > 1, t < 1:  (dl/dlog(t) - 1) + y M(y) + h g.

The second derivatives in `_d_log_theta_d_log_theta` and `_d_theta_d_theta` follow in the same three
cases.
"""

from typing import Final

import jax.numpy as jnp
import numpy as np

from jaxnb._types import Array
from jaxnb.likelihoods.arguments import Scales
from jaxnb.likelihoods.evaluate import Arguments, Likelihood, by_point
from jaxnb.likelihoods.nb_evaluation import NegativeBinomial
from jaxnb.likelihoods.ranges import ordinary
from jaxnb.special.complements import one_minus_exp
from jaxnb.special.elementary import reciprocal
from jaxnb.special.exponential import exp
from jaxnb.special.truncated_exponential import truncated_exponential_moments

__all__ = ["CONTINUED", "ZERO_TRUNCATED", "Truncated", "support"]


def support(x: Array) -> Array:
    """Whether x is a positive whole number."""
    return (x >= 1) & (x == jnp.floor(x)) & (x < jnp.inf)


class Truncated:
    """The distribution at x, as `NegativeBinomial`. Derivatives outside the support are 0."""

    _supports = staticmethod(support)

    def __init__(self, at: Arguments) -> None:
        self._x, self._mu, self._theta = at.x, *at.parameters[:2]
        self._support = self._supports(at.x)
        self._count = jnp.where(self._support, at.x, 1.0)
        nb = NegativeBinomial(at.scales, self._count, self._mu, self._theta, at.eps, at.thetas[0])
        tiny, highest = (float(v) for v in (np.finfo(at.x.dtype).tiny, np.finfo(at.x.dtype).max))
        self._nb, self._p, self._q = nb, nb.p, nb.q
        z, theta_q_inside = nb.log_m_over_theta()
        self._mean_z, self._variance_z, _ = truncated_exponential_moments(z)
        self._h = nb.p + nb.q * self._mean_z
        y = nb.theta_q / self._h if at.everywhere else nb.theta_q * reciprocal(self._h)
        self._y = jnp.clip(y, tiny, highest / 256)
        self._mean_y, self._variance_y, self._y_variance_y = truncated_exponential_moments(self._y)
        self._rest_z, self._rest_y = 1 - self._mean_z, 1 - self._mean_y
        inverse_positive = reciprocal(one_minus_exp(self._y)[0])
        self._y_plus_g = self._y * inverse_positive
        self._g = self._y_plus_g * exp(-self._y)
        self._rho = -self._q * self._rest_z
        self._inverse_positive = inverse_positive
        self._inverse_theta = reciprocal(nb.theta.d.theta)
        if nb.point is not None and nb.move is not None:
            moved_up = nb.point.under | nb.move.small
            y = jnp.maximum(theta_q_inside / self._h, tiny)
            of_moved = 1 / one_minus_exp(y)[0]
            self._inverse_positive = jnp.where(moved_up, of_moved, inverse_positive)
            self._inverse_theta = nb.move.inverse

    def value(self) -> Array:
        """The log-probability."""
        value = self._nb.value_of_positive(self._inverse_positive)
        value = jnp.where(self._support, value, -jnp.inf)
        return jnp.where(self.undefined(), jnp.nan, value)

    def undefined(self) -> Array:
        """Whether an argument is NaN, or a parameter negative."""
        return jnp.isnan(self._x) | self._nb.undefined()

    def first(self, place: int) -> Array:
        """The first derivative in a coordinate, by its place among (x, mu, theta)."""
        if place == 0:
            return jnp.zeros_like(self._p)
        derivative = self._d_mu() if place == 1 else self._d_theta()
        return self._within(derivative, {place}, second=False)

    def second(self, place: int, other: int) -> Array:
        """The second derivative in two of them."""
        if 0 in (place, other):
            return jnp.zeros_like(self._p)
        if place != other:
            derivative = self._d_mu_d_theta()
        else:
            derivative = self._d_mu_d_mu() if place == 1 else self._d_theta_d_theta()
        return self._within(derivative, {place, other}, second=True)

    def _within(self, derivative: Array, places: set[int], *, second: bool) -> Array:
        derivative = self._nb.within(derivative, places, second=second)
        outside = ~self._support
        if self._nb.move is not None:
            outside |= self._nb.move.nothing | (self._mu == jnp.inf)
        return jnp.where(self.undefined(), jnp.nan, jnp.where(outside, 0.0, derivative))

    def _d_mu(self) -> Array:
        nb, more = self._nb, self._count - 1
        if not nb.linear_mu:
            return self._p * more - self._q * self._mean_z - nb.theta_q * self._rest_y
        of_one = self._mean_z * nb.inverse_m + self._p * self._rest_y
        inverse_mu, p = nb.inverse_mu, self._p
        of_more = jnp.where(inverse_mu < 1, (more * inverse_mu) * p, more * (inverse_mu * p))
        return of_more - of_one

    def _d_mu_d_mu(self) -> Array:
        nb, more, p, q = self._nb, self._count - 1, self._p, self._q
        # t q V(y) by y V(y), which does not underflow
        if not nb.linear_mu:
            of_one = p * (q * self._mean_z + nb.theta_q * self._rest_y)
            of_y = nb.theta_q * (self._h * self._y_variance_y)
            return q * q * self._variance_z - p * q * more - of_one - of_y
        small = self._y < 1
        inverse_mu = jnp.where(small, 1.0, nb.inverse_mu)
        of_large = p * ((self._h * inverse_mu) * self._y_variance_y)
        of_y = jnp.where(small, p * p * self._variance_y, of_large)
        # in units in which the square of 1 / m does not overflow
        within = nb.point is None
        unit = 1.0 if within else jnp.where(nb.inverse_m > 2.0**60, 2.0**-60, 1.0)
        inverse_m = nb.inverse_m * unit
        of_z = (self._variance_z + self._mean_z) * inverse_m
        of_one = (of_z + p * (self._rest_y * unit)) * inverse_m - of_y * (unit * unit)
        over_mu = nb.inverse_mu * unit
        return (of_one - ((more * over_mu) * (1 + q)) * (p * over_mu)) / (unit * unit)

    def _d_mu_d_theta(self) -> Array:
        nb = self._nb
        of_y = nb.theta_q * (self._y_variance_y * self._rest_z + self._rest_y)
        s = self._p * (self._count - 1 + self._mean_z) - self._q * self._variance_z - of_y
        factor = nb.inverse_m if nb.linear_mu else self._q
        if not nb.linear_theta:
            return s * factor
        # where the product of the two would over- or underflow
        alike = (factor < 1) == (self._inverse_theta < 1)
        in_turn = (s * factor) * self._inverse_theta
        return jnp.where(alike, in_turn, s * (factor * self._inverse_theta))

    def _in_cases(
        self, one: Array, small: Array, other: Array, is_small: Array | None = None
    ) -> Array:
        is_small = self._nb.theta.value < 1 if is_small is None else is_small
        return jnp.where(self._count == 1, one, jnp.where(is_small, small, other))

    def _d_log_theta(self) -> Array:
        nb, y = self._nb, self._y
        return self._in_cases(
            self._q * self._mean_z + y * self._rho * self._rest_y,
            nb.theta_d_theta(less_inverse=True) + (y * self._mean_y + self._h * self._g),
            nb.theta_d_theta() + self._rho * self._g,
        )

    def _d_theta(self) -> Array:
        derivative = self._d_log_theta()
        return derivative * self._inverse_theta if self._nb.linear_theta else derivative

    def _d_log_theta_d_log_theta(self) -> Array:
        p, q, rho, y = self._p, self._q, self._rho, self._y
        of_l = self._nb.d_log_theta_d_log_theta()
        bent = q * (self._nb.theta_q - y * self._rest_z)  # t q**2 + y rho
        of_z = q * q * self._variance_z
        of_y = rho * rho * (y * self._y_variance_y)
        return self._in_cases(
            of_z - p * q * self._mean_z + self._rest_y * bent - of_y,
            of_l + p * q * self._rest_z + of_z - self._mean_y * bent - of_y,
            of_l + self._g * (rho + q * self._h) + self._g * self._y_plus_g * rho * rho,
        )

    def _d_theta_d_theta(self) -> Array:
        nb = self._nb
        if not nb.linear_theta:
            return self._d_log_theta_d_log_theta()
        p, q, rho, y = self._p, self._q, self._rho, self._y
        of_y = rho * rho * (y * self._y_variance_y)
        of_one = q * q * self._variance_z - self._mean_z * q * (1 + p) - of_y
        one = of_one + self._rest_y * (nb.theta_q * q)
        # in which p x cancels
        small = self._d_log_theta_d_log_theta() - self._d_log_theta()
        is_small = (nb.theta.value < 1) & (self._count * p < 1)
        truncation = self._g * (q * self._h + self._y_plus_g * (rho * rho))
        inverse = self._inverse_theta
        divided = (self._in_cases(one, small, truncation, is_small) * inverse) * inverse
        other = (self._count > 1) & ~is_small
        return divided + jnp.where(other, nb.d_theta_d_theta(), 0.0)


def _ordinary(scales: Scales, x: Array, parameters: tuple[Array, ...], eps: Array) -> Array:
    mu, theta = parameters
    return ordinary(scales, x, mu, theta, eps) & support(x)


def _from_1_on(x: Array) -> Array:
    return (x >= 1) & (x < jnp.inf)


class _Continued(Truncated):
    """The same formulas at the numbers between the counts."""

    _supports = staticmethod(_from_1_on)


def _ordinary_continued(
    scales: Scales, x: Array, parameters: tuple[Array, ...], eps: Array
) -> Array:
    mu, theta = parameters
    return ordinary(scales, x, mu, theta, eps) & _from_1_on(x)


ZERO_TRUNCATED: Final = Likelihood(
    "zero-truncated", (1,), (), _ordinary, *by_point(Truncated), fits=True
)
CONTINUED: Final = Likelihood(
    "zero-truncated continued", (1,), (), _ordinary_continued, *by_point(_Continued), fits=True
)
