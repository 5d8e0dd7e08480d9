"""Counts below 2 that are not whole: from x + 2 back to x by the recurrence of the gamma function.

Such counts come with normalized data only. Notation of `ranges` and `nb_kernel`. Two steps of the
recurrence cost

    l(x) = l(x + 2) + log((x + 1) (x + 2) m**2 / (n (n + 1) mu**2)).

At mu_0 = x + 1, where m_0 = n + 1, the argument is (x + 2) (n + 1) / ((x + 1) n). In the mean the
way is exact too: with r = mu / mu_0 and 1 + u = m / m_0,

    l(x; mu) = l(x; mu_0) + x log(r / (1 + u)) - t log(1 + u).

Derivatives in theta take of x only eta(t) - eta(n) and zeta(t) - zeta(n), whose steps of the
recurrence have closed forms. That in log(theta), of second order and for small theta, is formed as
the value is: its parts, 1 / t and more, have been canceled in that at x + 2.

At x = 1 these derivatives vanish with the mean, and next to it the parts cancel. There they are
those at 1 and what the distance y = x - 1 adds, with b = t + 1 and w = y / b:

    dl/dt = [phi(-q) + q / t] + [phi(w) + y (mu - 1) / (b m) + eta(b) - eta(n)],
    d2l/dt2 = (q / t) (q - (1 + p) / t)
              + [y (b (y - 2 (mu - 1)) - (mu - 1)**2) / (m**2 n b) - (zeta(b) - zeta(n))],
    d2l/dlog(t)2 = t (phi(-q) + q**2) - x p q
                   + t [phi(w) + eta(b) - eta(n) + y x / (b n) - t (zeta(b) - zeta(n))].
"""

import jax.numpy as jnp
import numpy as np

from jaxnb._types import Array
from jaxnb.likelihoods.dispersion import Dispersion
from jaxnb.likelihoods.ranges import Point
from jaxnb.special.elementary import reciprocal
from jaxnb.special.gamma import (
    RECURRENCE_STEPS,
    digamma_remainder_difference,
    digamma_remainder_steps_difference,
    reciprocal_argument,
    trigamma_remainder_difference,
    trigamma_remainder_steps_difference,
)
from jaxnb.special.log1p import log, log1p, log1p_minus_x

__all__ = ["Fraction"]


