"""Entropies, and the Kullback-Leibler divergence between negative binomials, in nats."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp

from jaxnb._types import Array, ArrayLike
from jaxnb.cdf.expectation import nodes
from jaxnb.cdf.negative_binomial import nb_log_sf
from jaxnb.cdf.zero_truncated import zero_truncated_nb_log_sf
from jaxnb.likelihoods.arguments import on_scales, plain, promote, required
from jaxnb.likelihoods.deviance import nb_deviance
from jaxnb.likelihoods.mixture import log_mixture_nb
from jaxnb.likelihoods.negative_binomial import log_nb_positive
from jaxnb.likelihoods.zero_inflated import log_zinb_positive
from jaxnb.likelihoods.zero_truncated import log_zero_truncated_nb

__all__ = [
    "hurdle_nb_entropy",
    "mixture_nb_entropy",
    "nb_entropy",
    "nb_kl_divergence",
    "zero_truncated_nb_entropy",
    "zinb_entropy",
]


def nb_entropy(
    mu: ArrayLike | None = None,
    theta: ArrayLike | None = None,
    *,
    log_mu: ArrayLike | None = None,
    log_theta: ArrayLike | None = None,
) -> Array:
    """The entropy of the negative binomial, -E log P(X).

    Args:
        mu: Mean, mu >= 0.
        theta: Inverse dispersion, theta >= 0, infinity included.
        log_mu: log(mu), instead of `mu`.
        log_theta: log(theta), instead of `theta`.

    Returns:
        The entropy in nats, relative error below 1e-6 in float64 and 1e-5 in float32
        (`tests/cdf/test_entropy.py`), with derivatives in the parameters; 0 where mu or theta is 0,
        infinity for mu = inf, NaN where a parameter is NaN or negative.

    Raises:
        TypeError: A parameter is given on no scale or on both.
        ValueError: The shapes do not broadcast.
    """
    mu, theta = _linear("nb_entropy", mu, theta, log_mu, log_theta)
    entropy: Array = _entropy(log_nb_positive, mu, theta)
    return entropy


def zinb_entropy(
    mu: ArrayLike | None = None,
    theta: ArrayLike | None = None,
    pi: ArrayLike | None = None,
    *,
    log_mu: ArrayLike | None = None,
    log_theta: ArrayLike | None = None,
) -> Array:
    """The entropy of the zero-inflated negative binomial; see `nb_entropy`."""
    mu, theta = _linear("zinb_entropy", mu, theta, log_mu, log_theta)
    entropy: Array = _entropy(log_zinb_positive, mu, theta, required("zinb_entropy", pi=pi))
    return entropy


def zero_truncated_nb_entropy(
    mu: ArrayLike | None = None,
    theta: ArrayLike | None = None,
    *,
    log_mu: ArrayLike | None = None,
    log_theta: ArrayLike | None = None,
) -> Array:
    """The entropy of the zero-truncated negative binomial; see `nb_entropy`."""
    mu, theta = _linear("zero_truncated_nb_entropy", mu, theta, log_mu, log_theta)
    entropy: Array = _entropy(_log_truncated, mu, theta)
    return entropy


def hurdle_nb_entropy(
    mu: ArrayLike | None = None,
    theta: ArrayLike | None = None,
    pi: ArrayLike | None = None,
    *,
    log_mu: ArrayLike | None = None,
    log_theta: ArrayLike | None = None,
) -> Array:
    """The entropy of the hurdle model; see `nb_entropy`."""
    mu, theta = _linear("hurdle_nb_entropy", mu, theta, log_mu, log_theta)
    entropy: Array = _entropy(_log_hurdle, mu, theta, required("hurdle_nb_entropy", pi=pi))
    return entropy


def mixture_nb_entropy(
    mu_1: ArrayLike | None = None,
    mu_2: ArrayLike | None = None,
    theta_1: ArrayLike | None = None,
    theta_2: ArrayLike | None = None,
    pi_logits: ArrayLike | None = None,
    *,
    log_mu_1: ArrayLike | None = None,
    log_mu_2: ArrayLike | None = None,
    log_theta_1: ArrayLike | None = None,
    log_theta_2: ArrayLike | None = None,
) -> Array:
    """The entropy of the mixture of two negative binomials; see `nb_entropy`."""
    owner = "mixture_nb_entropy"
    if theta_2 is None and log_theta_2 is None:
        theta_2, log_theta_2 = theta_1, log_theta_1
    first = _linear(owner, mu_1, theta_1, log_mu_1, log_theta_1)
    second = _linear(owner, mu_2, theta_2, log_mu_2, log_theta_2)
    q = required(owner, pi_logits=pi_logits)
    entropy: Array = _mixture_entropy(*first, *second, q)
    return entropy


def nb_kl_divergence(
    mu_1: ArrayLike, theta_1: ArrayLike, mu_2: ArrayLike, theta_2: ArrayLike
) -> Array:
    """E log(P_1(X) / P_2(X)) over the first of two negative binomials.

    Since log P(x; mu_1, theta_2) - log P(x; mu_2, theta_2) is linear in x, the divergence is that
    between two thetas with the same mean, plus half the deviance of mu_1 under mu_2 and theta_2.
    Where the thetas are equal that is all, and it is exact.

    Args:
        mu_1: Mean of the first.
        theta_1: Inverse dispersion of the first, infinity included.
        mu_2: Mean of the second.
        theta_2: Inverse dispersion of the second, infinity included.

    Returns:
        The divergence in nats, relative error below 1e-5 in float64 where it is above 1e-6, and
        absolute error below 1e-6 in float32 (`tests/cdf/test_entropy.py`), with derivatives in the
        parameters. Infinity where the second is a point mass at 0 and the first is not; NaN where
        an argument is NaN or negative.

    Raises:
        ValueError: The shapes do not broadcast.
    """
    divergence: Array = _kl_divergence(mu_1, theta_1, mu_2, theta_2)
    return divergence


def _linear(
    owner: str,
    mu: ArrayLike | None,
    theta: ArrayLike | None,
    log_mu: ArrayLike | None,
    log_theta: ArrayLike | None,
) -> list[ArrayLike]:
    parameters, scales = on_scales(owner, mu=(mu, log_mu), theta=(theta, log_theta))
    return [
        jnp.exp(jnp.asarray(plain(p))) if scale == "log" else p
        for p, scale in zip(parameters, scales, strict=True)
    ]


@partial(jax.jit, static_argnums=0)
def _entropy(
    log_prob: Callable[..., Array], mu: ArrayLike, theta: ArrayLike, *more: ArrayLike
) -> Array:
    named = {f"parameter {k}": p for k, p in enumerate(more, 3)}
    result_type, (mu, theta, *others) = promote(x=mu, theta=theta, **named)
    mu, theta = jnp.broadcast_arrays(mu, theta)
    x, w = nodes(_inside(mu), _inside(theta))
    log_p = log_prob(x, mu, theta, *others)
    terms = _surprise(log_p)
    entropy = jnp.sum(w.reshape(*w.shape, *(1,) * (terms.ndim - w.ndim)) * terms, 0)
    return _at_ends(entropy, mu, theta).astype(result_type)


def _log_truncated(x: Array, mu: Array, theta: Array) -> Array:
    """The log-probability of the truncated distribution, continued to counts that are not whole."""
    elsewhere = log_nb_positive(x, mu, theta) - nb_log_sf(0.0, mu, theta)
    # P(1) is 1 for a mean of 0, where the entropy is a matter of what is missing
    log_more = zero_truncated_nb_log_sf(1.0, mu, theta)
    likely = log_more < -1
    at_one = jnp.where(
        likely,
        jnp.log1p(-jnp.exp(jnp.where(likely, log_more, -1.0))),
        log_zero_truncated_nb(1.0, mu, theta),
    )
    return jnp.where(x > 1, elsewhere, jnp.where(x == 1, at_one, -jnp.inf))


def _log_hurdle(x: Array, mu: Array, theta: Array, pi: Array) -> Array:
    counted = jax.nn.log_sigmoid(-pi) + _log_truncated(x, mu, theta)
    return jnp.where(x == 0, jax.nn.log_sigmoid(pi), counted)


@jax.jit
def _mixture_entropy(
    mu_1: ArrayLike, theta_1: ArrayLike, mu_2: ArrayLike, theta_2: ArrayLike, q: ArrayLike
) -> Array:
    result_type, (mu_1, theta_1, mu_2, theta_2, q) = promote(
        x=mu_1, theta_1=theta_1, mu_2=mu_2, theta_2=theta_2, pi_logits=q
    )
    mu_1, theta_1, mu_2, theta_2, q = jnp.broadcast_arrays(mu_1, theta_1, mu_2, theta_2, q)
    entropy = jnp.zeros_like(q)
    # each component over its own nodes
    for mu, theta, log_odds in ((mu_1, theta_1, q), (mu_2, theta_2, -q)):
        x, w = nodes(_inside(mu), _inside(theta))
        log_p = log_mixture_nb(x, mu_1, mu_2, theta_1, theta_2, q)
        own = jnp.exp(log_nb_positive(x, mu, theta))
        surprise = jnp.where(own > 0, -log_p, 0.0)
        entropy = entropy + jax.nn.sigmoid(log_odds) * jnp.sum(w * own * surprise, 0)
    return entropy.astype(result_type)


@jax.jit
def _kl_divergence(
    mu_1: ArrayLike, theta_1: ArrayLike, mu_2: ArrayLike, theta_2: ArrayLike
) -> Array:
    result_type, arguments = promote(x=mu_1, theta_1=theta_1, mu_2=mu_2, theta_2=theta_2)
    mu_1, theta_1, mu_2, theta_2 = jnp.broadcast_arrays(*arguments)
    # over the nodes of the wider one, so that they cover both
    x, w = nodes(_inside(mu_1), _inside(jnp.minimum(theta_1, theta_2)))
    log_p = log_nb_positive(x, mu_1, theta_1)
    difference = log_nb_positive(x, mu_1, theta_2) - log_p
    bounded = jnp.where(log_p > -200, jnp.minimum(difference, 80.0), 0.0)
    # E (exp(d) - 1 - d), each term of which is positive, since E (exp(d) - 1) = 0
    of_thetas = jnp.sum(w * jnp.exp(log_p) * (jnp.expm1(bounded) - bounded), 0)
    of_thetas = jnp.where(theta_1 == theta_2, 0.0, of_thetas)
    point_mass = (mu_1 == 0) | (theta_1 == 0)
    divergence = of_thetas + nb_deviance(mu_1, mu_2, theta_2) / 2
    # -log P_2(0)
    from_zero = -log_nb_positive(0.0, mu_2, theta_2)
    divergence = jnp.where(point_mass, from_zero, divergence)
    invalid = ~((mu_1 >= 0) & (theta_1 >= 0) & (mu_2 >= 0) & (theta_2 >= 0))
    return jnp.where(invalid, jnp.nan, divergence).astype(result_type)


def _surprise(log_p: Array) -> Array:
    """-p log(p), 0 where p is."""
    possible = log_p > -jnp.inf
    finite = jnp.where(possible, log_p, 0.0)
    return jnp.where(possible, -jnp.exp(finite) * finite, 0.0)


def _inside(parameter: Array) -> Array:
    return jnp.clip(jnp.where(parameter > 0, parameter, 1.0), 1e-30, 1e30)


def _at_ends(entropy: Array, mu: Array, theta: Array) -> Array:
    entropy = jnp.where((mu == jnp.inf) & (theta > 0), jnp.inf, entropy)
    return jnp.where((mu >= 0) & (theta >= 0), entropy, jnp.nan)
