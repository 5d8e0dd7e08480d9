"""The Kullback-Leibler divergence and its derivatives.

The divergence is that from the distribution of the first mean and the second theta, plus half a
deviance. It is differentiated as it stands, except in the first mean where there is a sum over
counts: that derivative, and the second ones in that mean and another parameter, in either order,
are those of `in_first_mean`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TypeVar

import jax
import jax.numpy as jnp
from jax.custom_derivatives import SymbolicZero

from jaxnb._types import Array
from jaxnb.cdf.divergence_in_mean import has_sum, in_first_mean
from jaxnb.cdf.divergence_sums import between_thetas
from jaxnb.cdf.within_range import Tangent
from jaxnb.likelihoods.arguments import largest
from jaxnb.likelihoods.deviance import nb_deviance

__all__ = ["divergence"]

Places = tuple[int, ...]
_Result = TypeVar("_Result")
_MEAN = 0  # the place of mu_1 among mu_1, theta_1, mu_2 and theta_2


def divergence(*parameters: Array) -> Array:
    """That of parameters on the linear scale, neither mu_1 nor theta_1 of which is 0."""
    return _outputs((), *parameters)[0]


def _value(mu_1: Array, theta_1: Array, mu_2: Array, theta_2: Array) -> Array:
    inside = (mu_1 > 0) & (mu_1 < jnp.inf) & (theta_1 > 0) & (theta_2 > 0)
    safe = (jnp.where(inside, value, 1.0) for value in (mu_1, theta_1, theta_2))
    of_thetas = jnp.where(inside, between_thetas(*safe), 0.0)
    return of_thetas + nb_deviance(mu_1, mu_2, theta_2) / 2


def _in_first_mean(*parameters: Array) -> Array:
    """The derivative in the first mean where there is a sum."""
    used = has_sum(*parameters)
    mu_1, theta_1, mu_2, theta_2 = (
        jnp.where(used, jnp.minimum(p, largest(p.dtype)), 1.0) for p in parameters
    )

    def half_deviance(x: Array) -> Array:
        return nb_deviance(x, mu_2, theta_2) / 2

    of_deviance = jax.jvp(half_deviance, (mu_1,), (jnp.ones_like(mu_1),))[1]
    return in_first_mean(mu_1, theta_1, mu_2, theta_2, of_deviance)


def _of_some(
    of: Callable[..., _Result], places: Places, parameters: tuple[Array, ...]
) -> tuple[Callable[..., _Result], tuple[Array, ...]]:
    """The function of the parameters at the places alone, and these."""

    def at(*moved: Array) -> _Result:
        there = dict(zip(places, moved, strict=True))
        return of(*(there.get(k, p) for k, p in enumerate(parameters)))

    return at, tuple(parameters[k] for k in places)


def _with_derivatives(
    of: Callable[..., Array], places: Places, parameters: tuple[Array, ...]
) -> list[Array]:
    """The value and its derivatives in the parameters at the places."""
    at, moved = _of_some(of, places, parameters)
    value, pull = jax.vjp(at, *moved)
    return [value, *pull(jnp.ones_like(value))]


def _evaluated(places: Places, *parameters: Array) -> list[Array]:
    value, *found = _with_derivatives(_value, places, parameters)
    derivatives = dict(zip(places, found, strict=True))
    if _MEAN in places:
        of_sum = has_sum(*parameters)
        derivatives[_MEAN] = jnp.where(of_sum, _in_first_mean(*parameters), derivatives[_MEAN])
    return [value, *derivatives.values()]


@partial(jax.custom_jvp, nondiff_argnums=(0,))
def _outputs(places: Places, *parameters: Array) -> list[Array]:
    """The divergence, and its derivatives in the parameters at the places."""
    return _evaluated(places, *parameters)


@partial(_outputs.defjvp, symbolic_zeros=True)
def _outputs_jvp(
    places: Places, primals: tuple[Array, ...], tangents: tuple[Tangent, ...]
) -> tuple[list[Array], list[Array]]:
    along = {k: t for k, t in enumerate(tangents) if not isinstance(t, SymbolicZero)}
    every = tuple(sorted({*places, *along}))
    value, *found = _outputs(every, *primals)
    derivatives = dict(zip(every, found, strict=True))
    change = sum((derivatives[k] * t for k, t in along.items()), jnp.zeros_like(value))
    changes = _changes(places, primals, along)
    return [value, *(derivatives[k] for k in places)], [change, *(changes[k] for k in places)]


def _changes(
    places: Places, primals: tuple[Array, ...], along: dict[int, Array]
) -> dict[int, Array]:
    """Of the derivatives at the places, in a direction."""

    def in_direction(of: Places, along: dict[int, Array]) -> list[Array]:
        at, moved = _of_some(partial(_evaluated, of), tuple(along), primals)
        changes: list[Array] = jax.jvp(at, moved, tuple(along.values()))[1]
        return changes[1:]

    changes: dict[int, Array] = {}
    others = tuple(k for k in places if k != _MEAN)
    if _MEAN in places:
        (changes[_MEAN],) = in_direction((_MEAN,), along)
    if others:
        of_sum = has_sum(*primals)
        elsewhere = {k: t if k != _MEAN else jnp.where(of_sum, 0.0, t) for k, t in along.items()}
        changes.update(zip(others, in_direction(others, elsewhere), strict=True))
    if others and _MEAN in along:
        _, *mixed = _with_derivatives(_in_first_mean, others, primals)
        for k, second in zip(others, mixed, strict=True):
            changes[k] += jnp.where(of_sum, second * along[_MEAN], 0.0)
    return changes
