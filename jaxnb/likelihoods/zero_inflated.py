"""The zero-inflated negative binomial log-likelihood."""

from functools import partial

import jax
import jax.numpy as jnp

from jaxnb._materialize import materialize
from jaxnb._types import Array, ArrayLike
from jaxnb.likelihoods.arguments import promote
from jaxnb.likelihoods.derivatives import Slope, Tangent, tangent
from jaxnb.likelihoods.negative_binomial import log_nb, nb_slopes
from jaxnb.likelihoods.two_components import (
    Odds,
    d_log_odds,
    log_two_components,
    odds,
    weight_factors,
    weighted,
)

__all__ = ["log_zinb_positive", "zinb_parameter_slopes", "zinb_with_slopes"]


@jax.jit
def log_zinb_positive(
    x: ArrayLike, mu: ArrayLike, theta: ArrayLike, pi: ArrayLike, eps: ArrayLike = 1e-8
) -> Array:
    r"""Log-probability of counts under a zero-inflated negative binomial.

    .. math::

        \log\left(\sigma(\pi)\,[x = 0] + \sigma(-\pi)\,\mathrm{NB}(x; \mu, \theta)\right)

    with :math:`\sigma` the logistic function. The arguments broadcast.

    Args:
        x: Counts, as in `log_nb_positive`.
        mu: Mean of the negative binomial part, mu >= 0.
        theta: Inverse dispersion, theta >= 0, infinity included.
        pi: Log-odds of an extra zero, infinite or not: -inf is the plain negative binomial, +inf a
            point mass at zero.
        eps: Floor on the mean, as in `log_nb_positive`.

    Returns:
        Log-probabilities in the dtype that the floating arguments promote to. Edges, derivatives
        and errors as for `log_nb_positive`.

    Raises:
        TypeError: An argument is complex.
        ValueError: The shapes do not broadcast.

    Accuracy as for `log_nb_positive`: at most 2.6 units, 1.3 at the 99th percentile. The
    derivative in pi has a relative error below 1.1e-6 everywhere (float32).

    References:
        Lopez et al. (2018), Deep generative modeling for single-cell transcriptomics.
    """
    result_type, (x, mu, theta, pi) = promote(x=x, mu=mu, theta=theta, pi=pi)
    return _log_zinb(x, mu, theta, pi, jnp.asarray(eps, mu.dtype)).astype(result_type)


@jax.custom_jvp
def _log_zinb(x: Array, mu: Array, theta: Array, pi: Array, eps: Array) -> Array:
    return _inflated(x, log_nb(x, mu, theta, eps), pi)[0]


@partial(_log_zinb.defjvp, symbolic_zeros=True)
def _log_zinb_jvp(primals: tuple[Array, ...], tangents: tuple[Tangent, ...]) -> tuple[Array, Array]:
    value, slopes = zinb_with_slopes(*primals)
    return value, tangent(value, slopes, tangents[:4])


def zinb_with_slopes(
    x: Array, mu: Array, theta: Array, pi: Array, eps: Array
) -> tuple[Array, list[Slope]]:
    """The value, and its derivatives in x, mu, theta and pi, each computed when called."""
    value, o = _inflated(x, log_nb(x, mu, theta, eps), pi)
    _, weight = weight_factors(o)
    slopes = weighted(weight, nb_slopes(x, mu, theta, eps))
    return value, [*slopes, partial(d_log_odds, o)]


def zinb_parameter_slopes(x: Array, mu: Array, theta: Array, pi: Array, eps: Array) -> list[Slope]:
    """The derivatives in mu, theta and pi, for where the value is not wanted.

    All that they take of the negative binomial's value is that at 0, which costs less. They are no
    functions to be differentiated in x.
    """
    zero = jnp.zeros((1,) * x.ndim, x.dtype)
    _, o = _inflated(x, log_nb(zero, mu, theta, eps), pi)
    _, weight = weight_factors(o)
    _, d_mu, d_theta = nb_slopes(x, mu, theta, eps)
    return [*weighted(weight, [d_mu, d_theta]), partial(d_log_odds, o)]


def _inflated(x: Array, nb: Array, pi: Array) -> tuple[Array, Odds]:
    # The point mass has log-probability 0 at x = 0 and -inf elsewhere, so that the difference of
    # the components is exact. Outside the support neither explains the count, and it is 0.
    outside = ~(x >= 0) | jnp.isnan(nb)
    point_mass = jnp.where(x == 0, 0.0, jnp.where(outside, nb, -jnp.inf))
    difference = jnp.where(x == 0, -nb, jnp.where(outside, 0.0, -jnp.inf))
    o = odds(difference, pi)
    return materialize(log_two_components(point_mass, nb, o))[0], o
