"""The Kullback-Leibler divergence with the derivatives that keep their digits.

It is made by way of the distribution of the first mean and the second theta. So are its derivatives
but for those in the first mean, which are those of `in_first_mean` wherever there is a sum, and
second ones in that mean and another parameter, in whatever order they are taken.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

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
    """The derivative where there is a sum."""
    used = has_sum(*parameters)
    mu_1, theta_1, mu_2, theta_2 = (
        jnp.where(used, jnp.minimum(p, largest(p.dtype)), 1.0) for p in parameters
    )

    def half_deviance(x: Array) -> Array:
        return nb_deviance(x, mu_2, theta_2) / 2

    slope = jax.jvp(half_deviance, (mu_1,), (jnp.ones_like(mu_1),))[1]
    return in_first_mean(mu_1, theta_1, mu_2, theta_2, slope)


def _with_derivatives(
    of: Callable[..., Array], places: Places, parameters: tuple[Array, ...]
) -> list[Array]:
    """The value and its derivatives in the parameters at the places."""

    def at(*moved: Array) -> Array:
        there = dict(zip(places, moved, strict=True))
        return of(*(there.get(k, p) for k, p in enumerate(parameters)))

    value, pull = jax.vjp(at, *(parameters[k] for k in places))
    return [value, *pull(jnp.ones_like(value))]


def _in_mean(*parameters: Array) -> Array:
    """The derivative in the first mean."""
    plain = _with_derivatives(_value, (_MEAN,), parameters)[1]
    return jnp.where(has_sum(*parameters), _in_first_mean(*parameters), plain)


@partial(jax.custom_jvp, nondiff_argnums=(0,))
def _outputs(places: Places, *parameters: Array) -> list[Array]:
    """The divergence, and its derivatives in the parameters at the places."""
    found = dict(zip((None, *places), _with_derivatives(_value, places, parameters), strict=True))
    if _MEAN in places:
        in_mean = _in_first_mean(*parameters)
        found[_MEAN] = jnp.where(has_sum(*parameters), in_mean, found[_MEAN])
    return list(found.values())


@partial(_outputs.defjvp, symbolic_zeros=True)
def _outputs_jvp(
    places: Places, primals: tuple[Array, ...], tangents: tuple[Tangent, ...]
) -> tuple[list[Array], list[Array]]:
    along = {k: t for k, t in enumerate(tangents) if not isinstance(t, SymbolicZero)}
    every = tuple(sorted({*places, *along}))
    value, *found = _outputs(every, *primals)
    derivatives = dict(zip(every, found, strict=True))
    change = sum((derivatives[k] * t for k, t in along.items()), jnp.zeros_like(value))
    second = _second(places, primals, along) if places else []
    return [value, *(derivatives[k] for k in places)], [change, *second]


def _second(places: Places, primals: tuple[Array, ...], along: dict[int, Array]) -> list[Array]:
    """The changes of the derivatives at the places."""
    changes: dict[int, Array] = {}
    if _MEAN in places:
        changes[_MEAN] = _along(lambda *p: [_in_mean(*p)], primals, along)[0]
    others = tuple(k for k in places if k != _MEAN)
    if others:
        of_sum = has_sum(*primals)
        elsewhere = {k: t if k != _MEAN else jnp.where(of_sum, 0.0, t) for k, t in along.items()}
        found = _along(lambda *p: _with_derivatives(_value, others, p)[1:], primals, elsewhere)
        changes.update(zip(others, found, strict=True))
        if _MEAN in along:
            mixed = _with_derivatives(_in_first_mean, others, primals)[1:]
            for k, m in zip(others, mixed, strict=True):
                changes[k] += jnp.where(of_sum, m * along[_MEAN], 0.0)
    return [changes[k] for k in places]


def _along(
    of: Callable[..., list[Array]], primals: tuple[Array, ...], along: dict[int, Array]
) -> list[Array]:
    """The derivative in a direction."""

    def at(*moved: Array) -> list[Array]:
        there = dict(zip(along, moved, strict=True))
        return of(*(there.get(k, p) for k, p in enumerate(primals)))

    changes: list[Array] = jax.jvp(at, tuple(primals[k] for k in along), tuple(along.values()))[1]
    return changes
