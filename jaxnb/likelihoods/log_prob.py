"""The log-probabilities under one pattern of names, that of the distribution functions.

`nb_log_prob` stands beside `nb_log_cdf`, `nb_log_sf`, `nb_cdf`, `nb_sf` and `nb_quantile`, and so
on for every distribution. They compute what `log_nb_positive` and its like do, whose names and
order of arguments are those of scvi-tools.
"""

from __future__ import annotations

from typing import Unpack

import jax.numpy as jnp

from jaxnb._names import MixtureNamesOfLogProb, ZeroInflationNameOfClasses, keywords
from jaxnb._types import Array, ArrayLike
from jaxnb.likelihoods.calls import log_probability
from jaxnb.likelihoods.hurdle import compiled_hurdle
from jaxnb.likelihoods.mixture import compiled_mixture, components
from jaxnb.likelihoods.negative_binomial import compiled_nb
from jaxnb.likelihoods.zero_inflated import compiled_zinb
from jaxnb.likelihoods.zero_truncated import compiled_zero_truncated

__all__ = [
    "hurdle_nb_log_prob",
    "mixture_nb_log_prob",
    "nb_log_prob",
    "poisson_log_prob",
    "zero_truncated_nb_log_prob",
    "zinb_log_prob",
    "zip_log_prob",
]


@keywords
def nb_log_prob(
    x: ArrayLike,
    mu: ArrayLike | None = None,
    theta: ArrayLike | None = None,
    *,
    log_mu: ArrayLike | None = None,
    log_theta: ArrayLike | None = None,
    eps: ArrayLike | None = None,
) -> Array:
    r"""Log-probability of counts under a negative binomial distribution.

    .. math::

        \log\frac{\Gamma(x+\theta)}{\Gamma(\theta)\,\Gamma(x+1)}
            + \theta\log\frac{\theta}{\theta+\mu} + x\log\frac{\mu}{\theta+\mu}

    with mean :math:`\mu` and variance :math:`\mu + \mu^2/\theta`. The arguments broadcast.

    Args:
        x: Counts, of any real, integer or boolean dtype.
        mu: Mean, mu >= 0.
        theta: Inverse dispersion, theta >= 0. Infinity is the Poisson distribution, 0 a point mass
            at zero.
        log_mu: log(mu), instead of `mu`: exact also where mu itself would under- or overflow.
        log_theta: log(theta), instead of `theta`.
        eps: Floor on `mu`; None for 1e-30 in float32 and 1e-290 in float64, 0 for none.

    Returns:
        Log-probabilities in the dtype that the floating arguments promote to, with derivatives in
        the parameters and in x. -inf for x < 0, NaN where an argument is NaN or a parameter
        negative. `log_nb_positive`, which computes the same, documents accuracy and limits.

    Raises:
        TypeError: A parameter is given on no scale or on both; an argument is complex, or a
            sparse matrix, a table or a tensor.
        ValueError: The shapes do not broadcast.
    """
    given = {"mu": (mu, log_mu), "theta": (theta, log_theta)}
    return log_probability(compiled_nb, "nb_log_prob", x, eps, **given)


@keywords
def poisson_log_prob(
    x: ArrayLike,
    mu: ArrayLike | None = None,
    *,
    log_mu: ArrayLike | None = None,
    eps: ArrayLike | None = None,
) -> Array:
    """Log-probability of counts under a Poisson distribution: `nb_log_prob`, theta = inf."""
    given = {"mu": (mu, log_mu), "theta": (jnp.inf, None)}
    return log_probability(compiled_nb, "poisson_log_prob", x, eps, **given)


@keywords
def zinb_log_prob(
    x: ArrayLike,
    mu: ArrayLike | None = None,
    theta: ArrayLike | None = None,
    zi_logits: ArrayLike | None = None,
    *,
    log_mu: ArrayLike | None = None,
    log_theta: ArrayLike | None = None,
    eps: ArrayLike | None = None,
    **other: Unpack[ZeroInflationNameOfClasses[ArrayLike]],
) -> Array:
    """Log-probability of counts under a zero-inflated negative binomial distribution.

    It is log(p [x = 0] + (1 - p) NB(x)), p the logistic function of `zi_logits`.

    Args:
        x: Counts, as in `nb_log_prob`.
        mu: Mean of the negative binomial part, mu >= 0.
        theta: Inverse dispersion, theta >= 0, infinity included.
        zi_logits: Log-odds of an extra zero, also as `pi`. -inf is the plain negative binomial,
            +inf a point mass at zero.
        log_mu: log(mu), instead of `mu`.
        log_theta: log(theta), instead of `theta`.
        eps: Floor on `mu`, as in `nb_log_prob`.

    Returns:
        Log-probabilities, as `nb_log_prob`; see `log_zinb_positive`, which computes the same.

    Raises:
        TypeError: `zi_logits` is missing; and as `nb_log_prob`.
        ValueError: The shapes do not broadcast.
    """
    given = {"mu": (mu, log_mu), "theta": (theta, log_theta)}
    return log_probability(compiled_zinb, "zinb_log_prob", x, eps, **given, zi_logits=zi_logits)


