"""Counts below 2 that are not whole: from x + 2 back to x by the recurrence of the gamma function.

Such counts come with normalized data only. Notation of `ranges` and `nb_kernel`. Two steps of the
recurrence, each of 1 / n - 1 / m in theta, cost

    l(x) = l(x + 2) + log((x + 1) (x + 2) m**2 / (n (n + 1) mu**2)).

At mu_0 = x + 1, where m_0 = n + 1, the argument is (x + 2) (n + 1) / ((x + 1) n), and what it adds
to the derivative in theta is -1 / (n (n + 1)). In the mean the way is exact too: with r = mu / mu_0
and 1 + u = m / m_0,

    l(x; mu) = l(x; mu_0) + x log(r / (1 + u)) - t log(1 + u),

whose derivative in theta is u n / m - log(1 + u) = u (x - mu) / m - phi(u), and whose second one is
(u / m) (2 - n / m - n / m_0).
"""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from jaxnb._types import Array
from jaxnb.likelihoods.ranges import Point
from jaxnb.special.elementary import reciprocal
from jaxnb.special.gamma import RECURRENCE_STEPS
from jaxnb.special.log1p import log, log1p_minus_x

__all__ = ["Recurrence", "recurrence"]


class Recurrence(NamedTuple):
    """What leads back from x + 2 to x and from mu_0 to mu.

    The first two are 1, and the others 0, where the count is no such fraction.

    Attributes:
        m_ratio: m_0 / m.
        inverse_square: 1 over the square of what the probability is multiplied by for the two
            steps; where theta < 2 of that times theta, since the two nearly cancel if x is small.
        value: Of the log-probability, for the mean.
        d_theta: Of its derivative in theta.
        d_theta_d_theta: Of the second one.
        d_log_theta_d_log_theta: Of that in log(theta).
    """

    m_ratio: Array
    inverse_square: Array
    value: Array
    d_theta: Array
    d_theta_d_theta: Array
    d_log_theta_d_log_theta: Array


def recurrence(p: Point, inverse_m: Array) -> Recurrence:
    """All of it; XLA removes what is not used.

    Args:
        p: The point of `ranges.move`.
        inverse_m: 1 / m there.
    """
    x = jnp.where(p.fraction, p.count, 0.5)
    t, n = p.theta, x + p.theta
    r, mu = jnp.where(p.fraction, p.r, 1.0), (x + 1) * p.r
    u = (r - 1) * ((x + 1) * inverse_m)
    # near -1 from m, in which nothing cancels
    one_plus_u = jnp.where(u < -0.5, (t + mu) * inverse_m, 1 + u)
    m_ratio = reciprocal(one_plus_u)
    of_m = inverse_m * m_ratio
    near = u < 1
    phi_u = log1p_minus_x(jnp.where(near, u, 0.0), jnp.where(near, one_plus_u, 1.0))
    log1p_u = jnp.where(near, phi_u + u, log(jnp.where(near, 1.0, one_plus_u)))

    normal = r >= float(np.finfo(r.dtype).tiny)
    log_ratio = jnp.where(normal, log(jnp.where(normal, r * m_ratio, 1.0)), p.log_r - log1p_u)
    n_ratio = jnp.where(t < RECURRENCE_STEPS, 1 + x / t, n)
    inverse_step = ((x + 1) / (x + 2)) * (n_ratio / (n + 1))
    i_0, i_1 = reciprocal(n), reciprocal(n + 1)
    in_mean = jnp.where(near, u * ((x - mu) * of_m) - phi_u, u * (n * of_m) - log1p_u)
    in_mean_twice = (u * of_m) * (2 - n * (of_m + inverse_m))
    of_log = -(t * i_0) * i_1 * (x * i_0 - t * i_1)

    def only(value: Array) -> Array:
        return jnp.where(p.fraction, value, 0.0)

    return Recurrence(
        jnp.where(p.fraction, m_ratio, 1.0),
        jnp.where(p.fraction, inverse_step * inverse_step, 1.0),
        only(x * log_ratio - t * log1p_u),
        only(in_mean - i_0 * i_1),
        only(in_mean_twice + i_0 * i_1 * (i_0 + i_1)),
        only(of_log + t * (in_mean + t * in_mean_twice)),
    )
