"""Distribution functions of two components: zero inflation, and the mixture.

F is sigma(q) F_1 + sigma(-q) F_2 with q the log-odds of the first component; so is 1 - F.
Either logarithm, value and derivatives, is that of `likelihoods.two_components`, for which nothing
but the logarithms of the components counts. Zero inflation has the point mass at 0 as the first.
"""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from jaxnb._types import Array
from jaxnb.cdf import nb_kernel
from jaxnb.cdf.calls import Kernel
from jaxnb.cdf.nb_kernel import nb_log_tails
from jaxnb.cdf.search import Around
from jaxnb.cdf.tails import Part, Tails
from jaxnb.likelihoods import mixture_kernel, zero_inflated_kernel
from jaxnb.likelihoods.arguments import Scales
from jaxnb.likelihoods.two_components import log_two_components
from jaxnb.special.complements import log1m_exp_of_any

__all__ = ["MIXTURE", "ZERO_INFLATED", "inflated_around", "inflated_levels", "inflated_log_tails"]


def _log_mixture(first: Array, second: Array, q: Array) -> Array:
    """log(sigma(q) exp(first) + sigma(-q) exp(second))."""
    difference = jnp.where(first == second, 0.0, first - second)
    return log_two_components(first, second, difference, q)


def inflated_log_tails(x: Array, t: Tails, q: Array) -> Tails:
    """The tails of a distribution of counts with additional zeros.

    Args:
        x: The counts.
        t: The tails without the zeros.
        q: The log-odds of an additional zero.
    """
    log_cdf = _log_mixture(jnp.zeros_like(t.log_cdf), t.log_cdf, q)
    log_sf = _log_mixture(jnp.full_like(t.log_sf, -jnp.inf), t.log_sf, q)
    below = (x < 0) & ~jnp.isnan(log_cdf)
    return Tails(jnp.where(below, -jnp.inf, log_cdf), jnp.where(below, 0.0, log_sf))


def inflated_levels(log_lower: Array, log_upper: Array, q: Array) -> tuple[Array, Array]:
    """The levels of the distribution without the additional zeros."""
    log_upper = jnp.minimum(log_upper + jax.nn.softplus(q), 0.0)
    return log1m_exp_of_any(log_upper), log_upper


def _zinb_log_tails(scales: Scales, x: Array, mu: Array, theta: Array, pi: Array) -> Tails:
    return inflated_log_tails(x, nb_log_tails(scales, x, mu, theta), pi)


def inflated_around(around: Around, x: Array, fixed: tuple[Any, Array]) -> tuple[Tails, list[Part]]:
    """`around` with additional zeros; their log-odds come after what is fixed without them."""
    without, q = fixed
    t, parts = around(x, without)
    log_weight = -jax.nn.softplus(q)
    return inflated_log_tails(x, t, q), [part.weighted(log_weight) for part in parts]


def _zinb_fixed(scales: Scales, mu: Array, theta: Array, pi: Array) -> tuple[Any, Array]:
    return nb_kernel.fixed(scales, mu, theta), pi


def _zinb_start(
    scales: Scales, log_lower: Array, log_upper: Array, mu: Array, theta: Array, pi: Array
) -> Array:
    return nb_kernel.start(scales, *inflated_levels(log_lower, log_upper, pi), mu, theta)


def _zinb_upper_end(scales: Scales, mu: Array, theta: Array, pi: Array) -> Array:
    return jnp.where(pi == jnp.inf, 0.0, nb_kernel.upper_end(scales, mu, theta))


ZERO_INFLATED = Kernel(
    _zinb_log_tails,
    _zinb_fixed,
    partial(inflated_around, nb_kernel.around),
    _zinb_start,
    _zinb_upper_end,
    zero_inflated_kernel.ZERO_INFLATED,
)


def _mixture_log_tails(
    scales: Scales,
    x: Array,
    mu_1: Array,
    mu_2: Array,
    theta_1: Array,
    theta_2: Array,
    q: Array,
) -> Tails:
    first = nb_log_tails(scales[::2], x, mu_1, theta_1)
    second = nb_log_tails(scales[1::2], x, mu_2, theta_2)
    return Tails(*(_log_mixture(*pair, q) for pair in zip(first, second, strict=True)))


def _mixture_fixed(
    scales: Scales, mu_1: Array, mu_2: Array, theta_1: Array, theta_2: Array, q: Array
) -> tuple[Any, Any, Array]:
    first = nb_kernel.fixed(scales[::2], mu_1, theta_1)
    return first, nb_kernel.fixed(scales[1::2], mu_2, theta_2), q


def _mixture_around(x: Array, fixed: tuple[Any, Any, Array]) -> tuple[Tails, list[Part]]:
    *components, q = fixed
    (first, of_first), (second, of_second) = (nb_kernel.around(x, c) for c in components)
    t = Tails(*(_log_mixture(*pair, q) for pair in zip(first, second, strict=True)))
    parts = [part.weighted(-jax.nn.softplus(-q)) for part in of_first]
    return t, parts + [part.weighted(-jax.nn.softplus(q)) for part in of_second]


def _mixture_start(
    scales: Scales,
    log_lower: Array,
    log_upper: Array,
    mu_1: Array,
    mu_2: Array,
    theta_1: Array,
    theta_2: Array,
    q: Array,
) -> Array:
    """The further one of the quantiles that each component would have if alone in the tail."""
    in_lower = log_lower < log_upper

    def of_component(scales: Scales, mu: Array, theta: Array, q: Array) -> Array:
        log_weight = -jax.nn.softplus(-q)
        own = jnp.minimum(jnp.where(in_lower, log_lower, log_upper) - log_weight, 0.0)
        other = log1m_exp_of_any(own)
        levels = jnp.where(in_lower, own, other), jnp.where(in_lower, other, own)
        return nb_kernel.start(scales, *levels, mu, theta)

    first = of_component(scales[::2], mu_1, theta_1, q)
    second = of_component(scales[1::2], mu_2, theta_2, -q)
    return jnp.where(in_lower, jnp.minimum(first, second), jnp.maximum(first, second))


def _mixture_upper_end(
    scales: Scales, mu_1: Array, mu_2: Array, theta_1: Array, theta_2: Array, q: Array
) -> Array:
    first = jnp.where(q == -jnp.inf, 0.0, nb_kernel.upper_end(scales[::2], mu_1, theta_1))
    second = jnp.where(q == jnp.inf, 0.0, nb_kernel.upper_end(scales[1::2], mu_2, theta_2))
    return jnp.maximum(first, second)


MIXTURE = Kernel(
    _mixture_log_tails,
    _mixture_fixed,
    _mixture_around,
    _mixture_start,
    _mixture_upper_end,
    mixture_kernel.MIXTURE,
)
