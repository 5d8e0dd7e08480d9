"""The negative binomial log-likelihood."""

from __future__ import annotations

from typing import Final

import jax.numpy as jnp

from jaxnb._types import Array
from jaxnb.likelihoods import primitives
from jaxnb.likelihoods.arguments import Scales
from jaxnb.likelihoods.evaluate import VALUE, Arguments, Directions, Likelihood, dot
from jaxnb.likelihoods.nb_evaluation import NegativeBinomial
from jaxnb.likelihoods.ranges import ordinary

__all__ = ["NEGATIVE_BINOMIAL", "log_nb"]


def _ordinary(scales: Scales, x: Array, parameters: tuple[Array, ...], eps: Array) -> Array:
    mu, theta = parameters
    return ordinary(scales, x, mu, theta, eps)


def _at(at: Arguments) -> NegativeBinomial:
    mu, theta = at.parameters
    return NegativeBinomial(at.scales, at.x, mu, theta, at.eps, at.thetas[0])


def _first(at: Arguments, outputs: tuple[int, ...]) -> list[Array]:
    nb = _at(at)
    return [nb.value() if place == VALUE else nb.first(place) for place in outputs]


def _product(at: Arguments, rows: tuple[int, ...], directions: Directions) -> list[Array]:
    nb = _at(at)
    return [
        jnp.asarray(dot({place: nb.second(row, place) for place in directions}, directions))
        for row in rows
    ]


NEGATIVE_BINOMIAL: Final = Likelihood("negative binomial", (1,), (0,), _ordinary, _first, _product)


def log_nb(
    x: Array, mu: Array, theta: Array, eps: Array, scales: Scales = ("linear",) * 2
) -> Array:
    """The log-probability for arguments that are cast to one dtype and aligned."""
    return primitives.value(NEGATIVE_BINOMIAL, x, mu, theta, eps, scales)
