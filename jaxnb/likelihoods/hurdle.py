"""The log-likelihood of the hurdle model: a zero, or a zero-truncated negative binomial count."""

from __future__ import annotations

from typing import Final

import jax.numpy as jnp
from jax.nn import log_sigmoid, sigmoid

from jaxnb._types import Array
from jaxnb.likelihoods.arguments import Scales
from jaxnb.likelihoods.evaluate import VALUE, Arguments, Directions, Likelihood, dot
from jaxnb.likelihoods.ranges import ordinary
from jaxnb.likelihoods.zero_truncated_kernel import Truncated, support

__all__ = ["HURDLE"]


_PI: Final = 3  # its place among (x, mu, theta, pi)


def _ordinary(scales: Scales, x: Array, parameters: tuple[Array, ...], eps: Array) -> Array:
    mu, theta, pi = parameters
    return ordinary(scales, x, mu, theta, eps) & (support(x) | (x == 0)) & ~jnp.isnan(pi)


def _first(at: Arguments, outputs: tuple[int, ...]) -> list[Array]:
    truncated = Truncated(at)
    then, value = at, truncated.value()
    if VALUE in outputs or _PI in outputs:
        then, (value,) = at.after(value)
        truncated = truncated if then is at else Truncated(then)
    zero, pi = then.x == 0, then.parameters[2]

    def output(place: int) -> Array:
        if place == VALUE:
            counted = jnp.where(zero, 0.0, value) + log_sigmoid(jnp.where(zero, pi, -pi))
            return jnp.where(truncated.undefined() | jnp.isnan(pi), jnp.nan, counted)
        if place == _PI:
            return jnp.where(zero | (value > -jnp.inf), _d_pi(zero, pi), 0.0)
        return truncated.first(place)

    return [output(place) for place in outputs]


def _product(at: Arguments, rows: tuple[int, ...], directions: Directions) -> list[Array]:
    truncated, zero, pi = Truncated(at), at.x == 0, at.parameters[2]
    of_truncated = {place: v for place, v in directions.items() if place != _PI}

    def row_of(row: int) -> Array:
        if row == _PI:
            possible = zero | (truncated.value() > -jnp.inf)
            curvature = jnp.where(possible, -sigmoid(pi) * sigmoid(-pi), 0.0)
            return jnp.asarray(dot({_PI: curvature}, {_PI: directions.get(_PI, 0.0 * curvature)}))
        seconds = {place: truncated.second(row, place) for place in of_truncated}
        return jnp.asarray(dot(seconds, of_truncated))

    return [row_of(row) for row in rows]


def _d_pi(zero: Array, pi: Array) -> Array:
    return jnp.where(zero, sigmoid(-pi), -sigmoid(pi))


HURDLE: Final = Likelihood("hurdle", (1,), (), _ordinary, _first, _product)
