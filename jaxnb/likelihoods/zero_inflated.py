"""The zero-inflated negative binomial log-likelihood."""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp

from jaxnb._materialize import materialize
from jaxnb._types import Array, ArrayLike
from jaxnb.likelihoods.arguments import (
    Scales,
    floor_of,
    on_scales,
    promote,
    refuse_tables,
    required,
)
from jaxnb.likelihoods.derivatives import Derivative, Tangent, tangent
from jaxnb.likelihoods.negative_binomial import log_nb, nb_derivatives
from jaxnb.likelihoods.two_components import (
    d_log_odds,
    log_two_components,
    weight_factors,
    weighted,
)

__all__ = ["log_zinb_positive", "zinb_parameter_derivatives", "zinb_with_derivatives"]


def log_zinb_positive(
    x: ArrayLike,
    mu: ArrayLike | None = None,
    theta: ArrayLike | None = None,
    pi: ArrayLike | None = None,
    eps: ArrayLike | None = None,
    *,
    log_mu: ArrayLike | None = None,
    log_theta: ArrayLike | None = None,
) -> Array:
    r"""Log-probability of counts under a zero-inflated negative binomial distribution.

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
        log_mu: log(mu), instead of `mu`.
        log_theta: log(theta), instead of `theta`.

    Returns:
        Log-probabilities in the dtype that the floating arguments promote to. Edges, derivatives
        and errors as for `log_nb_positive`.

    Raises:
        TypeError: `pi` is missing; and as `log_nb_positive`.
        ValueError: The shapes do not broadcast.

    Accuracy of values as for `log_nb_positive`. Derivatives have a relative error below 1e-5
    (float32) for 99 in 100 typical arguments, and nowhere the wrong sign.

    References:
        Lopez et al. (2018), Deep generative modeling for single-cell transcriptomics.
    """
    owner = "log_zinb_positive"
    refuse_tables(x=x)
    parameters, scales = on_scales(owner, mu=(mu, log_mu), theta=(theta, log_theta))
    pi = required(owner, pi=pi)
    value: Array = _log_zinb_positive(scales, x, *parameters, pi, eps)
    return value


@partial(jax.jit, static_argnums=0)
def _log_zinb_positive(
    scales: Scales,
    x: ArrayLike,
    mu: ArrayLike,
    theta: ArrayLike,
    pi: ArrayLike,
    eps: ArrayLike | None,
) -> Array:
    result_type, (x, mu, theta, pi) = promote(x=x, mu=mu, theta=theta, pi=pi)
    floor = floor_of(eps, mu.dtype, scales[0])
    return _log_zinb(scales, x, mu, theta, pi, floor).astype(result_type)


_Arguments = tuple[Array, Array, Array, Array, Array]


@partial(jax.custom_jvp, nondiff_argnums=(0,))
def _log_zinb(scales: Scales, x: Array, mu: Array, theta: Array, pi: Array, eps: Array) -> Array:
    return _inflated(x, log_nb(x, mu, theta, eps, scales), pi)


@partial(_log_zinb.defjvp, symbolic_zeros=True)
def _log_zinb_jvp(
    scales: Scales, primals: _Arguments, tangents: tuple[Tangent, ...]
) -> tuple[Array, Array]:
    value, derivatives = zinb_with_derivatives(*primals, scales)
    return value, tangent(value, derivatives, tangents[:4])


def zinb_with_derivatives(
    x: Array, mu: Array, theta: Array, pi: Array, eps: Array, scales: Scales
) -> tuple[Array, list[Derivative]]:
    """The value, and its derivatives in x, mu, theta and pi, each computed when called."""
    nb = log_nb(x, mu, theta, eps, scales)
    return _inflated(x, nb, pi), _derivatives(x, mu, theta, pi, eps, scales, nb)


def zinb_parameter_derivatives(
    x: Array, mu: Array, theta: Array, pi: Array, eps: Array, scales: Scales
) -> list[Derivative]:
    """The values of the derivatives in mu, theta and pi, for where nothing else is wanted.

    All that they take of the negative binomial's value is that at 0, which costs less. They must
    not be differentiated: their own derivative in x is wrong. `zinb_with_derivatives` has those.
    """
    zero = jnp.zeros((1,) * x.ndim, x.dtype)
    nb = log_nb(zero, mu, theta, eps, scales)
    return _derivatives(x, mu, theta, pi, eps, scales, nb)[1:]


def _derivatives(
    x: Array, mu: Array, theta: Array, pi: Array, eps: Array, scales: Scales, nb: Array
) -> list[Derivative]:
    difference = _difference(x, nb)
    _, weight = weight_factors(difference, pi)
    of_nb = weighted(weight, nb_derivatives(x, mu, theta, eps, scales))
    return [*of_nb, lambda: materialize(d_log_odds(difference, pi))[0]]


def _inflated(x: Array, nb: Array, pi: Array) -> Array:
    point_mass = jnp.where(x == 0, 0.0, jnp.where(_unexplained(x, nb), nb, -jnp.inf))
    return materialize(log_two_components(point_mass, nb, _difference(x, nb), pi))[0]


def _difference(x: Array, nb: Array) -> Array:
    """The log-probability of x under the point mass, less that under the negative binomial.

    The former is 0 at x = 0 and -inf elsewhere, so that the difference is exact. Where neither
    explains the count it is 0.
    """
    return jnp.where(x == 0, -nb, jnp.where(_unexplained(x, nb), 0.0, -jnp.inf))


def _unexplained(x: Array, nb: Array) -> Array:
    """Outside the support of both components, or NaN."""
    return ~(x >= 0) | jnp.isnan(nb)
