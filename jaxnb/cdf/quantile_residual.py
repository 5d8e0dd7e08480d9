"""The quantile residual: the count's place in its distribution, as a standard normal deviate.

A continuous variable has F(X) uniform. For a count, a point between F(x - 1) and F(x) takes its
place: one drawn at random makes the residuals exactly normal under the true distribution (Dunn and
Smyth 1996), the middle makes them deterministic and normal roughly.
"""

import jax.numpy as jnp

from jaxnb._types import Array
from jaxnb.cdf.normal import normal_quantile

__all__ = ["quantile_residual"]


def quantile_residual(log_cdf_before: Array, log_sf: Array, log_p: Array, u: Array) -> Array:
    """The normal quantile of F(x - 1) + u P(x), from logarithms, so that neither tail is lost.

    Args:
        log_cdf_before: log F(x - 1).
        log_sf: log(1 - F(x)).
        log_p: log P(x).
        u: Where in between, 0 < u < 1.

    Returns:
        The residuals; NaN where the count has no probability.
    """
    log_lower = jnp.logaddexp(log_cdf_before, jnp.log(u) + log_p)
    log_upper = jnp.logaddexp(log_sf, jnp.log1p(-u) + log_p)
    return jnp.where(log_p > -jnp.inf, normal_quantile(log_lower, log_upper), jnp.nan)
