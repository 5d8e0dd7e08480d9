"""The log-likelihood of the hurdle model: a zero, or a zero-truncated negative binomial count."""

from __future__ import annotations

from functools import partial
from typing import Final, Unpack

import jax
import jax.numpy as jnp
from jax.nn import log_sigmoid, sigmoid

from jaxnb._names import ZeroInflationName, keywords
from jaxnb._types import Array, ArrayLike
from jaxnb.likelihoods import primitives
from jaxnb.likelihoods.arguments import Scales, floor_of, promote
from jaxnb.likelihoods.calls import log_probability
from jaxnb.likelihoods.evaluate import VALUE, Arguments, Directions, Likelihood, dot
from jaxnb.likelihoods.ranges import ordinary
from jaxnb.likelihoods.zero_truncated_kernel import Truncated, support

__all__ = ["compiled_hurdle", "log_hurdle_nb"]


@keywords
def log_hurdle_nb(
    x: ArrayLike,
    mu: ArrayLike | None = None,
    theta: ArrayLike | None = None,
    pi: ArrayLike | None = None,
    eps: ArrayLike | None = None,
    *,
    log_mu: ArrayLike | None = None,
    log_theta: ArrayLike | None = None,
    **other: Unpack[ZeroInflationName[ArrayLike]],
) -> Array:
    r"""Log-probability of counts under a hurdle model: a zero, or a zero-truncated NB count.

    .. math::

        \log \sigma(\pi) \text{ at } x = 0, \quad
        \log \left(\sigma(-\pi)\, \mathrm{NB}(x; \mu, \theta) / (1 - \mathrm{NB}(0; \mu, \theta))
        \right) \text{ for } x \ge 1

    with :math:`\sigma` the logistic function.

    Args:
        x: Counts, as in `log_zero_truncated_nb`.
        mu: Mean of the negative binomial before truncation, mu >= 0.
        theta: Inverse dispersion, theta >= 0, infinity included.
        pi: Log-odds of a zero, also as `zi_logits`, infinite or not.
        eps: Floor on the mean, as in `log_zero_truncated_nb`.
        log_mu: log(mu), instead of `mu`.
        log_theta: log(theta), instead of `theta`.

    Returns:
        Log-probabilities, as `log_zero_truncated_nb`; -inf unless x is a whole number from 0 on.

    Raises:
        TypeError: `pi` is missing; and as `log_zero_truncated_nb`.
        ValueError: The shapes do not broadcast.

    References:
        Mullahy (1986), Specification and testing of some modified count data models.
    """
    given = {"mu": (mu, log_mu), "theta": (theta, log_theta)}
    return log_probability(compiled_hurdle, "log_hurdle_nb", x, eps, **given, pi=pi)


@partial(jax.jit, static_argnums=0)
def compiled_hurdle(
    scales: Scales,
    x: ArrayLike,
    mu: ArrayLike,
    theta: ArrayLike,
    pi: ArrayLike,
    eps: ArrayLike | None,
) -> Array:
    """The log-probability of arguments that are checked."""
    result_type, arguments = promote(x=x, mu=mu, theta=theta, pi=pi)
    floor = floor_of(0.0 if eps is None else eps, arguments[0].dtype, scales[0])
    return primitives.value(HURDLE, *arguments, floor, scales).astype(result_type)


_PI: Final = 3  # its place among (x, mu, theta, pi)


def _ordinary(scales: Scales, x: Array, parameters: tuple[Array, ...], eps: Array) -> Array:
    mu, theta, pi = parameters
    return ordinary(scales, x, mu, theta, eps) & (support(x) | (x == 0)) & ~jnp.isnan(pi)


def _first(at: Arguments, outputs: tuple[int, ...]) -> list[Array]:
    truncated, zero, pi = Truncated(at), at.x == 0, at.parameters[2]
    value = truncated.value()

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


HURDLE: Final = Likelihood("hurdle", (1,), _ordinary, _first, _product)