@keywords
def zip_log_prob(
    x: ArrayLike,
    mu: ArrayLike | None = None,
    zi_logits: ArrayLike | None = None,
    *,
    log_mu: ArrayLike | None = None,
    eps: ArrayLike | None = None,
    **other: Unpack[ZeroInflationNameOfClasses[ArrayLike]],
) -> Array:
    """Log-probability under a zero-inflated Poisson distribution: `zinb_log_prob`, theta = inf."""
    given = {"mu": (mu, log_mu), "theta": (jnp.inf, None)}
    return log_probability(compiled_zinb, "zip_log_prob", x, eps, **given, zi_logits=zi_logits)


@keywords
def mixture_nb_log_prob(
    x: ArrayLike,
    mu_1: ArrayLike | None = None,
    mu_2: ArrayLike | None = None,
    theta_1: ArrayLike | None = None,
    theta_2: ArrayLike | None = None,
    mixture_logits: ArrayLike | None = None,
    *,
    log_mu_1: ArrayLike | None = None,
    log_mu_2: ArrayLike | None = None,
    log_theta_1: ArrayLike | None = None,
    log_theta_2: ArrayLike | None = None,
    eps: ArrayLike | None = None,
    **other: Unpack[MixtureNamesOfLogProb[ArrayLike]],
) -> Array:
    """Log-probability of counts under a mixture of two negative binomials.

    It is log(p NB(x; mu_1, theta_1) + (1 - p) NB(x; mu_2, theta_2)), p the logistic function of
    `mixture_logits`.

    Args:
        x: Counts, as in `nb_log_prob`.
        mu_1: Mean of component 1, also as `mu1`; and so on for the next three.
        mu_2: Mean of component 2.
        theta_1: Inverse dispersion of component 1.
        theta_2: Inverse dispersion of component 2; that of component 1 if not given.
        mixture_logits: Log-odds of component 1, also as `pi_logits`, infinite or not.
        log_mu_1: log(mu_1), instead of `mu_1`; and so on.
        log_mu_2: log(mu_2).
        log_theta_1: log(theta_1).
        log_theta_2: log(theta_2).
        eps: Floor on both means, as in `nb_log_prob`.
        **other: The same parameters under their other names.

    Returns:
        Log-probabilities, as `nb_log_prob`; see `log_mixture_nb`, which computes the same.

    Raises:
        TypeError: `mixture_logits` is missing; and as `nb_log_prob`.
        ValueError: The shapes do not broadcast.
    """
    owner = "mixture_nb_log_prob"
    given = components(mu_1, mu_2, theta_1, theta_2, log_mu_1, log_mu_2, log_theta_1, log_theta_2)
    return log_probability(compiled_mixture, owner, x, eps, **given, mixture_logits=mixture_logits)


@keywords
def zero_truncated_nb_log_prob(
    x: ArrayLike,
    mu: ArrayLike | None = None,
    theta: ArrayLike | None = None,
    *,
    log_mu: ArrayLike | None = None,
    log_theta: ArrayLike | None = None,
    eps: ArrayLike | None = None,
) -> Array:
    """Log-probability of counts under a negative binomial without its zeros.

    The same as `log_zero_truncated_nb`, which documents it; `mu` is the mean before truncation.
    """
    owner = "zero_truncated_nb_log_prob"
    given = {"mu": (mu, log_mu), "theta": (theta, log_theta)}
    return log_probability(compiled_zero_truncated, owner, x, eps, **given)


@keywords
def hurdle_nb_log_prob(
    x: ArrayLike,
    mu: ArrayLike | None = None,
    theta: ArrayLike | None = None,
    zi_logits: ArrayLike | None = None,
    *,
    log_mu: ArrayLike | None = None,
    log_theta: ArrayLike | None = None,
    eps: ArrayLike | None = None,
    **other: Unpack[ZeroInflationNameOfClasses[ArrayLike]],
) -> Array:
    """Log-probability of counts under a hurdle model: a zero, or a zero-truncated NB count.

    The same as `log_hurdle_nb`, which documents it; `zi_logits`, also as `pi`, is the log-odds of a
    zero.
    """
    owner = "hurdle_nb_log_prob"
    given = {"mu": (mu, log_mu), "theta": (theta, log_theta)}
    return log_probability(compiled_hurdle, owner, x, eps, **given, zi_logits=zi_logits)
