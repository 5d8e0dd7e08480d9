"""The compiled JAX programs behind the bridge: any partial derivatives of a likelihood, by name.

A name is that of a function, followed, if parameters are given by their logarithms, by a slash and
those: "log_nb_positive", "log_nb_positive/log_mu,log_theta".
"""

from collections.abc import Callable, Sequence
from functools import cache, partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxnb._types import Array
from jaxnb.distributions import NegativeBinomialMixture
from jaxnb.likelihoods.arguments import Scale, Scales, floor_of, promote
from jaxnb.likelihoods.derivatives import Derivative
from jaxnb.likelihoods.mixture import mixture_with_derivatives
from jaxnb.likelihoods.negative_binomial import nb_with_derivatives
from jaxnb.likelihoods.zero_inflated import zinb_parameter_derivatives, zinb_with_derivatives

__all__ = ["LIKELIHOODS", "Likelihood", "Orders", "mixture_mode", "named", "partials"]

Orders = tuple[int, ...]
"""How often to differentiate in each tensor argument."""


class Likelihood(NamedTuple):
    """A pointwise function of tensors.

    Attributes:
        arguments: The names of its tensors; the first are the counts.
        scaled: Which of them can be given by their logarithms.
        means: Which of these are floored.
        with_derivatives: Of the aligned tensors, the floor and the scales of `scaled`: the value,
            and its derivatives in every tensor, which can be differentiated further.
        parameter_derivatives: The values of the derivatives in all tensors but the counts, which
            must not be differentiated; where there is a cheaper way to them.
    """

    arguments: tuple[str, ...]
    scaled: tuple[str, ...]
    means: tuple[str, ...]
    with_derivatives: Callable[..., tuple[Array, list[Derivative]]]
    parameter_derivatives: Callable[..., list[Derivative]] | None = None


def _mixture_of_one_theta(
    x: Array, mu_1: Array, mu_2: Array, theta: Array, q: Array, eps: Array, scales: Scales
) -> tuple[Array, list[Derivative]]:
    """The mixture as a function of the theta that its components share.

    Given the same array twice, what depends on x and theta alone is computed once for both.
    """
    value, derivatives = mixture_with_derivatives(
        x, mu_1, mu_2, theta, theta, q, eps, (*scales, scales[-1])
    )
    d_x, d_mu_1, d_mu_2, d_theta_1, d_theta_2, d_q = derivatives
    return value, [d_x, d_mu_1, d_mu_2, lambda: d_theta_1() + d_theta_2(), d_q]


LIKELIHOODS = {
    "log_nb_positive": Likelihood(
        arguments=("x", "mu", "theta"),
        scaled=("mu", "theta"),
        means=("mu",),
        with_derivatives=nb_with_derivatives,
    ),
    "log_zinb_positive": Likelihood(
        arguments=("x", "mu", "theta", "pi"),
        scaled=("mu", "theta"),
        means=("mu",),
        with_derivatives=zinb_with_derivatives,
        parameter_derivatives=zinb_parameter_derivatives,
    ),
    "log_mixture_nb": Likelihood(
        arguments=("x", "mu_1", "mu_2", "theta_1", "theta_2", "pi_logits"),
        scaled=("mu_1", "mu_2", "theta_1", "theta_2"),
        means=("mu_1", "mu_2"),
        with_derivatives=mixture_with_derivatives,
    ),
    "log_mixture_nb_of_one_theta": Likelihood(
        arguments=("x", "mu_1", "mu_2", "theta_1", "pi_logits"),
        scaled=("mu_1", "mu_2", "theta_1"),
        means=("mu_1", "mu_2"),
        with_derivatives=_mixture_of_one_theta,
    ),
}


def named(function: str, logarithms: Sequence[str]) -> str:
    """The name of a function that takes the logarithms of some of its parameters."""
    return f"{function}/{','.join(logarithms)}" if logarithms else function


