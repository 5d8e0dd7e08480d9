"""The negative binomial's log-probability where nothing is unusual, in loops over counts.

For arguments that are `ranges.ordinary` the likelihood needs neither the conditional nor the second
state that it has for all others, which take most of the time to compile. Derivatives have the
closed forms of the likelihood up to the second order.
"""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
from jax.custom_derivatives import SymbolicZero

from jaxnb._types import Array
from jaxnb.cdf.at_zero import SCALES
from jaxnb.likelihoods.evaluate import VALUE, Arguments, Directions
from jaxnb.likelihoods.negative_binomial import NEGATIVE_BINOMIAL
from jaxnb.likelihoods.ranges import theta_within

__all__ = ["Tangent", "log_nb_within", "outputs_within"]

Places = tuple[int, ...]
Tangent = Array | SymbolicZero
"""In a rule for derivatives."""


def log_nb_within(x: Array, mu: Array, theta: Array) -> Array:
    """The log-probability of ordinary arguments of one shape."""
    return outputs_within((VALUE,), x, mu, theta)[0]


@partial(jax.custom_jvp, nondiff_argnums=(0,))
def outputs_within(outputs: Places, x: Array, mu: Array, theta: Array) -> list[Array]:
    """The value, or derivatives by the places of x, mean and theta."""
    return NEGATIVE_BINOMIAL.first(_at(x, mu, theta), outputs)


@partial(outputs_within.defjvp, symbolic_zeros=True)
def _outputs_jvp(
    outputs: Places, primals: tuple[Array, ...], tangents: tuple[Tangent, ...]
) -> tuple[list[Array], list[Array]]:
    along: Directions = {
        place: t
        for place, t in enumerate(tangents)
        if place > 0 and not isinstance(t, SymbolicZero)
    }
    more = tuple(p for p in along if p not in outputs) if VALUE in outputs else ()
    found = outputs_within(outputs + more, *primals)
    by_place = dict(zip(outputs + more, found, strict=True))
    rows = tuple(place for place in outputs if place != VALUE)
    products = NEGATIVE_BINOMIAL.product(_at(*primals), rows, along) if rows and along else []
    changes = dict(zip(rows, products, strict=True))
    nothing = jnp.zeros_like(found[0])
    if VALUE in outputs:
        changes[VALUE] = sum((by_place[p] * t for p, t in along.items()), nothing)
    return found[: len(outputs)], [
        jnp.broadcast_to(changes.get(p, nothing), nothing.shape) for p in outputs
    ]


def _at(x: Array, mu: Array, theta: Array) -> Arguments:
    floor = jnp.zeros((1,) * mu.ndim, mu.dtype)
    known = theta_within(theta, "linear", materialized=False, everywhere=False)
    return Arguments(SCALES, x, (mu, theta), floor, (known._replace(move=None),), everywhere=False)
