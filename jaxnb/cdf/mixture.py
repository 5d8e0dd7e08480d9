"""The distribution functions of a mixture of two negative binomials."""

from __future__ import annotations

from typing import Unpack

import jax.numpy as jnp

from jaxnb._names import MixtureNames, keywords
from jaxnb._types import Array, ArrayLike
from jaxnb.cdf.calls import Given, log_tail, quantile
from jaxnb.cdf.two_components import MIXTURE
from jaxnb.likelihoods.mixture import components

__all__ = [
    "mixture_nb_cdf",
    "mixture_nb_log_cdf",
    "mixture_nb_log_sf",
    "mixture_nb_quantile",
    "mixture_nb_sf",
]


@keywords
def mixture_nb_log_cdf(
    x: ArrayLike,
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
    **other: Unpack[MixtureNames[ArrayLike]],
) -> Array:
    r"""Logarithm of the probability that a count from a mixture of two NBs is at most x.

    .. math::

        \log\left(\sigma(q)\, F(x; \mu_1, \theta_1) + \sigma(-q)\, F(x; \mu_2, \theta_2)\right)

    with :math:`\sigma` the logistic function, q = `pi_logits` and F as in `nb_log_cdf`. The
    arguments broadcast.

    Args:
        x: Any real number, as in `nb_log_cdf`.
        mu_1: Mean of component 1, mu_1 >= 0.
        mu_2: Mean of component 2, mu_2 >= 0.
        theta_1: Inverse dispersion of component 1, theta_1 >= 0.
        theta_2: Inverse dispersion of component 2; None for that of component 1.
        pi_logits: Log-odds of component 1, also as `mixture_logits`, infinite or not.
        log_mu_1: log(mu_1), instead of `mu_1`.
        log_mu_2: log(mu_2), instead of `mu_2`.
        log_theta_1: log(theta_1), instead of `theta_1`.
        log_theta_2: log(theta_2), instead of `theta_2`.
        **other: `mu1` for `mu_1`, and so on, as the class has them.

    Returns:
        The logarithm of the probability, in the dtype that the floating arguments promote to. Edges
        and derivatives as for `nb_log_cdf`.

    Raises:
        TypeError: `pi_logits` is missing; and as `nb_log_cdf`.
        ValueError: The shapes do not broadcast.
    """
    given = _given(
        mu_1, mu_2, theta_1, theta_2, pi_logits, log_mu_1, log_mu_2, log_theta_1, log_theta_2
    )
    return log_tail(MIXTURE, "mixture_nb_log_cdf", False, x, **given)


@keywords
def mixture_nb_log_sf(
    x: ArrayLike,
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
    **other: Unpack[MixtureNames[ArrayLike]],
) -> Array:
    """Logarithm of the probability that a count exceeds x; otherwise as `mixture_nb_log_cdf`."""
    given = _given(
        mu_1, mu_2, theta_1, theta_2, pi_logits, log_mu_1, log_mu_2, log_theta_1, log_theta_2
    )
    return log_tail(MIXTURE, "mixture_nb_log_sf", True, x, **given)


@keywords
def mixture_nb_cdf(
    x: ArrayLike,
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
    **other: Unpack[MixtureNames[ArrayLike]],
) -> Array:
    """Probability that a count is at most x: the exponential of `mixture_nb_log_cdf`."""
    given = _given(
        mu_1, mu_2, theta_1, theta_2, pi_logits, log_mu_1, log_mu_2, log_theta_1, log_theta_2
    )
    return jnp.exp(log_tail(MIXTURE, "mixture_nb_cdf", False, x, **given))


@keywords
def mixture_nb_sf(
    x: ArrayLike,
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
    **other: Unpack[MixtureNames[ArrayLike]],
) -> Array:
    """Probability that a count exceeds x: the exponential of `mixture_nb_log_sf`."""
    given = _given(
        mu_1, mu_2, theta_1, theta_2, pi_logits, log_mu_1, log_mu_2, log_theta_1, log_theta_2
    )
    return jnp.exp(log_tail(MIXTURE, "mixture_nb_sf", True, x, **given))


@keywords
def mixture_nb_quantile(
    q: ArrayLike | None = None,
    mu_1: ArrayLike | None = None,
    mu_2: ArrayLike | None = None,
    theta_1: ArrayLike | None = None,
    theta_2: ArrayLike | None = None,
    pi_logits: ArrayLike | None = None,
    *,
    log_q: ArrayLike | None = None,
    upper: bool = False,
    log_mu_1: ArrayLike | None = None,
    log_mu_2: ArrayLike | None = None,
    log_theta_1: ArrayLike | None = None,
    log_theta_2: ArrayLike | None = None,
    **other: Unpack[MixtureNames[ArrayLike]],
) -> Array:
    """The smallest count at which F reaches q, as `nb_quantile`.

    The parameters are those of `mixture_nb_log_cdf`.
    """
    given = _given(
        mu_1, mu_2, theta_1, theta_2, pi_logits, log_mu_1, log_mu_2, log_theta_1, log_theta_2
    )
    return quantile(MIXTURE, "mixture_nb_quantile", q, log_q, upper, **given)


def _given(
    mu_1: ArrayLike | None,
    mu_2: ArrayLike | None,
    theta_1: ArrayLike | None,
    theta_2: ArrayLike | None,
    pi_logits: ArrayLike | None,
    log_mu_1: ArrayLike | None,
    log_mu_2: ArrayLike | None,
    log_theta_1: ArrayLike | None,
    log_theta_2: ArrayLike | None,
) -> dict[str, Given]:
    given = components(mu_1, mu_2, theta_1, theta_2, log_mu_1, log_mu_2, log_theta_1, log_theta_2)
    return given | {"pi_logits": pi_logits}
