"""The range in which the formulas of `nb_kernel` hold, in each dtype; `ranges` has their forms."""

from typing import Final, NamedTuple

import jax.numpy as jnp

__all__ = ["Limits", "limits"]


class Limits(NamedTuple):
    """The range of the formulas.

    Attributes:
        x: The largest count.
        x_whole: The largest count that needs no scaling.
        x_of_shrink: The count above which x n w(t) of `nb_kernel` might overflow.
        shrink: What x and n are then multiplied by.
        mu: The largest mean.
        mu_ordinary: The largest mean with which no product of any two quantities overflows.
        smallest_mu: The smallest mean.
        x_of_smallest_mu: The largest count with which `smallest_mu` / x is a normal number.
        mu_of_large_x: The smallest mean with which the quotient is one for counts to `x_whole`.
        mu_of_largest_x: That for every count, where theta is at least 1; with smaller thetas the
            quotient is larger.
        theta: The smallest theta.
        small_theta: Below it means go up to `mu_of_small_theta` only, so that p is a normal number.
        mu_of_small_theta: See there.
        small_count: The largest count of form `over`.
        large_theta: Above it a mean above the range is `huge` with small counts, too.
        of_poisson: The largest count and mean with a theta beyond the stand-in for infinity.
        x_per_m: The largest x / m.
        lift: Raises every number to one that is normal, also after the largest rescaling.
    """

    x: float
    x_whole: float
    x_of_shrink: float
    shrink: float
    mu: float
    mu_ordinary: float
    smallest_mu: float
    x_of_smallest_mu: float
    mu_of_large_x: float
    mu_of_largest_x: float
    theta: float
    small_theta: float
    mu_of_small_theta: float
    small_count: float
    large_theta: float
    of_poisson: float
    x_per_m: float
    lift: float


_LIMITS: Final = {
    "float32": Limits(
        x=2.0**98,
        x_whole=2.0**60,
        x_of_shrink=2.0**30,
        shrink=2.0**-60,
        mu=2.0**98,
        mu_ordinary=2.0**70,
        smallest_mu=2.0**-100,
        x_of_smallest_mu=2.0**26,
        mu_of_large_x=2.0**-66,
        mu_of_largest_x=2.0**-26,
        theta=2.0**-50,
        small_theta=2.0**-20,
        mu_of_small_theta=2.0**68,
        small_count=2.0**30,
        large_theta=2.0**80,
        of_poisson=2.0**70,
        x_per_m=2.0**120,
        lift=2.0**64,
    ),
    "float64": Limits(
        x=2.0**500,
        x_whole=2.0**100,
        x_of_shrink=2.0**200,
        shrink=2.0**-300,
        mu=2.0**500,
        mu_ordinary=2.0**300,
        smallest_mu=2.0**-900,
        x_of_smallest_mu=2.0**90,
        mu_of_large_x=2.0**-800,
        mu_of_largest_x=2.0**-500,
        theta=2.0**-400,
        small_theta=2.0**-200,
        mu_of_small_theta=2.0**500,
        small_count=2.0**60,
        large_theta=2.0**400,
        of_poisson=2.0**500,
        x_per_m=2.0**1000,
        lift=2.0**600,
    ),
}


def limits(dtype: jnp.dtype) -> Limits:
    """The range in a dtype."""
    return _LIMITS[dtype.name]
