"""Entropies in nats."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp

from jaxnb._types import Array, ArrayLike
from jaxnb.cdf.at_zero import log_probability_of_zero
from jaxnb.cdf.mixture_entropy import mixed_entropy
from jaxnb.cdf.truncated_entropy import grouped, truncated_entropy
from jaxnb.likelihoods.arguments import Given, checked, plain, promote
from jaxnb.likelihoods.zero_inflated import log_zinb_positive
from jaxnb.special.complements import log1m_exp_of_any
from jaxnb.special.log1p import log_of_any

__all__ = ["entropy", "of_hurdle", "of_mixture", "of_nb", "of_zero_truncated", "of_zinb"]


def entropy(of: Callable[..., Array], owner: str, **parameters: Given) -> Array:
    """The entropy for the arguments of the public function `owner`; `of` is one of those below."""
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
def _entropy(
    of_zero: ZeroAndRest | None, mu: ArrayLike, theta: ArrayLike, *more: ArrayLike
) -> Array:
    """With `of_zero` None, the distribution has no zeros."""
    named = {f"parameter {k}": p for k, p in enumerate(more, 3)}
    result_type, arguments = promote(x=mu, theta=theta, **named)
    mu, theta, *others = jnp.broadcast_arrays(*arguments)
    entropy = _of_positive(mu, theta)
    if of_zero is not None:
        entropy = grouped(*of_zero(mu, theta, *others), entropy)
    valid = (mu >= 0) & (theta >= 0)
    for other in others:
        valid &= ~jnp.isnan(other)
    return jnp.where(valid, entropy, jnp.nan).astype(result_type)


def _of_positive(mu: Array, theta: Array) -> Array:
    """The entropy of a positive count; NaN where theta = 0, and there is none."""
    some, unbounded = log_of_any(mu) > -jnp.inf, mu == jnp.inf
    positive = log_of_any(theta) > -jnp.inf
    inside = some & ~unbounded & positive
    entropy = truncated_entropy(*(jnp.where(inside, value, 1.0) for value in (mu, theta)))
    at_ends = jnp.where(positive, jnp.where(some, jnp.inf, 0.0), jnp.nan)
    return jnp.where(inside, entropy, at_ends)


def _zero(mu: Array, theta: Array) -> tuple[Array, Array]:
    inside = (mu > 0) & (mu < jnp.inf) & (theta > 0)
    log_zero = log_probability_of_zero(*(jnp.where(inside, value, 1.0) for value in (mu, theta)))
    nothing = (mu == 0) | (theta == 0)
    log_zero = jnp.where(inside, log_zero, jnp.where(nothing, 0.0, -jnp.inf))
    log_rest = log1m_exp_of_any(jnp.where(inside, log_zero, -1.0))
    return log_zero, jnp.where(inside, log_rest, jnp.where(nothing, -jnp.inf, 0.0))


def _inflated_zero(mu: Array, theta: Array, pi: Array) -> tuple[Array, Array]:
    log_rest = jax.nn.log_sigmoid(-pi) + _zero(mu, theta)[1]
    # P(0) is one part and the other, or what is missing
    likely = log_rest < -1
    sum_of_two = log_zinb_positive(0.0, mu, theta, pi, 0.0)
    missing = jnp.log1p(-jnp.exp(jnp.where(likely, log_rest, -1.0)))
    return jnp.where(likely, missing, sum_of_two), log_rest


def _hurdle_zero(mu: Array, theta: Array, pi: Array) -> tuple[Array, Array]:
    return jax.nn.log_sigmoid(pi), jax.nn.log_sigmoid(-pi)


of_nb = partial(_entropy, _zero)
of_zinb = partial(_entropy, _inflated_zero)
of_zero_truncated = partial(_entropy, None)
of_hurdle = partial(_entropy, _hurdle_zero)


@jax.jit
def of_mixture(
    mu_1: ArrayLike, mu_2: ArrayLike, theta_1: ArrayLike, theta_2: ArrayLike, q: ArrayLike
) -> Array:
    """The entropy of a mixture, of arguments that are checked."""
    result_type, arguments = promote(
        x=mu_1, theta_1=theta_1, mu_2=mu_2, theta_2=theta_2, pi_logits=q
    )
    mu_1, theta_1, mu_2, theta_2, q = jnp.broadcast_arrays(*arguments)
    mu, theta = jnp.stack([mu_1, mu_2]), jnp.stack([theta_1, theta_2])
    own = grouped(*_zero(mu, theta), _of_positive(mu, theta))
    entropy = mixed_entropy(own, mu, theta, q)
    valid = jnp.all((mu >= 0) & (theta >= 0), 0) & ~jnp.isnan(q)
    return jnp.where(valid, entropy, jnp.nan).astype(result_type)
