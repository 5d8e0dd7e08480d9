"""What `tails` and `curvature` compute at x = 0, where one of their forms is used, by itself.

There F = p**theta, l = theta log(p), and the derivatives of l in u = log(mu) and v = log(theta) are

    l_u = -theta q,    l_v = theta phi(-q),    l_uu = l_u p,    l_uv = l_u q,
    l_vv = l_v + theta q**2.

There is no quadrature: the tails of the zero-truncated distribution take a third less time.
"""

import jax.numpy as jnp
import numpy as np

from jaxnb._types import Array
from jaxnb.cdf.curvature import MU, THETA, Derivatives, Pair
from jaxnb.cdf.small_theta import log_cdf_at_zero, shares
from jaxnb.cdf.tails import Tails, log_theta_at_zero, odds_between
from jaxnb.special.complements import log1m_exp

__all__ = ["log_tails_of_zero", "zero_with_curvature", "zero_with_derivatives"]


def log_tails_of_zero(x: Array, mu: Array, theta: Array) -> Tails:
    """Both logarithms; x is 0."""
    direct = jnp.minimum(log_cdf_at_zero(mu, theta), -float(np.finfo(mu.dtype).tiny))
    return Tails(direct, log1m_exp(direct))


def zero_with_derivatives(
    wrt: tuple[str, ...], x: Array, mu: Array, theta: Array
) -> tuple[Tails, list[Tails]]:
    """Both logarithms, and their derivatives in the logarithms of `wrt`."""
    value = log_tails_of_zero(x, mu, theta)
    odds = odds_between(*value)
    slopes = [_slope(name, mu, theta) for name in wrt]
    return value, [Tails(slope, -odds * slope) for slope in slopes]


def _slope(name: str, mu: Array, theta: Array) -> Array:
    return -(mu * shares(mu, theta)[0]) if name == MU else log_theta_at_zero(mu, theta)


def zero_with_curvature(
    pairs: tuple[Pair, ...], linear: tuple[str, ...], x: Array, mu: Array, theta: Array
) -> Derivatives:
    """Both logarithms, with second derivatives as those of `curvature`."""
    wrt = tuple(name for name in (MU, THETA) if any(name in pair for pair in pairs))
    value, derivatives = zero_with_derivatives(wrt, x, mu, theta)
    first = dict(zip(wrt, derivatives, strict=True))
    odds = odds_between(*value)
    p, q = shares(mu, theta)
    second = {}
    for pair in pairs:
        itself = pair[0] in linear
        slope, other = first[pair[0]]
        if pair == (MU, MU):
            # theta (x - mu) / m is -theta q
            of_probability = slope - q if itself else slope + p
            lower = slope * (-q if itself else p)
            upper = other * (of_probability - other)
        elif pair == (MU, THETA):
            l_v = first[THETA].log_cdf
            lower, upper = slope * q, other * (l_v + q + odds * l_v)
        else:
            square = theta * (q * q)
            lower = square if itself else slope + square
            upper = -(odds * lower + (odds * slope) * ((1 + odds) * slope))
        second[pair] = Tails(lower, upper)
    return Derivatives(value, first, second)