def _found(name: str) -> tuple[Likelihood, Scales]:
    function, _, logarithms = name.partition("/")
    likelihood, logs = LIKELIHOODS[function], set(filter(None, logarithms.split(",")))
    if unknown := logs - {f"log_{parameter}" for parameter in likelihood.scaled}:
        raise ValueError(f"{function} has no parameter {', '.join(sorted(unknown))}")
    scales: list[Scale] = ["log" if f"log_{p}" in logs else "linear" for p in likelihood.scaled]
    return likelihood, tuple(scales)


@cache
def partials(name: str, requested: tuple[Orders, ...]) -> Callable[..., tuple[Array, ...]]:
    """A compiled function of (eps, *tensors) that returns the partial derivatives requested.

    The first derivative is the one in closed form; higher ones are derivatives of it in forward
    mode, along a tangent of ones, which for a pointwise function is the derivative of each element.
    Each has the shape that the tensors have together.
    """
    likelihood, scales = _found(name)
    on_means = [s for p, s in zip(likelihood.scaled, scales, strict=True) if p in likelihood.means]

    @jax.jit
    def evaluate(eps: float | None, *tensors: Array) -> tuple[Array, ...]:
        _, aligned = promote(**dict(zip(likelihood.arguments, tensors, strict=True)))
        shape = jnp.broadcast_shapes(*(a.shape for a in aligned))
        floor = floor_of(eps, aligned[0].dtype, *on_means)
        at_most_first = _at_most_first(likelihood, (*aligned, floor, scales), requested)

        def derivative(orders: Orders) -> Array:
            if sum(orders) > 1:
                return _beyond_first(likelihood, scales, aligned, floor, orders)
            return at_most_first(orders)

        return tuple(jnp.broadcast_to(derivative(orders), shape) for orders in requested)

    return evaluate


def _at_most_first(
    likelihood: Likelihood, arguments: tuple[Any, ...], requested: tuple[Orders, ...]
) -> Callable[[Orders], Array]:
    """The value and the first derivatives, of a likelihood that is evaluated once for all.

    The cheaper derivatives leave the dependence on x out. They are therefore used where nothing but
    first derivatives in the other tensors is requested, and never differentiated.
    """
    cheaper = likelihood.parameter_derivatives
    if cheaper is not None and all(sum(o) == 1 and o[0] == 0 for o in requested):
        derivatives = cheaper(*arguments)
        return lambda orders: derivatives[orders.index(1) - 1]()
    evaluated = cache(partial(likelihood.with_derivatives, *arguments))
    return lambda orders: evaluated()[1][orders.index(1)]() if any(orders) else evaluated()[0]


def _beyond_first(
    likelihood: Likelihood, scales: Scales, aligned: list[Array], eps: Array, orders: Orders
) -> Array:
    """A derivative of order two or more.

    Which of the first derivatives is differentiated is a matter of speed only. The one in theta,
    which comes after x and the means, is the most expensive.
    """
    first = next(place for place, order in enumerate(orders) if order)

    def derivative(*tensors: Array) -> Array:
        return likelihood.with_derivatives(*tensors, eps, scales)[1][first]()

    for place, order in enumerate(orders):
        for _ in range(order - (place == first)):
            derivative = _along(derivative, place)
    return derivative(*aligned)


def _along(function: Callable[..., Array], place: int) -> Callable[..., Array]:
    def derivative(*tensors: Array) -> Array:
        def of_one(tensor: Array) -> Array:
            return function(*tensors[:place], tensor, *tensors[place + 1 :])

        tensor = tensors[place]
        tangent: Array = jax.jvp(of_one, (tensor,), (jnp.ones_like(tensor),))[1]
        return tangent

    return derivative


@jax.jit
def mixture_mode(_: None, *parameters: Array) -> tuple[Array]:
    """The mode of a mixture of the parameters (mu1, mu2, theta1, theta2, logits), by a search."""
    mu1, mu2, theta1, theta2, mixture_logits = parameters
    distribution = NegativeBinomialMixture(
        mu1, mu2, theta1, mixture_logits, theta2, validate_args=False
    )
    return (distribution.mode,)
