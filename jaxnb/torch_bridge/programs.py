"""The compiled JAX programs behind the bridge: any partial derivatives of a likelihood, by name."""

from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxnb._types import Array
from jaxnb.distributions import NegativeBinomialMixture
from jaxnb.likelihoods.arguments import promote
from jaxnb.likelihoods.derivatives import Derivative as Slope
from jaxnb.likelihoods.mixture import mixture_with_derivatives
from jaxnb.likelihoods.negative_binomial import nb_with_derivatives
from jaxnb.likelihoods.zero_inflated import zinb_parameter_derivatives, zinb_with_derivatives

__all__ = ["LIKELIHOODS", "Likelihood", "Orders", "mixture_mode", "partials"]

Orders = tuple[int, ...]
"""How often to differentiate in each tensor argument."""


class Likelihood(NamedTuple):
    """A pointwise function of tensors.

    Attributes:
        arguments: The names of its tensors; the first are the counts.
        with_slopes: Of the aligned tensors and eps: the value, and its slopes in every tensor.
    """

    arguments: tuple[str, ...]
    with_slopes: Callable[..., tuple[Array, list[Slope]]]


def _nb(x: Array, mu: Array, theta: Array, eps: Array) -> tuple[Array, list[Slope]]:
    return nb_with_derivatives(x, mu, theta, eps, ("linear",) * 2)


def _zinb(x: Array, mu: Array, theta: Array, pi: Array, eps: Array) -> tuple[Array, list[Slope]]:
    # what is to be differentiated in x is differentiated in x first
    value, (d_x, *_) = zinb_with_derivatives(x, mu, theta, pi, eps, ("linear",) * 2)
    return value, [d_x, *zinb_parameter_derivatives(x, mu, theta, pi, eps, ("linear",) * 2)]


def _mixture(*arguments: Any) -> tuple[Array, list[Slope]]:
    x, mu_1, mu_2, theta_1, theta_2, q, eps = arguments
    return mixture_with_derivatives(x, mu_1, mu_2, theta_1, theta_2, q, eps, ("linear",) * 4)


def _mixture_of_one_theta(
    x: Array, mu_1: Array, mu_2: Array, theta: Array, q: Array, eps: Array
) -> tuple[Array, list[Slope]]:
    """The mixture as a function of the theta that its components share.

    Known to be the same array, what depends on x and theta alone is computed once for both.
    """
    value, slopes = _mixture(x, mu_1, mu_2, theta, theta, q, eps)
    d_x, d_mu_1, d_mu_2, d_theta_1, d_theta_2, d_q = slopes
    return value, [d_x, d_mu_1, d_mu_2, lambda: d_theta_1() + d_theta_2(), d_q]


LIKELIHOODS = {
    "log_nb_positive": Likelihood(("x", "mu", "theta"), _nb),
    "log_zinb_positive": Likelihood(("x", "mu", "theta", "pi"), _zinb),
    "log_mixture_nb": Likelihood(
        ("x", "mu_1", "mu_2", "theta_1", "theta_2", "pi_logits"), _mixture
    ),
    "log_mixture_nb_of_one_theta": Likelihood(
        ("x", "mu_1", "mu_2", "theta_1", "pi_logits"), _mixture_of_one_theta
    ),
}


@cache
def partials(name: str, requested: tuple[Orders, ...]) -> Callable[..., tuple[Array, ...]]:
    """A compiled function of (eps, *tensors) that returns the partial derivatives requested.

    The first derivative is the one in closed form; those beyond are taken of it in forward mode,
    along a tangent of ones, which for a pointwise function is the derivative of every element.
    Each has the shape that the tensors have together.
    """
    likelihood = LIKELIHOODS[name]

    @jax.jit
    def evaluate(eps: float, *tensors: Array) -> tuple[Array, ...]:
        _, aligned = promote(**dict(zip(likelihood.arguments, tensors, strict=True)))
        shape = jnp.broadcast_shapes(*(a.shape for a in aligned))
        floor = jnp.asarray(eps, aligned[0].dtype)
        value, slopes = likelihood.with_slopes(*aligned, floor)

        def partial(orders: Orders) -> Array:
            if not any(orders):
                return value
            if sum(orders) == 1:
                return slopes[orders.index(1)]()
            return _beyond_first(likelihood, orders, aligned, floor)

        return tuple(jnp.broadcast_to(partial(orders), shape) for orders in requested)

    return evaluate


def _beyond_first(
    likelihood: Likelihood, orders: Orders, aligned: list[Array], eps: Array
) -> Array:
    remaining = list(orders)
    # theta last: its slope is the dearest
    first = next(place for place, order in enumerate(orders) if order)
    remaining[first] -= 1

    def derivative(*tensors: Array) -> Array:
        return likelihood.with_slopes(*tensors, eps)[1][first]()

    for place, order in enumerate(remaining):
        for _ in range(order):
            derivative = _along(derivative, place)
    return derivative(*aligned)


def _along(function: Callable[..., Array], place: int) -> Callable[..., Array]:
    def derivative(*tensors: Array) -> Array:
        def of_one(tensor: Array) -> Array:
            return function(*tensors[:place], tensor, *tensors[place + 1 :])

        tensor = tensors[place]
        slope: Array = jax.jvp(of_one, (tensor,), (jnp.ones_like(tensor),))[1]
        return slope

    return derivative


@jax.jit
def mixture_mode(eps: float, *parameters: Array) -> tuple[Array]:
    """The mode of a mixture, which takes a search; of (eps, mu1, mu2, theta1, theta2, logits)."""
    mu1, mu2, theta1, theta2, mixture_logits = parameters
    law = NegativeBinomialMixture(
        mu1, mu2, theta1, mixture_logits, theta2, eps=eps, validate_args=False
    )
    return (law.mode,)
