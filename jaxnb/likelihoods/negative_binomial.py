"""The negative binomial log-likelihood."""

from __future__ import annotations

from typing import Final

from jaxnb._types import Array
from jaxnb.likelihoods import primitives
from jaxnb.likelihoods.arguments import Scales
from jaxnb.likelihoods.evaluate import Arguments, Likelihood, by_point
from jaxnb.likelihoods.nb_evaluation import NegativeBinomial
from jaxnb.likelihoods.ranges import ordinary

__all__ = ["NEGATIVE_BINOMIAL", "log_nb"]


def _ordinary(scales: Scales, x: Array, parameters: tuple[Array, ...], eps: Array) -> Array:
    mu, theta = parameters
    return ordinary(scales, x, mu, theta, eps)


def _at(at: Arguments) -> NegativeBinomial:
    mu, theta = at.parameters
    return NegativeBinomial(at.scales, at.x, mu, theta, at.eps, at.thetas[0])


NEGATIVE_BINOMIAL: Final = Likelihood(
    "negative binomial", (1,), (0,), _ordinary, *by_point(_at), fits=True
)


def log_nb(
    x: Array, mu: Array, theta: Array, eps: Array, scales: Scales = ("linear",) * 2
) -> Array:
    """The log-probability for arguments that are cast to one dtype and aligned."""
    return primitives.value(NEGATIVE_BINOMIAL, x, mu, theta, eps, scales)
