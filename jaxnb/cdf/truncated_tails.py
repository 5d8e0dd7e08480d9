"""Both tails of the zero-truncated negative binomial and their derivatives, from those with zeros.

L = log F and U = log(1 - F) are those with zeros at a count x >= 1, L0 and U0 those at 0; indices
are derivatives. Without zeros log(1 - F) is V = U - U0 and log F, where 1 - F is below 1/2,
K = log(1 - exp(V)), with w the odds of exp(V):

    K_j = -w V_j,    K_jk = -w (V_jk + (1 + w) V_j V_k);

elsewhere, with D = L0 - L and w the odds of exp(D),

    K = L + log(1 - exp(D)) - U0,    K_jk = L_jk - w (D_jk + (1 + w) D_j D_k) - U0_jk.

1 - F is proportional to mu**x as the mean tends to 0, so that at x = 1 the bracket of K_uu, itself
in mu, vanishes. There K is log P(1), A(z) - (y + A(y)) of `at_zero` with z = log(1 + mu / theta)
and y = -L0. With z_mu = 1 / m, y_mu = p, A' = -M and M' = -V of the truncated exponential
distribution (V there a variance), its second derivative in mu is

    (V(z) + M(z)) / m**2 + theta (1 - M(y)) / m**2 - p**2 V(y).
"""

from functools import partial
from typing import Final

import jax.numpy as jnp
import numpy as np

from jaxnb._types import Array
from jaxnb.cdf.moved import values
from jaxnb.cdf.nb_kernel import nb_tails_found
from jaxnb.cdf.tails import Tails
from jaxnb.cdf.tails_primitive import MEAN, Places, found_tails, tails_primitive
from jaxnb.likelihoods.arguments import Scales, largest
from jaxnb.special.complements import log1m_exp_of_any
from jaxnb.special.truncated_exponential import truncated_exponential_moments

__all__ = ["truncated_log_tails", "without_zeros"]

_LOG_HALF: Final = -0.6931471805599453
_Found = dict[Places, Tails]


def without_zeros(x: Array, t: Tails, at_zero: Tails) -> Tails:
    """The tails without the zeros; of those with them at x = 0 and, for x >= 1, at x."""
    # All of the probability is at 1 where the negative binomial's is at 0.
    certain = at_zero.log_sf == -jnp.inf
    log_positive = jnp.where(certain, 0.0, at_zero.log_sf)
    log_sf = jnp.where(certain, -jnp.inf, t.log_sf - log_positive)
    # F(x) - F(0) where that does not cancel, else from the upper tail
    from_upper = log_sf < _LOG_HALF
    from_lower = t.log_cdf + log1m_exp_of_any(_difference(from_upper, t, at_zero)) - log_positive
    log_cdf = jnp.where(
        from_upper, log1m_exp_of_any(jnp.where(from_upper, log_sf, -1.0)), from_lower
    )
    return Tails(jnp.where(x < 1, -jnp.inf, log_cdf), jnp.where(x < 1, 0.0, log_sf))


def _difference(from_upper: Array, t: Tails, at_zero: Tails) -> Array:
    """D, where it is used."""
    usable = ~from_upper & (t.log_cdf > -jnp.inf)
    return jnp.where(usable, at_zero.log_cdf - t.log_cdf, -1.0)


def _tails_found(scales: Scales, wanted: set[Places], x: Array, a: Array, b: Array) -> _Found:
    needed = {(), *wanted, *((place,) for places in wanted for place in places)}
    zero = jnp.zeros((1,) * x.ndim, x.dtype)
    t = nb_tails_found(scales, needed, jnp.where(x < 1, 1.0, x), a, b)  # a NaN goes through
    at_zero = nb_tails_found(scales, needed, zero, a, b, zero=True)
    value = without_zeros(x, t[()], at_zero[()])
    found: _Found = {(): value}
    for places in needed - {()}:
        upper, lower = _derivatives(places, value, t, at_zero)
        if places == (MEAN, MEAN) and scales[0] == "linear":
            lower = _at_one(scales, x, a, b, value, at_zero[()], lower)
        # nothing changes where all is sure
        sure = (x < 1) | (at_zero[()].log_sf == -jnp.inf)
        found[places] = Tails(
            *(
                jnp.where(jnp.isnan(v), jnp.nan, jnp.where(sure, 0.0, d))
                for v, d in zip(value, (lower, upper), strict=True)
            )
        )
    return found


def _derivatives(places: Places, value: Tails, t: _Found, at_zero: _Found) -> tuple[Array, Array]:
    """V's and K's of the module."""
    highest = float(np.finfo(value.log_sf.dtype).max)

    def of_upper(places: Places) -> Array:
        own = t[places].log_sf
        # where both are beyond the numbers that of x is the larger one
        return jnp.where(jnp.abs(own) >= highest, own, own - at_zero[places].log_sf)

    def of_difference(places: Places) -> Array:
        return at_zero[places].log_cdf - t[places].log_cdf

    from_upper = value.log_sf < _LOG_HALF
    log_r = jnp.where(from_upper, value.log_sf, _difference(from_upper, t[()], at_zero[()]))
    tiny = float(np.finfo(log_r.dtype).tiny)
    odds = 1 / jnp.expm1(jnp.maximum(-log_r, tiny))
    parts = of_upper(places)
    change = jnp.where(from_upper, parts, of_difference(places))
    if len(places) == 2:
        first, second = (
            jnp.where(from_upper, of_upper((place,)), of_difference((place,))) for place in places
        )
        # in this order, since the product may overflow
        changed = odds * change + (odds * first) * ((1 + odds) * second)
    else:
        changed = odds * change
    changed = jnp.where(odds == 0, 0.0, changed)
    lower = jnp.where(from_upper, 0.0, t[places].log_cdf - at_zero[places].log_sf) - changed
    return parts, lower


def _at_one(
    scales: Scales, x: Array, a: Array, b: Array, value: Tails, at_zero: Tails, lower: Array
) -> Array:
    """The second derivative of K in mu at x = 1, where it is of log P(1)."""
    mu, theta = values(scales, a, b)
    here = (x == 1) & (value.log_sf < _LOG_HALF) & (mu > 0) & (theta > 0)
    mu = jnp.where(here, mu, 1.0)
    theta = jnp.where(here, jnp.minimum(theta, largest(theta.dtype)), 1.0)
    m, p = theta + mu, theta / (theta + mu)
    of_z = truncated_exponential_moments(jnp.log1p(mu / theta))
    of_y = truncated_exponential_moments(jnp.where(here, -at_zero.log_cdf, 1.0))
    of_theta = (of_z[1] + of_z[0]) / m / m
    found = of_theta + p / m * (1 - of_y[0]) - p * p * of_y[1]
    return jnp.where(here, found, lower)


_tails_p: Final = tails_primitive("jaxnb_truncated_log_tails", _tails_found)
truncated_log_tails: Final = partial(found_tails, _tails_p)
"""log F and log(1 - F) of scales, x, mean and theta."""