class Fraction:
    """What leads from x + 2 and mu_0 back to x and mu, where the count is such a fraction.

    Attributes:
        m_ratio: m_0 / m, and 1 where the count is not a fraction.
    """

    def __init__(self, p: Point, d: Dispersion, inverse_m: Array) -> None:
        self._p, self._d, self._inverse_m = p, d, inverse_m
        self._x = jnp.where(p.fraction, p.own_x, 0.5)
        self._mu = jnp.where(p.fraction, p.own_mu, 1.5)
        self._t = jnp.where(p.fraction, p.theta, 1.0)
        self._n = self._x + self._t
        m = self._t + self._mu
        self._of_m = reciprocal(m)
        self._one_plus_u = jnp.where(p.fraction, m * inverse_m, 1.0)
        self.m_ratio = jnp.where(p.fraction, (self._n + 1) * self._of_m, 1.0)
        self._small = self._t < RECURRENCE_STEPS
        self._near_one = jnp.abs(self._x - 1) < 0.5
        # the differences of eta and zeta are taken from base to n, over this distance
        self._base = jnp.where(self._near_one, self._t + 1, self._t)
        self._distance = jnp.where(self._near_one, self._x - 1, self._x)
        self._raised = jnp.where(self._base < RECURRENCE_STEPS, RECURRENCE_STEPS, 0)

    def inverse_square(self) -> Array:
        """1 over the square of what two steps multiply the probability by, else 1.

        Where theta < 2 of that times theta, since the two nearly cancel if x is small.
        """
        x, n = self._x, self._n
        n_ratio = jnp.where(self._small, 1 + x * self._d.inverse, n)
        inverse_step = ((x + 1) * n_ratio) / ((x + 2) * (n + 1))
        return jnp.where(self._p.fraction, inverse_step * inverse_step, 1.0)

    def _u(self) -> Array:
        u = (self._mu - (self._x + 1)) * self._inverse_m
        # next to -1 its rounding may be larger than 1 + u
        return jnp.where(self._one_plus_u < 0.0625, self._one_plus_u - 1, u)

    def _log1p_u(self) -> Array:
        return log1p(jnp.where(self._p.fraction, self._u(), 0.0), self._one_plus_u)

    def of_mean_or_far(self) -> Array:
        """What the mean adds to the value, or what form `far` of `ranges` does, else 0.

        A count is not of both forms, and both have the form a log(ratio) - b log(1 + u), so that
        one evaluation serves them.
        """
        p, fraction, far = self._p, self._p.fraction, self._p.further > 0
        of_far = jnp.where(far, (p.theta / p.mu) * p.r_over, 0.0)
        log1p_u = log1p(
            jnp.where(fraction, self._u(), of_far),
            jnp.where(fraction, self._one_plus_u, 1 + of_far),
        )
        ratio = jnp.where(fraction, p.r * self.m_ratio, p.x_ratio)
        if p.normal:
            log_ratio = log(ratio)
        else:
            normal = ratio >= float(np.finfo(ratio.dtype).tiny)
            log_ratio = jnp.where(normal, log(jnp.where(normal, ratio, 1.0)), p.log_r - log1p_u)
        a = jnp.where(fraction, self._x, jnp.where(far, p.theta * p.scale.up, 1.0) - 1)
        b = jnp.where(fraction, self._t, p.further)
        return a * log_ratio - p.scale.up * (b * log1p_u)

    def _ratios(self) -> tuple[Array, Array]:
        """c and phi(c); next to x = 1, w and phi(w)."""
        c = (self._x - self._mu) * self._of_m
        inverse_base = reciprocal(self._base)
        u = jnp.where(self._near_one, self._distance * inverse_base, c)
        one_plus_u = self._n * jnp.where(self._near_one, inverse_base, self._of_m)
        return c, log1p_minus_x(u, one_plus_u)

    def _of_one(self) -> tuple[Array, Array, Array]:
        """p, q and phi(-q), of which the derivatives at x = 1 consist."""
        p, q = self._t * self._of_m, self._mu * self._of_m
        return p, q, log1p_minus_x(-q, p)

    def _arguments(self) -> tuple[Array, Array]:
        q = reciprocal_argument(self._n + self._raised)
        p = jnp.where(self._near_one, reciprocal_argument(self._base + self._raised), self._d.p)
        return jnp.where(self._p.fraction, p, q), q

    def _eta(self) -> Array:
        """eta(base) - eta(n)."""
        small = self._raised > 0
        base = jnp.where(small, self._base, 1.0)
        steps = digamma_remainder_steps_difference(base, self._distance)
        raised = digamma_remainder_difference(*self._arguments(), self._distance)
        return raised + jnp.where(small, steps, 0.0)

    def _zeta(self, factor: Array | float = 1.0) -> Array:
        """(zeta(base) - zeta(n)) factor**2."""
        small = self._raised > 0
        base, own = jnp.where(small, self._base, 1.0), jnp.where(small, factor, 0.0)
        steps = trigamma_remainder_steps_difference(base, self._distance)
        raised = trigamma_remainder_difference(*self._arguments(), self._distance, factor)
        return raised + own * own * steps

    def d_theta(self) -> Array:
        """dl/dt = phi(c) + eta(t) - eta(n)."""
        _, q, phi_of_q = self._of_one()
        of_mean = self._distance * ((self._mu - 1) * self._of_m) * reciprocal(self._base)
        of_one = (phi_of_q + q * reciprocal(self._t)) + of_mean
        return jnp.where(self._near_one, of_one, 0.0) + (self._ratios()[1] + self._eta())

    def d_theta_d_theta(self) -> Array:
        """d2l/dt2 = c**2 / n - (zeta(t) - zeta(n))."""
        c, _ = self._ratios()
        p, q, _ = self._of_one()
        i_t, i_n, i_b = reciprocal(self._t), reciprocal(self._n), reciprocal(self._base)
        # y / m**2 - y / (n b) over a common denominator, with (mu - 1) / m for what is large
        e = (self._mu - 1) * self._of_m
        of_distance = (self._distance * self._of_m - 2 * e) * (self._of_m * i_n)
        of_distance = self._distance * (of_distance - (e * e) * (i_n * i_b))
        near = (q * i_t) * (q - (1 + p) * i_t) + of_distance
        return jnp.where(self._near_one, near, c * (c * i_n)) - self._zeta()

    def d_log_theta_d_log_theta(self, at_x_plus_2: Array) -> Array:
        """d2l/dlog(t)2, of that at x + 2 and mu_0.

        The mean adds t f + t**2 f' with f = u (x - mu) / m - phi(u), which is u n / m - log(1 + u),
        and f' = (u / m) (2 - n / m - n / m_0). Of these the terms in n / m, which cancel where
        mu << t, are u n p q together. The two steps add t f + t**2 f' of -1 / (n (n + 1)).
        """
        x, t, n = self._x, self._t, self._n
        c, phi_c = self._ratios()
        differences = t * self._eta() - self._zeta(t)
        of_large = t * (phi_c + c * (c * (t / n))) + differences
        p, q, phi_of_q = self._of_one()
        of_distance = self._distance * (x * (reciprocal(self._base) * reciprocal(n)))
        near_one = t * (phi_of_q + q * q) - x * (p * q)
        near_one = near_one + (t * (phi_c + of_distance) + differences)

        i_0, i_1 = reciprocal(n), reciprocal(n + 1)
        u = self._u()
        in_mean = u * (p * (n * q + t * (2 - n * i_1))) - t * self._log1p_u()
        steps = (t * i_0) * i_1 * (x * i_0 - t * i_1)
        elsewhere = jnp.where(self._small, at_x_plus_2 + (in_mean - steps), of_large)
        return jnp.where(self._near_one, near_one, elsewhere)
