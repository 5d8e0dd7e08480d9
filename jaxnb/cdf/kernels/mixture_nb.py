"""The mixture of two negative binomials: tails, entropy, moments and draws."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from jaxnb._blockwise import blockwise
from jaxnb._types import Array, ArrayLike
from jaxnb.cdf import nb_kernel
from jaxnb.cdf.calls import Component, Kernel
from jaxnb.cdf.entropy import of_positive, zero_and_rest
from jaxnb.cdf.interval_kernel import log_probability_of_interval
from jaxnb.cdf.kernels import nb
from jaxnb.cdf.kernels.deviates import Deviates
from jaxnb.cdf.mixture_entropy import mixed_entropy
from jaxnb.cdf.moments import ARRAYS, mode_between
from jaxnb.cdf.nb_kernel import nb_log_tails
from jaxnb.cdf.tails import Part, Tails
from jaxnb.cdf.truncated_entropy import grouped
from jaxnb.cdf.two_components import log_mixture
from jaxnb.likelihoods.arguments import Scales, promote
from jaxnb.likelihoods.mixture_kernel import MIXTURE
from jaxnb.likelihoods.original_names import log_mixture_nb
from jaxnb.special.complements import log1m_exp_of_any

__all__ = ["KERNEL", "entropy", "mean", "mode", "rate", "variance"]


def _log_tails(
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
    return Tails(*(log_mixture(*pair, q) for pair in zip(first, second, strict=True)))


def _fixed(
    scales: Scales, mu_1: Array, mu_2: Array, theta_1: Array, theta_2: Array, q: Array
) -> tuple[Any, Any, Array]:
    first = nb_kernel.fixed(scales[::2], mu_1, theta_1)
    return first, nb_kernel.fixed(scales[1::2], mu_2, theta_2), q


def _around(x: Array, fixed: tuple[Any, Any, Array]) -> tuple[Tails, list[Part]]:
    *components, q = fixed
    (first, of_first), (second, of_second) = (nb_kernel.around(x, c) for c in components)
    t = Tails(*(log_mixture(*pair, q) for pair in zip(first, second, strict=True)))
    parts = [part.weighted(-jax.nn.softplus(-q)) for part in of_first]
    return t, parts + [part.weighted(-jax.nn.softplus(q)) for part in of_second]


def _start(
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


def _upper_end(
    scales: Scales, mu_1: Array, mu_2: Array, theta_1: Array, theta_2: Array, q: Array
) -> Array:
    first = jnp.where(q == -jnp.inf, 0.0, nb_kernel.upper_end(scales[::2], mu_1, theta_1))
    second = jnp.where(q == jnp.inf, 0.0, nb_kernel.upper_end(scales[1::2], mu_2, theta_2))
    return jnp.maximum(first, second)


def _components(
    scales: Scales, mu_1: Array, mu_2: Array, theta_1: Array, theta_2: Array, q: Array
) -> list[Component]:
    (first,) = nb.KERNEL.components(scales[::2], mu_1, theta_1)
    (second,) = nb.KERNEL.components(scales[1::2], mu_2, theta_2)
    return [first.weighted(-jax.nn.softplus(-q)), second.weighted(-jax.nn.softplus(q))]


def _log_interval(
    scales: Scales,
    low: Array,
    high: Array,
    mu_1: Array,
    mu_2: Array,
    theta_1: Array,
    theta_2: Array,
    q: Array,
) -> Array:
    of = partial(log_probability_of_interval, nb.KERNEL)
    first = of(scales[::2], low, high, mu_1, theta_1)
    return log_mixture(first, of(scales[1::2], low, high, mu_2, theta_2), q)


KERNEL = Kernel(
    _log_tails, _fixed, _around, _start, _upper_end, _components, MIXTURE,
    log_interval=_log_interval,
)  # fmt: skip


@jax.jit
def entropy(
    mu_1: ArrayLike, mu_2: ArrayLike, theta_1: ArrayLike, theta_2: ArrayLike, q: ArrayLike
) -> Array:
    """The entropy of a mixture, of arguments that are checked."""
    result_type, arguments = promote(
        x=mu_1, theta_1=theta_1, mu_2=mu_2, theta_2=theta_2, pi_logits=q
    )
    found = blockwise(_entropy, *arguments)
    return found.astype(result_type)


def _entropy(mu_1: Array, theta_1: Array, mu_2: Array, theta_2: Array, q: Array) -> Array:
    mu, theta = jnp.stack([mu_1, mu_2]), jnp.stack([theta_1, theta_2])
    own = grouped(*zero_and_rest(mu, theta), of_positive(mu, theta))
    mixed = mixed_entropy(own, mu, theta, q)
    valid = jnp.all((mu >= 0) & (theta >= 0), 0) & ~jnp.isnan(q)
    return jnp.where(valid, mixed, jnp.nan)


def mean(
    mu_1: Any, mu_2: Any, theta_1: Any, theta_2: Any, pi_logits: Any, *, xp: Any = ARRAYS
) -> Any:
    """The components' means weighted by their probabilities."""
    weight_1, weight_2 = xp.sigmoid(pi_logits), xp.sigmoid(-pi_logits)
    return weight_1 * nb.mean(mu_1, theta_1, xp=xp) + weight_2 * nb.mean(mu_2, theta_2, xp=xp)


def variance(
    mu_1: Any, mu_2: Any, theta_1: Any, theta_2: Any, pi_logits: Any, *, xp: Any = ARRAYS
) -> Any:
    """The weighted variances plus w1 w2 (m1 - m2)**2, m the means, w the probabilities."""
    weight_1, weight_2 = xp.sigmoid(pi_logits), xp.sigmoid(-pi_logits)
    within = weight_1 * nb.variance(mu_1, theta_1, xp=xp)
    within = within + weight_2 * nb.variance(mu_2, theta_2, xp=xp)
    between = nb.mean(mu_1, theta_1, xp=xp) - nb.mean(mu_2, theta_2, xp=xp)
    return within + weight_1 * weight_2 * between * between


def mode(mu_1: Array, mu_2: Array, theta_1: Array, theta_2: Array, pi_logits: Array) -> Array:
    """The most probable count, which lies between the modes of the components."""
    parameters = (mu_1, mu_2, theta_1, theta_2, pi_logits)
    modes = nb.mode(mu_1, theta_1), nb.mode(mu_2, theta_2)
    shape = jnp.broadcast_shapes(*(jnp.shape(parameter) for parameter in parameters))
    low, high = (
        jnp.broadcast_to(bound, shape) for bound in (jnp.minimum(*modes), jnp.maximum(*modes))
    )

    def log_prob(x: Array) -> Array:
        value: Array = log_mixture_nb(x, *parameters)
        return value

    return mode_between(log_prob, low, high)


def rate(
    deviates: Deviates, mu_1: Array, mu_2: Array, theta_1: Array, theta_2: Array, pi_logits: Array
) -> Array:
    """The rate of component 1 with the log-odds pi_logits, otherwise of component 2."""
    first = deviates.decisions(pi_logits)
    counted = nb.rate(deviates, jnp.where(first, mu_1, mu_2), jnp.where(first, theta_1, theta_2))
    valid = (mu_1 >= 0) & (mu_2 >= 0) & (theta_1 >= 0) & (theta_2 >= 0) & ~jnp.isnan(pi_logits)
    return jnp.where(valid, counted, jnp.nan)
