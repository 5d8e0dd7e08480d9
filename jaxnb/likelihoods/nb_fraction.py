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
from jaxnb.special.log1p import log, log1p_minus_x

__all__ = ["Fraction"]


class Fraction:
    """What leads from x + 2 and mu_0 back to x and mu, where the count is such a fraction.

    Attributes:
        m_ratio: m_0 / m, and 1 where the count is no fraction.
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

    def inverse_square(self) -> Array:
        """1 over the square of what two steps multiply the probability by, else 1.

        Where theta < 2 of that times theta, since the two nearly cancel if x is small.
        """
        x, n = self._x, self._n
        n_ratio = jnp.where(self._small, 1 + x / self._t, n)
        inverse_step = ((x + 1) / (x + 2)) * (n_ratio / (n + 1))
        return jnp.where(self._p.fraction, inverse_step * inverse_step, 1.0)

    def _log1p_u(self) -> Array:
        one_plus_u = self._one_plus_u
        u = jnp.where(self._p.fraction, (self._mu - (self._x + 1)) * self._inverse_m, 0.0)
        near = u < 1
        phi_u = log1p_minus_x(jnp.where(near, u, 0.0), jnp.where(near, one_plus_u, 1.0))
        return jnp.where(near, phi_u + u, log(jnp.where(near, 1.0, one_plus_u)))

    def of_mean(self) -> Array:
        """What the mean adds to the value, else 0."""
        p, log1p_u = self._p, self._log1p_u()
        ratio = p.r * self.m_ratio
        normal = p.fraction & (ratio >= float(np.finfo(ratio.dtype).tiny))
        log_ratio = jnp.where(normal, log(jnp.where(normal, ratio, 1.0)), p.log_r - log1p_u)
        return jnp.where(p.fraction, self._x * log_ratio - self._t * log1p_u, 0.0)

    def _ratios(self) -> tuple[Array, Array]:
        """c and phi(c)."""
        c = (self._x - self._mu) * self._of_m
        return c, log1p_minus_x(c, self._n * self._of_m)

    def _eta(self) -> Array:
        """eta(t) - eta(n)."""
        q = reciprocal_argument(self._n + jnp.where(self._small, RECURRENCE_STEPS, 0))
        p = jnp.where(self._p.fraction, self._d.p, q)
        steps = digamma_remainder_steps_difference(jnp.where(self._small, self._t, 1.0), self._x)
        raised = digamma_remainder_difference(p, q, self._x)
        return raised + jnp.where(self._small, steps, 0.0)

    def _zeta(self) -> Array:
        """zeta(t) - zeta(n)."""
        q = reciprocal_argument(self._n + jnp.where(self._small, RECURRENCE_STEPS, 0))
        p = jnp.where(self._p.fraction, self._d.p, q)
        steps = trigamma_remainder_steps_difference(jnp.where(self._small, self._t, 1.0), self._x)
        raised = trigamma_remainder_difference(p, q, self._x)
        return raised + jnp.where(self._small, steps, 0.0)

    def d_theta(self) -> Array:
        """dl/dt = phi(c) + eta(t) - eta(n)."""
        return self._ratios()[1] + self._eta()

    def d_theta_d_theta(self) -> Array:
        """d2l/dt2 = c**2 / n - (zeta(t) - zeta(n))."""
        c, _ = self._ratios()
        return c * (c * reciprocal(self._n)) - self._zeta()

    def d_log_theta_d_log_theta(self, at_x_plus_2: Array) -> Array:
        """d2l/dlog(t)2, of that at x + 2 and mu_0.

        The mean adds t f + t**2 f' with f = u (x - mu) / m - phi(u), which is u n / m - log(1 + u),
        and f' = (u / m) (2 - n / m - n / m_0); the two steps add the same of -1 / (n (n + 1)).
        """
        x, t, n = self._x, self._t, self._n
        c, phi_c = self._ratios()
        of_large = t * ((phi_c + c * (c * (t / n))) + (self._eta() - t * self._zeta()))

        i_0, i_1 = reciprocal(n), reciprocal(n + 1)
        u = (self._mu - (x + 1)) * i_1
        in_mean = u * (n * self._of_m) - self._log1p_u()
        in_mean = in_mean + t * ((u * self._of_m) * (2 - n * (self._of_m + i_1)))
        steps = (t * i_0) * i_1 * (x * i_0 - t * i_1)
        return jnp.where(self._small, at_x_plus_2 + (t * in_mean - steps), of_large)
