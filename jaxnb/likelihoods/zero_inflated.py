"""The zero-inflated negative binomial log-likelihood."""

from __future__ import annotations

from functools import partial
from typing import Unpack

import jax

from jaxnb._names import ZeroInflationName, keywords
from jaxnb._types import Array, ArrayLike
from jaxnb.likelihoods import primitives
from jaxnb.likelihoods.arguments import Scales, floor_of, promote
from jaxnb.likelihoods.calls import log_probability
from jaxnb.likelihoods.zero_inflated_kernel import ZERO_INFLATED

__all__ = ["compiled_zinb", "log_zinb_positive"]


@keywords
def log_zinb_positive(
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
    r"""Log-probability of counts under a zero-inflated negative binomial distribution.

    .. math::

        \log\left(\sigma(\pi)\,[x = 0] + \sigma(-\pi)\,\mathrm{NB}(x; \mu, \theta)\right)

    with :math:`\sigma` the logistic function. The arguments broadcast.

    Args:
        x: Counts, as in `log_nb_positive`.
        mu: Mean of the negative binomial part, mu >= 0.
        theta: Inverse dispersion, theta >= 0, infinity included.
        pi: Log-odds of an extra zero, also as `zi_logits`, infinite or not: -inf is the plain
            negative binomial, +inf a point mass at zero.
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
    given = {"mu": (mu, log_mu), "theta": (theta, log_theta)}
    return log_probability(compiled_zinb, "log_zinb_positive", x, eps, **given, pi=pi)


@partial(jax.jit, static_argnums=0)
def compiled_zinb(
    scales: Scales,
    x: ArrayLike,
    mu: ArrayLike,
    theta: ArrayLike,
    pi: ArrayLike,
    eps: ArrayLike | None,
) -> Array:
    """The log-probability of arguments that are checked."""
    result_type, arguments = promote(x=x, mu=mu, theta=theta, pi=pi)
    floor = floor_of(eps, arguments[0].dtype, scales[0])
    return primitives.value(ZERO_INFLATED, *arguments, floor, scales).astype(result_type)
