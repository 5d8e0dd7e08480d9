"""Entropies in nats."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp

from jaxnb._blockwise import blockwise
from jaxnb._types import Array, ArrayLike
from jaxnb.cdf.at_zero import log_probability_of_zero
from jaxnb.cdf.truncated_entropy import grouped, truncated_entropy
from jaxnb.likelihoods.arguments import Given, checked, plain, promote
from jaxnb.special.complements import log1m_exp_of_any
from jaxnb.special.log1p import log_of_any

__all__ = ["entropy_of", "grouped_entropy", "of_positive", "zero_and_rest"]


def entropy_of(of: Callable[..., Array], owner: str, **parameters: Given) -> Array:
    """The entropy for the arguments of the public function `owner`, by a function of them."""
    _, values, scales = checked(owner, parameters)
    logarithms = [scale == "log" for scale in scales] + [False] * (len(values) - len(scales))
    return of(
        *(
            jnp.exp(jnp.asarray(plain(value))) if logarithm else value
            for value, logarithm in zip(values, logarithms, strict=True)
        )
    )


ZeroAndRest = Callable[..., tuple[Array, Array]]
"""Of the parameters, the log-probabilities of a zero and of all other counts."""


@partial(jax.jit, static_argnums=0)
def grouped_entropy(
    of_zero: ZeroAndRest | None, mu: ArrayLike, theta: ArrayLike, *more: ArrayLike
) -> Array:
    """The entropy of a distribution that is a negative binomial but for its zeros.

    With `of_zero` None, it has none.
    """
    named = {f"parameter {k}": p for k, p in enumerate(more, 3)}
    result_type, arguments = promote(x=mu, theta=theta, **named)
    found = blockwise(_Grouped(of_zero), *arguments)
    return found.astype(result_type)


@dataclass(frozen=True)
class _Grouped:
    of_zero: ZeroAndRest | None

    def __call__(self, mu: Array, theta: Array, *others: Array) -> Array:
        entropy = of_positive(mu, theta)
        if self.of_zero is not None:
            entropy = grouped(*self.of_zero(mu, theta, *others), entropy)
        valid = (mu >= 0) & (theta >= 0)
        for other in others:
            valid &= ~jnp.isnan(other)
        return jnp.where(valid, entropy, jnp.nan)


def of_positive(mu: Array, theta: Array) -> Array:
    """The entropy of a positive count; NaN where theta = 0, and there is none."""
    some, unbounded = log_of_any(mu) > -jnp.inf, mu == jnp.inf
    positive = log_of_any(theta) > -jnp.inf
    inside = some & ~unbounded & positive
    entropy = truncated_entropy(*(jnp.where(inside, value, 1.0) for value in (mu, theta)))
    at_ends = jnp.where(positive, jnp.where(some, jnp.inf, 0.0), jnp.nan)
    return jnp.where(inside, entropy, at_ends)


def zero_and_rest(mu: Array, theta: Array) -> tuple[Array, Array]:
    """The log-probabilities of a zero and of all other counts of the negative binomial."""
    inside = (mu > 0) & (mu < jnp.inf) & (theta > 0)
    log_zero = log_probability_of_zero(*(jnp.where(inside, value, 1.0) for value in (mu, theta)))
    nothing = (mu == 0) | (theta == 0)
    log_zero = jnp.where(inside, log_zero, jnp.where(nothing, 0.0, -jnp.inf))
    log_rest = log1m_exp_of_any(jnp.where(inside, log_zero, -1.0))
    return log_zero, jnp.where(inside, log_rest, jnp.where(nothing, -jnp.inf, 0.0))
