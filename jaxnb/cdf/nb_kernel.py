"""The negative binomial as a `Kernel`: its two tails with their derivatives, its quantile roughly.

Mean and theta are a and b here, each on its scale.
"""

from functools import partial

import jax
import jax.numpy as jnp
from jax import lax
from jax.custom_derivatives import SymbolicZero

from jaxnb._types import Array
from jaxnb.cdf import extended
from jaxnb.cdf.calls import Kernel
from jaxnb.cdf.moved import values
from jaxnb.cdf.start import approximate_quantile
from jaxnb.cdf.tails import Tails
from jaxnb.likelihoods.arguments import Scales
from jaxnb.likelihoods.derivatives import Tangent
from jaxnb.likelihoods.negative_binomial import log_nb

__all__ = ["NEGATIVE_BINOMIAL", "log_probability", "nb_log_tails", "start", "upper_end"]


@partial(jax.custom_jvp, nondiff_argnums=(0,))
def nb_log_tails(scales: Scales, x: Array, a: Array, b: Array) -> Tails:
    """log F and log(1 - F)."""
    return extended.log_tails(scales, _whole(x), a, b)


@partial(nb_log_tails.defjvp, symbolic_zeros=True)
def _nb_log_tails_jvp(
    scales: Scales,
    primals: tuple[Array, Array, Array],
    tangents: tuple[Tangent, Tangent, Tangent],
) -> tuple[Tails, Tails]:
    x, a, b = primals
    along = {
        name: direction
        for name, direction in zip(("mu", "theta"), tangents[1:], strict=True)
        if not isinstance(direction, SymbolicZero)
    }
    # all at once, since they share the quadrature
    value, derivatives = extended.log_tails_with_derivatives(tuple(along), scales, _whole(x), a, b)
    terms = [
        Tails(d.log_cdf * direction, d.log_sf * direction)
        for d, direction in zip(derivatives, along.values(), strict=True)
    ]
    none = Tails(jnp.zeros_like(value.log_cdf), jnp.zeros_like(value.log_sf))
    return value, Tails(
        *(sum(parts[1:], parts[0]) for parts in zip(*(terms or [none]), strict=True))
    )


def _whole(x: Array) -> Array:
    return lax.stop_gradient(jnp.floor(x))


def log_probability(scales: Scales, x: Array, a: Array, b: Array) -> Array:
    """That of the count x."""
    return log_nb(x, a, b, jnp.zeros((), x.dtype), scales)


def start(scales: Scales, log_lower: Array, log_upper: Array, a: Array, b: Array) -> Array:
    """The quantile, roughly; a NaN for a NaN."""
    mu, theta = values(scales, a, b)
    mu, theta = jnp.clip(mu, 1e-30, 1e30), jnp.clip(theta, 1e-30, 1e12)
    return approximate_quantile(mu, theta, log_lower, log_upper)


def upper_end(scales: Scales, a: Array, b: Array) -> Array:
    """0 where the distribution is the point mass at 0."""
    zero = (0.0 if scale == "linear" else -jnp.inf for scale in scales)
    return jnp.where((a == next(zero)) | (b == next(zero)), 0.0, 1.0)


NEGATIVE_BINOMIAL = Kernel(nb_log_tails, log_probability, start, upper_end)
