"""The log-likelihood of a mixture of two negative binomials."""

from __future__ import annotations

from functools import partial
from typing import Unpack

import jax

from jaxnb._names import MixtureNames, keywords
from jaxnb._types import Array, ArrayLike
from jaxnb.likelihoods import primitives
from jaxnb.likelihoods.arguments import Given, Scales, floor_of, given_or, promote
from jaxnb.likelihoods.calls import log_probability
from jaxnb.likelihoods.mixture_kernel import MIXTURE

__all__ = ["compiled_mixture", "log_mixture_nb"]


@keywords
def log_mixture_nb(
    x: ArrayLike,
    mu_1: ArrayLike | None = None,
    mu_2: ArrayLike | None = None,
    theta_1: ArrayLike | None = None,
    theta_2: ArrayLike | None = None,
    pi_logits: ArrayLike | None = None,
    eps: ArrayLike | None = None,
    *,
    log_mu_1: ArrayLike | None = None,
    log_mu_2: ArrayLike | None = None,
    log_theta_1: ArrayLike | None = None,
    log_theta_2: ArrayLike | None = None,
    **other: Unpack[MixtureNames[ArrayLike]],
) -> Array:
    r"""Log-probability of counts under a mixture of two negative binomials.

    .. math::

        \log\left(\sigma(q)\,\mathrm{NB}(x; \mu_1, \theta_1)
            + \sigma(-q)\,\mathrm{NB}(x; \mu_2, \theta_2)\right)

    with :math:`\sigma` the logistic function and q = `pi_logits`. The arguments broadcast.

    Args:
        x: Counts, as in `log_nb_positive`.
        mu_1: Mean of component 1, mu_1 >= 0.
        mu_2: Mean of component 2, mu_2 >= 0.
        theta_1: Inverse dispersion of component 1, theta_1 >= 0.
        theta_2: Inverse dispersion of component 2. If neither it nor `log_theta_2` is given, it is
            that of component 1.
        pi_logits: Log-odds of component 1, also as `mixture_logits`, infinite or not.
        eps: Floor on both means, as in `log_nb_positive`.
        log_mu_1: log(mu_1), instead of `mu_1`; and so on.
        log_mu_2: log(mu_2).
        log_theta_1: log(theta_1).
        log_theta_2: log(theta_2).
        **other: `mu1` for `mu_1`, and so on, as the class has them.

    Returns:
        Log-probabilities in the dtype that the floating arguments promote to. Edges, derivatives
        and errors as for `log_nb_positive`; a component that cannot explain the count has weight 0.

    Raises:
        TypeError: `pi_logits` is missing; and as `log_nb_positive`.
        ValueError: The shapes do not broadcast.

    Accuracy of values as for `log_nb_positive`. The derivatives in means and thetas carry the error
    of each component's weight, which is that of the difference of two log-probabilities. The
    derivative in `pi_logits` vanishes with the latter; where the thetas are equal it is formed
    without cancellation.

    References:
        Gayoso et al. (2021), Joint probabilistic modeling of single-cell multi-omic data with
        totalVI, for the mixture of foreground and background counts.
    """
    theta = (theta_1, log_theta_1)
    given: dict[str, Given] = {
        "mu_1": (mu_1, log_mu_1),
        "mu_2": (mu_2, log_mu_2),
        "theta_1": theta,
        "theta_2": given_or((theta_2, log_theta_2), theta),
    }
    return log_probability(compiled_mixture, "log_mixture_nb", x, eps, **given, pi_logits=pi_logits)


@partial(jax.jit, static_argnums=0)
def compiled_mixture(
    scales: Scales,
    x: ArrayLike,
    mu_1: ArrayLike,
    mu_2: ArrayLike,
    theta_1: ArrayLike,
    theta_2: ArrayLike,
    pi_logits: ArrayLike,
    eps: ArrayLike | None,
) -> Array:
    """The log-probability of arguments that are checked."""
    result_type, arguments = promote(
        x=x, mu_1=mu_1, mu_2=mu_2, theta_1=theta_1, theta_2=theta_2, pi_logits=pi_logits
    )
    floor = floor_of(eps, arguments[0].dtype, *scales[:2])
    return primitives.value(MIXTURE, *arguments, floor, scales).astype(result_type)
