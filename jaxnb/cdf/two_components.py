"""Distribution functions of two components, such as additional zeros and a distribution.

F is sigma(q) F_1 + sigma(-q) F_2 with q the log-odds of the first component; so is 1 - F.
Either logarithm, value and derivatives, is that of `likelihoods.two_components`, for which nothing
but the logarithms of the components counts. Additional zeros are the first.
"""

from typing import Any

import jax
import jax.numpy as jnp

from jaxnb._types import Array
from jaxnb.cdf.calls import Component, Kernel
from jaxnb.cdf.interval_kernel import log_probability_of_interval
from jaxnb.cdf.tails import Part, Tails
from jaxnb.likelihoods.arguments import Scales
from jaxnb.likelihoods.evaluate import Likelihood
from jaxnb.likelihoods.two_components import log_two_components
from jaxnb.special.complements import log1m_exp_of_any

__all__ = ["inflated", "log_mixture"]


def log_mixture(first: Array, second: Array, q: Array) -> Array:
    """log(sigma(q) exp(first) + sigma(-q) exp(second))."""
    difference = jnp.where(first == second, 0.0, first - second)
    return log_two_components(first, second, difference, q)


def inflated(without: Kernel, likelihood: Likelihood) -> Kernel:
    """The kernel of counts with additional zeros, whose log-odds are the last parameter.

    Args:
        without: The kernel without them.
        likelihood: The kernel of the log-probability with them.
    """

    def log_tails(scales: Scales, x: Array, *parameters: Array) -> Tails:
        *own, q = parameters
        return _inflated(x, without.log_tails(scales, x, *own), q)

    def fixed(scales: Scales, *parameters: Array) -> tuple[Any, Array]:
        *own, q = parameters
        return without.fixed(scales, *own), q

    def around(x: Array, fixed: tuple[Any, Array]) -> tuple[Tails, list[Part]]:
        own, q = fixed
        t, parts = without.around(x, own)
        log_weight = -jax.nn.softplus(q)
        return _inflated(x, t, q), [part.weighted(log_weight) for part in parts]

    def start(scales: Scales, log_lower: Array, log_upper: Array, *parameters: Array) -> Array:
        *own, q = parameters
        log_upper = jnp.minimum(log_upper + jax.nn.softplus(q), 0.0)
        return without.start(scales, log1m_exp_of_any(log_upper), log_upper, *own)

    def upper_end(scales: Scales, *parameters: Array) -> Array:
        *own, q = parameters
        return jnp.where(q == jnp.inf, 0.0, without.upper_end(scales, *own))

    def components(scales: Scales, *parameters: Array) -> list[Component]:
        *own, q = parameters
        return [part.weighted(-jax.nn.softplus(q)) for part in without.components(scales, *own)]

    def log_interval(scales: Scales, low: Array, high: Array, *parameters: Array) -> Array:
        *own, q = parameters
        rest = log_probability_of_interval(without, scales, low, high, *own)
        zero = jnp.where((low <= 0) & (high >= 0), 0.0, jnp.full_like(rest, -jnp.inf))
        return log_mixture(zero, rest, q)

    return Kernel(
        log_tails, fixed, around, start, upper_end, components, likelihood,
        log_interval=log_interval,
    )  # fmt: skip


def _inflated(x: Array, t: Tails, q: Array) -> Tails:
    """The tails with additional zeros, from those without."""
    log_cdf = log_mixture(jnp.zeros_like(t.log_cdf), t.log_cdf, q)
    log_sf = log_mixture(jnp.full_like(t.log_sf, -jnp.inf), t.log_sf, q)
    below = (x < 0) & ~jnp.isnan(log_cdf)
    return Tails(jnp.where(below, -jnp.inf, log_cdf), jnp.where(below, 0.0, log_sf))
